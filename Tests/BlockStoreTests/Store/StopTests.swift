import Erasure
import Synchronization
import XCTest

@testable import BlockStore
@testable import Simulation

/// Somebody asks for an end (`StoreEnvironment.shouldStop`), at every step where it is looked for.
final class StopTests: XCTestCase {
    /// Asks for an end from the n-th question on.
    private final class Stop: Sendable {
        let left: Atomic<Int>

        init(at number: Int) { left = Atomic(number) }

        func asked() -> Bool { left.subtract(1, ordering: .relaxed).newValue < 0 }
    }

    /// - Parameter seed: of the ids: two stores have two.
    private func environment(
        _ directory: TemporaryDirectory, _ stop: Stop? = nil, seed: UInt64 = 1
    ) throws -> StoreEnvironment {
        var environment = StoreEnvironment(
            home: try DirectoryHome(path: directory.path + "/home", creating: true),
            devices: RebasedProvider(base: directory.path), clock: SystemClock(), random: SeededRandom(seed),
            executor: InlineExecutor(), shouldStop: { stop?.asked() ?? false })
        environment.largestShardBytes = 64 << 10
        return environment
    }

    private func content(_ number: Int) -> [UInt8] { SeededRandom.bytes(150_000 + number, seed: UInt64(number)) }

    private func makeStore(_ directory: TemporaryDirectory) throws {
        _ = try Store.create(
            try environment(directory), devices: (1...5).map { NewDevice(path: "disk-\($0)") },
            profile: try Profile("rs:2+2"), averageChunkBytes: 4096, isSandbox: true)
        try run(directory, nil) { store in
            let session = try store.startWriting()
            for number in 0..<6 { try session.put(Key("k\(number)"), from: MemorySource(self.content(number))) }
            _ = try session.finish()
        }
    }

    private func run(_ directory: TemporaryDirectory, _ stop: Stop?, _ body: (Store) throws -> Void) throws {
        let store = try Store.open(try environment(directory, stop), access: .write)
        defer { store.close() }
        try body(store)
    }

    /// Runs `body` with an end asked for at the first question, at the second and so on, until it comes to its own end.
    ///
    /// - Returns: how often it was interrupted.
    private func interruptEverywhere(
        _ directory: TemporaryDirectory, _ what: String, _ body: (Store) throws -> Void
    ) throws -> Int {
        for number in 0..<1000 {
            do {
                try run(directory, Stop(at: number), body)
                return number
            } catch let error as StoreError where error.code == .interrupted {
                continue
            }
        }
        XCTFail("\(what) never ends")
        return 0
    }

    private func expectAll(_ directory: TemporaryDirectory, _ what: String, _ keys: [Int] = Array(0..<6)) throws {
        try run(directory, nil) { store in
            XCTAssertEqual(try store.list().map(\.key), try keys.map { try Key("k\($0)") }, what)
            for number in keys {
                let sink = MemorySink()
                _ = try store.read(try store.newestVersion(of: Key("k\(number)")), into: sink)
                XCTAssertEqual(sink.bytes, content(number), "\(what), k\(number)")
            }
            let report = try store.scrub(repairing: true)
            XCTAssertEqual(try store.status().owedShards, 0, "\(what): \(report.problems)")
        }
    }

    func testMaintenanceThatIsStoppedAnywhereGoesOnWhereItWas() throws {
        let steps: [(String, (TemporaryDirectory) throws -> Void, (Store) throws -> Void)] = [
            (
                "repair",
                { directory in
                    for name in try FileManager.default.contentsOfDirectory(atPath: directory.path + "/disk-1") {
                        try FileManager.default.removeItem(atPath: "\(directory.path)/disk-1/\(name)")
                    }
                }, { _ = try $0.repair() }
            ),
            (
                "scrub", { _ in },
                { store in
                    guard try !store.scrub().isInterrupted else {
                        throw StoreError(.interrupted, "scrub", detail: "as it says in its report")
                    }
                }
            ),
            ("reshape", { _ in }, { _ = try $0.reshape(to: Profile("rs:2+1")) }),
            ("reshape with other columns", { _ in }, { _ = try $0.reshape(to: Profile("rs:3+1")) }),
            (
                "drain", { _ in },
                { store in
                    let id = try XCTUnwrap(store.devices.first { $0.label == "disk-2" }).id
                    _ = try store.drainDevice(id)
                }
            ),
        ]
        let directory = try TemporaryDirectory()
        try makeStore(directory)
        for (what, prepare, body) in steps {
            try prepare(directory)
            let interruptions = try interruptEverywhere(directory, what, body)
            XCTAssertGreaterThan(interruptions, 2, what)
            try expectAll(directory, what)
        }
    }

