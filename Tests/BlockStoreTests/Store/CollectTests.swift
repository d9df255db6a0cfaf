import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// Freeing what no version needs, on real directories with real threads.
final class CollectTests: XCTestCase {
    /// A directory goes when nobody holds it.
    private var directories: [TemporaryDirectory] = []

    private func environment(_ directory: TemporaryDirectory, home: String = "home") throws -> StoreEnvironment {
        StoreEnvironment(
            home: try DirectoryHome(path: "\(directory.path)/\(home)", creating: true),
            devices: RebasedProvider(base: directory.path), clock: SystemClock(), random: SystemRandom(),
            executor: ThreadedExecutor(computeThreads: 2))
    }

    private func makeStore(_ profile: String = "rs:2+2", devices: Int = 5) throws -> (TemporaryDirectory, Store) {
        let directory = try TemporaryDirectory()
        directories.append(directory)
        _ = try Store.create(
            try environment(directory), devices: (1...devices).map { NewDevice(path: "disk-\($0)") },
            profile: try Profile(profile), averageChunkBytes: 4096, isSandbox: true)
        return (directory, try Store.open(try environment(directory), access: .write))
    }

    private func write(_ store: Store, _ body: (WriteSession) throws -> Void) throws {
        let session = try store.startWriting()
        try body(session)
        _ = try session.finish()
    }

    private func put(_ store: Store, _ key: String, _ bytes: [UInt8]) throws {
        try write(store) { try $0.put(try Key(key), from: MemorySource(bytes)) }
    }

    private func read(_ store: Store, _ key: String) throws -> [UInt8] {
        let sink = MemorySink()
        _ = try store.read(try store.newestVersion(of: Key(key)), into: sink)
        return sink.bytes
    }

    private func purgeAll(_ store: Store, _ key: String) throws {
        for version in try store.versions(of: Key(key)) {
            try write(store) { try $0.purge(Key(key), version: version.identity) }
        }
    }

    /// Bytes of all files on the devices.
    private func size(_ directory: TemporaryDirectory) throws -> Int {
        var sum = 0
        for disk in 1...5 {
            let root = "\(directory.path)/disk-\(disk)/blocks"
            for path in FileManager.default.enumerator(atPath: root)?.allObjects as? [String] ?? [] {
                let attributes = try FileManager.default.attributesOfItem(atPath: "\(root)/\(path)")
                if attributes[.type] as? FileAttributeType == .typeRegular { sum += attributes[.size] as? Int ?? 0 }
            }
        }
        return sum
    }

    private func content(_ number: Int) -> [UInt8] { SeededRandom.bytes(40_000 + 977 * number, seed: UInt64(number)) }

    /// An index that is made anew knows nothing of versions that were purged and collected, and says so.
    func testHistoryOfWhichPartWasCollectedIsSaidToBeGone() throws {
        let directory = try TemporaryDirectory()
        directories.append(directory)
        func open() throws -> Store {
            var environment = try environment(directory)
            environment.largestShardBytes = 64 << 10
            return try Store.open(environment, access: .write)
        }
        _ = try Store.create(
            try environment(directory), devices: (1...5).map { NewDevice(path: "disk-\($0)") },
            profile: try Profile("rs:2+2"), averageChunkBytes: 4096, isSandbox: true)
        var store = try open()
        // Several blocks in one commit, of which those of the first object go.
        try write(store) { session in
            try session.put(try Key("gone"), from: MemorySource(SeededRandom.bytes(400_000, seed: 1)))
            try session.put(try Key("kept"), from: MemorySource(SeededRandom.bytes(400_000, seed: 2)))
        }
        let seen = try XCTUnwrap(try store.changes(after: nil).last).identity
        try purgeAll(store, "gone")
        XCTAssertGreaterThan(try store.collect().retiredBlocks, 0)
        let known = try store.changes(after: nil)
        XCTAssertEqual(known.count, 3, "two puts and a purge")
        store.close()
        try FileManager.default.removeItem(atPath: "\(directory.path)/home/index.db")
        store = try open()
        XCTAssertThrowsError(try store.changes(after: nil)) { XCTAssertEqual(($0 as? StoreError)?.code, .notFound) }
        let behind = RecordIdentity(commit: seen.commit, ordinal: .max)
        XCTAssertTrue(try store.changes(after: behind).allSatisfy { known.contains($0) })
        store.close()
    }

