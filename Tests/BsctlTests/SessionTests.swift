import BlockStore
import Foundation
import XCTest

/// The session of the README, and what the store promises along it, through the real binary.
final class SessionTests: CommandTest {
    private func makeTree() -> [[UInt8]: Disk.Entry] {
        Disk.makeDirectory(directory + "/tree")
        Disk.makeDirectory(directory + "/tree/sub")
        for number in 0..<20 {
            Disk.write(Self.bytes(number * number * 500, seed: UInt64(number)), to: directory + "/tree/sub/f\(number)")
        }
        Disk.write(Self.bytes(3_000_000, seed: 99), to: directory + "/tree/large")
        return Disk.snapshot(directory + "/tree")
    }

    private func expectTree(_ tree: [[UInt8]: Disk.Entry], file: StaticString = #filePath, at line: UInt = #line) {
        let target = directory + "/restored"
        expect(0, "get -r tree \(target)", file: file, at: line)
        XCTAssertEqual(Disk.snapshot(target), tree, file: file, line: line)
        Disk.removeTree(target)
    }

    func testEverythingComesBackAfterTwoLossesARepairAndTwoOtherLosses() {
        let tree = makeTree()
        makeStore()
        expect(0, "put -r tree")
        expect(0, "status")
        let losses = expect(0, "simulate disk-loss --count 2 --seed 20").text
        expect(6, "status")
        expectTree(tree)
        expect(0, "repair")
        expect(0, "status")
        let others = (1...6).map { "disk-\($0)" }.filter { !losses.contains("destroyed \($0)\n") }
        XCTAssertEqual(others.count, 4, losses)
        expect(0, "simulate disk-loss \(others[0]) \(others[1])")
        expectTree(tree)
        expect(0, "repair")
        expect(0, "scrub")
        expectTree(tree)
    }

    func testAStoreWithLocalParitiesLosesThreeDisksAndItsIndex() {
        let tree = makeTree()
        makeStore(disks: 10, "--profile lrc:6+2+2")
        expect(0, "put -r tree")
        XCTAssertTrue(expect(0, "status").text.contains("any 3 devices may fail"))
        for seed in 1...2 {
            expect(0, "simulate disk-loss --count 3 --seed \(seed)")
            expect(6, "status")
            expectTree(tree)
            unlink(store + "/index.db")
            expectTree(tree)
            expect(0, "repair")
            expect(0, "scrub")
            expect(0, "index rebuild")
            expectTree(tree)
        }
    }

    func testTheIndexIsOnlyACache() {
        let tree = makeTree()
        makeStore()
        expect(0, "put -r tree")
        put([1, 2, 3], as: "other")
        put([4], as: "other")
        put([5], as: "gone")
        expect(0, "rm gone")
        var listing = expect(0, "ls -l --versions").text
        let index = store + "/index.db"
        func removeIndex() { for suffix in ["", "-wal", "-shm"] { unlink(index + suffix) } }
        let damages: [(String, () -> Void)] = [
            ("deleted", removeIndex),
            ("truncated", { truncate(index, 5000) }),
            ("emptied", { truncate(index, 0) }),
            (
                "garbage",
                {
                    removeIndex()
                    Disk.write(Self.bytes(100_000, seed: 5), to: index)
                }
            ),
            (
                "flipped",
                {
                    var bytes = Disk.read(index)
                    for offset in stride(from: 4096, to: bytes.count, by: 1000) { bytes[offset] ^= 0x55 }
                    removeIndex()
                    Disk.write(bytes, to: index)
                }
            ),
        ]
        for (name, damage) in damages {
            damage()
            XCTAssertEqual(expect(0, "ls -l --versions").text, listing, name)
            XCTAssertEqual(content("other"), [4], name)
            damage()
            put([6], as: "after")
            expect(0, "rm after")
            listing = expect(0, "ls -l --versions").text
            damage()
            expect(0, "index rebuild")
            XCTAssertEqual(expect(0, "ls -l --versions").text, listing, name)
        }
        expectTree(tree)
        expect(0, "scrub")
    }

    func testKeysBeyondRepairAreNamedAndTheOthersRead() throws {
        makeStore()
        put(Self.bytes(400_000, seed: 1), as: "first")
        expect(0, "simulate disk-loss disk-1")
        expect(0, "repair")
        let second = Self.bytes(300_000, seed: 2)
        put(second, as: "second")
        // Block 1 holds the configuration, block 2 "first". It loses three shards, one more than it survives.
        let victims = shards().filter { $0.hasPrefix("0000000000000002-") && $0.contains(".d") }.prefix(3)
        XCTAssertEqual(victims.count, 3)
        for name in victims { remove(name) }
        let failed = expect(4, "get first -")
        XCTAssertTrue(failed.complaints.contains("lost: first\n"), failed.complaints)
        XCTAssertEqual(content("second"), second)
        let tree = expect(0, "get -r second \(directory)/second")
        XCTAssertTrue(tree.complaints.isEmpty, tree.complaints)
        let repair = expect(4, "repair")
        XCTAssertTrue(repair.complaints.contains("lost: first\n"), repair.complaints)
        XCTAssertFalse(repair.complaints.contains("second"), repair.complaints)
        expect(4, "status")
        let json = try object(expect(4, "repair --json"))
        XCTAssertEqual((json["lostKeys"] as? [[String: String]]), [["key": "first"]])
        XCTAssertEqual(Set(keys()), [Array("first".utf8), Array("second".utf8)], "a lost key is not deleted")
    }

