import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// What becomes of the writes of a group, one thread, simulated devices.
final class GroupCommitterTests: XCTestCase {
    /// What the callers were told, by the names the test gave them.
    private final class Answers: @unchecked Sendable {
        // @unchecked: simulations run on one thread.
        var outcomes: [String: GroupedWrite.Outcome] = [:]

        func code(_ name: String) -> StoreError.Code? {
            if case .failure(let error) = outcomes[name] { return error.code }
            return nil
        }

        func version(_ name: String) -> ObjectVersion? { try? outcomes[name]?.get().version }
    }

    private let answers = Answers()
    private var world: SimulatedWorld!
    private var committer: GroupCommitter!

    override func setUpWithError() throws {
        world = SimulatedWorld(seed: 3, disks: (1...6).map { "disk-\($0)" })
        _ = try Store.create(
            world.environment, devices: (1...6).map { NewDevice(path: "disk-\($0)") }, profile: Profile("rs:4+2"),
            averageChunkBytes: 4096)
        committer = GroupCommitter(world.environment, Store.Options())
    }

    override func tearDown() {
        committer = nil
        world.endProcess()
    }

    private func put(
        _ name: String, _ pieces: PieceQueue, as key: String? = nil, declaredBytes: UInt64? = nil,
        condition: WriteCondition? = nil
    ) throws -> GroupedWrite {
        let answers = answers
        return GroupedWrite(
            try Key(key ?? name),
            .put(ObjectAttributes(), declaredBytes: declaredBytes, skippingUnchanged: false, pieces),
            condition: condition
        ) { outcome in
            XCTAssertNil(answers.outcomes.updateValue(outcome, forKey: name), "\(name) is told once")
        }
    }

    private func put(
        _ name: String, _ bytes: [UInt8], as key: String? = nil, declaredBytes: UInt64? = nil,
        condition: WriteCondition? = nil
    ) throws -> GroupedWrite {
        try put(name, PieceQueue(whole: bytes), as: key, declaredBytes: declaredBytes, condition: condition)
    }

    private func remove(_ name: String, _ key: String) throws -> GroupedWrite {
        let answers = answers
        return GroupedWrite(try Key(key), .removal, condition: nil) { answers.outcomes[name] = $0 }
    }

    private func bytes(_ count: Int, _ seed: UInt64 = 1) -> [UInt8] { SeededRandom.bytes(count, seed: seed) }

    /// As another process reads it.
    private func read(_ key: String) throws -> [UInt8] {
        let store = try Store.open(world.environment, access: .read)
        defer { store.close() }
        let sink = MemorySink()
        _ = try store.read(try store.newestVersion(of: Key(key)), into: sink)
        return sink.bytes
    }

    func testAGroupIsOneCommit() throws {
        committer.commit([try put("a", bytes(9_000)), try put("b", bytes(100, 2)), try put("c", [])])
        let commits = Set(["a", "b", "c"].compactMap { answers.version($0)?.identity.commit })
        XCTAssertEqual(answers.outcomes.count, 3)
        XCTAssertEqual(commits.count, 1)
        committer.rest()
        XCTAssertEqual(try read("a"), bytes(9_000))
        XCTAssertEqual(try read("c"), [])
    }

    func testWhatSomebodyWasToldIsDurableIsThereAfterAPowerCutAtAnyStep() throws {
        for workload in Workload.named("writes of many") { try CrashPoints.run(workload, every: 29) }
    }

    func testOfTwoThatWantAKeyToBeAbsentExactlyOneWins() throws {
        committer.commit([
            try put("first", bytes(10), as: "k", condition: .isAbsent),
            try put("second", bytes(20), as: "k", condition: .isAbsent),
        ])
        XCTAssertNotNil(answers.version("first"))
        XCTAssertEqual(answers.code("second"), .conditionFailed)
        committer.rest()
        XCTAssertEqual(try read("k"), bytes(10))
    }

    func testAWriteOnAConditionSeesTheRemovalBeforeIt() throws {
        committer.commit([try put("k", bytes(10))])
        committer.commit([
            try remove("removal", "k"), try put("again", bytes(20), as: "k", condition: .isAbsent),
            try remove("absent", "nothing"),
        ])
        XCTAssertEqual(answers.version("removal")?.isDeleteMarker, true)
        XCTAssertNotNil(answers.version("again"))
        XCTAssertEqual(answers.code("absent"), .notFound)
        committer.rest()
        XCTAssertEqual(try read("k"), bytes(20))
    }

    func testWhatIsWrongWithOneObjectTouchesNoOther() throws {
        let broken = PieceQueue()
        broken.add(bytes(5_000, 7))
        broken.end(.failed(StoreError(.input, "read", detail: "it broke")))
        committer.commit([
            try put("a", bytes(100)), try put("broken", broken), try put("short", bytes(10), declaredBytes: 11),
            try put("long", bytes(12), declaredBytes: 11), try put("b", bytes(200)),
        ])
        XCTAssertEqual(["broken", "short", "long"].map(answers.code), [.input, .input, .input])
        committer.rest()
        XCTAssertEqual(try read("a"), bytes(100))
        XCTAssertEqual(try read("b"), bytes(200))
        XCTAssertEqual(code { _ = try self.read("broken") }, .notFound)
    }

    func testAFailureOfStoringIsToldToEverybodyInTheGroup() throws {
        committer.commit([try put("before", bytes(10))])
        for disk in 1...6 { world.faults["disk-\(disk)"] = .full }
        committer.commit([try put("a", bytes(9_000)), try put("b", bytes(100, 2)), try remove("c", "before")])
        XCTAssertEqual(["a", "b", "c"].map(answers.code), [.noSpace, .noSpace, .noSpace])
        world.endFaults()
        committer.commit([try put("after", bytes(50))])
        XCTAssertNotNil(answers.version("after"), "the next group begins anew")
        committer.rest()
        XCTAssertEqual(try read("before"), bytes(10))
        XCTAssertEqual(code { _ = try self.read("a") }, .notFound)
    }

