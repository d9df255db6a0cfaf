import XCTest

@testable import Erasure

/// Locally repairable codes: what they survive, and what a repair reads.
final class LocalCodeTests: XCTestCase {
    /// Sets of four lost rows that decode, of all there are: the most that is possible with these shapes. A set decodes where no more
    /// than two losses are left after each group has made good one of its own.
    private static let fourLosses: [String: (decodable: Int, all: Int)] = [
        "lrc:6+2+2": (180, 210), "lrc:8+2+2": (425, 495), "lrc:10+2+2": (861, 1001),
        "lrc:12+2+2": (1568, 1820),
        "lrc:14+2+2": (2640, 3060), "lrc:16+2+2": (4185, 4845),
    ]

    func testEveryLossOfThreeDecodesAndAsManyOfFourAsCan() throws {
        for (text, expected) in Self.fourLosses {
            let profile = try Profile(text)
            XCTAssertEqual(profile.tolerance, 3)
            func decodes(_ lost: [Row]) -> Bool {
                spans(Set(profile.rows).subtracting(lost), columns: profile.columns)
            }
            XCTAssertTrue(subsets(profile.rows, 3).allSatisfy(decodes), text)
            let four = subsets(profile.rows, 4)
            XCTAssertEqual(four.count, expected.all)
            XCTAssertEqual(four.filter(decodes).count, expected.decodable, text)
        }
    }

    func testTheToleranceIsGPlusOneWhateverTheShape() throws {
        for data in 2...8 {
            for groups in 2...data where data.isMultiple(of: groups) {
                for globals in 1...3 {
                    let profile = try Profile(dataShards: data, localGroups: groups, globalParities: globals)
                    func decodes(_ lost: [Row]) -> Bool {
                        spans(Set(profile.rows).subtracting(lost), columns: profile.columns)
                    }
                    XCTAssertTrue(subsets(profile.rows, globals + 1).allSatisfy(decodes), "\(profile)")
                    XCTAssertFalse(subsets(profile.rows, globals + 2).allSatisfy(decodes), "\(profile)")
                    XCTAssertEqual(lossesSurvived(profile.rows, columns: profile.columns), globals + 1)
                }
            }
        }
    }

    func testEveryLossComesBackByteForByteExactlyWhereTheRankSaysSo() throws {
        let profile = try Profile("lrc:6+2+2")
        let stripe = Stripe(columns: profile.columns, byteCount: 37)
        for count in 1...4 {
            for lost in subsets(profile.rows, count) {
                let left = Set(profile.rows).subtracting(lost)
                let expected = spans(left, columns: profile.columns) ? lost.map(stripe.shard) : nil
                XCTAssertEqual(stripe.rebuilt(lost, of: profile.rows), expected, "\(lost)")
            }
        }
        var random = Random(seed: 7)
        for text in Self.fourLosses.keys.sorted() {
            let profile = try Profile(text)
            let stripe = Stripe(columns: profile.columns, byteCount: 65)
            for number in 0..<60 {
                let lost = random.choose(3 + number % 2, of: profile.rows)
                let left = Set(profile.rows).subtracting(lost)
                let expected = spans(left, columns: profile.columns) ? lost.map(stripe.shard) : nil
                XCTAssertEqual(stripe.rebuilt(lost, of: profile.rows), expected, "\(text) seed 7 \(lost)")
            }
        }
    }

    /// The reads of the plan for `lost`, which yields the right bytes.
    private func reads(_ text: String, without lost: [Row]) throws -> [Row] {
        let profile = try Profile(text)
        let available = profile.rows.filter { !lost.contains($0) }
        let plan = try XCTUnwrap(RepairPlan.make(lost: lost, available: available, columns: profile.columns))
        let stripe = Stripe(columns: profile.columns, byteCount: 29)
        XCTAssertEqual(stripe.results(of: plan), lost.map(stripe.shard))
        return plan.reads
    }

    private func data(_ columns: Range<Int>, without lost: Int...) -> [Row] {
        columns.filter { !lost.contains($0) }.map { .data(column: $0) }
    }

