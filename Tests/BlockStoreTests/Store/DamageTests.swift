import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// Damage of a kind that a person would think of; every position and every pattern have tests of their own.
final class DamageTests: XCTestCase {
    private static let content = SeededRandom.bytes(9_000, seed: 1)

    private func makeWorld(_ profile: String, devices: Int) throws -> SimulatedWorld {
        let world = SimulatedWorld(seed: 5, disks: (1...devices).map { "disk-\($0)" })
        _ = try Store.create(
            world.environment, devices: (1...devices).map { NewDevice(path: "disk-\($0)") },
            profile: try Profile(profile),
            averageChunkBytes: 4096)
        let store = try Store.open(world.environment, access: .write)
        let session = try store.startWriting()
        try session.put(Key("a"), from: MemorySource(Self.content))
        try session.put(Key("b"), from: MemorySource(Array("small".utf8)))
        _ = try session.finish()
        store.close()
        world.restart()
        return world
    }

    private func read(_ world: SimulatedWorld, _ key: String) throws -> [UInt8] {
        let store = try Store.open(world.environment, access: .read)
        defer {
            store.close()
            world.restart()
        }
        let sink = MemorySink()
        _ = try store.read(try store.newestVersion(of: Key(key)), into: sink)
        return sink.bytes
    }

    func testADamagedDeviceDocumentIsToldAndWrittenAnew() throws {
        let world = try makeWorld("rs:2+1", devices: 3)
        let before = world.state.disks["disk-2"]?.content(DocumentName.device.rawValue)
        for change: (inout [UInt8]) -> Void in [
            { $0[100] ^= 1 }, { $0.removeAll() }, { $0.removeLast(50) }, { $0 = SeededRandom.bytes(300, seed: 2) },
        ] {
            world.state.disks["disk-2"]?.corrupt(DocumentName.device.rawValue, change)
            let store = try Store.open(world.environment, access: .write)
            XCTAssertEqual(store.notices.count, 1)
            XCTAssertTrue(store.devices.allSatisfy(\.state.isInService))
            store.close()
            world.restart()
            XCTAssertEqual(world.state.disks["disk-2"]?.content(DocumentName.device.rawValue), before)
        }
    }

    func testShardsInEachOthersPlaceAreNotBelieved() throws {
        let world = try makeWorld("rs:2+2", devices: 4)
        // The newest shards of two devices change places under each other's names.
        func newest(_ disk: String) throws -> String {
            try XCTUnwrap(
                world.state.disks[disk]?.entries.keys.filter { $0.hasPrefix("blocks/") && $0.contains(".") }.max())
        }
        let (first, second) = (try newest("disk-1"), try newest("disk-2"))
        let (one, two) = (world.state.disks["disk-1"]?.content(first), world.state.disks["disk-2"]?.content(second))
        world.state.disks["disk-1"]?.corrupt(first) { $0 = two ?? [] }
        world.state.disks["disk-2"]?.corrupt(second) { $0 = one ?? [] }
        XCTAssertEqual(try read(world, "a"), Self.content)
        let store = try Store.open(world.environment, access: .write)
        // What the read found is repaired when a writer opens, what is left by scrub.
        XCTAssertEqual(try store.scrub(repairing: true).repair?.owedShards, 0)
        store.close()
        world.restart()
        XCTAssertEqual(world.state.disks["disk-1"]?.content(first), one)
    }

    func testSwappedDevicesAreKnownByIdentityAndAForeignOneIsLeftAlone() throws {
        let world = try makeWorld("rs:2+1", devices: 3)
        let whole = world.state
        world.state.disks["disk-1"] = whole.disks["disk-3"]
        world.state.disks["disk-3"] = whole.disks["disk-1"]
        XCTAssertEqual(try read(world, "a"), Self.content)
        world.state = whole
        let other = try makeWorld("rs:2+1", devices: 3)
        other.restart()
        let stranger = SimulatedWorld(seed: 77, disks: ["disk-1", "disk-2", "disk-3"])
        _ = try Store.create(
            stranger.environment, devices: (1...3).map { NewDevice(path: "disk-\($0)") },
            profile: try Profile("rs:2+1"),
            averageChunkBytes: 4096)
        world.state.disks["disk-2"] = stranger.state.disks["disk-2"]
        XCTAssertEqual(try read(world, "a"), Self.content)
        XCTAssertEqual(
            world.state.disks["disk-2"]?.durable, stranger.state.disks["disk-2"]?.durable, "nothing was written to it")
        // The same device twice.
        world.state = whole
        world.state.disks["disk-2"] = whole.disks["disk-1"]
        XCTAssertEqual(try read(world, "a"), Self.content)
    }

    func testLossesBeyondTheToleranceNameExactlyTheLostKeys() throws {
        let world = try makeWorld("rs:2+1", devices: 3)
        var store = try Store.open(world.environment, access: .write)
        let session = try store.startWriting()
        try session.put(Key("c"), from: MemorySource(SeededRandom.bytes(5_000, seed: 8)))
        _ = try session.finish()
        store.close()
        world.restart()
        // Two of three shards of the block with "c" go; "a" and "b" are in another block.
        for disk in ["disk-1", "disk-2"] {
            let path = try XCTUnwrap(
                world.state.disks[disk]?.entries.keys.filter { $0.hasPrefix("blocks/") && $0.contains(".") }.max())
            world.state.disks[disk]?.corrupt(path) { $0.removeAll() }
        }
        store = try Store.open(world.environment, access: .write)
        let report = try store.scrub(repairing: true)
        store.close()
        world.restart()
        XCTAssertEqual(report.lostKeys.map(\.description), ["c"])
        XCTAssertEqual(try read(world, "a"), Self.content)
        XCTAssertThrowsError(try read(world, "c")) { XCTAssertEqual(($0 as? StoreError)?.code, .lost) }
    }

    func testNothingIsWrittenWithoutAnIndexWhileACommitMayHideOnAbsentDevices() throws {
        let world = try makeWorld("rs:2+2", devices: 5)
        let whole = world.state
        for hasIndex in [true, false] {
            world.state = whole
            world.state.absent = ["disk-1", "disk-2", "disk-3"]
            if !hasIndex { world.state.index = nil }
            let store = try Store.open(world.environment, access: .write)
            defer {
                store.close()
                world.restart()
            }
            // In doubt, where what is left of the newest commit cannot be read: that depends on the placement.
            func isRefusal(_ error: any Error) -> Bool {
                let code = (error as? StoreError)?.code
                return code == .tooFewDevices || code == .inDoubt && !hasIndex
            }
            XCTAssertThrowsError(try store.startWriting()) { XCTAssertTrue(isRefusal($0), "\($0)") }
            if hasIndex {
                XCTAssertNoThrow(try store.repair())
            } else {
                XCTAssertThrowsError(try store.repair()) { XCTAssertTrue(isRefusal($0), "\($0)") }
            }
        }
    }

    func testTheIndexIsDisposable() throws {
        let world = try makeWorld("rs:2+1", devices: 3)
        func listing() throws -> [String] {
            let store = try Store.open(world.environment, access: .write)
            defer {
                store.close()
                world.restart()
            }
            return try store.engine.index.dump()
        }
        let before = try listing()
        let bytes = try XCTUnwrap(world.state.index)
        for (name, index) in [
            ("deleted", nil), ("empty", []), ("garbage", SeededRandom.bytes(5_000, seed: 1)),
            ("cut", Array(bytes.prefix(5_000))),
        ] as [(String, [UInt8]?)] {
            world.state.index = index
            XCTAssertEqual(try listing(), before, name)
        }
    }
}
