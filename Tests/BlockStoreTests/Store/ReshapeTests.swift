import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// The geometry of blocks that are there changes in place.
final class ReshapeTests: XCTestCase {
    private let content = SeededRandom.bytes(300_000, seed: 4)

    private func makeModel(_ profile: String, devices: Int) throws -> StoreModel {
        let model = try StoreModel(seed: 8, devices: devices, profile: profile)
        try model.write([.put(Key("large"), content), .put(Key("small"), [1, 2, 3])])
        try model.write([.put(Key("gone"), [4]), .put(Key("small"), [5])])
        try model.write([.remove(Key("gone"))])
        return model
    }

    /// Every shard there is, by name.
    private func shards(_ model: StoreModel) -> [String: [UInt8]] {
        model.closeStore()
        var found: [String: [UInt8]] = [:]
        for disk in model.world.state.disks.values {
            for path in disk.entries.keys where path.hasPrefix("blocks/") && path.contains(".") {
                found[path] = disk.content(path)
            }
        }
        return found
    }

    private func blocks(_ model: StoreModel) throws -> [IndexedBlock] {
        try model.openStore().engine.index.blocks(after: nil, limit: 1000)
    }

    /// Everything reads with every set of so many devices away.
    private func expectSurvival(_ model: StoreModel, _ losses: Int) throws {
        model.closeStore()
        let disks = model.world.state.disks.keys.sorted()
        for pattern in 0..<(1 << disks.count) where pattern.nonzeroBitCount == losses {
            model.world.state.absent = Set(disks.indices.filter { pattern >> $0 & 1 == 1 }.map { disks[$0] })
            try model.check()
            model.closeStore()
        }
        model.world.state.absent = []
    }

    func testMoreParityWritesOneShardABlockAndTouchesNothingElse() throws {
        let model = try makeModel("rs:2+2", devices: 5)
        let old = try blocks(model)
        let before = shards(model)
        let plan = try model.openStore().planReshape(to: Profile("rs:2+3"))
        XCTAssertEqual([plan.blocks, plan.shardsToWrite, plan.shardsToRemove], [old.count, old.count, 0])
        let report = try model.openStore().reshape(to: Profile("rs:2+3"))
        XCTAssertTrue(report.isComplete, "\(report.problems)")
        XCTAssertEqual([report.blocks, report.writtenShards, report.removedShards], [old.count, old.count, 0])
        XCTAssertEqual(report.readBytes, plan.bytesToRead)
        let now = try blocks(model)
        XCTAssertTrue(now.allSatisfy { $0.profile.description == "rs:2+3" || $0.ref > old[old.count - 1].ref })
        let after = shards(model)
        for (path, bytes) in before { XCTAssertEqual(after[path], bytes, path) }
        for block in old {
            XCTAssertNotNil(
                after.keys.first { $0.contains(ShardName(block.name, .parity(index: 2, columns: 0..<2)).fileName) })
        }
        let status = try model.openStore().status()
        XCTAssertEqual(status.profile.description, "rs:2+3")
        XCTAssertEqual([status.owedShards, status.shardsBeyondProfiles, status.lossesSurvivedNow], [0, 0, 3])
        try expectSurvival(model, 3)
        let dump = try model.openStore().engine.index.dump()
        model.closeStore()
        model.world.state.index = nil
        XCTAssertEqual(try model.openStore().engine.index.dump(), dump, "an index made anew says the same")
        model.closeStore()
    }

    func testLessParityReadsAndWritesNoShard() throws {
        let model = try makeModel("rs:2+3", devices: 5)
        let count = try blocks(model).count
        let report = try model.openStore().reshape(to: Profile("rs:2+1"))
        XCTAssertTrue(report.isComplete)
        XCTAssertEqual([report.blocks, report.writtenShards, report.removedShards], [count, 0, 2 * count])
        XCTAssertEqual(report.readBytes + report.writtenBytes, 0)
        try expectSurvival(model, 1)
        XCTAssertEqual(try model.openStore().reshape(to: Profile("rs:2+1")).blocks, 0, "a second one has nothing to do")
        model.closeStore()
    }

    func testReedSolomonAndLocalParitiesBecomeEachOtherReadingNoMoreThanTheyMust() throws {
        // As many devices as the wider profile has shards: a new row stands beside one that is about to go.
        let model = try makeModel("rs:6+3", devices: 10)
        let payload = UInt64(try blocks(model).map(\.shardPayloadBytes).reduce(0, +))
        let before = shards(model)
        let local = try model.openStore().reshape(to: Profile("lrc:6+2+2"))
        XCTAssertTrue(local.isComplete, "\(local.problems)")
        // k − k/l + 1: the data of all groups but one, and row 0.
        XCTAssertEqual(local.readBytes, 4 * payload)
        XCTAssertEqual(try model.openStore().status().lossesSurvivedNow, 3)
        try model.check()
        let back = try model.openStore().reshape(to: Profile("rs:6+3"))
        XCTAssertTrue(back.isComplete, "\(back.problems)")
        let made = try blocks(model).filter { $0.profile.description == "rs:6+3" }
        // l reads, of no data; the blocks of the reshape's own commits have no payload.
        XCTAssertEqual(back.readBytes, 2 * payload)
        XCTAssertEqual(try model.openStore().status().owedShards, 0)
        XCTAssertEqual(made.count, try blocks(model).count)
        let after = shards(model)
        for (path, bytes) in before { XCTAssertEqual(after[path], bytes, path) }
        try model.check()
        model.closeStore()
    }