    func testADegradedGroupIsToldWhatIsOwed() throws {
        world.state.absent = ["disk-2"]
        committer.commit([try put("a", bytes(9_000))])
        XCTAssertNotNil(try answers.outcomes["a"]?.get().debt)
    }

    func testWhatIsGivenUpBeforeItBeganIsNotStored() throws {
        let write = try put("a", bytes(10))
        write.cancel()
        committer.commit([write, try put("b", bytes(20))])
        XCTAssertEqual(answers.code("a"), .interrupted)
        committer.rest()
        XCTAssertEqual(code { _ = try self.read("a") }, .notFound)
    }

    func testWhatIsGivenUpTooLateIsStoredAndToldSo() throws {
        let write = try put("a", bytes(10))
        committer.commit([write])
        write.cancel()
        XCTAssertNotNil(answers.version("a"))
    }

    func testAnObjectThatIsStillArrivingHoldsUpNobody() throws {
        let pieces = PieceQueue()
        pieces.add(bytes(60_000, 1))
        committer.commit([try put("large", pieces), try put("small", bytes(10))])
        XCTAssertNotNil(answers.version("small"))
        XCTAssertNil(answers.outcomes["large"])
        pieces.add(bytes(60_000, 2))
        committer.commit([try put("another", bytes(20))])
        XCTAssertNotNil(answers.version("another"))
        pieces.add(bytes(1_000, 3))
        pieces.end(.whole)
        committer.commit([])
        XCTAssertEqual(answers.version("large")?.byteCount, 121_000)
        committer.rest()
        XCTAssertEqual(try read("large"), bytes(60_000, 1) + bytes(60_000, 2) + bytes(1_000, 3))
        XCTAssertEqual(try read("small"), bytes(10))
    }

    func testTheConditionOfAnArrivingObjectHoldsAtItsEnd() throws {
        let pieces = PieceQueue()
        pieces.add(bytes(1_000))
        committer.commit([try put("large", pieces, as: "k", condition: .isAbsent)])
        committer.commit([try put("small", bytes(10), as: "k", condition: .isAbsent)])
        pieces.end(.whole)
        committer.commit([])
        XCTAssertNotNil(answers.version("small"))
        XCTAssertEqual(answers.code("large"), .conditionFailed)
        committer.rest()
        XCTAssertEqual(try read("k"), bytes(10))
    }

    func testArrivingObjectsOfAnyNumberTakeTurns() throws {
        let queues = (0..<20).map { _ in PieceQueue() }
        committer.commit(try queues.enumerated().map { try put("\($0)", $1) })
        for (number, pieces) in queues.enumerated() {
            pieces.add(bytes(500, UInt64(number)))
            pieces.end(.whole)
        }
        for _ in 0..<3 { committer.commit([]) }
        XCTAssertTrue(committer.isIdle)
        committer.rest()
        for number in 0..<20 { XCTAssertEqual(try read("\(number)"), bytes(500, UInt64(number))) }
    }

    func testAnArrivingObjectIsGivenUpInTheMiddle() throws {
        let pieces = PieceQueue()
        pieces.add(bytes(1_000))
        let write = try put("large", pieces)
        committer.commit([write])
        write.cancel()
        committer.commit([])
        XCTAssertEqual(answers.code("large"), .interrupted)
        XCTAssertTrue(committer.isIdle)
        committer.rest()
        XCTAssertEqual(code { _ = try self.read("large") }, .notFound)
    }

    func testAFailureOfStoringEndsWhatIsArriving() throws {
        let pieces = PieceQueue()
        pieces.add(bytes(1_000))
        committer.commit([try put("large", pieces)])
        for disk in 1...6 { world.faults["disk-\(disk)"] = .full }
        committer.commit([try put("small", bytes(10))])
        XCTAssertEqual(answers.code("small"), .noSpace)
        XCTAssertEqual(answers.code("large"), .noSpace)
        XCTAssertTrue(committer.isIdle)
    }

    func testASilentSourceGivesWayToThoseWhoWait() throws {
        let pieces = PieceQueue()
        pieces.add(bytes(1_000))
        committer.commit([try put("large", pieces)])
        XCTAssertNil(answers.outcomes["large"])
        world.environment.clock.sleep(nanoseconds: 11_000_000_000)
        // Simulated homes never know that nobody waits.
        committer.commit([])
        XCTAssertEqual(answers.code("large"), .input)
        XCTAssertFalse(committer.holdsStore)
    }

    func testBetweenGroupsOthersGetTheStoreWhenTheTurnIsOver() throws {
        committer.commit([try put("a", bytes(10))])
        XCTAssertTrue(committer.holdsStore)
        var others: Store?
        world.environment.clock.sleep(nanoseconds: 2_000_000_000)
        let world = try XCTUnwrap(self.world)
        world.meanwhile = {
            others = try? Store.open(world.environment, access: .write, options: Store.Options(lockWaitSeconds: 0))
            others?.close()
        }
        committer.commit([try put("b", bytes(20))])
        XCTAssertNotNil(others, "somebody else had it in between")
        committer.commit([try put("c", bytes(30))])
        XCTAssertNotNil(answers.version("c"))
    }

    func testAStoreThatIsTakenIsToldToEverybody() throws {
        let other = try Store.open(world.environment, access: .write)
        defer { other.close() }
        committer.commit([try put("a", bytes(10)), try put("b", bytes(20))])
        XCTAssertEqual(["a", "b"].map(answers.code), [.locked, .locked])
    }
}
