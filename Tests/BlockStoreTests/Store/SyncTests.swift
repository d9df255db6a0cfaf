import Chunker
import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// No commit is closed because its time is over.
private struct StillClock: Clock {
    func wallNanoseconds() -> Int64 { 1 }
    func monotonicNanoseconds() -> UInt64 { 1 }
    func sleep(nanoseconds: UInt64) {}
}

/// Two stores, on real directories with real threads, of which one is to become a copy of the other.
final class SyncTests: XCTestCase {
    private struct Place {
        let directory: TemporaryDirectory

        func open(_ access: Store.Access = .write, clock: any Clock = SystemClock()) throws -> Store {
            let usual = try directory.environment(ThreadedExecutor(computeThreads: 2))
            return try Store.open(
                StoreEnvironment(
                    home: usual.home, devices: usual.devices, clock: clock, random: usual.random,
                    executor: usual.executor), access: access)
        }

        func disk(_ number: Int) -> String { "\(directory.path)/disk-\(number)" }
    }

    private func makeStore(
        _ profile: String = "rs:2+2", devices: Int = 5, averageChunkBytes: Int = 4096
    ) throws -> Place {
        let directory = try TemporaryDirectory()
        _ = try Store.create(
            try directory.environment(ThreadedExecutor(computeThreads: 2)),
            devices: (1...devices).map { NewDevice(path: "disk-\($0)") }, profile: try Profile(profile),
            averageChunkBytes: averageChunkBytes, isSandbox: true)
        return Place(directory: directory)
    }

    @discardableResult
    private func write(
        _ place: Place, clock: any Clock = SystemClock(), _ body: (WriteSession) throws -> Void
    ) throws -> WriteReport {
        let store = try place.open(clock: clock)
        defer { store.close() }
        let session = try store.startWriting()
        try body(session)
        return try session.finish()
    }

    @discardableResult
    private func sync(
        _ source: Place, _ target: Place, prefix: String = "", isDryRun: Bool = false,
        clock: any Clock = SystemClock()
    ) throws -> (report: SyncReport, written: WriteReport) {
        let from = try source.open(.read)
        defer { from.close() }
        let to = try target.open(isDryRun ? .read : .write, clock: clock)
        defer { to.close() }
        let session = try isDryRun ? to.startDryRun() : to.startWriting()
        let report = try from.sync(to: session, prefix: Array(prefix.utf8))
        return (report, try session.finish())
    }

    /// Everything that a version says and what it holds, in the order of keys, the newest first.
    private func history(_ place: Place, prefix: String = "") throws -> [String] {
        let store = try place.open(.read)
        defer { store.close() }
        return try store.list(prefix: Array(prefix.utf8), limit: 100_000, allVersions: true).map { version in
            let sink = MemorySink()
            if !version.isDeleteMarker { _ = try store.read(version, into: sink) }
            return "\(version.key) \(version.isDeleteMarker) \(version.attributes) \(version.writtenNanoseconds) "
                + "\(version.byteCount) \(CRC32C.of(sink.bytes))"
        }
    }

    private static func content(_ count: Int, _ seed: UInt64) -> [UInt8] { SeededRandom.bytes(count, seed: seed) }

    /// More than 102 chunks: the manifest has nodes.
    private static let large = content(600_000, 1)

    /// Versions of several keys, a move, a deleted key, a link and a directory, a manifest with nodes, in several commits.
    private func makeHistory(_ place: Place) throws {
        let mode = ObjectAttributes(mode: 0o640, modifiedNanoseconds: 77)
        try write(place) { session in
            try session.put(Key("a"), attributes: mode, from: MemorySource(Self.large))
            try session.put(Key("d/"), attributes: ObjectAttributes(kind: .directory), from: MemorySource([]))
            try session.put(
                Key("d/l"), attributes: ObjectAttributes(kind: .symbolicLink), from: MemorySource(Array("../a".utf8)))
            try session.put(Key("gone"), from: MemorySource([1, 2, 3]))
        }
        try write(place) { try $0.put(Key("a"), attributes: mode, from: MemorySource(Self.content(20_000, 2))) }
        try write(place) { session in
            try session.remove(Key("gone"))
            try session.move(Key("a"), to: Key("b"))
        }
        try write(place) { try $0.put(Key("a"), from: MemorySource(Self.large)) }
    }

