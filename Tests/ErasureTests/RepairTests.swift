import XCTest

@testable import Erasure

/// Shards in memory, made by the scalar oracle.
private struct Stripe {
    let profile: Profile
    let byteCount: Int
    var shards: [Row: [UInt8]] = [:]

    init(_ profile: Profile, byteCount: Int) {
        self.profile = profile
        self.byteCount = byteCount
        var state = UInt64(byteCount + profile.shardCount)
        for row in profile.rows where !row.isParity {
            shards[row] = (0..<byteCount).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return UInt8(truncatingIfNeeded: state >> 33)
            }
        }
        for row in profile.rows where row.isParity { shards[row] = oracle(row) }
    }

    /// A row of the matrix applied byte by byte.
    private func oracle(_ row: Row) -> [UInt8] {
        let factors = CodingMatrix.generatorRow(of: row, columns: profile.columns)
        var result = [UInt8](repeating: 0, count: byteCount)
        for (column, factor) in zip(profile.columns, factors) {
            guard let data = shards[.data(column: column)] else { continue }
            for index in result.indices { result[index] ^= GaloisField.multiply(factor, data[index]) }
        }
        return result
    }

    /// The lost rows rebuilt by ISA-L along the plan; nil when there is none.
    func rebuilt(_ lost: [Row]) -> [[UInt8]]? {
        let available = profile.rows.filter { !lost.contains($0) }
        guard let plan = RepairPlan.make(lost: lost, available: available, columns: profile.columns) else { return nil }
        XCTAssertLessThanOrEqual(plan.reads.count, profile.dataShards)
        XCTAssertTrue(plan.reads.allSatisfy { !lost.contains($0) })
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: (plan.reads.count + lost.count) * byteCount + 1, alignment: 64)
        defer { memory.deallocate() }
        // One byte off: nothing may depend on alignment.
        func part(_ index: Int) -> UnsafeMutableRawBufferPointer {
            UnsafeMutableRawBufferPointer(rebasing: memory[(1 + index * byteCount)..<(1 + (index + 1) * byteCount)])
        }
        for (index, row) in plan.reads.enumerated() { part(index).copyBytes(from: shards[row] ?? []) }
        Rebuilder(plan).rebuild(
            from: plan.reads.indices.map { UnsafeRawBufferPointer(part($0)) },
            into: lost.indices.map { part(plan.reads.count + $0) })
        return lost.indices.map { Array(part(plan.reads.count + $0)) }
    }
}

final class RepairTests: XCTestCase {
    private func subsets(_ rows: [Row], _ size: Int) -> [[Row]] {
        guard size > 0 else { return [[]] }
        return rows.indices.flatMap { index in
            subsets(Array(rows[(index + 1)...]), size - 1).map { [rows[index]] + $0 }
        }
    }

    func testEveryLossUpToTheToleranceIsRebuiltByteForByte() throws {
        for text in ["rs:1+1", "rs:2+1", "rs:2+2", "rs:4+2", "rs:6+3"] {
            let stripe = Stripe(try Profile(text), byteCount: 67)
            for count in 1...stripe.profile.parityShards {
                for lost in subsets(stripe.profile.rows, count) {
                    XCTAssertEqual(stripe.rebuilt(lost), lost.map { stripe.shards[$0] ?? [] }, "\(text) \(lost)")
                }
            }
        }
    }

    func testOneLossMoreHasNoPlanForTheDataAndTheRankSaysSo() throws {
        for text in ["rs:1+1", "rs:2+1", "rs:4+2", "rs:6+3"] {
            let stripe = Stripe(try Profile(text), byteCount: 1)
            for lost in subsets(stripe.profile.rows, stripe.profile.parityShards + 1) {
                let left = stripe.profile.rows.filter { !lost.contains($0) }
                XCTAssertFalse(spans(left, columns: stripe.profile.columns))
                XCTAssertNil(stripe.rebuilt(lost))
            }
        }
    }

    func testWideProfilesRebuildSampledLosses() throws {
        var state: UInt64 = 42
        for text in ["rs:8+3", "rs:10+4", "rs:17+3", "rs:12+4", "rs:32+32", "rs:60+4"] {
            let stripe = Stripe(try Profile(text), byteCount: 33)
            for _ in 0..<20 {
                var rows = stripe.profile.rows
                var lost: [Row] = []
                for _ in 0..<stripe.profile.parityShards {
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    lost.append(rows.remove(at: Int(state >> 33) % rows.count))
                }
                XCTAssertEqual(stripe.rebuilt(lost), lost.map { stripe.shards[$0] ?? [] }, "\(text) seed 42")
            }
        }
    }

    func testEncodingEqualsTheOracleAtEveryAwkwardLength() throws {
        for text in ["rs:1+1", "rs:4+2", "rs:3+5"] {
            let profile = try Profile(text)
            for byteCount in [0, 1, 31, 63, 64, 65, 127, 4097, 300_000] {
                let stripe = Stripe(profile, byteCount: byteCount)
                let parity = profile.rows.filter(\.isParity)
                let memory = UnsafeMutableRawBufferPointer.allocate(
                    byteCount: profile.shardCount * byteCount + 3, alignment: 64)
                defer { memory.deallocate() }
                func part(_ index: Int) -> UnsafeMutableRawBufferPointer {
                    UnsafeMutableRawBufferPointer(
                        rebasing: memory[(3 + index * byteCount)..<(3 + (index + 1) * byteCount)])
                }
                for (index, row) in profile.rows.enumerated() where !row.isParity {
                    part(index).copyBytes(from: stripe.shards[row] ?? [])
                }
                Encoder(parity: parity, columns: profile.columns).encode(
                    profile.columns.map(part), into: parity.indices.map { part(profile.dataShards + $0) },
                    byteCount: byteCount)
                for (index, row) in parity.enumerated() {
                    XCTAssertEqual(Array(part(profile.dataShards + index)), stripe.shards[row], "\(text) \(byteCount)")
                }
            }
        }
    }

    func testALocalParityIsPreferredToTheWholeStripe() throws {
        // Two local groups of three over six columns, as a later profile will have them.
        let local = [Row.parity(index: 0, columns: 0..<3), .parity(index: 0, columns: 3..<6)]
        let available = (1..<6).map { Row.data(column: $0) } + local + [.parity(index: 1, columns: 0..<6)]
        let plan = try XCTUnwrap(RepairPlan.make(lost: [.data(column: 0)], available: available, columns: 0..<6))
        XCTAssertEqual(plan.reads, [.data(column: 1), .data(column: 2), local[0]])
    }
}