    func testCollectionAndPruneThatAreStoppedAnywhereGoOn() throws {
        let directory = try TemporaryDirectory()
        try makeStore(directory)
        try run(directory, nil) { store in
            let session = try store.startWriting()
            try session.remove(Key("k1"))
            try session.remove(Key("k4"))
            _ = try session.finish()
        }
        let pruned = try interruptEverywhere(directory, "prune") { _ = try $0.prune(Retention(keepLast: 1)) }
        let purged = try interruptEverywhere(directory, "prune all") { _ = try $0.prune(Retention(keepWithin: .zero)) }
        XCTAssertGreaterThan(pruned + purged, 0)
        let collected = try interruptEverywhere(directory, "collect") {
            _ = try $0.collect(CollectOptions(isFull: true))
        }
        XCTAssertGreaterThan(collected, 2)
        try expectAll(directory, "collect", [0, 2, 3, 5])
    }

    func testASyncThatIsStoppedAnywhereGoesOn() throws {
        let (directory, other) = (try TemporaryDirectory(), try TemporaryDirectory())
        try makeStore(other)
        try run(other, nil) { store in
            for number in [1, 4] {
                let session = try store.startWriting()
                try session.move(Key("k\(number)"), to: Key("moved\(number)"))
                _ = try session.finish()
            }
        }
        _ = try Store.create(
            try environment(directory, seed: 2), devices: (1...3).map { NewDevice(path: "disk-\($0)") },
            profile: try Profile("rs:2+1"), averageChunkBytes: 4096, isSandbox: true)
        let interruptions = try interruptEverywhere(directory, "sync") { target in
            let source = try Store.open(try environment(other), access: .read)
            defer { source.close() }
            let session = try target.startWriting()
            do {
                _ = try source.sync(to: session)
                _ = try session.finish()
            } catch {
                session.cancel()
                throw error
            }
        }
        XCTAssertGreaterThan(interruptions, 10)
        try run(directory, nil) { target in
            try run(other, nil) { source in
                XCTAssertEqual(try target.list(allVersions: true).count, 10)
                XCTAssertEqual(
                    try target.list(allVersions: true).map(\.writtenNanoseconds),
                    try source.list(allVersions: true).map(\.writtenNanoseconds))
            }
        }
    }

    func testAStoppedPutKeepsWhatIsAcknowledgedAndNothingElse() throws {
        let directory = try TemporaryDirectory()
        try makeStore(directory)
        let stop = Stop(at: .max)
        let store = try Store.open(try environment(directory, stop), access: .write)
        let session = try store.startWriting()
        try session.put(Key("first"), from: MemorySource(content(10)))
        try session.commitNow()
        try session.put(Key("second"), from: MemorySource(content(11)))
        stop.left.store(0, ordering: .relaxed)
        XCTAssertEqual(code { try session.put(Key("third"), from: MemorySource(content(12))) }, .interrupted)
        XCTAssertEqual(code { _ = try session.finish() }, .interrupted, "a session that was stopped is over")
        XCTAssertEqual(session.acknowledged.objects, 1)
        XCTAssertEqual(session.acknowledged.commits, 1)
        session.cancel()
        store.close()
        try run(directory, nil) { store in
            XCTAssertEqual(try store.list(prefix: Array("first".utf8)).count, 1)
            XCTAssertEqual(code { _ = try store.newestVersion(of: Key("second")) }, .notFound)
            XCTAssertEqual(code { _ = try store.newestVersion(of: Key("third")) }, .notFound)
        }
        for disk in 1...5 {
            let left = try FileManager.default.contentsOfDirectory(atPath: "\(directory.path)/disk-\(disk)/tmp")
            XCTAssertEqual(left, [], "nothing is left behind")
        }
    }

    func testAStoppedReadDeliversNoPartAsAWhole() throws {
        let directory = try TemporaryDirectory()
        try makeStore(directory)
        for number in 0..<20 {
            let store = try Store.open(try environment(directory, Stop(at: number)), access: .read)
            defer { store.close() }
            let sink = MemorySink()
            let object = try store.newestVersion(of: Key("k3"))
            let result = code { _ = try store.read(object, into: sink) }
            XCTAssertTrue(result == .interrupted || result == nil && sink.bytes == content(3), "stop \(number)")
        }
    }
}