    func testOneLossReadsItsGroup() throws {
        let local = [Row.parity(index: 0, columns: 0..<6), .parity(index: 0, columns: 6..<12)]
        for column in 0..<12 {
            let group = column / 6
            XCTAssertEqual(
                try reads("lrc:12+2+2", without: [.data(column: column)]),
                data(group * 6..<group * 6 + 6, without: column) + [local[group]])
        }
        XCTAssertEqual(try reads("lrc:12+2+2", without: [local[0]]), data(0..<6))
        XCTAssertEqual(try reads("lrc:12+2+2", without: [local[1]]), data(6..<12))
        XCTAssertEqual(try reads("lrc:12+2+2", without: [.parity(index: 1, columns: 0..<12)]), data(0..<12))
    }

    func testLossesInDifferentGroupsAreRepairedEachInItsOwn() throws {
        let columns = 0..<12
        let lost = [Row.data(column: 2), .data(column: 9)]
        let rows = try Profile("lrc:12+4+2").rows
        let plan = try XCTUnwrap(
            RepairPlan.make(lost: lost, available: rows.filter { !lost.contains($0) }, columns: columns))
        XCTAssertEqual(
            plan.reads,
            data(0..<2) + [.data(column: 10), .data(column: 11)] + [
                .parity(index: 0, columns: 0..<3), .parity(index: 0, columns: 9..<12),
            ])
        for (row, coefficients) in zip(lost, plan.coefficients) {
            let used = zip(plan.reads, coefficients).filter { $0.1 != 0 }.map(\.0)
            XCTAssertEqual(used.count, 3, "\(row) from its own group alone")
        }
        // One lost in one group, two in another: the first is made locally, the others with a global parity.
        XCTAssertEqual(
            try reads("lrc:12+2+2", without: [.data(column: 0), .data(column: 1), .data(column: 6)]),
            data(2..<12, without: 6) + [
                .parity(index: 0, columns: 0..<6), .parity(index: 0, columns: 6..<12),
                .parity(index: 1, columns: columns),
            ])
        // What was read for the one serves the other.
        XCTAssertEqual(
            try reads("lrc:12+2+2", without: [.data(column: 0), .parity(index: 2, columns: columns)]),
            data(1..<12) + [.parity(index: 0, columns: 0..<6)])
    }

    func testWhatARepairReadsIsNeverMoreThanTheDataAndLocalWhereItCanBe() throws {
        let profile = try Profile("lrc:6+3+2")
        for count in 1...3 {
            for lost in subsets(profile.rows, count) {
                let groups = lost.map { row -> Int? in
                    switch row {
                    case .data(let column): column / 2
                    case .parity(0, let span): span.lowerBound / 2
                    case .parity: nil
                    }
                }
                let isLocal = !groups.contains(nil) && Set(groups).count == count
                let plan = try XCTUnwrap(
                    RepairPlan.make(
                        lost: lost, available: profile.rows.filter { !lost.contains($0) }, columns: profile.columns))
                if isLocal {
                    XCTAssertEqual(plan.reads.count, 2 * count, "\(lost)")
                } else {
                    XCTAssertLessThanOrEqual(plan.reads.count, 6, "\(lost)")
                }
            }
        }
    }

    /// Every set of rows of some small shapes, against all losses.
    func testLossesSurvivedAreExact() throws {
        for text in ["lrc:4+2+1", "lrc:4+2+2", "lrc:3+3+1", "rs:4+2"] {
            let profile = try Profile(text)
            // What is left after a conversion was broken off has both kinds of row 0.
            let rows = profile.rows + (profile.localGroups > 0 ? [.parity(index: 0, columns: profile.columns)] : [])
            for pattern in 0..<(1 << rows.count) {
                let some = rows.indices.filter { pattern >> $0 & 1 == 1 }.map { rows[$0] }
                var survived = -1
                while survived < some.count,
                    subsets(some, survived + 1).allSatisfy({ lost in
                        spans(Set(some).subtracting(lost), columns: profile.columns)
                    })
                {
                    survived += 1
                }
                XCTAssertEqual(lossesSurvived(some, columns: profile.columns), survived, "\(text) \(some.map(\.name))")
            }
        }
    }

    func testWithFewDevicesTheFirstRowsProtectAsWellAsAny() throws {
        let profile = try Profile("lrc:6+2+2")
        for count in 6..<10 {
            let first = lossesSurvived(profile.rows.prefix(count), columns: profile.columns)
            XCTAssertEqual(first, min(count - 6, 2))
            let others = subsets(profile.rows, count).map { lossesSurvived($0, columns: profile.columns) }
            XCTAssertEqual(others.max(), first, "of \(count)")
        }
    }
}