    func testASecondCopyHoldsEveryVersionWithAttributesTimesAndDeleteMarkers() throws {
        for (profile, devices, chunk) in [("rs:1+1", 2, 4096), ("lrc:4+2+1", 8, 4096), ("rs:2+1", 3, 65536)] {
            let (source, target) = (try makeStore(), try makeStore(profile, devices: devices, averageChunkBytes: chunk))
            try makeHistory(source)
            let report = try sync(source, target).report
            XCTAssertEqual(report.versions, 7, profile)
            XCTAssertEqual(report.deleteMarkers, 2, profile)
            XCTAssertEqual(report.keys, 5, profile)
            XCTAssertEqual(report.failures.count, 0, profile)
            XCTAssertEqual(try history(target), try history(source), profile)
            // It stands on its own: without the source, its own index and a device.
            try FileManager.default.removeItem(atPath: target.disk(1))
            _ = try Store.rebuildIndex(try target.directory.environment(ThreadedExecutor(computeThreads: 2)))
            XCTAssertEqual(try history(target), try history(source), profile)
        }
    }

    func testOnlyChunksThatAreNotThereAreReadAndEachOnce() throws {
        let (source, target) = (try makeStore(), try makeStore())
        // The target cuts as the source does where it is made to: the same chunks are in both.
        try makeHistory(source)
        try sync(source, target)
        let known = Self.large
        let new = Self.content(50_000, 9)
        try write(source) { session in
            try session.put(Key("long"), from: MemorySource(known + new))
            try session.put(Key("again"), from: MemorySource(known + new))
        }
        let (report, written) = try sync(source, target)
        XCTAssertEqual(report.versions, 2)
        XCTAssertEqual(report.bytes, 1_300_000)
        XCTAssertGreaterThanOrEqual(written.newBytes, 50_000)
        XCTAssertLessThan(written.newBytes, 50_000 + 40_000, "what is new, and what is cut anew around it")
        XCTAssertLessThan(report.read.bytes, written.newBytes + 4 * 40 * 500, "and manifest nodes")
        XCTAssertEqual(try history(target), try history(source))
    }

    func testASecondSyncReadsAndWritesNothing() throws {
        let (source, target) = (try makeStore(), try makeStore("rs:1+1", devices: 2))
        try makeHistory(source)
        try sync(source, target)
        let (report, written) = try sync(source, target)
        XCTAssertEqual(report.versions + report.deleteMarkers + report.keys, 0)
        XCTAssertEqual(report.presentVersions, 7)
        XCTAssertEqual(report.read.bytes, 0)
        XCTAssertEqual(written.commits, 0)
    }

    func testADryRunTellsWhatWouldBeCopiedAndChangesNothing() throws {
        let (source, target) = (try makeStore(), try makeStore())
        try makeHistory(source)
        let plan = try sync(source, target, isDryRun: true)
        XCTAssertEqual(try history(target), [])
        let done = try sync(source, target)
        XCTAssertEqual(plan.report.versions, done.report.versions)
        XCTAssertEqual(plan.report.deleteMarkers, done.report.deleteMarkers)
        XCTAssertEqual(plan.report.keys, done.report.keys)
        XCTAssertEqual(plan.report.bytes, done.report.bytes)
        XCTAssertEqual(plan.written.newBytes, done.written.newBytes)
        XCTAssertEqual(plan.written.commits, 0)
        XCTAssertEqual(try sync(source, target, isDryRun: true).report.versions, 0)
    }

