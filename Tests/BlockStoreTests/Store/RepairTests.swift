import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// What a repair reads, in which order it works, and how it takes turns.
final class RepairTests: XCTestCase {
    private let content = SeededRandom.bytes(900_000, seed: 4)

    /// A store, closed, with one object whose shards have several cells.
    private func makeWorld(_ profile: String, devices: Int) throws -> SimulatedWorld {
        let disks = (1...devices).map { "disk-\($0)" }
        let world = SimulatedWorld(seed: 31, disks: disks)
        _ = try Store.create(
            world.environment, devices: disks.map { NewDevice(path: $0) }, profile: Profile(profile),
            averageChunkBytes: 4096)
        try with(world) { store in
            let session = try store.startWriting()
            try session.put(Key("a"), from: MemorySource(content))
            _ = try session.finish()
            // Opening a store completes its newest commit: what is repaired here is of an older one.
            let later = try store.startWriting()
            try later.put(Key("b"), from: MemorySource([1]))
            _ = try later.finish()
        }
        return world
    }

    private func with<Value>(
        _ world: SimulatedWorld, _ access: Store.Access = .write, turnNanoseconds: UInt64 = 1 << 40,
        _ body: (Store) throws -> Value
    ) throws -> Value {
        var options = Store.Options()
        options.turnNanoseconds = turnNanoseconds
        let store = try Store.open(world.environment, access: access, options: options)
        defer {
            store.close()
            world.restart()
        }
        return try body(store)
    }

    /// The block with the object, and the path of each row with its disk.
    private func shards(_ world: SimulatedWorld) throws -> (IndexedBlock, [Row: (disk: String, path: String)]) {
        try with(world, .read) { store in
            let block = try XCTUnwrap(
                store.engine.index.blocks(after: nil, limit: 100).max { $0.shardPayloadBytes < $1.shardPayloadBytes })
            let labels = Dictionary(uniqueKeysWithValues: store.devices.map { ($0.id, $0.label) })
            let places = block.shards.compactMapValues { labels[$0] }
            return (
                block,
                Dictionary(
                    uniqueKeysWithValues: places.map { row, disk in
                        let name = ShardName(block.name, row)
                        return (row, (disk, "blocks/\(name.directoryName)/\(name.fileName)"))
                    })
            )
        }
    }

    private func expectWhole(_ world: SimulatedWorld, as whole: SimulatedWorld.State, _ message: String = "") {
        for (name, disk) in whole.disks {
            for path in disk.entries.keys where path.hasPrefix("blocks/") && path.contains(".") {
                XCTAssertEqual(
                    world.state.disks[name]?.content(path), disk.content(path), "\(path) on \(name) \(message)")
            }
        }
    }

    func testDamageInsideAShardIsRepairedByItsStripesAlone() throws {
        for (profile, devices, sources) in [("rs:2+2", 4, 2), ("rs:4+2", 6, 4), ("lrc:4+2+1", 7, 2)] {
            let world = try makeWorld(profile, devices: devices)
            let whole = world.state
            let (block, places) = try shards(world)
            XCTAssertGreaterThan(block.shardPayloadBytes, 3 * Limits.cellBytes)
            let (disk, path) = try XCTUnwrap(places[.data(column: 1)])
            world.state.disks[disk]?.corrupt(path) { $0[ShardLayout.payloadOffset + Limits.cellBytes + 7] ^= 1 }
            let report = try with(world) { try XCTUnwrap($0.scrub(repairing: true).repair) }
            XCTAssertEqual(report.repairedShards, 1)
            XCTAssertEqual(report.errors, [])
            XCTAssertEqual(
                Int(report.readBytes), block.shardPayloadBytes + sources * Limits.cellBytes,
                "\(profile): the shard itself, and one cell of \(sources) others")
            expectWhole(world, as: whole, profile)
        }
    }

