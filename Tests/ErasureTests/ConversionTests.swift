import XCTest

@testable import Erasure

/// Parity of one profile made into that of another.
final class ConversionTests: XCTestCase {
    /// Converts, compares what was made with what encoding makes, and decodes with the result.
    private func convert(_ present: [Row], to wanted: [Row], columns: Range<Int>) throws -> Conversion {
        let conversion = try XCTUnwrap(Conversion(from: present, to: wanted, columns: columns))
        XCTAssertEqual(Set(conversion.kept + conversion.plan.lost), Set(wanted))
        XCTAssertEqual(Set(conversion.kept + conversion.dropped), Set(present))
        XCTAssertTrue(Set(conversion.plan.reads).isSubset(of: present))
        let stripe = Stripe(columns: columns, byteCount: 71)
        var shards = Dictionary(uniqueKeysWithValues: conversion.kept.map { ($0, stripe.shard($0)) })
        for (row, bytes) in zip(conversion.plan.lost, stripe.results(of: conversion.plan)) {
            XCTAssertEqual(bytes, stripe.shard(row), row.name)
            shards[row] = bytes
        }
        let survived = lossesSurvived(wanted, columns: columns)
        var random = Random(seed: 3)
        for _ in 0..<20 {
            let lost = random.choose(survived, of: wanted)
            XCTAssertEqual(stripe.rebuilt(lost, of: wanted), lost.map { shards[$0] ?? [] })
        }
        return conversion
    }

    private func convert(_ old: String, to new: String) throws -> Conversion {
        let (old, new) = (try Profile(old), try Profile(new))
        return try convert(old.rows, to: new.rows, columns: old.columns)
    }

    private func data(_ columns: Range<Int>) -> [Row] { columns.map { .data(column: $0) } }

    func testParityIsAddedFromTheData() throws {
        let conversion = try convert("rs:10+2", to: "rs:10+4")
        XCTAssertEqual(conversion.dropped, [])
        XCTAssertEqual(conversion.plan.reads, data(0..<10))
        XCTAssertEqual(conversion.plan.lost.map(\.name), ["p02-00-0a", "p03-00-0a"])
    }

    func testParityIsAddedFromWhatThereIs() throws {
        let (old, new) = (try Profile("rs:6+3"), try Profile("rs:6+4"))
        let present = old.rows.filter { ![.data(column: 1), .data(column: 4)].contains($0) }
        let conversion = try convert(present, to: new.rows, columns: 0..<6)
        XCTAssertEqual(conversion.plan.reads.count, 6)
        XCTAssertEqual(conversion.plan.lost, [.data(column: 1), .data(column: 4), .parity(index: 3, columns: 0..<6)])
    }

    func testParityIsDroppedWithoutReading() throws {
        let conversion = try convert("rs:10+4", to: "rs:10+2")
        XCTAssertEqual(conversion.dropped.map(\.name), ["p02-00-0a", "p03-00-0a"])
        XCTAssertEqual(conversion.plan.reads, [])
    }

    func testReedSolomonBecomesLocalFromAllGroupsButOne() throws {
        for (old, new, size, groups) in [
            ("rs:12+3", "lrc:12+2+2", 6, 2), ("rs:6+3", "lrc:6+2+2", 3, 2), ("rs:12+3", "lrc:12+4+2", 3, 4),
        ] {
            let conversion = try convert(old, to: new)
            let columns = size * groups
            XCTAssertEqual(conversion.dropped, [.parity(index: 0, columns: 0..<columns)])
            XCTAssertEqual(
                conversion.plan.reads, data(0..<(columns - size)) + [.parity(index: 0, columns: 0..<columns)], new)
            XCTAssertEqual(conversion.plan.lost.count, groups)
        }
    }

    func testLocalBecomesReedSolomonFromTheLocalParitiesAlone() throws {
        for (old, new, groups) in [
            ("lrc:12+2+2", "rs:12+3", 2), ("lrc:12+4+2", "rs:12+3", 4), ("lrc:6+2+2", "rs:6+3", 2),
        ] {
            let conversion = try convert(old, to: new)
            XCTAssertEqual(conversion.plan.reads.count, groups, "\(old): no data")
            XCTAssertTrue(conversion.plan.reads.allSatisfy(\.isParity))
            XCTAssertEqual(conversion.plan.coefficients, [[UInt8](repeating: 1, count: groups)], "a sum")
            XCTAssertEqual(conversion.dropped, conversion.plan.reads)
        }
    }

    func testBlocksOnDisjointColumnsMergeByAddingTheirParities() throws {
        let half = try Profile("rs:6+3")
        let present = half.rows + half.rows(over: 6..<12)
        let whole = try convert(present, to: try Profile("rs:12+3").rows, columns: 0..<12)
        XCTAssertEqual(whole.plan.reads.count, 6, "no data")
        XCTAssertTrue(whole.plan.reads.allSatisfy(\.isParity))
        for (row, coefficients) in zip(whole.plan.lost, whole.plan.coefficients) {
            XCTAssertEqual(coefficients.filter { $0 != 0 }, [1, 1], row.name)
        }
        // The rows 0 of the halves are the local parities of the whole.
        let local = try convert(present, to: try Profile("lrc:12+2+2").rows, columns: 0..<12)
        XCTAssertEqual(local.plan.lost.map(\.name), ["p01-00-0c", "p02-00-0c"])
        XCTAssertEqual(local.plan.reads.count, 4)
        XCTAssertEqual(local.kept.filter(\.isParity).map(\.name), ["p00-00-06", "p00-06-0c"])
    }

    func testWhatIsNotDeterminedIsNotConverted() throws {
        let (old, new) = (try Profile("rs:6+2"), try Profile("rs:6+3"))
        XCTAssertNil(Conversion(from: old.rows.filter { $0 > .data(column: 2) }, to: new.rows, columns: 0..<6))
    }
}