    func testOneCommitOfTheSourceIsOneCommitOfTheTarget() throws {
        let (source, target) = (try makeStore(), try makeStore("rs:1+1", devices: 2))
        try write(source) { try $0.put(Key("a"), from: MemorySource([1])) }
        // More than a megabyte of records, which do not fit into what is left of an open commit.
        let count = 1_000
        try write(source, clock: StillClock()) { session in
            for number in 0..<count {
                try session.put(Key(String(repeating: "k", count: 1000) + "\(number)"), from: MemorySource([2]))
            }
            try session.move(Key("a"), to: Key("b"))
        }
        try sync(source, target, clock: StillClock())
        let store = try target.open(.read)
        defer { store.close() }
        let commits = try store.list(limit: 10_000, allVersions: true).map(\.identity.commit)
        XCTAssertEqual(commits.count, count + 3)
        let last = try store.versions(of: Key("b"))[0].identity.commit
        XCTAssertEqual(commits.filter { $0 == last }.count, count + 2, "everything but the first")
        XCTAssertTrue(try store.versions(of: Key("a"))[0].isDeleteMarker)
    }

    func testKeysOfTheTargetStayAndAPrefixLimits() throws {
        let (source, target) = (try makeStore(), try makeStore())
        try makeHistory(source)
        try write(target) { session in
            try session.put(Key("own"), from: MemorySource([7]))
            try session.put(Key("d/own"), from: MemorySource([8]))
        }
        XCTAssertEqual(try sync(source, target, prefix: "d/").report.versions, 2)
        XCTAssertEqual(try history(target, prefix: "d/l"), try history(source, prefix: "d/l"))
        XCTAssertEqual(try history(target).count, 4)
        XCTAssertEqual(try sync(source, target).report.versions, 5)
        XCTAssertEqual(try history(target).count, 11)
        XCTAssertEqual(try sync(source, target, prefix: "none").report.presentVersions, 0)
    }

    func testAVersionThatCannotBeReadIsToldOfAndTheOthersAreCopied() throws {
        let (source, target) = (try makeStore("rs:1+1", devices: 2), try makeStore())
        try write(source) { session in
            try session.put(Key("good"), from: MemorySource(Self.content(3_000, 1)))
        }
        func shards(_ disk: Int) throws -> Set<String> {
            let root = source.disk(disk) + "/blocks"
            return Set((FileManager.default.enumerator(atPath: root)?.allObjects ?? []).compactMap { "\(root)/\($0)" })
        }
        let before = try shards(1).union(try shards(2))
        try write(source) { session in
            try session.put(Key("lost"), from: MemorySource(Self.content(60_000, 2)))
            try session.put(Key("shared"), from: MemorySource(Self.content(60_000, 2)))
        }
        let bad = try shards(1).union(try shards(2)).subtracting(before)
        try write(source) { session in
            try session.put(Key("lost"), from: MemorySource(Self.content(9_000, 3)))
            try session.put(Key("late"), from: MemorySource([1]))
        }
        XCTAssertEqual(bad.count, 2)
        for path in bad {
            let file = try XCTUnwrap(FileHandle(forUpdatingAtPath: path))
            try file.seek(toOffset: UInt64(ShardLayout.payloadOffset) + 10_000)
            try file.write(contentsOf: [UInt8](repeating: 0x5a, count: 50))
            try file.close()
        }
        let (report, _) = try sync(source, target)
        XCTAssertEqual(report.failures.map(\.key.description).sorted(), ["lost", "shared"])
        XCTAssertEqual(Set(report.failures.map(\.error.code)), [.lost])
        XCTAssertEqual(report.versions, 3)
        let store = try target.open(.read)
        defer { store.close() }
        XCTAssertEqual(try store.list().map(\.key.description), ["good", "late", "lost"])
        XCTAssertEqual(try store.versions(of: Key("lost")).count, 1)
        // The older one cannot be put behind the newer any more; the one that is the newest is tried again.
        let again = try sync(source, target).report
        XCTAssertEqual(again.failures.map(\.key.description), ["shared"])
        XCTAssertEqual(again.passedOver, 1)
    }