    func testWhatWasCutOffIsFinishedAndNothingOfItIsTakenForAnythingElse() throws {
        let base = try makeModel("rs:2+2", devices: 5)
        base.closeStore()
        let whole = try base.fork(seed: 2)
        XCTAssertTrue(try whole.reshape(to: Profile("lrc:2+2+1")))
        var sawSome = (ahead: false, left: false)
        for step in stride(from: 20, to: whole.world.steps, by: 13) {
            let model = try base.fork(seed: 2)
            model.world.crashAtStep = step
            try model.reshape(to: Profile("lrc:2+2+1"))
            model.crash(.keepAll)
            model.world.state.index = nil
            let store = try model.openStore()
            let found = try store.status()
            XCTAssertEqual(found.owedShards, 0, "step \(step)")
            let isRecorded = found.profiles.contains { $0.profile.description == "lrc:2+2+1" && $0.blocks > 3 }
            if found.shardsBeyondProfiles > 0, isRecorded { sawSome.left = true }
            if found.shardsBeyondProfiles > 0, !isRecorded { sawSome.ahead = true }
            XCTAssertEqual(try store.scrub(repairing: true).problems, [], "step \(step)")
            XCTAssertEqual(
                try store.status().shardsBeyondProfiles, found.shardsBeyondProfiles, "no repair removes them")
            try model.requireReshape(to: Profile("lrc:2+2+1"))
            XCTAssertEqual(try model.openStore().status().shardsBeyondProfiles, 0)
            try model.check()
            model.closeStore()
        }
        XCTAssertTrue(sawSome.ahead && sawSome.left, "both kinds of leftovers: \(sawSome)")
    }

    func testAReshapeTheOtherWayUndoesOneThatWasCutOff() throws {
        let model = try makeModel("rs:2+2", devices: 5)
        let before = shards(model)
        let whole = try model.fork(seed: 2)
        try whole.reshape(to: Profile("rs:2+3"))
        model.world.restart()
        model.world.crashAtStep = whole.world.steps * 2 / 3
        try model.reshape(to: Profile("rs:2+3"))
        XCTAssertTrue(model.world.isCrashed)
        model.crash(.keepAll)
        try model.requireReshape(to: Profile("rs:2+2"))
        let after = shards(model)
        for (path, bytes) in before { XCTAssertEqual(after[path], bytes, path) }
        XCTAssertFalse(after.keys.contains { $0.hasSuffix(".p02-00-02") })
    }

    func testADamagedSourceIsFoundAndMadeAgainOnTheWay() throws {
        let model = try makeModel("rs:2+2", devices: 5)
        model.closeStore()
        for disk in ["disk-1", "disk-3"] {
            for path in model.world.state.disks[disk]?.entries.keys.sorted() ?? [] where path.contains(".d0") {
                model.world.state.disks[disk]?.corrupt(path) { if $0.count > 1000 { $0[700] ^= 1 } }
            }
        }
        let report = try model.openStore().reshape(to: Profile("rs:2+3"))
        XCTAssertTrue(report.isComplete, "\(report.problems)")
        XCTAssertTrue(try model.openStore().scrub(repairing: true).lostBlocks.isEmpty)
        XCTAssertEqual(try model.openStore().scrub().problems, [])
        try expectSurvival(model, 3)
    }

    func testADataShardThatIsGoneIsMadeAgainWhereNoParityIs() throws {
        let model = try makeModel("rs:2+2", devices: 5)
        model.closeStore()
        for disk in model.world.state.disks.keys.sorted() {
            for path in model.world.state.disks[disk]?.entries.keys.sorted() ?? [] where path.hasSuffix(".d00") {
                model.world.state.disks[disk]?.removeForGood(path)
            }
        }
        let report = try model.openStore().reshape(to: Profile("rs:2+1"))
        XCTAssertTrue(report.isComplete, "\(report.problems)")
        XCTAssertEqual(try model.openStore().scrub().problems, [])
        model.closeStore()
    }

