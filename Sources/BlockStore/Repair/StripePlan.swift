import Erasure

/// How the cells that some rows of a block lack follow from other cells. A pure function over values.
///
/// A stripe is the same cell of every row. Each stripe is a code word of its own, so what one lacks is made from the others of
/// it, by the plan that reads the fewest: damage in one place of a shard costs no more than that place of some others.
struct StripePlan {
    /// Stripes that lack the same rows and are made in the same way.
    struct Run: Hashable {
        let cells: Range<Int>
        let plan: RepairPlan
    }

    let runs: [Run]

    /// Plans to make what the `lacking` rows lack; nil when some stripe does not yield it.
    ///
    /// - Parameters:
    ///   - lacking: for each row to be made the cells that it lacks; its other cells may be used.
    ///   - sources: other rows, each with the cells of it that cannot be had.
    init?(lacking: [Row: Set<Int>], sources: [Row: Set<Int>], columns: Range<Int>, cellCount: Int) {
        var runs: [Run] = []
        var known: [[[Row]]: RepairPlan?] = [:]
        for cell in 0..<cellCount {
            let lost = lacking.keys.filter { lacking[$0]?.contains(cell) == true }
            guard !lost.isEmpty else { continue }
            let usable = (lacking.merging(sources) { lacks, _ in lacks }).filter { !$0.value.contains(cell) }.keys
                .sorted()
            let wanted = Self.provable(lost, usable, columns)
            let shape = [wanted, usable]
            let plan = known[shape] ?? RepairPlan.make(lost: wanted, available: usable, columns: columns)
            known[shape] = .some(plan)
            guard let plan else { return nil }
            if let last = runs.last, last.cells.upperBound == cell, last.plan == plan {
                runs[runs.count - 1] = Run(cells: last.cells.lowerBound..<(cell + 1), plan: plan)
            } else {
                runs.append(Run(cells: cell..<(cell + 1), plan: plan))
            }
        }
        self.runs = runs
    }

    /// With a parity the data are made that it covers and that are not there: only data can be compared with chunks.
    private static func provable(_ lost: [Row], _ usable: [Row], _ columns: Range<Int>) -> [Row] {
        var wanted = Set(lost)
        for case .parity(_, let span) in lost {
            for column in span where !usable.contains(.data(column: column)) { wanted.insert(.data(column: column)) }
        }
        return wanted.sorted()
    }

    /// Rows that are made, in order, with those beside the ones asked for.
    var made: [Row] { Set(runs.flatMap(\.plan.lost)).sorted() }
}
