import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// Stores whose blocks have local parities: where rows must span, and a count says nothing.
final class LocalCodeStoreTests: XCTestCase {
    private let disks = (1...10).map { "disk-\($0)" }
    private let objects = ["small": 700, "middle": 90_000, "large": 600_000]

    private func content(_ name: String) -> [UInt8] {
        SeededRandom.bytes(objects[name] ?? 0, seed: UInt64(name.utf8.count))
    }

    /// One store of `lrc:6+2+2` on ten devices, closed.
    private func makeWorld() throws -> SimulatedWorld {
        let world = SimulatedWorld(seed: 26, disks: disks)
        _ = try Store.create(
            world.environment, devices: disks.map { NewDevice(path: $0) }, profile: Profile("lrc:6+2+2"),
            averageChunkBytes: 4096, isSandbox: true)
        try write(world) { session in
            for name in objects.keys.sorted() { try session.put(Key(name), from: MemorySource(content(name))) }
            XCTAssertNil(try session.finish().debt)
        }
        return world
    }

    private func write(_ world: SimulatedWorld, _ body: (WriteSession) throws -> Void) throws {
        let store = try Store.open(world.environment, access: .write)
        defer {
            store.close()
            world.restart()
        }
        try body(try store.startWriting())
    }

    private func read(_ store: Store, _ key: String) throws -> [UInt8] {
        let sink = MemorySink()
        _ = try store.read(try store.newestVersion(of: Key(key)), into: sink)
        return sink.bytes
    }

    private func expectAll(_ world: SimulatedWorld, _ message: String) throws {
        let store = try Store.open(world.environment, access: .read)
        for name in objects.keys { XCTAssertEqual(try read(store, name), content(name), "\(name) \(message)") }
        store.close()
        world.restart()
    }

    private func shards(_ world: SimulatedWorld) -> [String: [UInt8]] {
        var found: [String: [UInt8]] = [:]
        for disk in world.state.disks.values {
            for path in disk.entries.keys where path.hasPrefix("blocks/") && path.contains(".") {
                found[path] = disk.content(path)
            }
        }
        return found
    }

    func testThreeDevicesAreLostAndEveryShardComesBackAsItWas() throws {
        let world = try makeWorld()
        let before = shards(world)
        for lost in [
            ["disk-1", "disk-5", "disk-9"], ["disk-2", "disk-3", "disk-4"], ["disk-7", "disk-8", "disk-10"],
        ] {
            world.state.absent = Set(lost)
            try expectAll(world, "without \(lost)")
            world.state.index = nil
            try expectAll(world, "without \(lost) and the index")
            for disk in lost { world.state.disks[disk] = SimulatedDisk() }
            world.state.absent = []
            let store = try Store.open(world.environment, access: .write)
            for device in store.devices where !device.state.isInService { _ = try store.replaceDevice(device.id) }
            let report = try store.repair()
            XCTAssertEqual(report.lostBlocks, [])
            XCTAssertEqual(report.errors, [])
            let status = try store.status()
            XCTAssertEqual(status.owedShards, 0)
            XCTAssertEqual(status.lossesSurvivedNow, 3)
            XCTAssertEqual(try store.scrub().problems.count, 0)
            let listing = try store.engine.index.dump()
            store.close()
            world.restart()
            let after = shards(world)
            for (path, bytes) in before { XCTAssertEqual(after[path], bytes, path) }
            _ = try Store.rebuildIndex(world.environment)
            let again = try Store.open(world.environment, access: .read)
            XCTAssertEqual(try again.engine.index.dump(), listing)
            again.close()
            world.restart()
            try expectAll(world, "after the repair")
        }
    }

    func testALostShardIsReadFromItsGroupAlone() throws {
        let world = try makeWorld()
        let store = try Store.open(world.environment, access: .read)
        defer { store.close() }
        let block = try XCTUnwrap(store.engine.index.blocks(after: nil, limit: 100).last { $0.shardPayloadBytes > 0 })
        var whole = [UInt8](repeating: 0, count: block.shardPayloadBytes * block.columnCount)
        var reader = BlockReader(store.engine, block)
        try whole.withUnsafeMutableBytes { try reader.read(at: 0, into: $0) }
        // Of ten devices, the three that hold the rest of the first group.
        let group: Set<Row> = [.data(column: 1), .data(column: 2), .parity(index: 0, columns: 0..<3)]
        let names = Dictionary(uniqueKeysWithValues: store.devices.map { ($0.id, $0.label) })
        for (row, id) in block.shards where !group.contains(row) { world.state.absent.insert(try XCTUnwrap(names[id])) }
        var part = [UInt8](repeating: 0, count: block.shardPayloadBytes)
        reader = BlockReader(store.engine, block)
        try part.withUnsafeMutableBytes { try reader.read(at: 0, into: $0) }
        XCTAssertEqual(part, Array(whole.prefix(block.shardPayloadBytes)))
    }