    /// More shards are damaged than the code has parities, each in another place.
    func testShardsThatAreDamagedInDifferentPlacesMendEachOther() throws {
        let world = try makeWorld("rs:4+2", devices: 6)
        let whole = world.state
        let (block, places) = try shards(world)
        XCTAssertGreaterThanOrEqual(Limits.cellCount(payloadBytes: block.shardPayloadBytes), 4)
        for (cell, row) in block.profile.rows.prefix(4).enumerated() {
            let (disk, path) = try XCTUnwrap(places[row])
            world.state.disks[disk]?.corrupt(path) { $0[ShardLayout.payloadOffset + cell * Limits.cellBytes] ^= 1 }
        }
        let report = try with(world) { store in
            XCTAssertEqual(try store.scrub().problems.count, 4)
            return try store.repair()
        }
        XCTAssertEqual(report.repairedShards, 4)
        XCTAssertEqual(report.lostBlocks, [])
        expectWhole(world, as: whole)
    }

    func testALostShardIsMadeFromTheFewestOthers() throws {
        for (profile, devices, row, sources) in [
            ("lrc:6+2+2", 10, Row.data(column: 1), 3), ("lrc:6+2+2", 10, .parity(index: 0, columns: 3..<6), 3),
            ("lrc:6+2+2", 10, .parity(index: 1, columns: 0..<6), 6), ("rs:4+2", 6, .data(column: 3), 4),
        ] {
            let world = try makeWorld(profile, devices: devices)
            let whole = world.state
            let (block, places) = try shards(world)
            let (disk, path) = try XCTUnwrap(places[row])
            world.state.disks[disk]?.removeForGood(path)
            let (preview, report) = try with(world) { (try $0.previewRepair(), try $0.repair()) }
            XCTAssertEqual(Int(preview.readBytes), sources * block.shardPayloadBytes, "\(row)")
            XCTAssertEqual(report.readBytes, preview.readBytes)
            XCTAssertEqual(report.repairedShards, 1)
            expectWhole(world, as: whole, "\(row)")
        }
    }

    /// A source that turns out damaged meanwhile is repaired too.
    func testASourceThatIsDamagedIsRepairedWithWhatItWasReadFor() throws {
        let world = try makeWorld("rs:4+2", devices: 6)
        let whole = world.state
        let (_, places) = try shards(world)
        let lost = try XCTUnwrap(places[.data(column: 0)])
        let source = try XCTUnwrap(places[.data(column: 2)])
        world.state.disks[lost.disk]?.removeForGood(lost.path)
        world.state.disks[source.disk]?.corrupt(source.path) { $0[ShardLayout.payloadOffset + 9] ^= 1 }
        let report = try with(world) { try $0.repair() }
        XCTAssertEqual(report.repairedShards, 2)
        XCTAssertEqual(report.owedShards, 0)
        expectWhole(world, as: whole)
    }

    /// As after a repair that was killed between writing and remembering it.
    func testWhatIsSoundAlreadyIsNotWrittenAgain() throws {
        let world = try makeWorld("rs:2+2", devices: 4)
        let whole = world.state
        let report = try with(world) { store in
            let block = try XCTUnwrap(store.engine.index.blocks(after: nil, limit: 100).first { $0.payloadBytes > 0 })
            try store.engine.index.markDamaged(block.shards.keys.map { (block.ref, $0) })
            let report = try store.repair()
            XCTAssertEqual(try store.status().owedShards, 0)
            return report
        }
        XCTAssertEqual(report.writtenBytes, 0)
        XCTAssertEqual(report.confirmedShards, 4)
        expectWhole(world, as: whole)
    }

    func testARateIsKeptAndNotMadeUpForLater() throws {
        let clock = SimulatedWorld(seed: 1, disks: []).environment.clock
        var limiter = RateLimiter(clock, bytesPerSecond: 1_000_000)
        XCTAssertEqual(limiter.pauseNanoseconds, 0)
        limiter.spend(500_000)
        limiter.spend(500_000)
        XCTAssertEqual(Double(limiter.pauseNanoseconds), 1e9, accuracy: 2e7)
        clock.sleep(nanoseconds: 60_000_000_000)
        limiter.spend(2_000_000)
        XCTAssertEqual(Double(limiter.pauseNanoseconds), 2e9, accuracy: 2e7)
        var free = RateLimiter(clock, bytesPerSecond: nil)
        free.spend(.max)
        XCTAssertEqual(free.pauseNanoseconds, 0)
    }

