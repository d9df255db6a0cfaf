import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// What is fetched from a node, how often, and how long it is kept.
final class ReadAheadTests: XCTestCase {
    private static let shard = ShardName(number: BlockNumber(1), idPrefix: 1, row: .data(column: 0))
    private static let content = SeededRandom.bytes(6 << 20, seed: 5)

    /// Counts the fetches, and answers from `content`.
    private final class Node: Sendable {
        private let fetched = Monitor<[Range<Int>]>([])
        let isSilent = Monitor(false)

        var ranges: [Range<Int>] { fetched.withLock { $0 } }

        func ahead() -> ReadAhead {
            ReadAhead(clock: SystemClock()) { [self] _, offset, buffer throws(StoreError) in
                fetched.withLock { $0.append(offset..<(offset + buffer.count)) }
                isSilent.wait { !$0 }
                let end = min(ReadAheadTests.content.count, offset + buffer.count)
                guard offset < end else { return 0 }
                buffer.copyBytes(from: ReadAheadTests.content[offset..<end])
                return end - offset
            }
        }
    }

    private func read(_ ahead: ReadAhead, _ range: Range<Int>) throws {
        var bytes = [UInt8](repeating: 0, count: range.count)
        let count = try bytes.withMutableBytes { raw throws(StoreError) in
            try ahead.read(Self.shard, at: range.lowerBound, into: raw)
        }
        XCTAssertEqual(Array(bytes[..<count]), Array(Self.content[range.clamped(to: 0..<Self.content.count)]))
    }

    private static let parts = (0..<64).map { ($0 * 65_536)..<(($0 + 1) * 65_536) }

    func testWhatIsExpectedIsFetchedOnceAndKeptUntilItWasRead() throws {
        let node = Node()
        let ahead = node.ahead()
        ahead.expect(Self.parts.map { ExpectedRead(shard: Self.shard, range: $0) })
        for part in Self.parts {
            // Said again by who is about to read it: that counts for nothing.
            ahead.expect([ExpectedRead(shard: Self.shard, range: part, aheadBytes: 0)])
            XCTAssertTrue(ahead.isAtHand(Self.shard, part, patience: 10_000_000_000))
            try read(ahead, part)
        }
        XCTAssertEqual(node.ranges, [0..<(4 << 20)])
        // It is gone: who wants it again asks again.
        ahead.expect([ExpectedRead(shard: Self.shard, range: 0..<100)])
        try read(ahead, 0..<100)
        XCTAssertEqual(node.ranges.count, 2)
    }

    func testMoreThanThereIsRoomForIsLeftToWhoReadsIt() throws {
        let node = Node()
        let ahead = node.ahead()
        let room = Limits.keptAheadBytes / (4 << 20)
        for number in 0..<(2 * room) {
            let other = ShardName(number: BlockNumber(UInt64(number + 1)), idPrefix: 1, row: .data(column: 0))
            ahead.expect(Self.parts.map { ExpectedRead(shard: other, range: $0) })
        }
        // What was expected first is still there.
        for part in Self.parts { try read(ahead, part) }
        XCTAssertEqual(node.ranges.filter { $0.count < 1 << 20 }, [])
        XCTAssertLessThanOrEqual(node.ranges.count, room)
    }

    func testWhoReadsOnGetsMoreAtATime() throws {
        let node = Node()
        let ahead = node.ahead()
        for part in Self.parts {
            XCTAssertTrue(ahead.isAtHand(Self.shard, part, patience: 10_000_000_000))
            try read(ahead, part)
        }
        XCTAssertLessThanOrEqual(node.ranges.count, 8, "\(node.ranges)")
    }

    func testALongPartIsFetchedOnce() throws {
        let node = Node()
        let ahead = node.ahead()
        let long = 1000..<(1000 + 3 << 20)
        ahead.expect([ExpectedRead(shard: Self.shard, range: long)])
        try read(ahead, long)
        XCTAssertEqual(node.ranges, [long])
    }

    func testNobodyWaitsForALateNodeLongerThanHeHasPatience() throws {
        let node = Node()
        let ahead = node.ahead()
        node.isSilent.withLock { $0 = true }
        XCTAssertFalse(ahead.isAtHand(Self.shard, 0..<100, patience: 20_000_000))
        XCTAssertTrue(ahead.isLate(patience: 20_000_000))
        // Nor is it asked for more meanwhile.
        XCTAssertFalse(ahead.isAtHand(Self.shard, 500_000..<500_100, patience: 20_000_000))
        XCTAssertEqual(node.ranges.count, 1)
        node.isSilent.withLock { $0 = false }
        node.isSilent.wakeAll()
        try read(ahead, 0..<100)
        XCTAssertFalse(ahead.isLate(patience: 20_000_000))
    }

    func testARowIsMadeFromWhatCostsLeastAndOnlyAsFarAsNeededFromTheRest() throws {
        let rows = try Profile("rs:4+3").rows
        let (data, parity) = (Array(rows.prefix(4)), Array(rows.suffix(3)))
        let plan = try XCTUnwrap(LostRows.plan(data[0], [Array(parity.prefix(2)), Array(data.dropFirst())], 0..<4))
        XCTAssertEqual(plan.reads.filter(\.isParity).count, 2, "both that cost nothing")
        XCTAssertEqual(plan.reads.count, 4)
        XCTAssertNil(LostRows.plan(data[0], [Array(parity.prefix(2)), [data[1]]], 0..<4))
        XCTAssertEqual(
            LostRows.plan(data[0], [rows.filter { $0 != data[0] }], 0..<4)?.reads.filter(\.isParity).count, 1)
    }
}
