import BlockStore
import XCTest

/// kill -9 of the real binary: what was acknowledged stays, what was not is absent or whole.
final class KillTests: CommandTest {
    func testAPutThatIsKilledLeavesThePreviousVersion() {
        makeStore()
        let before = Self.bytes(50_000, seed: 1)
        put(before, as: "k")
        for part in [1, 100_000, 6_000_000] {
            let child = start(Self.words("put - k"), input: nil)
            XCTAssertTrue(child.feed(Self.bytes(part, seed: UInt64(part))))
            child.kill()
            XCTAssertEqual(child.wait().code, 128 + 9)
            XCTAssertEqual(content("k"), before)
            expect(0, "status")
        }
        expect(0, "put /etc/passwd k")
        XCTAssertEqual(content("k"), Disk.read("/etc/passwd"))
        for disk in 1...6 { XCTAssertEqual(Disk.names("\(store)/disk-\(disk)/tmp"), []) }
        expect(0, "scrub")
    }

    func testAPutKilledAtAnyMomentIsAbsentOrWhole() {
        makeStore(disks: 4, "--profile rs:2+2")
        let seed = ProcessInfoSeed.value
        let random = SeededRandom(seed)
        var current: [UInt8] = []
        put(current, as: "k")
        for round in 0..<25 {
            let next = Self.bytes(Int(random.next() % 2_000_000), seed: seed &+ UInt64(round))
            Disk.write(next, to: directory + "/next")
            let child = start(Self.words("put next k"))
            usleep(UInt32(random.next() % 60_000))
            child.kill()
            let code = child.wait().code
            let found = content("k")
            let message = "BS_SEED=\(seed), round \(round), exit code \(code)"
            if code == 0 {
                XCTAssertEqual(found, next, message)
            } else {
                XCTAssertEqual(code, 128 + 9, message)
                XCTAssertTrue(found == current || found == next, message)
            }
            current = found
        }
        expect(0, "repair")
        expect(0, "scrub")
        expect(0, "index rebuild")
        XCTAssertEqual(content("k"), current)
    }

    func testAGetThatIsKilledLeavesNothing() {
        makeStore(disks: 4, "--profile rs:2+2")
        put(Self.bytes(4_000_000, seed: 3), as: "k")
        for delay: UInt32 in [0, 5_000, 10_000, 20_000] {
            let child = start(Self.words("get k out"))
            usleep(delay)
            child.kill()
            let code = child.wait().code
            if code == 0 || Disk.exists(directory + "/out") {
                XCTAssertEqual(Disk.read(directory + "/out").count, 4_000_000)
                unlink(directory + "/out")
            }
            XCTAssertFalse(Disk.names(directory).contains { $0.starts(with: Disk.bytes(".out")) })
        }
    }

    func testTheNextWriterRemovesWhatAKilledOneLeftInTheHome() {
        makeStore(disks: 4, "--profile rs:2+2")
        Disk.write([0x7b], to: store + "/store.json.new")
        put([1, 2, 3], as: "k")
        XCTAssertFalse(Disk.exists(store + "/store.json.new"))
        XCTAssertEqual(content("k"), [1, 2, 3])
    }

    func testADirectoryThatNearlyBecameADeviceIsEmpty() {
        makeStore(disks: 4, "--profile rs:2+2")
        put([1, 2, 3], as: "k")
        expect(0, "simulate disk-loss disk-2")
        // As a process leaves it that is killed before it can name the identity.
        Disk.makeDirectory(store + "/disk-2/tmp")
        Disk.write([0x7b], to: store + "/disk-2/tmp/device.json.new")
        expect(0, "repair")
        expect(0, "status")
        expect(0, "simulate disk-loss disk-2")
        Disk.makeDirectory(store + "/disk-2/tmp")
        Disk.write([1], to: store + "/disk-2/tmp/photo")
        expect(1, "repair")
        XCTAssertEqual(Disk.read(store + "/disk-2/tmp/photo"), [1])
    }