    func testWithDevicesOfBothAwayItIsCopiedAndOwed() throws {
        let (source, target) = (try makeStore(), try makeStore(devices: 4))
        try makeHistory(source)
        for place in [source, target] {
            try FileManager.default.moveItem(atPath: place.disk(2), toPath: place.disk(2) + "-away")
        }
        let (report, written) = try sync(source, target)
        XCTAssertEqual(report.failures.count, 0)
        XCTAssertNotNil(written.debt)
        XCTAssertEqual(try history(target), try history(source))
    }

    func testWhatTheTargetLetGoOfDoesNotComeBackBehindWhatIsNewer() throws {
        let (source, target) = (try makeStore(), try makeStore())
        for seed in 1...4 { try write(source) { try $0.put(Key("k"), from: MemorySource([UInt8(seed)])) } }
        try sync(source, target)
        let store = try target.open()
        _ = try store.prune(Retention(keepLast: 1))
        store.close()
        try write(source) { try $0.put(Key("k"), from: MemorySource([5])) }
        let report = try sync(source, target).report
        XCTAssertEqual(report.versions, 1)
        XCTAssertEqual(report.passedOver, 3)
        XCTAssertEqual(try history(target), Array(try history(source).prefix(2)))
    }

    func testTwoStoresThatAreSyncedBothWaysComeToRest() throws {
        let (one, other) = (try makeStore(), try makeStore("rs:1+1", devices: 2))
        try write(one) { try $0.put(Key("k"), from: MemorySource([1])) }
        try sync(one, other)
        try write(one) { try $0.put(Key("k"), from: MemorySource([2])) }
        try write(other) { try $0.put(Key("k"), from: MemorySource([3])) }
        XCTAssertEqual(try sync(one, other).report.versions, 1)
        for _ in 0..<3 {
            XCTAssertEqual(try sync(other, one).report.versions, 0)
            XCTAssertEqual(try sync(one, other).report.versions, 0)
        }
        XCTAssertEqual(try history(one).first, try history(other).first, "the newest is the same")
    }

    func testWhatIsPurgedAndCollectedMeanwhileIsNoFailure() throws {
        let (source, target) = (try makeStore(), try makeStore())
        try makeHistory(source)
        let (from, to) = (try source.open(.read), try target.open())
        defer {
            from.close()
            to.close()
        }
        var plan = SyncPlan(
            from: from.engine.index, to: to.engine.index, prefix: [], last: try from.newestCommit())
        let batch = try plan.nextBatch { _ in }
        XCTAssertEqual(batch.count, 9)
        let writer = try source.open()
        _ = try writer.prune(Retention(keepLast: 1))
        _ = try writer.collect(CollectOptions(isFull: true))
        writer.close()
        let session = try to.startWriting()
        let carrier = VersionCarrier(from: from.engine, into: session) { _ in }
        try carrier.carry(batch)
        XCTAssertEqual(carrier.finish().failures.count, 0)
        _ = try session.finish()
        XCTAssertEqual(try history(target), try history(source))
    }

    func testAStoreIsNotSyncedWithItself() throws {
        let place = try makeStore()
        try write(place) { try $0.put(Key("a"), from: MemorySource([1])) }
        XCTAssertThrowsError(try sync(place, place)) { XCTAssertEqual(($0 as? StoreError)?.code, .invalid) }
        XCTAssertEqual(try history(place).count, 1)
    }

    /// What a version of key "k" says, as compared: its letter is its content, the digit its time; "-" is a delete marker.
    private func prints(_ versions: [String]) throws -> [VersionPrint] {
        let key = try Key("k")
        return try versions.enumerated().map { place, text in
            let identity = RecordIdentity(commit: CommitNumber(UInt64(place + 1)), ordinal: 0)
            let time = try XCTUnwrap(Int64(text.dropFirst()))
            let digest = [UInt8](repeating: Array(text.utf8)[0], count: 32).withUnsafeBytes { Digest($0) }
            let manifest = Manifest(depth: 0, entries: [ManifestEntry(digest: digest, byteCount: 1)])
            return VersionPrint(
                IndexedVersion(
                    identity: identity,
                    content: text.first == "-"
                        ? .delete(DeleteRecord(key: key, killed: identity, deleteNanoseconds: time))
                        : .put(
                            PutRecord(
                                key: key, attributes: ObjectAttributes(), putNanoseconds: time, byteCount: 1,
                                userMetadata: [], manifest: manifest))))
        }
    }