    func testABlockThatCannotBeWholeKeepsItsProfileAndItsShards() throws {
        let model = try makeModel("rs:2+2", devices: 6)
        model.setAbsent("disk-6")
        // Five devices are enough for new blocks, and for those that have nothing on the sixth.
        let report = try model.openStore().reshape(to: Profile("rs:2+3"))
        XCTAssertTrue(report.isComplete, "rows of the sixth are made again on the others: \(report.problems)")
        model.setPresent("disk-6")
        XCTAssertEqual(try model.openStore().status().owedShards, 0)
        try model.check()
        model.closeStore()
    }

    func testWhatCannotBeDoneIsRefusedBeforeAnythingIsChanged() throws {
        let model = try makeModel("rs:2+2", devices: 5)
        let before = shards(model)
        for (profile, expected) in [
            ("rs:4+2", StoreError.Code.tooFewDevices), ("rs:2+4", .tooFewDevices), ("lrc:2+2+2", .tooFewDevices),
        ] {
            XCTAssertEqual(code { _ = try model.openStore().reshape(to: Profile(profile)) }, expected, profile)
            XCTAssertEqual(code { _ = try model.openStore().planReshape(to: Profile(profile)) }, expected, profile)
        }
        model.setAbsent("disk-2")
        XCTAssertEqual(code { _ = try model.openStore().reshape(to: Profile("rs:2+3")) }, .tooFewDevices)
        XCTAssertEqual(shards(model), before)
        XCTAssertEqual(try model.openStore().configuration.profile.description, "rs:2+2")
        model.closeStore()
    }

    func testAnotherNumberOfDataShardsMovesTheDataIntoNewBlocks() throws {
        for (profile, losses) in [("rs:3+2", 2), ("rs:4+1", 1), ("lrc:2+2+1", 2)] {
            let model = try makeModel("rs:2+2", devices: 5)
            let session = try model.openStore().startWriting(profile: Profile("rs:1+3"))
            try session.put(Key("precious"), from: MemorySource(SeededRandom.bytes(7_000, seed: 2)))
            _ = try session.finish()
            let report = try model.openStore().reshape(to: Profile(profile))
            XCTAssertTrue(report.isComplete, "\(profile): \(report.problems)")
            XCTAssertGreaterThan(report.movedBlocks, 0, profile)
            let status = try model.openStore().status()
            XCTAssertEqual(status.profiles.map(\.profile.description), [profile])
            XCTAssertEqual([status.owedShards, status.shardsBeyondProfiles, status.lossesSurvivedNow], [0, 0, losses])
            let sink = MemorySink()
            _ = try model.openStore().read(model.openStore().newestVersion(of: Key("precious")), into: sink)
            XCTAssertEqual(sink.bytes, SeededRandom.bytes(7_000, seed: 2))
            XCTAssertTrue(try model.openStore().planReshape().isNothing, profile)
            model.closeStore()
            model.world.state.index = nil
            XCTAssertEqual(try model.openStore().status().profiles.map(\.profile.description), [profile])
            for disk in ["disk-2", "disk-5"].prefix(losses) { model.setAbsent(disk) }
            XCTAssertEqual(
                try model.openStore().list(prefix: [], limit: 9).map(\.key.description), ["large", "precious", "small"])
            model.closeStore()
        }
    }

    func testOfSeveralProfileRecordsTheOneWithTheHighestIdentityCounts() throws {
        // A copy of an older record, as a collection may carry it into a later commit, changes nothing.
        let model = try makeModel("rs:2+2", devices: 5)
        try model.requireReshape(to: Profile("rs:2+3"))
        let store = try model.openStore()
        let index = store.engine.index
        let state = try XCTUnwrap(try index.state())
        let block = BlockName(number: state.highestBlock.next, id: BlockID(high: 1, low: 2))
        let copy = IdentifiedRecord(
            identity: RecordIdentity(commit: CommitNumber(2), ordinal: 7),
            record: .profile(
                ProfileRecord(first: BlockNumber(1), last: state.highestBlock, profile: try Profile("rs:2+1"))))
        let contents = TableOfContents(block: block, payloadBytes: 0, chunks: [], records: [copy])
        let commit = AcceptedCommit(
            record: CommitRecord(
                number: state.head.number.next, epoch: state.epoch, previous: state.head.block, devices: [],
                blocks: [CommitRecord.Block(name: block, profile: try Profile("rs:2+3"), leastShards: 2)]),
            blocks: [
                AcceptedBlock(
                    name: block, profile: try Profile("rs:2+3"), columnCount: 2, firstColumn: 0, shardPayloadBytes: 0,
                    payloadBytes: 0, leastShards: 2, shards: [:], contents: contents)
            ])
        try index.apply([commit], state: state)
        XCTAssertTrue(try index.blocks(after: nil, limit: 1000).allSatisfy { $0.profile.description == "rs:2+3" })
        XCTAssertNoThrow(try index.check())
        model.closeStore()
    }
}
