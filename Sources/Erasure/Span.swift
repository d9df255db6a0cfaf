/// A growing set of independent rows in echelon form, each with the combination of added rows that it is.
struct Span {
    private struct Pivot {
        let column: Int
        let vector: [UInt8]
        /// One factor for each row added up to then.
        let factors: [UInt8]
    }

    let columns: Range<Int>
    /// The independent rows, in the order in which they were added.
    private(set) var rows: [Row] = []
    private var pivots: [Pivot] = []

    init(columns: Range<Int>) { self.columns = columns }

    /// Adds `row`; false when it depends on those before.
    @discardableResult
    mutating func add(_ row: Row) -> Bool {
        var (vector, factors) = reduce(row)
        guard let column = vector.firstIndex(where: { $0 != 0 }) else { return false }
        let scale = GaloisField.inverse(of: vector[column])
        vector = vector.map { GaloisField.multiply($0, scale) }
        factors = (factors + [1]).map { GaloisField.multiply($0, scale) }
        rows.append(row)
        pivots.append(Pivot(column: column, vector: vector, factors: factors))
        return true
    }

    /// For each of `rows` the factor with which they add up to `row`; nil when it is not in the span.
    func combination(of row: Row) -> [UInt8]? {
        let (rest, factors) = reduce(row)
        return rest.allSatisfy { $0 == 0 } ? factors : nil
    }

    /// Which of `candidates`, added in their order, bring all of `targets` into the span; nil where all together do not.
    /// Those that turn out not to be needed are left out.
    func additions(reaching targets: [Row], from candidates: some Sequence<Row>) -> [Row]? {
        var trial = self
        var found = targets.map { trial.combination(of: $0) }
        for candidate in candidates where found.contains(nil) {
            guard trial.add(candidate) else { continue }
            for (index, target) in targets.enumerated() where found[index] == nil {
                found[index] = trial.combination(of: target)
            }
        }
        var needed: Set<Int> = []
        for combination in found {
            guard let combination else { return nil }
            needed.formUnion(combination.indices.filter { combination[$0] != 0 })
        }
        return (rows.count..<trial.rows.count).filter(needed.contains).map { trial.rows[$0] }
    }

    /// What is left of `row` after the pivots, and the combination that was taken away (in
    /// characteristic 2 also: that makes up the difference).
    private func reduce(_ row: Row) -> ([UInt8], [UInt8]) {
        var vector = CodingMatrix.generatorRow(of: row, columns: columns)
        var combination = [UInt8](repeating: 0, count: rows.count)
        for pivot in pivots where vector[pivot.column] != 0 {
            let scale = vector[pivot.column]
            for index in vector.indices { vector[index] ^= GaloisField.multiply(pivot.vector[index], scale) }
            for (index, factor) in pivot.factors.enumerated() {
                combination[index] ^= GaloisField.multiply(factor, scale)
            }
        }
        return (vector, combination)
    }
}