    /// Marks are kept by the numbers of chunks while others write: a number that was used again would be taken for marked.
    func testNumbersOfChunksAreNotUsedAgain() throws {
        let (_, store) = try makeStore()
        try put(store, "kept", SeededRandom.bytes(50_000, seed: 1))
        try put(store, "gone", SeededRandom.bytes(50_000, seed: 2))
        func numbers() throws -> Set<Int> {
            let index = store.engine.index
            return Set(try index.blocks(after: nil, limit: 100).flatMap { try index.chunks(in: $0.ref).map(\.number) })
        }
        let before = try numbers()
        try purgeAll(store, "gone")
        XCTAssertGreaterThan(try store.collect().retiredBlocks, 0)
        let kept = try numbers()
        try put(store, "new", SeededRandom.bytes(50_000, seed: 3))
        XCTAssertTrue(try numbers().subtracting(kept).isDisjoint(with: before))
    }

    func testAfterHalfIsDeletedACollectedStoreIsAsSmallAsOneThatNeverHadIt() throws {
        let (whole, store) = try makeStore()
        let (half, other) = try makeStore()
        for number in 0..<40 {
            try put(store, "key-\(number)", content(number))
            if number % 2 == 0 { try put(other, "key-\(number)", content(number)) }
        }
        for number in 0..<40 where number % 2 == 1 { try purgeAll(store, "key-\(number)") }
        let forecast = try store.forecastCollection(CollectOptions(isFull: true))
        let before = try size(whole)
        let report = try store.collect(CollectOptions(isFull: true))
        let after = try size(whole)
        XCTAssertGreaterThan(report.retiredBlocks, 40)
        XCTAssertLessThanOrEqual(Double(after), 1.1 * Double(try size(half)))
        XCTAssertEqual(Double(forecast.freedBytes), Double(before - after), accuracy: 0.2 * Double(before))
        // Once is enough.
        XCTAssertEqual(try store.collect(CollectOptions(isFull: true)).retiredBlocks, 0)
        store.close()
        other.close()
        // Everything else is there, also from the shards alone and with two devices lost.
        for disk in ["disk-2", "disk-4"] { try FileManager.default.removeItem(atPath: "\(whole.path)/\(disk)") }
        _ = try Store.rebuildIndex(try environment(whole))
        let again = try Store.open(try environment(whole), access: .read)
        defer { again.close() }
        XCTAssertEqual(try again.list(limit: 100).count, 20)
        for number in 0..<40 where number % 2 == 0 { XCTAssertEqual(try read(again, "key-\(number)"), content(number)) }
    }

    func testDeletedAndOlderVersionsStayUntilTheyArePurged() throws {
        let (_, store) = try makeStore()
        defer { store.close() }
        try put(store, "a", content(1))
        try put(store, "a", content(2))
        try write(store) { try $0.remove(Key("a")) }
        let report = try store.collect(CollectOptions(isFull: true))
        XCTAssertEqual(report.heldBytes, UInt64(content(1).count + content(2).count))
        let versions = try store.versions(of: Key("a"))
        XCTAssertEqual(versions.count, 3)
        for (version, number) in zip(versions.dropFirst(), [2, 1]) {
            let sink = MemorySink()
            _ = try store.read(version, into: sink)
            XCTAssertEqual(sink.bytes, content(number))
        }
    }