    func testARepairThatIsKilledIsTakenUpAgain() {
        makeStore(disks: 4, "--profile rs:2+2")
        let content = Self.bytes(3_000_000, seed: 4)
        put(content, as: "k")
        let seed = ProcessInfoSeed.value
        let random = SeededRandom(seed)
        for round in 0..<6 {
            expect(0, "simulate disk-loss --count 1 --seed \(seed &+ UInt64(round)) --force")
            let child = start(Self.words("repair"))
            usleep(UInt32(random.next() % 60_000))
            child.kill()
            _ = child.wait()
            XCTAssertEqual(self.content("k"), content, "BS_SEED=\(seed), round \(round)")
            expect(0, "repair")
            expect(0, "status")
        }
        expect(0, "scrub")
    }

    func testAPutGetsInWhileARepairWorks() {
        makeStore(disks: 4, "--profile rs:2+2")
        for number in 0..<5 { put(Self.bytes(900_000, seed: UInt64(number)), as: "k\(number)") }
        expect(0, "simulate disk-loss disk-2")
        XCTAssertTrue(expect(6, "repair --dry-run").text.contains("disk-2"))
        let repair = start(Self.words("repair --rate 500KB"))
        usleep(300_000)
        expect(0, "put - among --lock-wait 5")
        repair.kill()
        XCTAssertNotEqual(repair.wait().code, 0, "it was not done yet")
        expect(0, "repair")
        expect(0, "repair --dry-run")
        expect(0, "scrub")
    }

    func testACollectionAndAReshapeKilledAtAnyMomentLoseNothing() {
        makeStore(disks: 6, "--profile rs:2+2")
        let random = SeededRandom(ProcessInfoSeed.value)
        for round in 0..<5 {
            for number in 0..<4 {
                put(Self.bytes(700_000 + number, seed: UInt64(round * 4 + number)), as: "round-\(round)/k\(number)")
            }
            expect(0, "rm round-\(round)/k0 round-\(round)/k1")
            expect(0, "prune --keep-last 0")
            for words in ["collect --full", "reshape --profile \(round % 2 == 0 ? "rs:2+3" : "rs:3+2")"] {
                let child = start(Self.words(words))
                usleep(UInt32(random.next() % 60_000))
                child.kill()
                let code = child.wait().code
                XCTAssertTrue([0, 128 + 9].contains(code), "\(words): \(code)")
                for earlier in 0...round {
                    for number in 2..<4 {
                        XCTAssertEqual(
                            content("round-\(earlier)/k\(number)"),
                            Self.bytes(700_000 + number, seed: UInt64(earlier * 4 + number)), "round \(round), \(words)"
                        )
                    }
                }
            }
        }
        expect(0, "reshape")
        expect(0, "collect --full")
        expect(0, "index rebuild")
        expect(0, "scrub")
        XCTAssertTrue(expect(0, "collect --full --dry-run").text.contains("nothing to collect"))
    }

    func testAScrubThatIsInterruptedGoesOnWhereItWas() throws {
        makeStore(disks: 4, "--profile rs:2+2")
        for number in 0..<5 { put(Self.bytes(500_000, seed: UInt64(number)), as: "k\(number)") }
        let scrub = start(Self.words("scrub --rate 1MB"))
        usleep(1_800_000)
        // A reader keeps nobody waiting.
        put([1], as: "among")
        scrub.kill()
        XCTAssertNotEqual(scrub.wait().code, 0, "it was not done yet")
        let status = try object(expect(0, "status --json"))
        let never = try XCTUnwrap(status["neverVerifiedBlocks"] as? Int)
        let blocks = try XCTUnwrap(status["blocks"] as? Int)
        XCTAssertTrue((1..<blocks).contains(never), "\(never) of \(blocks)")
        let preview = try object(expect(0, "scrub --older-than 1h --dry-run --json"))
        XCTAssertEqual(preview["blocks"] as? Int, never)
        let rest = try object(expect(0, "scrub --older-than 1h --json"))
        XCTAssertEqual(rest["skippedBlocks"] as? Int, blocks - never)
        XCTAssertTrue(expect(0, "status").text.contains("ago, what waits longest"))
    }
}

/// BS_SEED replays a run; without it every run is the same.
enum ProcessInfoSeed {
    static var value: UInt64 {
        let seed = getenv("BS_SEED").flatMap { UInt64(String(cString: $0)) } ?? 20
        print("BS_SEED=\(seed)")
        return seed
    }
}