    func testARepairThatTakesTurnsAfterEveryBlockMakesEverythingWhole() throws {
        let world = try makeWorld("rs:2+2", devices: 4)
        let whole = world.state
        let gone = try XCTUnwrap(
            whole.disks["disk-2"]?.entries.keys.filter { $0.hasPrefix("blocks/") && $0.contains(".") })
        for path in gone { world.state.disks["disk-2"]?.removeForGood(path) }
        let report = try with(world, turnNanoseconds: 0) { try $0.repair() }
        XCTAssertEqual(report.owedShards, 0)
        XCTAssertEqual(report.errors, [])
        expectWhole(world, as: whole)
    }

    func testAScrubPassesOverWhatWasReadLatelyAndBeginsWithWhatWaitsLongest() throws {
        var queue = ScrubQueue(now: 1000, 100)
        let world = try makeWorld("rs:2+1", devices: 3)
        var (block, _) = try shards(world)
        // Never; long ago; lately; at a time to come, when the clock was wrong.
        for (column, seconds) in [0, 500, 950, 2000, 400].enumerated() {
            block = IndexedBlock(
                ref: block.ref, name: BlockName(number: BlockNumber(UInt64(column)), id: block.name.id),
                commit: block.commit, profile: block.profile, columnCount: block.columnCount, firstColumn: 0,
                shardPayloadBytes: 1, payloadBytes: 1, leastShards: 1, isUnknown: false, shards: block.shards,
                damaged: [], verifiedSeconds: UInt64(seconds))
            queue.look(at: block)
        }
        queue.sort()
        XCTAssertEqual(queue.entries.map(\.name.number.value), [0, 3, 4, 1])
        XCTAssertEqual(queue.skippedBlocks, 1)
        XCTAssertEqual(queue.verification.neverBlocks, 2)
        XCTAssertEqual(queue.verification.oldestSeconds, 600)
    }

    func testAScrubOfAReaderRemembersWhatItRead() throws {
        let world = try makeWorld("rs:2+1", devices: 3)
        try with(world, .read) { store in
            XCTAssertGreaterThan(try store.status().verification.neverBlocks, 2)
            XCTAssertEqual(try store.scrub().problems, [])
        }
        try with(world, .read) { store in
            let blocks = try store.engine.index.blocks(after: nil, limit: 100)
            XCTAssertTrue(blocks.allSatisfy { $0.verifiedSeconds > 0 })
        }
        // Not what could not be asked.
        world.state.absent = ["disk-2"]
        world.state.index = nil
        try with(world, .read) { store in
            XCTAssertGreaterThan(try store.scrub().unreachable, 0)
            let blocks = try store.engine.index.blocks(after: nil, limit: 100)
            XCTAssertTrue(blocks.allSatisfy { $0.verifiedSeconds == 0 })
        }
    }

    func testADamagedStripeIsPlannedWithWhatTheOthersHaveThere() throws {
        let rows = try Profile("rs:2+1").rows
        // Each of two rows lacks one of four cells; the third has all.
        let plan = try XCTUnwrap(
            StripePlan(lacking: [rows[0]: [1], rows[1]: [3]], sources: [rows[2]: []], columns: 0..<2, cellCount: 4))
        XCTAssertEqual(plan.runs.map(\.cells), [1..<2, 3..<4])
        XCTAssertEqual(plan.runs.map(\.plan.lost), [[rows[0]], [rows[1]]])
        XCTAssertNil(
            StripePlan(lacking: [rows[0]: [1], rows[1]: [1]], sources: [rows[2]: []], columns: 0..<2, cellCount: 4))
        // With a parity the data below it are made: only they can be compared with the chunks.
        let proved = try XCTUnwrap(
            StripePlan(
                lacking: [.parity(index: 0, columns: 0..<2): [0]],
                sources: [rows[0]: [], .parity(index: 1, columns: 0..<2): []], columns: 0..<2, cellCount: 1))
        XCTAssertEqual(proved.runs.first?.plan.lost, [rows[1], .parity(index: 0, columns: 0..<2)])
    }
}
