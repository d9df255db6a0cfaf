/// The number of dimensions of the data that `rows` determine: enough are as many as there are columns.
///
/// "Enough shards" always means rows that span the data, never a count. Rows given twice count once.
/// - Complexity: data rows cost nothing; p parity rows and u missing columns cost p · u · min(p, u).
public func rank(of rows: some Sequence<Row>, columns: Range<Int>) -> Int {
    let rows = Set(rows)
    // Data rows are unit vectors: what is left to find out is what the parities say of the other columns.
    let missing = columns.filter { !rows.contains(.data(column: $0)) }
    if missing.isEmpty { return columns.count }
    var vectors = rows.filter(\.isParity).map { row in missing.map { CodingMatrix.factor(of: row, column: $0) } }
    var found = 0
    for column in missing.indices {
        guard let pivot = vectors[found...].firstIndex(where: { $0[column] != 0 }) else { continue }
        vectors.swapAt(found, pivot)
        let inverse = GaloisField.inverse(of: vectors[found][column])
        for other in (found + 1)..<vectors.count where vectors[other][column] != 0 {
            let scale = GaloisField.multiply(vectors[other][column], inverse)
            for index in column..<missing.count {
                vectors[other][index] ^= GaloisField.multiply(vectors[found][index], scale)
            }
        }
        found += 1
        if found == vectors.count { break }
    }
    return columns.count - missing.count + found
}

/// Whether `rows` determine the data of a block of `columns`: their rank is the number of columns.
public func spans(_ rows: some Sequence<Row>, columns: Range<Int>) -> Bool {
    rank(of: rows, columns: columns) == columns.count
}

/// How many rows can be lost from `rows`, whichever they are, with the data of a block of `columns` still determined;
/// −1 when they are not now.
///
/// Exact for Reed–Solomon, for complete LRC blocks, and wherever there are not very many sets of losses to try, which
/// includes every state of the documented profiles. Else it may be less than the truth, never more.
/// - Complexity: ranks of up to some ten thousand sets of rows, where parts of an LRC block are missing.
public func lossesSurvived(_ rows: some Collection<Row>, columns: Range<Int>) -> Int {
    let rows = Set(rows).sorted()
    guard spans(rows, columns: columns) else { return -1 }
    let bounds = survivalBounds(rows, columns)
    var losses = bounds.lowerBound
    while losses < bounds.upperBound, choices(of: losses + 1, from: rows.count) <= 20_000,
        survivesEvery(losses + 1, of: rows, columns)
    {
        losses += 1
    }
    return losses
}

/// What can be said without trying.
private func survivalBounds(_ rows: [Row], _ columns: Range<Int>) -> ClosedRange<Int> {
    var wide: Set<Int> = []
    var narrow: [(index: Int, span: Range<Int>)] = []
    for case .parity(let index, let span) in rows {
        if span == columns { wide.insert(index) } else { narrow.append((index, span)) }
    }
    let data = Set(rows.filter { !$0.isParity })
    // At least: rows over all columns are rows of a Cauchy matrix, one for each missing column. Local parities of one index
    // over groups that make up all columns add one (the proof is at `Profile.tolerance`, with what is missing among the d).
    let groups = narrow.sorted { $0.span.lowerBound < $1.span.lowerBound }
    let index = groups.first?.index ?? 0
    let isPartition =
        groups.first?.span.lowerBound == columns.lowerBound && groups.last?.span.upperBound == columns.upperBound
        && zip(groups, groups.dropFirst()).allSatisfy { $0.span.upperBound == $1.span.lowerBound }
        && groups.allSatisfy { $0.index == index } && !wide.contains(index)
    let least = wide.count + (isPartition ? 1 : 0) - (columns.count - data.count)
    // At most: of the rows that say anything of some columns, as many must be left as there are such columns.
    func spare(_ some: Range<Int>) -> Int {
        wide.count + narrow.filter { $0.span.overlaps(some) }.count
            + some.filter { data.contains(.data(column: $0)) }.count - some.count
    }
    let most = ([columns] + narrow.map(\.span) + columns.map { $0..<($0 + 1) }).map(spare).min() ?? 0
    return max(0, least)...max(0, least, most)
}

private func choices(of count: Int, from total: Int) -> Int {
    var product = 1
    for number in 0..<count where product <= 1_000_000 { product = product * (total - number) / (number + 1) }
    return product
}

private func survivesEvery(_ losses: Int, of rows: [Row], _ columns: Range<Int>) -> Bool {
    var lost = Array(0..<losses)
    while true {
        let left = rows.indices.filter { !lost.contains($0) }.map { rows[$0] }
        guard spans(left, columns: columns) else { return false }
        guard let next = lost.indices.last(where: { lost[$0] < rows.count - losses + $0 }) else { return true }
        lost[next] += 1
        for following in (next + 1)..<losses { lost[following] = lost[following - 1] + 1 }
    }
}
