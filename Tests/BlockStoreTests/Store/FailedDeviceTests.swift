import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// Devices that failed in this session, and stores that could not be opened again.
final class FailedDeviceTests: XCTestCase {
    private func makeStore() throws -> (SimulatedWorld, Store) {
        let world = SimulatedWorld(seed: 3, disks: (1...4).map { "disk-\($0)" })
        _ = try Store.create(
            world.environment, devices: (1...4).map { NewDevice(path: "disk-\($0)") }, profile: Profile("rs:2+2"),
            averageChunkBytes: 4096)
        let store = try Store.open(world.environment, access: .write)
        let session = try store.startWriting()
        try session.put(Key("a"), from: MemorySource(SeededRandom.bytes(9_000, seed: 1)))
        XCTAssertNil(try session.finish().debt)
        return (world, store)
    }

    func testAFailedDeviceWithoutWhichNothingReadsIsNotReplaced() throws {
        let (world, first) = try makeStore()
        first.close()
        world.restart()
        world.state.absent = ["disk-3", "disk-4"]
        let store = try Store.open(world.environment, access: .write)
        defer { store.close() }
        let failed = try XCTUnwrap(store.devices.first { $0.path == "disk-1" }?.id)
        store.engine.devices.fail(failed, StoreError(.io, "write", detail: "read-only"))
        XCTAssertEqual(try store.status().lostBlocks, 0, "it is still read from")
        XCTAssertEqual(code { _ = try store.replaceDevice(failed, with: "new") }, .tooFewDevices)
    }

    func testAClosedStoreIsNeitherWrittenToNorReadFrom() throws {
        let (_, store) = try makeStore()
        store.close()
        XCTAssertFalse(store.isOpen)
        XCTAssertEqual(code { _ = try store.startWriting() }, .locked)
        XCTAssertNotNil(code { _ = try store.list() })
    }

    /// A document that is damaged is judged when everybody else is known: nobody gets another's identity.
    func testADamagedDeviceThatChangedPlacesIsNotTakenForAnother() throws {
        let (world, store) = try makeStore()
        store.close()
        world.restart()
        let first = try XCTUnwrap(world.state.disks["disk-1"])
        world.state.disks["disk-1"] = world.state.disks["disk-2"]
        world.state.disks["disk-2"] = first
        world.state.disks["disk-1"]?.corrupt(DocumentName.device.rawValue) { $0[100] ^= 1 }
        let again = try Store.open(world.environment, access: .write)
        defer { again.close() }
        let devices = again.devices
        XCTAssertEqual(devices.first { $0.label == "disk-1" }?.path, "disk-2", "found where it is")
        XCTAssertEqual(devices.first { $0.label == "disk-2" }?.state.isInService, false, "not known, not mistaken")
    }

    /// A device was away while its row was made again elsewhere, and came back with a rotten one.
    func testARottenCopyDoesNotStandBeforeASoundOne() throws {
        let (world, store) = try makeStore()
        let block = try XCTUnwrap(store.engine.index.blocks(after: nil, limit: 10).last { $0.shardPayloadBytes > 0 })
        store.close()
        world.restart()
        func disk(_ row: Row) throws -> String {
            try XCTUnwrap(store.devices.first { $0.id == block.shards[row] }?.path)
        }
        // The index knows row 0 where it is rotten; another device has a sound copy beside a row of its own.
        let name = ShardName(block.name, .data(column: 0))
        let path = "blocks/\(name.directoryName)/\(name.fileName)"
        let (home, other) = (try disk(.data(column: 0)), try disk(.data(column: 1)))
        let bytes = try XCTUnwrap(world.state.disks[home]?.content(path))
        world.state.disks[other]?.create(path)
        world.state.disks[other]?.corrupt(path) { $0 = bytes }
        world.state.disks[home]?.corrupt(path) { $0[300] ^= 1 }
        for lost in world.state.disks.keys where lost != home && lost != other { world.state.absent.insert(lost) }
        let again = try Store.open(world.environment, access: .read)
        defer { again.close() }
        let sink = MemorySink()
        _ = try again.read(try again.newestVersion(of: Key("a")), into: sink)
        XCTAssertEqual(sink.bytes, SeededRandom.bytes(9_000, seed: 1))
        XCTAssertEqual(try again.scrub().lostBlocks, [])
    }
}