    func testWhatIsStoredTwiceIsStoredOnceAlsoWhileADeviceIsAway() throws {
        let world = try makeWorld()
        for absent in [[], ["disk-4"]] {
            world.state.absent = Set(absent)
            try write(world) { session in
                try session.put(Key("copy-\(absent.count)"), from: MemorySource(content("large")))
                XCTAssertEqual(try session.finish().newBytes, 0, "\(absent) is away")
            }
        }
    }

    /// With seven devices of ten, the data and a parity over all columns are written: any one more may go.
    func testADegradedPutSurvivesAnyOneMore() throws {
        let world = try makeWorld()
        let away = ["disk-2", "disk-6", "disk-8"]
        world.state.absent = Set(away)
        try write(world) { session in
            try session.put(Key("degraded"), from: MemorySource(content("middle").reversed()))
            XCTAssertNotNil(try session.finish().debt)
        }
        let whole = world.state
        for disk in disks where !away.contains(disk) {
            world.state = whole
            world.state.absent.insert(disk)
            let store = try Store.open(world.environment, access: .read)
            XCTAssertEqual(try read(store, "degraded"), content("middle").reversed(), "without \(disk)")
            store.close()
            world.restart()
        }
        world.state = whole
        world.state.absent = []
        let store = try Store.open(world.environment, access: .write)
        _ = try store.repair()
        XCTAssertEqual(try store.status().owedShards, 0)
        XCTAssertEqual(try store.status().lossesSurvivedNow, 3)
        store.close()
        world.restart()
        world.state.absent = Set(away + ["disk-1"])
        XCTAssertThrowsError(try write(world) { _ in }) { XCTAssertEqual(($0 as? StoreError)?.code, .tooFewDevices) }
    }

    /// Three devices fail while a put runs. Of the seven rows that are left not every choice survives one loss more: what
    /// is acknowledged does, what is refused is not there, and nothing is in doubt.
    func testAPutIsAcknowledgedOnlyWhereAnyOneMoreMayBeLost() throws {
        let world = try makeWorld()
        let whole = world.state
        let new = SeededRandom.bytes(30_000, seed: 77)
        var outcomes: Set<Bool> = []
        for number in 0..<24 {
            world.state = whole
            var left = disks
            let random = SeededRandom(UInt64(number))
            let failing = (0..<3).map { _ in left.remove(at: Int(random.next() % UInt64(left.count))) }
            world.random.reseed(UInt64(number))
            let store = try Store.open(world.environment, access: .write)
            let session = try store.startWriting()
            for disk in failing { world.faults[disk] = .failing }
            world.faultsFromCall = world.calls + Int(random.next() % 90)
            var isAcknowledged = false
            do {
                try session.put(Key("new"), from: MemorySource(new))
                _ = try session.finish()
                isAcknowledged = true
            } catch {
                XCTAssertEqual(error.code, .io, "\(error)")
            }
            // Who failed later, or not at all, has its shards.
            let out = store.devices.filter { !$0.state.isInService }.map(\.label)
            if out.count == 3 { outcomes.insert(isAcknowledged) }
            store.close()
            world.restart()
            world.faults = [:]
            let after = world.state
            for more in disks where isAcknowledged && !out.contains(more) {
                world.state = after
                world.state.absent = Set(out + [more])
                let store = try Store.open(world.environment, access: .read)
                XCTAssertEqual(try read(store, "new"), new, "\(out) failed, without \(more)")
                store.close()
                world.restart()
            }
            world.state = after
            let again = try Store.open(world.environment, access: .write)
            XCTAssertEqual(try again.list().contains { $0.key.description == "new" }, isAcknowledged)
            XCTAssertEqual(try again.status().inDoubt.count, 0)
            again.close()
            world.restart()
        }
        XCTAssertEqual(outcomes, [true, false], "both happen")
    }
}