    /// What the target lacks, as numbers of the source's versions.
    private func lacking(_ source: [String], _ target: [String]) throws -> [UInt64] {
        KeyComparison(source: try prints(source), target: try prints(target)).lacking.map(\.identity.commit.value)
    }

    func testWhatFollowsTheNewestVersionThatIsThereIsLacking() throws {
        XCTAssertEqual(try lacking(["a1", "b2", "-3"], []), [1, 2, 3])
        XCTAssertEqual(try lacking(["a1", "b2", "-3"], ["a1"]), [2, 3])
        XCTAssertEqual(try lacking(["a1", "b2", "-3"], ["a1", "b2", "-3"]), [])
        XCTAssertEqual(try lacking(["a1", "b2", "c3"], ["b2"]), [3], "what was purged there does not come back")
        XCTAssertEqual(try lacking(["a1", "b2"], ["a1", "x9"]), [2], "what was put there otherwise stays below")
        XCTAssertEqual(try lacking(["b2"], ["a1"]), [1], "what was purged here is there")
        XCTAssertEqual(try lacking([], ["a1"]), [])
    }

    func testTheSameContentAtAnotherTimeIsAnotherVersion() throws {
        XCTAssertEqual(try lacking(["a1", "b2", "a3"], ["a1"]), [2, 3])
        XCTAssertEqual(try lacking(["a1", "-2", "a3", "-4"], ["a1", "-2"]), [3, 4])
    }

    /// A clock may stand still.
    func testVersionsThatAreTheSameInEveryRespectAreCounted() throws {
        XCTAssertEqual(try lacking(["a1", "b1", "a1"], ["a1", "b1"]), [3])
        XCTAssertEqual(try lacking(["a1", "b1", "a1"], ["a1", "b1", "a1"]), [])
        XCTAssertEqual(try lacking(["a1", "-1", "a1", "-1"], ["a1", "-1"]), [3, 4])
    }

    func testADeleteMarkerThatWouldHideNothingIsLeftOut() throws {
        XCTAssertEqual(try lacking(["-1"], []), [], "all that it hides was purged")
        XCTAssertEqual(try lacking(["-1", "b2", "-3", "-4"], []), [2, 3])
        XCTAssertEqual(try lacking(["-1"], ["x9"]), [1])
    }

    func testABatchHoldsWholeCommitsInOrder() throws {
        let (source, target) = (try makeStore(), try makeStore())
        // Commits of 1, 5, 1, 2, 1 versions, the first after that of init; the order of keys is another one.
        for (number, count) in [1, 5, 1, 2, 1].enumerated() {
            try write(source) { session in
                for place in 0..<count { try session.put(Key("\(9 - number)/\(place)"), from: MemorySource([1])) }
            }
        }
        let (from, to) = (try source.open(.read), try target.open(.read))
        defer {
            from.close()
            to.close()
        }
        var sizes: [Int] = []
        var all: [LackingVersion] = []
        var plan = SyncPlan(
            from: from.engine.index, to: to.engine.index, prefix: [], last: CommitNumber(5), atOnce: 2)
        while true {
            let batch = try plan.nextBatch { _ in }
            if batch.isEmpty { break }
            sizes.append(batch.count)
            all += batch
        }
        XCTAssertEqual(sizes, [6, 3], "the last commit is for the next sync")
        XCTAssertEqual(all.map(\.identity), all.map(\.identity).sorted())
        XCTAssertEqual(Set(all.map(\.identity.commit.value)), [2, 3, 4, 5])
        XCTAssertEqual(plan.total.versions, 9)
    }
}
