import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// Copies, moves, versions and conditions, on real directories with real threads.
final class VersionTests: XCTestCase {
    /// A directory goes when nobody holds it.
    private var directories: [TemporaryDirectory] = []

    private func environment(_ directory: TemporaryDirectory) throws -> StoreEnvironment {
        StoreEnvironment(
            home: try DirectoryHome(path: directory.path + "/home", creating: true),
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

    private func read(_ store: Store, _ key: String) throws -> [UInt8] {
        let sink = MemorySink()
        _ = try store.read(try store.newestVersion(of: Key(key)), into: sink)
        return sink.bytes
    }

    private func write(_ store: Store, _ body: (WriteSession) throws -> Void) throws -> WriteReport {
        let session = try store.startWriting()
        do { try body(session) } catch {
            session.cancel()
            throw error
        }
        return try session.finish()
    }

    @discardableResult
    private func put(_ store: Store, _ key: String, _ bytes: [UInt8]) throws -> WriteReport {
        try write(store) { try $0.put(try Key(key), from: MemorySource(bytes)) }
    }

    private func expect(
        _ code: StoreError.Code, file: StaticString = #filePath, line: UInt = #line, _ body: () throws -> Void
    ) {
        XCTAssertThrowsError(try body(), file: file, line: line) {
            XCTAssertEqual(($0 as? StoreError)?.code, code, "\($0)", file: file, line: line)
        }
    }

    func testACopyWritesOneRecordAndNoData() throws {
        let (directory, store) = try makeStore()
        defer { store.close() }
        // More than 102 chunks: the manifest has nodes.
        let content = SeededRandom.bytes(900_000, seed: 1)
        let attributes = ObjectAttributes(mode: 0o640, modifiedNanoseconds: 77)
        _ = try write(store) { try $0.put(Key("a"), attributes: attributes, from: MemorySource(content)) }
        let before = try store.engine.index.totals()
        let report = try write(store) { try $0.copy(Key("a"), to: Key("b")) }
        XCTAssertEqual(report.copied, 1)
        XCTAssertEqual(report.copiedBytes, 900_000)
        XCTAssertEqual(report.shardBytes, 0)
        XCTAssertNil(report.debt)
        XCTAssertEqual(try store.engine.index.totals().chunks, before.chunks)
        XCTAssertEqual(try read(store, "b"), content)
        XCTAssertEqual(try store.newestVersion(of: Key("b")).attributes, attributes)
        XCTAssertEqual(try read(store, "a"), content)
        // And after the source is gone, without the index, with two devices lost.
        _ = try write(store) { try $0.remove(Key("a")) }
        store.close()
        for disk in ["disk-1", "disk-4"] { try FileManager.default.removeItem(atPath: "\(directory.path)/\(disk)") }
        _ = try Store.rebuildIndex(try environment(directory))
        let again = try Store.open(try environment(directory), access: .read)
        defer { again.close() }
        XCTAssertEqual(try read(again, "b"), content)
    }

    func testAMoveIsOneCommit() throws {
        let (_, store) = try makeStore()
        defer { store.close() }
        try put(store, "a", [1, 2, 3])
        let report = try write(store) { try $0.move(Key("a"), to: Key("b")) }
        XCTAssertEqual(report.commits, 1)
        XCTAssertEqual(try read(store, "b"), [1, 2, 3])
        expect(.notFound) { _ = try store.newestVersion(of: Key("a")) }
        let identities = [try store.versions(of: Key("a"))[0].identity, try store.versions(of: Key("b"))[0].identity]
        XCTAssertEqual(identities[0].commit, identities[1].commit)
        XCTAssertGreaterThan(identities[0], identities[1], "the delete comes after the put")
    }

    func testACopyOfWhatTheSessionHoldsItself() throws {
        let (_, store) = try makeStore()
        defer { store.close() }
        let large = SeededRandom.bytes(900_000, seed: 2)
        _ = try write(store) { session in
            try session.put(Key("small"), from: MemorySource([9]))
            try session.copy(Key("small"), to: Key("small copy"))
            try session.put(Key("large"), from: MemorySource(large))
            try session.move(Key("large"), to: Key("moved"))
            try session.move(Key("moved"), to: Key("moved again"))
        }
        XCTAssertEqual(try read(store, "small copy"), [9])
        XCTAssertEqual(try read(store, "moved again"), large)
        XCTAssertEqual(try store.list().map(\.key.description), ["moved again", "small", "small copy"])
    }

    func testWhatMakesNoSenseIsRefusedAndTheSessionGoesOn() throws {
        let (_, store) = try makeStore()
        defer { store.close() }
        try put(store, "a", [1])
        _ = try write(store) {
            try $0.put(Key("d/"), attributes: ObjectAttributes(kind: .directory), from: MemorySource([]))
        }
        try put(store, "gone", [2])
        _ = try write(store) { try $0.remove(Key("gone")) }
        let marker = try store.versions(of: Key("gone"))[0].identity
        let report = try write(store) { session in
            expect(.invalid) { try session.copy(Key("a"), to: Key("a")) }
            expect(.invalid) { try session.move(Key("a"), to: Key("a")) }
            expect(.notFound) { try session.copy(Key("b"), to: Key("c")) }
            expect(.notFound) { try session.copy(Key("gone"), to: Key("c")) }
            expect(.invalid) { try session.copy(Key("d/"), to: Key("c")) }
            expect(.invalid) { try session.restore(Key("gone"), version: marker) }
            expect(.notFound) { try session.restore(Key("a"), version: marker) }
            expect(.notFound) { try session.purge(Key("a"), version: marker) }
            expect(.exists) { try session.undelete(Key("a")) }
            expect(.notFound) { try session.undelete(Key("b")) }
            try session.put(Key("z"), from: MemorySource([3]))
        }
        XCTAssertEqual(report.objects, 1)
        XCTAssertEqual(try store.list().map(\.key.description), ["a", "d/", "z"])
    }

    func testATreeMovesUpIntoTheOneThatHoldsIt() throws {
        let (_, store) = try makeStore()
        defer { store.close() }
        // a/b/b/x goes to a/b/x, which goes to a/x: the walk must not meet its own copies.
        let files = ["a/b/b/x": [1], "a/b/x": [2], "a/b/y": [3], "a/bc": [4], "a/z": [5]] as [String: [UInt8]]
        for (key, bytes) in files { try put(store, key, bytes) }
        _ = try write(store) { try store.copyTree(Key("a/b"), to: Key("a"), in: $0, moving: true) }
        let found = try store.list().map { ($0.key.description, try read(store, $0.key.description)) }
        XCTAssertEqual(
            Dictionary(uniqueKeysWithValues: found), ["a/x": [2], "a/b/x": [1], "a/y": [3], "a/bc": [4], "a/z": [5]])
        _ = try write(store) { session in
            expect(.invalid) { try store.copyTree(Key("a"), to: Key("a/c"), in: session) }
            expect(.invalid) { try store.copyTree(Key("a/"), to: Key("a"), in: session) }
            expect(.notFound) { try store.copyTree(Key("nothing"), to: Key("b"), in: session) }
            let long = try Key([UInt8](repeating: 98, count: 1022))
            expect(.invalid) { try store.copyTree(Key("a"), to: long, in: session) }
        }
        XCTAssertEqual(try store.list().count, 5, "nothing of a refused copy is there")
        let again = try write(store) { try store.copyTree(Key("a"), to: Key("b"), in: $0) }
        XCTAssertEqual(again.copied, 5)
        XCTAssertEqual(try write(store) { try store.copyTree(Key("a"), to: Key("b"), in: $0) }.unchanged, 5)
    }

    func testACopyOwesWhatItsBlocksLackAndIsRefusedWhereTheySurviveNothing() throws {
        let (directory, store) = try makeStore(devices: 4)
        try put(store, "a", SeededRandom.bytes(50_000, seed: 3))
        store.close()
        let disk = { (number: Int) in "\(directory.path)/disk-\(number)" }
        try FileManager.default.removeItem(atPath: disk(1))
        var degraded = try Store.open(try environment(directory), access: .write)
        let report = try write(degraded) { try $0.copy(Key("a"), to: Key("b")) }
        XCTAssertNotNil(report.debt)
        degraded.close()
        // A new device, empty yet: a new block would survive two losses, those of the source survive one.
        degraded = try Store.open(try environment(directory), access: .write)
        let lost = try XCTUnwrap(degraded.devices.first { !$0.state.isInService })
        _ = try degraded.replaceDevice(lost.id, with: "disk-9")
        XCTAssertNotNil(try write(degraded) { try $0.move(Key("b"), to: Key("c")) }.debt)
        degraded.close()
        try FileManager.default.removeItem(atPath: disk(2))
        degraded = try Store.open(try environment(directory), access: .write)
        defer { degraded.close() }
        // Two rows are left of two that are needed.
        expect(.tooFewDevices) { _ = try write(degraded) { try $0.copy(Key("c"), to: Key("d")) } }
        XCTAssertEqual(try degraded.list().map(\.key.description), ["a", "c"])
        XCTAssertEqual(try read(degraded, "c").count, 50_000)
    }

    func testAPurgeRemovesExactlyOneVersion() throws {
        let (directory, store) = try makeStore()
        for byte in 1...4 { try put(store, "a", [UInt8(byte)]) }
        _ = try write(store) { try $0.remove(Key("a")) }
        var versions = try store.versions(of: Key("a")).map(\.identity)
        XCTAssertEqual(versions.count, 5)
        // Not the newest: the key stays deleted.
        _ = try write(store) { try $0.purge(Key("a"), version: versions[2]) }
        expect(.notFound) { _ = try store.newestVersion(of: Key("a")) }
        expect(.notFound) { _ = try write(store) { try $0.purge(Key("a"), version: versions[2]) } }
        versions.remove(at: 2)
        XCTAssertEqual(try store.versions(of: Key("a")).map(\.identity), versions)
        // The marker: what was deleted is there again. And the newest put: the one below.
        _ = try write(store) { try $0.purge(Key("a"), version: versions[0]) }
        XCTAssertEqual(try read(store, "a"), [4])
        let report = try write(store) { session in
            try session.purge(Key("a"), version: versions[1])
            expect(.notFound) { try session.purge(Key("a"), version: versions[1]) }
            try session.copy(Key("a"), to: Key("b"))
        }
        XCTAssertEqual(report.purged, 1)
        XCTAssertEqual(try read(store, "a"), [2])
        XCTAssertEqual(try read(store, "b"), [2], "the session sees what it purged")
        XCTAssertEqual(try store.engine.index.totals().versions, 3)
        let dump = try store.engine.index.dump()
        store.close()
        _ = try Store.rebuildIndex(try environment(directory))
        let again = try Store.open(try environment(directory), access: .write)
        defer { again.close() }
        XCTAssertEqual(try again.engine.index.dump(), dump, "a rebuilt index resurrects nothing")
        // All of them: the key was never there.
        for version in try again.versions(of: Key("a")) {
            _ = try write(again) { try $0.purge(Key("a"), version: version.identity) }
        }
        expect(.notFound) { _ = try again.versions(of: Key("a")) }
    }

    func testAnOlderVersionComesBackAsTheNewest() throws {
        let (_, store) = try makeStore()
        defer { store.close() }
        try put(store, "a", [1])
        try put(store, "a", [2])
        let versions = try store.versions(of: Key("a"))
        _ = try write(store) { try $0.restore(Key("a"), version: versions[1].identity) }
        XCTAssertEqual(try read(store, "a"), [1])
        XCTAssertEqual(try store.versions(of: Key("a")).count, 3)
        let again = try write(store) { try $0.restore(Key("a"), version: versions[1].identity) }
        XCTAssertEqual(again.unchanged, 1)
        XCTAssertEqual(try store.versions(of: Key("a")).count, 3)
        _ = try write(store) { session in
            try session.remove(Key("a"))
            try session.undelete(Key("a"))
        }
        XCTAssertEqual(try read(store, "a"), [1])
    }

    func testAConditionIsCheckedAgainstTheNewestVersion() throws {
        let (_, store) = try makeStore()
        defer { store.close() }
        let key = try Key("a")
        func put(_ byte: UInt8, _ condition: WriteCondition) throws {
            _ = try write(store) { try $0.put(key, from: MemorySource([byte]), condition: condition) }
        }
        try put(1, .isAbsent)
        let first = try store.newestVersion(of: key).identity
        let blocks = try store.engine.index.totals().blocks
        expect(.conditionFailed) { try put(2, .isAbsent) }
        expect(.conditionFailed) {
            try put(2, .newestVersionIs(RecordIdentity(commit: first.commit, ordinal: first.ordinal + 1)))
        }
        XCTAssertEqual(try store.engine.index.totals().blocks, blocks, "a refusal stores nothing")
        try put(2, .newestVersionIs(first))
        expect(.conditionFailed) { try put(3, .newestVersionIs(first)) }
        _ = try write(store) { session in
            expect(.conditionFailed) { try session.remove(key, condition: .newestVersionIs(first)) }
            try session.remove(key)
            expect(.conditionFailed) {
                try session.put(key, from: MemorySource([4]), condition: .newestVersionIs(first))
            }
            try session.put(key, from: MemorySource([4]), condition: .isAbsent)
            expect(.conditionFailed) { try session.put(key, from: MemorySource([5]), condition: .isAbsent) }
            try session.put(Key("b"), from: MemorySource([6]))
            expect(.conditionFailed) { try session.copy(Key("b"), to: key, condition: .isAbsent) }
            expect(.conditionFailed) { try session.move(Key("b"), to: key, condition: .newestVersionIs(first)) }
        }
        XCTAssertEqual(try read(store, "a"), [4])
        XCTAssertEqual(try read(store, "b"), [6])
    }

    func testChangesAreToldInOrderAndFromAnywhere() throws {
        let (directory, store) = try makeStore()
        try put(store, "a", [1])
        try put(store, "a", [2, 2])
        let first = try store.versions(of: Key("a"))[1].identity
        _ = try write(store) { session in
            try session.move(Key("a"), to: Key("b"))
            try session.put(Key("c"), from: MemorySource([]))
        }
        _ = try write(store) { try $0.purge(Key("a"), version: first) }
        let all = try store.changes(after: nil)
        XCTAssertEqual(all.map(\.key.description), ["a", "a", "b", "a", "c", "a"])
        XCTAssertEqual(all.last?.what, .purge(killed: first))
        XCTAssertEqual(all.map(\.identity), all.map(\.identity).sorted())
        for (index, change) in all.enumerated() {
            XCTAssertEqual(try store.changes(after: change.identity), Array(all[(index + 1)...]))
            let commit = RecordIdentity(commit: change.identity.commit, ordinal: .max)
            XCTAssertEqual(
                try store.changes(after: commit), all.filter { $0.identity.commit > change.identity.commit })
        }
        var paged: [ObjectChange] = []
        while case let page = try store.changes(after: paged.last?.identity, limit: 2), !page.isEmpty { paged += page }
        XCTAssertEqual(paged, all)
        expect(.notFound) { _ = try store.changes(after: RecordIdentity(commit: CommitNumber(99), ordinal: 0)) }
        store.close()
        _ = try Store.rebuildIndex(try environment(directory))
        let again = try Store.open(try environment(directory), access: .read)
        defer { again.close() }
        XCTAssertEqual(try again.changes(after: nil), all, "a rebuilt index tells the same")
    }

    func testChangesThatAreNotKnownAnyMoreAreNotPassedOver() throws {
        let (_, store) = try makeStore()
        defer { store.close() }
        for byte in 1...5 { try put(store, "a", [UInt8(byte)]) }
        let head = try store.newestCommit().value
        func after(_ commit: UInt64, _ ordinal: UInt32 = .max) throws -> Int {
            try store.requireHistory(after: RecordIdentity(commit: CommitNumber(commit), ordinal: ordinal))
            return try store.changes(after: RecordIdentity(commit: CommitNumber(commit), ordinal: ordinal)).count
        }
        XCTAssertEqual(try after(0), 5)
        // A commit in the middle is in no index and on no device.
        try store.engine.index.write { connection throws(StoreError) in
            try connection.run("DELETE FROM commits WHERE number = \(head - 2)")
            try connection.run("DELETE FROM changes WHERE number = \(head - 2)")
        }
        for commit in 0..<(head - 2) { expect(.notFound) { _ = try after(commit) } }
        expect(.notFound) { _ = try after(head - 2, 0) }
        expect(.notFound) { _ = try store.changes(after: nil) }
        XCTAssertEqual(try after(head - 2), 2)
        // Commits that were collected away.
        var state = try XCTUnwrap(try store.engine.index.state())
        state.retired = RetiredRecord(
            intervals: [], blocks: [],
            commits: [
                RedundantCommits(
                    first: CommitNumber(2), last: CommitNumber(head - 1),
                    below: BlockName(number: BlockNumber(1), id: BlockID(high: 1, low: 1)))
            ])
        try store.engine.index.setState(state)
        expect(.notFound) { _ = try after(head - 2) }
        XCTAssertEqual(try after(head - 1), 1)
    }

    func testAnIndexOfAnOlderVersionIsMadeAnew() throws {
        let (directory, store) = try makeStore()
        try put(store, "a", [1])
        try put(store, "a", [2])
        _ = try write(store) { try $0.move(Key("a"), to: Key("b")) }
        let (dump, changes) = (try store.engine.index.dump(), try store.changes(after: nil))
        store.close()
        let old = try Connection(path: directory.path + "/home/index.db")
        try old.run("DROP TABLE changes; PRAGMA user_version=1")
        let again = try Store.open(try environment(directory), access: .read)
        defer { again.close() }
        XCTAssertEqual(try again.engine.index.dump(), dump)
        XCTAssertEqual(try again.changes(after: nil), changes)
        XCTAssertTrue(again.notices.contains { $0.contains("rebuilt from the shards") }, "\(again.notices)")
    }

    func testAnyCommitOfThePastCanBeListed() throws {
        let (_, store) = try makeStore()
        defer { store.close() }
        var pasts: [(commit: CommitNumber, time: Int64, keys: [String])] = []
        func remember(_ keys: [String]) throws {
            pasts.append((try store.newestCommit(), SystemClock().wallNanoseconds(), keys))
        }
        try put(store, "a", [1])
        try put(store, "b", [2])
        try remember(["a 1", "b 1"])
        try put(store, "a", [1, 1])
        _ = try write(store) { try $0.remove(Key("b")) }
        try remember(["a 2"])
        try put(store, "c", [3])
        try put(store, "b", [2, 2, 2])
        try remember(["a 2", "b 3", "c 1"])
        for past in pasts {
            for moment in [Moment.commit(past.commit), .time(nanoseconds: past.time)] {
                let all = try store.list(at: moment).map { "\($0.key) \($0.byteCount)" }
                XCTAssertEqual(all, past.keys, "\(moment)")
                // Page by page.
                var paged: [String] = []
                var after: Key?
                repeat {
                    let page = try store.list(after: after, limit: 1, at: moment)
                    paged += page.map { "\($0.key) \($0.byteCount)" }
                    after = page.last?.key
                } while after != nil
                XCTAssertEqual(paged, past.keys, "\(moment), page by page")
            }
        }
        XCTAssertEqual(try store.list(at: .commit(CommitNumber(0))).count, 0)
        expect(.notFound) { _ = try store.list(at: .commit(CommitNumber(99))) }
        XCTAssertEqual(try store.version(of: Key("a"), at: .commit(pasts[0].commit)).byteCount, 1)
        expect(.notFound) { _ = try store.version(of: Key("b"), at: .commit(pasts[1].commit)) }
    }
}
