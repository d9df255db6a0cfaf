import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// What retention keeps, and what a prune leaves.
final class PruneTests: XCTestCase {
    private static let second: Int64 = 1_000_000_000

    /// Versions of one key, the newest first: when each was written, in seconds; negative for a delete marker.
    private func outlines(_ times: [Int64]) throws -> [VersionOutline] {
        let key = try Key("k")
        return times.enumerated().map { place, time in
            let identity = RecordIdentity(commit: CommitNumber(UInt64(times.count - place)), ordinal: 0)
            let nanoseconds = abs(time) * Self.second
            let content: IndexedVersion.Content =
                time < 0
                ? .delete(DeleteRecord(key: key, killed: identity, deleteNanoseconds: nanoseconds))
                : .put(
                    PutRecord(
                        key: key, attributes: ObjectAttributes(), putNanoseconds: nanoseconds, byteCount: 1,
                        userMetadata: [], manifest: .empty))
            return VersionOutline(IndexedVersion(identity: identity, content: content))
        }
    }

    /// The times of what goes, in the order in which it does, at second 1000.
    private func gone(_ retention: Retention, _ times: [Int64]) throws -> [UInt64] {
        retention.doomed(try outlines(times), at: 1000 * Self.second).map(\.identity.commit.value)
    }

    func testTheNewestOfALivingKeyAlwaysStays() throws {
        XCTAssertEqual(try gone(Retention(keepLast: 0), [1]), [])
        XCTAssertEqual(try gone(Retention(keepLast: 0), [3, 2, 1]), [1, 2])
        XCTAssertEqual(try gone(Retention(keepWithin: .zero), [3, 2, 1]), [1, 2])
        XCTAssertEqual(try gone(Retention(), [3, 2, 1]), [], "without a rule nothing goes")
    }

    func testADeleteMarkerGoesWhenNothingIsLeftBelowItAndNotBefore() throws {
        // The oldest first: what is cut off in between must not bring a deleted key back.
        XCTAssertEqual(try gone(Retention(keepLast: 0), [-3, 2, 1]), [1, 2, 3])
        XCTAssertEqual(try gone(Retention(keepLast: 1), [-3, 2, 1]), [1])
        XCTAssertEqual(try gone(Retention(keepLast: 1), [4, -3, 2, 1]), [1, 2, 3])
        XCTAssertEqual(try gone(Retention(keepLast: 2), [4, -3, 2, 1]), [1])
        XCTAssertEqual(try gone(Retention(keepLast: 9), [-1]), [1])
    }

    func testWhatWasTheNewestWithinTheTimeStays() throws {
        let rule = Retention(keepWithin: .seconds(100))
        // Written long ago and replaced a moment ago: a get --at of an hour ago needs it.
        XCTAssertEqual(try gone(rule, [950, 10, 5]), [1])
        XCTAssertEqual(try gone(rule, [-950, 10, 5]), [1])
        XCTAssertEqual(try gone(rule, [800, 10, 5]), [1, 2])
        XCTAssertEqual(try gone(rule, [-800, 10, 5]), [1, 2, 3])
        XCTAssertEqual(try gone(Retention(keepLast: 2, keepWithin: .seconds(100)), [800, 10, 5]), [1], "either keeps")
    }

    func testAClockThatWasWrongTakesNoNewestVersion() throws {
        let rule = Retention(keepWithin: .seconds(100))
        XCTAssertEqual(try gone(rule, [5, 2_000_000, 3]), [], "written in the future counts as just now")
        XCTAssertEqual(try gone(Retention(keepWithin: .seconds(Int64.max)), [3, 2, 1]), [], "for ever")
        XCTAssertEqual(
            rule.doomed(try outlines([3, 2, 1]), at: Int64.max).map(\.identity.commit.value), [1, 2],
            "a clock far ahead")
        XCTAssertEqual(rule.doomed(try outlines([3, 2, 1]), at: Int64.min).count, 0)
    }

    func testAPruneTellsWhatADryRunSaidAndASecondOneFindsNothing() throws {
        let model = try StoreModel(seed: 5, devices: 4, profile: "rs:2+2")
        for round in 0..<3 {
            for name in ["a", "b", "logs/1", "logs/2"] {
                try model.write([.put(Key(name), SeededRandom.bytes(100 + round, seed: UInt64(round)))])
            }
        }
        try model.write([.remove(Key("logs/1")), .remove(Key("b"))])
        let store = try model.openStore()
        var told: [RecordIdentity] = []
        let rule = Retention(keepLast: 1)
        let dry = try store.prune(
            rule, prefix: Array("logs/".utf8), isDryRun: true, onVersion: { told.append($0.identity) })
        XCTAssertEqual([dry.keys, dry.versions, dry.deleteMarkers, dry.commits], [2, 4, 0, 0])
        XCTAssertEqual(dry.bytes, 2 * (100 + 101))
        var done: [RecordIdentity] = []
        let report = try store.prune(rule, prefix: Array("logs/".utf8), onVersion: { done.append($0.identity) })
        XCTAssertEqual(told, done)
        XCTAssertEqual([report.versions, report.commits], [4, 1])
        XCTAssertEqual(try store.prune(rule, prefix: Array("logs/".utf8)).keys, 0)
        XCTAssertEqual(try store.versions(of: Key("a")).count, 3, "another prefix is left alone")
        XCTAssertEqual(try store.versions(of: Key("logs/1")).count, 2)
        // Nothing of a deleted key is kept: no trace of it.
        XCTAssertEqual(try store.prune(Retention(keepLast: 0)).deleteMarkers, 2)
        XCTAssertThrowsError(try store.versions(of: Key("b")))
        try model.check()
        let listing = try store.engine.index.dump()
        model.closeStore()
        model.world.state.index = nil
        XCTAssertEqual(try model.openStore().engine.index.dump(), listing, "an index rebuild tells the same")
        model.closeStore()
    }

    func testARuleMustBeGiven() throws {
        let model = try StoreModel(seed: 5, devices: 4, profile: "rs:2+2")
        XCTAssertEqual(code { _ = try model.openStore().prune(Retention()) }, .invalid)
        model.closeStore()
    }

    func testManyVersionsArePrunedPageByPage() throws {
        let model = try StoreModel(seed: 6, devices: 2, profile: "rs:1+1")
        let key = try Key("k")
        for round in 0..<7 { try model.write([.put(key, [UInt8(round)]), .put(Key("l\(round % 2)"), [UInt8(round)])]) }
        let index = try model.openStore().engine.index
        var after: Key?
        var pages: [[Int]] = []
        repeat {
            let page = try index.outlines(prefix: [], after: after, limit: 5)
            pages.append(page.keys.map(\.count))
            after = page.last
        } while after != nil
        XCTAssertEqual(pages, [[7], [4, 3]])
        XCTAssertEqual(try index.outlines(prefix: Array("l1".utf8), after: nil, limit: 5).keys.map(\.count), [3])
        model.closeStore()
    }
}
