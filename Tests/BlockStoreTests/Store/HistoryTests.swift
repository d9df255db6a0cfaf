import XCTest

@testable import BlockStore

/// How a store grew, of commits whose clocks may be wrong.
final class HistoryTests: XCTestCase {
    private func commit(_ seconds: Int64?, _ bytes: UInt64) -> CommitGrowth {
        CommitGrowth(seconds: seconds, versionBytes: bytes, shardBytes: bytes * 2)
    }

    func testGrowthIsASumOverTimeThatOnlyGoesForward() {
        let points = CommitGrowth.curve(
            [commit(nil, 1), commit(100, 2), commit(90, 3), commit(nil, 4), commit(200, 5)], points: 50)
        XCTAssertEqual(points.map(\.seconds), [100, 200])
        XCTAssertEqual(points.map(\.versionBytes), [10, 15])
        XCTAssertEqual(points.map(\.shardBytes), [20, 30])
        XCTAssertEqual(CommitGrowth.curve([commit(nil, 1)], points: 50), [])
        XCTAssertEqual(CommitGrowth.curve([], points: 50), [])
    }

    func testManyCommitsBecomeAFewPointsThatEndWithTheTotal() {
        let commits = (0..<10_000).map { commit(1_000_000 + Int64($0) * 60, 10) }
        let points = CommitGrowth.curve(commits, points: 100)
        XCTAssertLessThanOrEqual(points.count, 100)
        XCTAssertGreaterThan(points.count, 90)
        XCTAssertEqual(points.last?.versionBytes, 100_000)
        XCTAssertEqual(points.first?.seconds, 1_000_000)
        for (point, next) in zip(points, points.dropFirst()) {
            XCTAssertLessThan(point.seconds, next.seconds)
            XCTAssertLessThan(point.versionBytes, next.versionBytes)
        }
    }

    func testAClockThatIsFarOffSaysNothing() {
        func growth(_ nanoseconds: Int64) -> CommitGrowth {
            var growth = CommitGrowth()
            growth.add(7, writtenNanoseconds: nanoseconds, now: 1_700_000_000)
            return growth
        }
        XCTAssertEqual(growth(1_600_000_000_000_000_000).seconds, 1_600_000_000)
        for time in [0, .min, .max, 4_000_000_000_000_000_000] as [Int64] {
            XCTAssertNil(growth(time).seconds)
            XCTAssertEqual(growth(time).versionBytes, 7)
        }
    }
}