    func testAReadThatHadToRebuildSucceedsWithAWarning() {
        makeStore()
        // Blocks are placed at random: of eight, some have data on the two disks that die.
        let contents = (0..<8).map { Self.bytes(200_000, seed: UInt64($0)) }
        for (number, content) in contents.enumerated() { put(content, as: "k\(number)") }
        expect(0, "simulate disk-loss --count 2 --seed 8")
        var warnings = ""
        for (number, content) in contents.enumerated() {
            let outcome = expect(0, "get k\(number) -")
            XCTAssertEqual(outcome.output, content)
            warnings += outcome.complaints
        }
        XCTAssertTrue(warnings.contains("rebuilt"), warnings)
    }

    func testScrubFindsWhatRottedAndRepairMendsIt() throws {
        makeStore()
        let content = Self.bytes(500_000, seed: 6)
        put(content, as: "k")
        let rot = expect(0, "simulate bit-rot --count 2 --seed 7").text
        XCTAssertTrue(rot.contains("seed 7"))
        let scrub = try object(expect(6, "scrub --json"))
        let problems = try XCTUnwrap(scrub["problems"] as? [[String: Any]])
        XCTAssertEqual(
            problems.count, Set(rot.split(separator: "\n").dropLast().map { $0.split(separator: " ")[1] }).count)
        XCTAssertEqual(self.content("k"), content)
        XCTAssertEqual(try object(expect(6, "repair --dry-run --json"))["missingShards"] as? Int, problems.count)
        expect(6, "scrub --repair")
        expect(0, "scrub")
        XCTAssertEqual(self.content("k"), content)
    }

    func testADuplicateNeverRestsOnWhatIsLost() {
        makeStore()
        let content = Self.bytes(400_000, seed: 12)
        put(content, as: "first")
        put([1], as: "later")
        for name in shards().filter({ $0.hasPrefix("0000000000000002-") && $0.contains(".d") }).prefix(3) {
            remove(name)
        }
        expect(4, "get first -")
        put(content, as: "again")
        XCTAssertEqual(self.content("again"), content)
        XCTAssertEqual(self.content("first"), content, "what is stored again heals older versions")
        expect(6, "repair")
        XCTAssertTrue(expect(6, "status").text.contains("lost that no object needs"))
    }

    func testReadingWhileADeviceIsAwayOwesNothingWhenItReturns() {
        makeStore()
        let content = Self.bytes(600_000, seed: 13)
        put(content, as: "k")
        XCTAssertEqual(rename("\(store)/disk-1", directory + "/away"), 0)
        XCTAssertEqual(rename("\(store)/disk-4", directory + "/away-too"), 0)
        XCTAssertEqual(self.content("k"), content)
        expect(6, "status")
        XCTAssertEqual(rename(directory + "/away", "\(store)/disk-1"), 0)
        XCTAssertEqual(rename(directory + "/away-too", "\(store)/disk-4"), 0)
        expect(0, "status")
    }

    func testOldVersionsStayReadable() throws {
        makeStore()
        put([1], as: "k")
        put([2], as: "k")
        expect(0, "rm k")
        expect(3, "get k -")
        expect(3, "stat k")
        put([3], as: "k")
        let versions = try XCTUnwrap(object(expect(0, "stat k --json"))["versions"] as? [[String: Any]])
        XCTAssertEqual(versions.map { $0["deleted"] as? Bool }, [false, true, false, false])
        let oldest = try XCTUnwrap(versions.last?["version"] as? String)
        XCTAssertEqual(expect(0, "get k - --version \(oldest)").output, [1])
        XCTAssertEqual(content("k"), [3])
        let marker = try XCTUnwrap(versions[1]["version"] as? String)
        expect(3, "get k - --version \(marker)")
        expect(3, "get k - --version 999.0")
    }

    /// Names of all shards on the devices.
    private func shards() -> [String] {
        (1...6).flatMap { disk in
            Disk.names("\(store)/disk-\(disk)/blocks/0000000000000").map { String(decoding: $0, as: UTF8.self) }
        }.sorted()
    }

    private func remove(_ shard: String) {
        for disk in 1...6 { unlink("\(store)/disk-\(disk)/blocks/0000000000000/\(shard)") }
    }
}
