import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// One store holds several profiles: each put says what it must survive.
final class PutProfileTests: XCTestCase {
    private func put(
        _ model: StoreModel, _ key: String, _ content: [UInt8], _ profile: String? = nil
    ) throws -> WriteReport {
        let session = try model.openStore().startWriting(profile: try profile.map { try Profile($0) })
        try session.put(try Key(key), from: MemorySource(content))
        return try session.finish()
    }

    private func read(_ model: StoreModel, _ key: String) throws -> [UInt8] {
        let sink = MemorySink()
        let store = try model.openStore()
        _ = try store.read(try store.newestVersion(of: Key(key)), into: sink)
        return sink.bytes
    }

    func testAPutSurvivesWhatItsOwnProfileSays() throws {
        let content = SeededRandom.bytes(60_000, seed: 1)
        for (profile, losses) in [("rs:2+4", 4), ("rs:1+5", 5), ("lrc:2+2+2", 3)] {
            let model = try StoreModel(seed: 3, devices: 6, profile: "rs:4+2")
            let report = try put(model, "precious", content, profile)
            XCTAssertNil(report.debt)
            let status = try model.openStore().status()
            XCTAssertEqual(status.profile.description, "rs:4+2")
            XCTAssertEqual(status.profiles.map(\.profile.description).sorted(), [profile, "rs:4+2"].sorted())
            XCTAssertEqual(status.owedShards, 0)
            model.closeStore()
            model.world.state.absent = Set((1...losses).map { "disk-\($0)" })
            XCTAssertEqual(try read(model, "precious"), content, profile)
            model.closeStore()
            model.world.state.index = nil
            model.world.state.absent = ["disk-1", "disk-3"]
            XCTAssertEqual(try read(model, "precious"), content, "\(profile), without the index")
            model.closeStore()
        }
    }

    func testADuplicateCountsOnlyWhereItsBlockSurvivesWhatThisPutMust() throws {
        let model = try StoreModel(seed: 3, devices: 6, profile: "rs:4+2")
        let content = SeededRandom.bytes(60_000, seed: 1)
        XCTAssertEqual(try put(model, "usual", content).newBytes, 60_000)
        XCTAssertEqual(try put(model, "weaker", content, "rs:4+1").newBytes, 0, "a stronger block will do")
        XCTAssertEqual(try put(model, "stronger", content, "rs:2+4").newBytes, 60_000, "a weaker one will not")
        XCTAssertEqual(try put(model, "again", content, "rs:3+3").newBytes, 0)
        XCTAssertEqual(try put(model, "usual again", content).newBytes, 0)
        model.closeStore()
        model.world.state.absent = ["disk-1", "disk-2", "disk-5", "disk-6"]
        XCTAssertEqual(try read(model, "stronger"), content)
        model.closeStore()
    }

    func testWhatAWeakPutStoredIsStoredAgainByAStrongerOne() throws {
        let model = try StoreModel(seed: 3, devices: 6, profile: "rs:4+2")
        let content = SeededRandom.bytes(30_000, seed: 1)
        XCTAssertEqual(try put(model, "weak", content, "rs:5+1").newBytes, 30_000)
        XCTAssertEqual(try put(model, "usual", content).newBytes, 30_000)
        XCTAssertEqual(try put(model, "new weak", SeededRandom.bytes(9_000, seed: 2), "rs:5+1").newBytes, 9_000)
        let session = try model.openStore().startWriting()
        // A copy has no bytes to store again: it owes nothing, and rests on what survives one loss.
        try session.copy(Key("new weak"), to: Key("copy"))
        XCTAssertNil(try session.finish().debt)
        XCTAssertEqual(try model.openStore().status().lossesSurvivedNow, 1)
        model.closeStore()
    }

    func testAProfileThatNeedsMoreDevicesThanThereAreIsRefusedBeforeAnythingIsRead() throws {
        let model = try StoreModel(seed: 3, devices: 5, profile: "rs:2+2")
        let problem = try XCTUnwrap(error { _ = try put(model, "a", [1], "rs:4+2") })
        XCTAssertEqual(problem.code, .tooFewDevices)
        XCTAssertTrue(problem.description.contains("6 shards"), problem.description)
        XCTAssertTrue(problem.description.contains("5 devices"), problem.description)
        XCTAssertEqual(code { _ = try model.openStore().newestVersion(of: Key("a")) }, .notFound)
        // One that is away does not count against it: the put is degraded, as any.
        model.setAbsent("disk-2")
        XCTAssertNotNil(try put(model, "a", [1], "rs:2+3").debt)
        model.closeStore()
    }

    private func error(_ body: () throws -> Void) -> StoreError? {
        do {
            try body()
            return nil
        } catch {
            return error as? StoreError
        }
    }

    func testWritingGoesOnWithAsManyDevicesAwayAsTheStrongestProfileInUseTolerates() throws {
        let model = try StoreModel(seed: 3, devices: 6, profile: "rs:4+1")
        XCTAssertNil(try put(model, "a", SeededRandom.bytes(9_000, seed: 1), "rs:2+3").debt)
        for disk in ["disk-2", "disk-4"] { model.setAbsent(disk) }
        // Without the index, who opens the store learns of it from the shards.
        model.world.state.index = nil
        XCTAssertNotNil(try put(model, "b", SeededRandom.bytes(9_000, seed: 2), "rs:2+3").debt)
        XCTAssertEqual(code { _ = try put(model, "c", [1]) }, .tooFewDevices, "rs:4+1 itself needs five")
        model.setAbsent("disk-5")
        _ = try put(model, "d", SeededRandom.bytes(900, seed: 2), "rs:2+3")
        model.setAbsent("disk-6")
        XCTAssertEqual(code { _ = try put(model, "e", [1], "rs:2+3") }, .tooFewDevices)
        model.closeStore()
    }

    func testBlocksOfAnyProfileShareTheMemoryOfTheLargest() throws {
        for data in 1...63 {
            XCTAssertLessThanOrEqual(Limits.fullShardBytes(columns: data) * data, Limits.blockPayloadBytes)
        }
    }
}
