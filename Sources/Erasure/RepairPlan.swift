/// How to make lost rows again: the rows to read and, for each lost row, one coefficient per row read.
public struct RepairPlan: Sendable, Hashable {
    public let reads: [Row]
    public let lost: [Row]
    /// `coefficients[i][j]` multiplies `reads[j]` in the sum that is `lost[i]`.
    public let coefficients: [[UInt8]]

    /// The cheapest way to make `lost` from `available`; nil when they do not span it.
    ///
    /// A code is its generator matrix and a repair is a linear combination: survivors join an
    /// elimination one by one, the most local first, until the lost rows are in their span; rows
    /// that turn out not to be needed are not read.
    /// - Complexity: `available² · columns`.
    public static func make(lost: [Row], available: [Row], columns: Range<Int>) -> RepairPlan? {
        let lostSet = Set(lost)
        let candidates = Array(Set(available).subtracting(lostSet)).sorted {
            (cost(of: $0, for: lost, columns), $0) < (cost(of: $1, for: lost, columns), $1)
        }
        var span = Span(columns: columns)
        var combinations: [[Row: UInt8]?] = lost.map { span.combination(of: $0) }
        for candidate in candidates where combinations.contains(nil) {
            guard span.add(candidate) else { continue }
            for (index, row) in lost.enumerated() where combinations[index] == nil {
                combinations[index] = span.combination(of: row)
            }
        }
        var found: [[Row: UInt8]] = []
        for combination in combinations {
            guard let combination else { return nil }
            found.append(combination)
        }
        let reads = Set(found.flatMap(\.keys)).sorted()
        return RepairPlan(
            reads: reads, lost: lost, coefficients: found.map { row in reads.map { row[$0] ?? 0 } })
    }

    /// Rows that share a narrow group with a lost one come first, then other data, then wide parity.
    private static func cost(of row: Row, for lost: [Row], _ columns: Range<Int>) -> Int {
        switch row {
        case .data: 1
        case .parity(_, let span): span.count < columns.count ? 0 : 2
        }
    }
}

/// Whether `rows` determine the data of a block of `columns`: their rank is the number of columns.
public func spans(_ rows: [Row], columns: Range<Int>) -> Bool {
    var span = Span(columns: columns)
    for row in rows {
        _ = span.add(row)
        if span.rank == columns.count { return true }
    }
    return span.rank == columns.count
}

/// A growing set of rows in echelon form, each with the combination of added rows it is made of.
private struct Span {
    private struct Pivot {
        let column: Int
        var vector: [UInt8]
        var combination: [Row: UInt8]
    }

    private let columns: Range<Int>
    private var pivots: [Pivot] = []

    init(columns: Range<Int>) { self.columns = columns }

    var rank: Int { pivots.count }

    /// Adds `row`; false when it depends on those before.
    mutating func add(_ row: Row) -> Bool {
        var (vector, combination) = reduce(CodingMatrix.generatorRow(of: row, columns: columns))
        combination[row] = 1
        guard let column = vector.firstIndex(where: { $0 != 0 }) else { return false }
        let scale = GaloisField.inverse(of: vector[column])
        vector = vector.map { GaloisField.multiply($0, scale) }
        combination = combination.mapValues { GaloisField.multiply($0, scale) }
        pivots.append(Pivot(column: column, vector: vector, combination: combination))
        return true
    }

    /// The combination of added rows that equals `row`; nil when it is not in the span.
    func combination(of row: Row) -> [Row: UInt8]? {
        let (rest, combination) = reduce(CodingMatrix.generatorRow(of: row, columns: columns))
        guard rest.allSatisfy({ $0 == 0 }) else { return nil }
        return combination.filter { $0.value != 0 }
    }

    /// What is left of `vector` after the pivots, and the combination that was taken away (in
    /// characteristic 2 also: that makes up the difference).
    private func reduce(_ vector: [UInt8]) -> ([UInt8], [Row: UInt8]) {
        var vector = vector
        var combination: [Row: UInt8] = [:]
        for pivot in pivots where vector[pivot.column] != 0 {
            let scale = vector[pivot.column]
            for index in vector.indices { vector[index] ^= GaloisField.multiply(pivot.vector[index], scale) }
            for (row, factor) in pivot.combination {
                combination[row, default: 0] ^= GaloisField.multiply(factor, scale)
            }
        }
        return (vector, combination)
    }
}

/// Carries out repair plans. Immutable: any thread, many at once.
public final class Rebuilder: Sendable {
    public let plan: RepairPlan
    private let kernel: Kernel

    public init(_ plan: RepairPlan) {
        self.plan = plan
        kernel = Kernel(plan.coefficients)
    }

    /// Rebuilds the lost rows.
    ///
    /// - Precondition: `sources` follow `plan.reads` and `rebuilt` follow `plan.lost` in order; every
    ///   buffer has the length of the first of `rebuilt`.
    /// - Complexity: `lost · reads · bytes` field multiplications, vectorised by ISA-L.
    /// - Note: Rebuilding does not authenticate: check digests afterwards.
    public func rebuild(from sources: [UnsafeRawBufferPointer], into rebuilt: [UnsafeMutableRawBufferPointer]) {
        guard let byteCount = rebuilt.first?.count else { return }
        kernel.apply(sources, rebuilt, byteCount)
    }
}