    func testAReaderGoesOnWhileWhatItReadsIsCollected() throws {
        let (directory, store) = try makeStore()
        defer { store.close() }
        try put(store, "a", content(1))
        try put(store, "b", content(2))
        let reader = try Store.open(try environment(directory), access: .read)
        defer { reader.close() }
        let listed = try reader.newestVersion(of: Key("a"))
        XCTAssertEqual(try read(reader, "a"), content(1))
        let report = try store.collect(CollectOptions(isFull: true))
        XCTAssertGreaterThan(report.removedShards, 0)
        let sink = MemorySink()
        _ = try reader.read(listed, into: sink)
        XCTAssertEqual(sink.bytes, content(1))
    }

    func testAnotherHomeCatchesUpOverACollectionAndBringsNothingBack() throws {
        let (directory, store) = try makeStore()
        try put(store, "a", content(1))
        try put(store, "b", content(2))
        store.close()
        try FileManager.default.createDirectory(
            atPath: "\(directory.path)/other", withIntermediateDirectories: true)
        try FileManager.default.copyItem(
            atPath: "\(directory.path)/home/store.json", toPath: "\(directory.path)/other/store.json")
        try Store.open(try environment(directory, home: "other"), access: .write).close()
        let again = try Store.open(try environment(directory), access: .write)
        try purgeAll(again, "b")
        _ = try again.collect(CollectOptions(isFull: true))
        try put(again, "c", content(3))
        again.close()
        let other = try Store.open(try environment(directory, home: "other"), access: .write)
        defer { other.close() }
        XCTAssertEqual(other.notices, [])
        XCTAssertEqual(try other.list(limit: 10).map(\.key), [try Key("a"), try Key("c")])
        XCTAssertEqual(try other.versions(of: Key("a")).count, 1)
        XCTAssertThrowsError(try other.versions(of: Key("b")))
        XCTAssertEqual(try read(other, "a"), content(1))
        XCTAssertEqual(try read(other, "c"), content(3))
        try other.engine.index.check()
    }

    func testAVersionThatIsPurgedAndCollectedBeforeItIsReadIsNotFound() throws {
        let (_, store) = try makeStore()
        // One with its manifest beside the record, and one with nodes.
        for (number, byteCount) in [20_000, 3_000_000].enumerated() {
            try put(store, "k", SeededRandom.bytes(byteCount, seed: UInt64(number) + 90))
            let version = try store.newestVersion(of: Key("k"))
            try purgeAll(store, "k")
            _ = try store.collect(CollectOptions(isFull: true))
            XCTAssertThrowsError(try store.read(version, into: MemorySink())) {
                XCTAssertEqual(($0 as? StoreError)?.code, .notFound, "\($0)")
            }
        }
        store.close()
    }

    func testADeviceThatWasAwayBringsNothingBackAndIsCleaned() throws {
        let (directory, store) = try makeStore()
        try put(store, "a", content(1))
        try put(store, "b", content(2))
        try put(store, "c", content(3))
        store.close()
        let (disk, away) = ("\(directory.path)/disk-3", "\(directory.path)/away")
        try FileManager.default.moveItem(atPath: disk, toPath: away)
        let without = try Store.open(try environment(directory), access: .write)
        try purgeAll(without, "b")
        let report = try without.collect(CollectOptions(isFull: true))
        XCTAssertGreaterThan(report.retiredBlocks, 0, "\(report.kept)")
        without.close()
        try FileManager.default.moveItem(atPath: away, toPath: disk)
        for isRebuilt in [false, true] {
            if isRebuilt { _ = try Store.rebuildIndex(try environment(directory)) }
            let back = try Store.open(try environment(directory), access: .write)
            XCTAssertEqual(try back.list(limit: 10).map(\.key), [try Key("a"), try Key("c")])
            _ = try back.repair()
            XCTAssertEqual(try back.status().lostBlocks, 0)
            back.close()
        }
        let last = try Store.open(try environment(directory), access: .write)
        defer { last.close() }
        XCTAssertGreaterThan(try last.collect().removedStrays, 0)
        let left = try last.collect(CollectOptions(isFull: true))
        XCTAssertEqual(left.removedStrays, 0)
        XCTAssertEqual(try read(last, "a"), content(1))
    }

