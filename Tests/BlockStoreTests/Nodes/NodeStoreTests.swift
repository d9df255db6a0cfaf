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

    private func environment(home: String = "home", silenceSeconds: UInt64 = 1) throws -> StoreEnvironment {
        let path = try XCTUnwrap(directory).path + "/" + home
        return StoreEnvironment(
            home: try DirectoryHome(path: path, creating: true),
            devices: TestNode.provider(home: home, silenceSeconds: silenceSeconds), executor: ThreadedExecutor())
    }

    /// A store of so many nodes, with one object. The first `free` of them cost nothing to read from.
    private func makeStore(_ count: Int, _ profile: String, _ content: [UInt8], free: Int = 0) throws {
        self.free = free
        let server = try TestNode.real ?? TestNode("server.py", ["--bucket", "tests"])
        self.server = server
        let host = String(server.endpoint.dropFirst("http://".count))
        proxies = try (0..<count).map { _ in try TestNode("proxy.py", ["--to", host]) }
        _ = try Store.create(
            environment(), devices: places.map { NewDevice(path: $0) }, profile: try Profile(profile))
        try put(content, "a")
    }

    private var free = 0

    private var places: [String] {
        proxies.enumerated().compactMap { number, proxy in
            server?.behind(proxy).address("n\(number)", number < free ? "&cost=0" : "")
        }
    }

    /// How many requests came to each node so far.
    private var requests: [Int] { proxies.map { Int($0.tell("count")) ?? 0 } }

    /// How many bytes came from each.
    private var bytes: [Int] { proxies.map { Int($0.tell("bytes")) ?? 0 } }

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
        let before = requests
        let (bytes, report) = try get("a", store)
        XCTAssertEqual(bytes, content)
        XCTAssertEqual(report.damaged, [], "who does not answer is no damage")
        XCTAssertEqual(try store.status().usage.values.reduce(0) { $0 + $1.damagedShards }, 0)
        for (before, now) in zip(before, requests).prefix(2) {
            XCTAssertLessThanOrEqual(now - before, 4, "those under way when it froze, and nobody after them")
        }
    }

    func testWhatComesLateFromANodeIsMadeFromTheOthers() throws {
        let content = SeededRandom.bytes(3_000_000, seed: 1)
        try makeStore(4, "rs:2+2", content)
        let store = try Store.open(environment(silenceSeconds: 20), access: .read)
        defer { store.close() }
        // Two of four: one of them at least has a row with data.
        for proxy in proxies.prefix(2) { proxy.tell("linger always GET blocks") }
        let (bytes, report) = try get("a", store)
        XCTAssertEqual(bytes, content)
        XCTAssertEqual(report.damaged, [], "late is no damage")
        let names = proxies.prefix(2).enumerated().map { number, _ in "/n\(number)" }
        let late = try store.status().devices.filter { device in names.contains { device.path?.contains($0) ?? false } }
        XCTAssertEqual(late.map(\.state), [.inService, .inService], "nor a failure")
        let rows = try XCTUnwrap(
            store.engine.index.blocks(after: nil, limit: 10).max { $0.shardPayloadBytes < $1.shardPayloadBytes })
        let isRead = rows.shards.contains { row, id in !row.isParity && late.contains { $0.id == id } }
        XCTAssertEqual(report.reroutedBytes > 0, isRead)
        XCTAssertEqual(report.rebuiltBytes, 0)
    }

    func testWhatIsReadSoonIsAskedForInFewRequests() throws {
        let content = SeededRandom.bytes(3_000_000, seed: 1)
        try makeStore(4, "rs:2+2", content)
        let store = try Store.open(environment(silenceSeconds: 20), access: .read)
        defer { store.close() }
        let before = requests
        XCTAssertEqual(try get("a", store).bytes, content)
        let count = zip(before, requests).reduce(0) { $0 + $1.1 - $1.0 }
        XCTAssertLessThanOrEqual(count, 8, "some 45 chunks, next to each other on two nodes")
        for device in try store.status().devices {
            let times = try XCTUnwrap(device.answerTimes)
            XCTAssertGreaterThan(times.requests, 4, "\(device.label)")
            XCTAssertEqual(times.failures, 0)
            XCTAssertNotNil(times.medianNanoseconds)
        }
    }

    func testARepairReadsWhereItCostsNothing() throws {
        let content = SeededRandom.bytes(12_000_000, seed: 1)
        try makeStore(4, "rs:2+2", content, free: 3)
        let store = try Store.open(environment(silenceSeconds: 20), access: .write)
        defer { store.close() }
        let block = try XCTUnwrap(
            store.engine.index.blocks(after: nil, limit: 10).max { $0.shardPayloadBytes < $1.shardPayloadBytes })
        let lost = try XCTUnwrap(store.devices.first { $0.path?.contains("/n0") ?? false })
        let row = try XCTUnwrap(block.shards.first { $0.value == lost.id }?.key)
        try store.engine.devices.device(lost.id)?.remove(ShardName(block.name, row))
        _ = try store.scrub()
        let before = bytes
        let report = try store.repair()
        XCTAssertEqual(report.repairedShards, 1)
        // Heads are looked at everywhere; the six megabytes of a shard are read where they cost nothing.
        let read = zip(before, bytes).map { $1 - $0 }
        XCTAssertLessThan(read[3], 1_000_000, "\(read)")
        XCTAssertGreaterThan(min(read[1], read[2]), 5_000_000, "\(read)")
        XCTAssertEqual(try get("a", store).bytes, content)
    }

    func testNodesThatArePlayedToBeSilentAreNotAsked() throws {
        let content = SeededRandom.bytes(300_000, seed: 1)
        try makeStore(4, "rs:2+2", content)
        let store = try Store.open(environment(), access: .read)
        defer { store.close() }
        let before = requests
        let report = try store.rehearse(
            losing: Set(store.devices.prefix(2).map(\.id)), sampleCount: nil, random: SeededRandom(1))
        XCTAssertEqual(report.forecast.lostBlocks, 0)
        XCTAssertEqual(report.reading.objects, 1)
        XCTAssertEqual(report.reading.bytes, 300_000)
        XCTAssertTrue(report.reading.failures.isEmpty)
        XCTAssertEqual(requests.prefix(2), before.prefix(2))
        let more = try store.rehearse(
            losing: Set(store.devices.prefix(3).map(\.id)), sampleCount: nil, random: SeededRandom(1))
        XCTAssertGreaterThan(more.forecast.lostBlocks, 0)
        XCTAssertEqual(more.reading.failures.map(\.key.description), ["a"])
    }

    func testNothingIsReadFromWhereItCostsWhileOthersHaveEnough() throws {
        let content = SeededRandom.bytes(3_000_000, seed: 1)
        try makeStore(4, "rs:2+2", content, free: 2)
        let store = try Store.open(environment(), access: .read)
        defer { store.close() }
        let before = requests
        let (bytes, report) = try get("a", store)
        XCTAssertEqual(bytes, content)
        XCTAssertEqual(report.damaged, [])
        XCTAssertEqual(requests.suffix(2), before.suffix(2), "two of four have all that is needed")
        // One of them falls silent: then the others are paid.
        proxies[0].tell("stall always GET")
        XCTAssertEqual(try get("a", store).bytes, content)
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
