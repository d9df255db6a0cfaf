import XCTest

@testable import Erasure

/// A block's shards in memory: seeded data, and any row of it by the scalar oracle.
struct Stripe {
    let columns: Range<Int>
    let byteCount: Int
    private let data: [[UInt8]]

    init(columns: Range<Int>, byteCount: Int) {
        self.columns = columns
        self.byteCount = byteCount
        var random = Random(seed: UInt64(byteCount + columns.count))
        data = columns.map { _ in (0..<byteCount).map { _ in UInt8(truncatingIfNeeded: random.next()) } }
    }

    /// A row of the matrix applied byte by byte.
    func shard(_ row: Row) -> [UInt8] {
        if case .data(let column) = row { return data[column - columns.lowerBound] }
        var result = [UInt8](repeating: 0, count: byteCount)
        for (column, bytes) in zip(columns, data) {
            let factor = CodingMatrix.factor(of: row, column: column)
            if factor == 0 { continue }
            for index in result.indices { result[index] ^= GaloisField.multiply(factor, bytes[index]) }
        }
        return result
    }

    /// What ISA-L makes of the plan.
    func results(of plan: RepairPlan) -> [[UInt8]] {
        XCTAssertLessThanOrEqual(plan.reads.count, columns.count)
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: (plan.reads.count + plan.lost.count) * byteCount + 1, alignment: 64)
        defer { memory.deallocate() }
        // One byte off: nothing may depend on alignment.
        func part(_ index: Int) -> UnsafeMutableRawBufferPointer {
            UnsafeMutableRawBufferPointer(rebasing: memory[(1 + index * byteCount)..<(1 + (index + 1) * byteCount)])
        }
        for (index, row) in plan.reads.enumerated() { part(index).copyBytes(from: shard(row)) }
        Rebuilder(plan).rebuild(
            from: plan.reads.indices.map { UnsafeRawBufferPointer(part($0)) },
            into: plan.lost.indices.map { part(plan.reads.count + $0) })
        return plan.lost.indices.map { Array(part(plan.reads.count + $0)) }
    }

    /// The lost rows rebuilt from the others of `rows`; nil when there is no plan.
    func rebuilt(_ lost: [Row], of rows: [Row]) -> [[UInt8]]? {
        let available = rows.filter { !lost.contains($0) }
        guard let plan = RepairPlan.make(lost: lost, available: available, columns: columns) else { return nil }
        XCTAssertTrue(Set(plan.reads).isSubset(of: available))
        return results(of: plan)
    }
}

struct Random {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 33
    }

    /// So many of `rows`.
    mutating func choose(_ count: Int, of rows: [Row]) -> [Row] {
        var left = rows
        return (0..<count).map { _ in left.remove(at: Int(next() % UInt64(left.count))) }
    }
}

func subsets(_ rows: some Collection<Row>, _ size: Int) -> [[Row]] {
    guard size > 0 else { return [[]] }
    var rest = Array(rows)
    var result: [[Row]] = []
    while !rest.isEmpty {
        let first = rest.removeFirst()
        result += subsets(rest, size - 1).map { [first] + $0 }
    }
    return result
}
