/// How to make lost rows again: the rows to read and, for each lost row, one coefficient per row read.
public struct RepairPlan: Sendable, Hashable {
    public let reads: [Row]
    public let lost: [Row]
    /// `coefficients[i][j]` multiplies `reads[j]` in the sum that is `lost[i]`.
    public let coefficients: [[UInt8]]

    /// A cheap way to make `lost` from `available`; nil when they do not span it.
    ///
    /// A code is its generator matrix and a repair is a linear combination. As long as some lost row follows from its own
    /// group, the one that needs the fewest more reads is made that way: a data column from a local parity over it and
    /// the other columns there, a parity from those of the same index that it adds up with, or from its columns. What is
    /// left is made from everything at once: other data first, then local parities, then the others. What
    /// has been read is used before anything is added, and what turns out not to be needed is not read.
    ///
    /// So one loss of `lrc:12+2+2` costs 6 reads, a global parity 12, and two data columns in different groups 6 each; a
    /// Reed–Solomon loss costs k. The rows read are independent: never more than there are columns.
    /// - Complexity: one elimination, of `available · columns²` field multiplications and as many for each row lost; smaller
    ///   ones, of the rows of one group each, no more than the square of the lost rows.
    public static func make(lost: [Row], available: [Row], columns: Range<Int>) -> RepairPlan? {
        let candidates = Set(available).subtracting(lost).sorted()
        var span = Span(columns: columns)
        var left = lost
        while true {
            left.removeAll { span.combination(of: $0) != nil }
            let ways = left.flatMap { row in
                ownGroups(of: row, among: candidates, columns).compactMap { span.additions(reaching: [row], from: $0) }
            }
            guard let cheapest = ways.min(by: { $0.count < $1.count }) else { break }
            for row in cheapest { span.add(row) }
        }
        let everything = candidates.sorted { (width(of: $0, columns), $0) < (width(of: $1, columns), $1) }
        guard let rest = span.additions(reaching: left, from: everything) else { return nil }
        for row in rest { span.add(row) }
        let reads = span.rows.indices.sorted { span.rows[$0] < span.rows[$1] }
        return RepairPlan(
            reads: reads.map { span.rows[$0] }, lost: lost,
            coefficients: lost.map { row in
                // Everything lost is in the span by now.
                let combination = span.combination(of: row) ?? []
                return reads.map { combination[$0] }
            })
    }

    /// The sets of rows from which `row` may follow without the rest of the block.
    private static func ownGroups(of row: Row, among candidates: [Row], _ columns: Range<Int>) -> [[Row]] {
        func data(in span: Range<Int>) -> [Row] {
            candidates.filter { if case .data(let column) = $0 { span.contains(column) } else { false } }
        }
        switch row {
        case .data(let lost):
            return candidates.compactMap { candidate in
                guard case .parity(_, let span) = candidate, span.contains(lost), span.count < columns.count else {
                    return nil
                }
                return [candidate] + data(in: span)
            }
        case .parity(let index, let span):
            let related = candidates.filter {
                if case .parity(index, _) = $0 { true } else { false }
            }
            // All data and nothing else is no group.
            return related.isEmpty && span.count >= columns.count ? [] : [related + data(in: span)]
        }
    }

    /// Data, then parity over some columns, then parity over all.
    private static func width(of row: Row, _ columns: Range<Int>) -> Int {
        switch row {
        case .data: 0
        case .parity(_, let span): span.count < columns.count ? 1 : 2
        }
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
