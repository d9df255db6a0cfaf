import Erasure
import Foundation
import XCTest

@testable import BlockStore
@testable import Simulation

/// A whole store over nodes, each behind a proxy that misbehaves.
final class NodeStoreTests: XCTestCase {
    private var server: TestNode?
    private var proxies: [TestNode] = []
    private var directory: TemporaryDirectory?

    override func setUpWithError() throws {
        try XCTSkipIf(TestNode.python == nil, "there is no python3")
        directory = try TemporaryDirectory()
    }

    override func tearDown() {
        proxies = []
        server = nil
        directory = nil
    }

    private func environment(home: String = "home") throws -> StoreEnvironment {
        let path = try XCTUnwrap(directory).path + "/" + home
        return StoreEnvironment(
            home: try DirectoryHome(path: path, creating: true), devices: TestNode.provider(home: home),
            executor: ThreadedExecutor())
    }

    /// A store of so many nodes, with one object.
    private func makeStore(_ count: Int, _ profile: String, _ content: [UInt8]) throws {
        let server = try TestNode.real ?? TestNode("server.py", ["--bucket", "tests"])
        self.server = server
        let host = String(server.endpoint.dropFirst("http://".count))
        proxies = try (0..<count).map { _ in try TestNode("proxy.py", ["--to", host]) }
        _ = try Store.create(
            environment(), devices: places.map { NewDevice(path: $0) }, profile: try Profile(profile))
        try put(content, "a")
    }

    private var places: [String] {
        proxies.enumerated().compactMap { number, proxy in server?.behind(proxy).address("n\(number)") }
    }

    @discardableResult
    private func put(_ content: [UInt8], _ key: String) throws -> WriteReport {
        let store = try Store.open(environment(), access: .write)
        defer { store.close() }
        let session = try store.startWriting()
        try session.put(Key(key), from: MemorySource(content))
        return try session.finish()
    }

    private func get(_ key: String, _ store: Store) throws -> (bytes: [UInt8], report: ReadReport) {
        let sink = MemorySink()
        let report = try store.read(try store.newestVersion(of: Key(key)), into: sink)
        return (sink.bytes, report)
    }

    func testANodeThatFreezesWhileItIsReadIsSetAsideAndNotTakenForDamaged() throws {
        let content = SeededRandom.bytes(3_000_000, seed: 1)
        try makeStore(6, "rs:4+2", content)
        let store = try Store.open(environment(), access: .read)
        defer { store.close() }
        for proxy in proxies.prefix(2) { proxy.tell("stall always") }
        let before = proxies.map { Int($0.tell("count")) ?? 0 }
        let (bytes, report) = try get("a", store)
        XCTAssertEqual(bytes, content)
        XCTAssertEqual(report.damaged, [], "who does not answer is no damage")
        XCTAssertEqual(try store.status().usage.values.reduce(0) { $0 + $1.damagedShards }, 0)
        for (number, proxy) in proxies.prefix(2).enumerated() {
            let asked = (Int(proxy.tell("count")) ?? 0) - before[number]
            XCTAssertLessThanOrEqual(asked, 4, "those under way when it froze, and nobody after them")
        }
    }

    func testAPutGoesOnWithoutANodeThatDiesAndRepairPays() throws {
        let content = SeededRandom.bytes(500_000, seed: 1)
        try makeStore(6, "rs:4+2", content)
        proxies[0].tell("refuse always PUT")
        proxies[0].tell("refuse always POST")
        let more = SeededRandom.bytes(500_000, seed: 2)
        XCTAssertNotNil(try put(more, "b").debt)
        proxies[0].tell("clear")
        let store = try Store.open(environment(), access: .write)
        defer { store.close() }
        _ = try store.repair()
        XCTAssertEqual(try store.status().owedShards, 0)
        XCTAssertEqual(try get("b", store).bytes, more)
    }

    func testEveryPassingFaultLeavesAPutAndAGetRight() throws {
        try makeStore(4, "rs:2+2", [1])
        for (number, fault) in [
            "refuse", "drop", "error", "late-error", "slow-down", "cut", "twice", "damage", "stale",
        ]
        .enumerated() {
            for method in ["PUT", "POST", "GET", "HEAD", "DELETE"] {
                for proxy in proxies { proxy.tell("\(fault) 1 \(method)") }
            }
            let content = SeededRandom.bytes(40_000, seed: UInt64(number))
            try put(content, fault)
            for proxy in proxies { proxy.tell("clear") }
            let store = try Store.open(environment(), access: .read)
            XCTAssertEqual(try get(fault, store).bytes, content, fault)
            XCTAssertEqual(try store.status().owedShards, 0, fault)
            store.close()
        }
    }

    func testBytesThatAreGarbledOnTheWayBackAreNeverDelivered() throws {
        let content = SeededRandom.bytes(500_000, seed: 1)
        try makeStore(4, "rs:2+2", content)
        let store = try Store.open(environment(), access: .read)
        defer { store.close() }
        for proxy in proxies.prefix(2) { proxy.tell("garble always GET") }
        XCTAssertEqual(try get("a", store).bytes, content)
    }

    func testAListingThatLacksWhatACommitNamesLosesNothing() throws {
        let content = SeededRandom.bytes(50_000, seed: 1)
        try makeStore(6, "rs:3+3", content)
        // Enough that what is listed of the newest commit alone could not be read.
        for proxy in proxies.prefix(4) { proxy.tell("stale always GET list-type") }
        let report = try Store.recover(environment(home: "other"), devices: places)
        XCTAssertEqual(report.objects, 1)
        XCTAssertNil(report.writeRefusal)
        let store = try Store.open(environment(home: "other"), access: .read)
        defer { store.close() }
        XCTAssertEqual(try get("a", store).bytes, content)
        XCTAssertEqual(try store.status().owedShards, 0)
    }

    func testAWriterFromAnotherHomeIsToldWhoWrites() throws {
        try makeStore(4, "rs:2+2", [1, 2, 3])
        _ = try Store.recover(environment(home: "reader"), devices: places)
        let first = try Store.open(environment(), access: .write)
        XCTAssertThrowsError(
            try Store.open(environment(home: "reader"), access: .write, options: Store.Options(lockWaitSeconds: 0))
        ) { error in
            XCTAssertEqual((error as? StoreError)?.code, .locked)
            XCTAssertTrue("\(error)".contains("a test in home"), "\(error)")
        }
        first.close()
        try Store.open(environment(home: "reader"), access: .write).close()
    }
}