    func testShardsThatBelongToNoBlockAreRetiredAndDeleted() throws {
        let (directory, store) = try makeStore()
        try put(store, "a", content(1))
        try put(store, "b", content(2))
        let block = try XCTUnwrap(try store.engine.index.blocks(after: nil, limit: 10).first { $0.payloadBytes > 0 })
        store.close()
        // Under the number of a live block, and nothing says of which block it is.
        let device = try DirectoryDevice(path: "\(directory.path)/disk-1")
        let foreign = ShardName(number: block.name.number, idPrefix: 0xabcd, row: .data(column: 0))
        let staged = try [UInt8]("left over".utf8).withUnsafeBytes { try device.stage([$0], as: foreign) }
        try device.sync([staged])
        try device.name([staged], replacing: false)
        let again = try Store.open(try environment(directory), access: .write)
        defer { again.close() }
        // Its number is a live block's and its id cannot be told: it stays, and harms nobody.
        XCTAssertEqual(try again.collect().removedStrays, 0)
        XCTAssertNotNil(try device.byteCount(of: foreign))
        // When the block of that number is retired, so is everything else of the number.
        try purgeAll(again, "a")
        XCTAssertGreaterThan(try again.collect(CollectOptions(isFull: true)).removedStrays, 0)
        XCTAssertNil(try device.byteCount(of: foreign))
        XCTAssertEqual(try read(again, "b"), content(2))
    }

    func testAWriterThatClosesMergesManySmallBlocks() throws {
        let (directory, first) = try makeStore()
        first.close()
        var options = Store.Options()
        options.toleratedSmallBlocks = 80
        let store = try Store.open(try environment(directory), access: .write, options: options)
        for number in 0..<90 { try put(store, "key-\(number)", Array("content \(number)".utf8)) }
        XCTAssertGreaterThan(try store.engine.index.totals().smallBlocks, 80)
        store.close()
        let after = try Store.open(try environment(directory), access: .write, options: options)
        defer { after.close() }
        XCTAssertLessThan(try after.engine.index.totals().smallBlocks, 10)
        for number in 0..<90 { XCTAssertEqual(try read(after, "key-\(number)"), Array("content \(number)".utf8)) }
    }

    func testRetiredNumbersGrowTogetherOverWhatIsNotInUse() throws {
        func number(_ value: UInt64) -> BlockNumber { BlockNumber(value) }
        let inUse: Set<UInt64> = [3, 10]
        var set = RetiredRecord.none
        for value in [1, 2, 5, 8, 9, 12] as [UInt64] {
            set = try set.adding(numbers: [number(value)], commits: []) { range throws(StoreError) in
                !inUse.contains { range.contains(number($0)) }
            }
        }
        XCTAssertEqual(set.intervals, [number(1)...number(2), number(5)...number(9), number(12)...number(12)])
        XCTAssertTrue(set.holds(number: number(6)))
        XCTAssertFalse(set.holds(number: number(10)))
        func commits(_ first: UInt64, _ last: UInt64) -> RedundantCommits {
            let below = BlockName(number: number(first), id: BlockID(high: first, low: 0))
            return RedundantCommits(first: CommitNumber(first), last: CommitNumber(last), below: below)
        }
        let joined = try set.adding(numbers: [], commits: [commits(2, 2), commits(3, 3), commits(7, 7)]) { _ in false }
        XCTAssertEqual(joined.commits.map(\.first.value), [2, 7])
        XCTAssertEqual(joined.commits.map(\.last.value), [3, 7])
        XCTAssertEqual(joined.redundancy(of: CommitNumber(3))?.below.id.high, 2)
        XCTAssertNil(joined.redundancy(of: CommitNumber(4)))
    }
}
