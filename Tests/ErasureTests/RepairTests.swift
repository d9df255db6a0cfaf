import XCTest

@testable import Erasure

final class RepairTests: XCTestCase {
    func testEveryLossUpToTheToleranceIsRebuiltByteForByte() throws {
        for text in ["rs:1+1", "rs:2+1", "rs:2+2", "rs:4+2", "rs:6+3"] {
            let profile = try Profile(text)
            let stripe = Stripe(columns: profile.columns, byteCount: 67)
            for count in 1...profile.parityShards {
                for lost in subsets(profile.rows, count) {
                    XCTAssertEqual(stripe.rebuilt(lost, of: profile.rows), lost.map(stripe.shard), "\(text) \(lost)")
                }
            }
        }
    }

    func testOneLossMoreHasNoPlanForTheDataAndTheRankSaysSo() throws {
        for text in ["rs:1+1", "rs:2+1", "rs:4+2", "rs:6+3"] {
            let profile = try Profile(text)
            let stripe = Stripe(columns: profile.columns, byteCount: 1)
            for lost in subsets(profile.rows, profile.parityShards + 1) {
                let left = profile.rows.filter { !lost.contains($0) }
                XCTAssertEqual(rank(of: left, columns: profile.columns), profile.dataShards - 1)
                XCTAssertFalse(spans(left, columns: profile.columns))
                XCTAssertNil(stripe.rebuilt(lost, of: profile.rows))
            }
        }
    }

    func testWideProfilesRebuildSampledLosses() throws {
        var random = Random(seed: 42)
        for text in ["rs:8+3", "rs:10+4", "rs:17+3", "rs:12+4", "rs:32+32", "rs:60+4", "lrc:48+4+4"] {
            let profile = try Profile(text)
            let stripe = Stripe(columns: profile.columns, byteCount: 33)
            for _ in 0..<20 {
                let lost = random.choose(profile.tolerance, of: profile.rows)
                XCTAssertEqual(stripe.rebuilt(lost, of: profile.rows), lost.map(stripe.shard), "\(text) seed 42")
            }
        }
    }

    func testEncodingEqualsTheOracleAtEveryAwkwardLength() throws {
        for text in ["rs:1+1", "rs:4+2", "rs:3+5", "lrc:6+2+2"] {
            let profile = try Profile(text)
            for byteCount in [0, 1, 31, 63, 64, 65, 127, 4097, 300_000] {
                let stripe = Stripe(columns: profile.columns, byteCount: byteCount)
                let parity = profile.rows.filter(\.isParity)
                let memory = UnsafeMutableRawBufferPointer.allocate(
                    byteCount: profile.shardCount * byteCount + 3, alignment: 64)
                defer { memory.deallocate() }
                func part(_ index: Int) -> UnsafeMutableRawBufferPointer {
                    UnsafeMutableRawBufferPointer(
                        rebasing: memory[(3 + index * byteCount)..<(3 + (index + 1) * byteCount)])
                }
                for (index, row) in profile.rows.enumerated() where !row.isParity {
                    part(index).copyBytes(from: stripe.shard(row))
                }
                Encoder(parity: parity, columns: profile.columns).encode(
                    profile.columns.map(part), into: parity.indices.map { part(profile.dataShards + $0) },
                    byteCount: byteCount)
                for (index, row) in parity.enumerated() {
                    XCTAssertEqual(Array(part(profile.dataShards + index)), stripe.shard(row), "\(text) \(byteCount)")
                }
            }
        }
    }
}
