import BlockStore
import Foundation
import Glibc
import XCTest

/// Devices that join, leave, move and come back, through the real binary.
final class DeviceTests: CommandTest {
    private let profile = "--profile rs:2+2"

    /// Empty directories, and the options that name them.
    private func directories(_ count: Int) -> String {
        (1...count).map { number in
            Disk.makeDirectory("\(directory)/d\(number)")
            return " --device \(directory)/d\(number)"
        }.joined()
    }

    private func json(_ line: String, _ code: Int32 = 0) throws -> [String: Any] {
        try XCTUnwrap(JSONSerialization.jsonObject(with: Data(expect(code, line + " --json").output)) as? [String: Any])
    }

    private func device(_ label: String, _ code: Int32 = 0) throws -> [String: Any] {
        let devices = try XCTUnwrap(try json("device ls", code)["devices"] as? [[String: Any]])
        return try XCTUnwrap(devices.first { $0["label"] as? String == label }, "no \(label) in \(devices)")
    }

    /// The number of a device that has shards of older commits as well: those of the newest are made again by whoever writes.
    private func deviceInUse(besides other: Int) throws -> Int {
        put([1], as: "one")
        put([2], as: "two")
        return try XCTUnwrap(
            (1...6).first { number in
                (try? device("disk-\(number)")["shards"] as? Int) ?? 0 >= 2 && number != other
            })
    }

    /// Everything still reads without the devices in these directories.
    private func expectContent(_ content: [UInt8], without paths: [String], line: UInt = #line) {
        for path in paths { XCTAssertEqual(rename("\(directory)/\(path)", "\(directory)/\(path)-away"), 0) }
        XCTAssertEqual(self.content("k", at: line), content, line: line)
        for path in paths { XCTAssertEqual(rename("\(directory)/\(path)-away", "\(directory)/\(path)"), 0) }
    }

    func testAnAddedDeviceTakesItsShareAndNothingElseMoves() throws {
        expect(0, "init store\(directories(5)) \(profile)")
        let content = Self.bytes(600_000, seed: 1)
        put(content, as: "k")
        for number in 0..<4 { put([UInt8(number)], as: "small-\(number)") }
        func shards() -> [Set<String>] {
            (1...5).map { number in
                Set(
                    (FileManager.default.subpaths(atPath: "\(directory)/d\(number)/blocks") ?? []).filter {
                        $0.contains(".")
                    })
            }
        }
        let before = shards()
        Disk.makeDirectory(directory + "/new")
        let plan = try json("device add new --dry-run")
        XCTAssertNotNil(plan["shards"] as? Int)
        XCTAssertEqual(Disk.names(directory + "/new"), [], "a dry run changes nothing")
        let report = try json("device add new --label fresh --domain shelf-2")
        let new = try device("fresh")
        XCTAssertEqual(new["domain"] as? String, "shelf-2")
        XCTAssertEqual(new["weight"] as? Int, try device("disk-1")["weight"] as? Int, "equal disks weigh the same")
        // The commit that says so is the only thing that is new on the others.
        let after = shards()
        for (old, now) in zip(before, after) { XCTAssertLessThanOrEqual(now.subtracting(old).count, 1) }
        XCTAssertEqual(
            before.reduce(0) { $0 + $1.count } - zip(before, after).reduce(0) { $0 + $1.0.intersection($1.1).count },
            report["movedShards"] as? Int)
        XCTAssertEqual(try json("device add new")["movedShards"] as? Int, 0, "again, there is nothing left to do")
        expect(1, "device add new --label other")
        expect(1, "device add \(directory)/d1 --label other")
        expect(0, "scrub")
        expectContent(content, without: ["d1", "new"])
    }

    func testADrainedDeviceIsSafeToPullAndNeverComesBack() throws {
        expect(0, "init store\(directories(6)) \(profile)")
        let content = Self.bytes(600_000, seed: 2)
        put(content, as: "k")
        put([1], as: "gone")
        let refused = expect(1, "device remove disk-2")
        XCTAssertTrue(refused.complaints.contains("bsctl device drain disk-2"), refused.complaints)
        let planned = try json("device drain disk-2 --dry-run")["shards"] as? Int
        XCTAssertEqual(planned, try device("disk-2")["shards"] as? Int)
        XCTAssertEqual(try device("disk-2")["draining"] as? Bool, false)
        let drained = expect(0, "device drain disk-2")
        XCTAssertTrue(drained.text.contains("disk-2 is safe to pull"), drained.text)
        XCTAssertTrue(drained.text.contains("bsctl device remove disk-2"), drained.text)
        XCTAssertEqual(try device("disk-2")["shards"] as? Int, 0)
        XCTAssertEqual(rename(directory + "/d2", directory + "/pulled"), 0)
        expect(0, "rm gone")
        expect(0, "status")
        expectContent(content, without: ["d1", "d3"])
        expect(0, "device remove disk-2 --dry-run")
        expect(0, "device remove disk-2")
        expect(3, "device remove disk-2")
        // Back where it was: it has no say, and resurrects nothing.
        XCTAssertEqual(rename(directory + "/pulled", directory + "/d2"), 0)
        expect(0, "index rebuild")
        expect(3, "get gone -")
        XCTAssertFalse(expect(0, "device ls").text.contains("disk-2"))
        expect(1, "device add \(directory)/d2")
        expect(0, "scrub")
        expectContent(content, without: ["d4", "d5"])
    }

    func testADrainGoesOnAfterItWasKilled() throws {
        expect(0, "init store\(directories(6)) \(profile)")
        let content = Self.bytes(3_000_000, seed: 3)
        put(content, as: "k")
        for number in 0..<3 { put(Self.bytes(40_000, seed: UInt64(number)), as: "k\(number)") }
        for delay: UInt32 in [12_000, 25_000] {
            let child = start(Self.words("device drain disk-3"))
            usleep(delay)
            child.kill()
            _ = child.wait()
            XCTAssertEqual(self.content("k"), content)
        }
        let drained = expect(0, "device drain disk-3")
        XCTAssertTrue(drained.text.contains("safe to pull"), drained.text)
        Disk.removeTree(directory + "/d3")
        expect(0, "device remove disk-3")
        expect(0, "scrub")
        expectContent(content, without: ["d1", "d6"])
    }

    func testADrainIsRefusedWhereTheOthersAreTooFew() {
        expect(0, "init store\(directories(4)) \(profile)")
        put(Self.bytes(100_000, seed: 4), as: "k")
        let refused = expect(1, "device drain disk-1")
        XCTAssertTrue(refused.complaints.contains("bsctl device add DIR"), refused.complaints)
        expect(1, "device drain disk-1 --dry-run")
        expect(2, "device drain disk-1 --cancel")
        XCTAssertFalse(expect(0, "device ls").text.contains("draining"))
    }

    func testWithAnotherDeviceAwayNothingIsCalledSafe() throws {
        expect(0, "init store\(directories(6)) \(profile)")
        let content = Self.bytes(300_000, seed: 5)
        put(content, as: "k")
        let other = try deviceInUse(besides: 1)
        XCTAssertEqual(rename(directory + "/d\(other)", directory + "/away"), 0)
        let drained = expect(6, "device drain disk-1")
        XCTAssertTrue(drained.text.contains("Do NOT pull disk-1"), drained.text)
        XCTAssertEqual(rename(directory + "/away", directory + "/d\(other)"), 0)
        expect(0, "device drain disk-1")
        expect(0, "device drain disk-1 --cancel")
        expect(0, "status")
        XCTAssertEqual(self.content("k"), content)
    }

    func testADeviceThatIsGoneIsDrainedFromTheOthers() throws {
        expect(0, "init store\(directories(6)) \(profile)")
        let content = Self.bytes(300_000, seed: 6)
        put(content, as: "k")
        let gone = try deviceInUse(besides: 1)
        Disk.removeTree(directory + "/d\(gone)")
        let refused = expect(1, "device remove disk-\(gone)")
        XCTAssertTrue(refused.complaints.contains("bsctl device drain disk-\(gone)"), refused.complaints)
        expect(0, "device drain disk-\(gone)")
        expect(0, "device remove disk-\(gone)")
        expect(0, "status")
        expectContent(content, without: ["d1", gone == 3 ? "d2" : "d3"])
    }

    func testDevicesAreRelabelledAndMovedToOtherDomains() throws {
        let devices = (1...4).map { number in
            Disk.makeDirectory("\(directory)/d\(number)")
            return " --device \(directory)/d\(number),domain=host-\(number <= 3 ? 1 : 2),weight=\(number)"
        }.joined()
        let made = expect(0, "init store\(devices) \(profile)")
        XCTAssertTrue(made.complaints.contains("the loss of all of host-1 may cost data"), made.complaints)
        XCTAssertTrue(expect(0, "status").text.contains("the loss of all of host-1"))
        XCTAssertEqual(try device("disk-3")["weight"] as? Int, 3)
        expect(0, "device set disk-3 --domain host-2 --weight 30")
        XCTAssertFalse(expect(0, "status").text.contains("the loss of all of"))
        expect(2, "device set disk-3")
        expect(0, "device relabel disk-3 shelf-3")
        XCTAssertEqual(try device("shelf-3")["domain"] as? String, "host-2")
        XCTAssertEqual(try device("shelf-3")["weight"] as? Int, 30)
        expect(2, "device relabel shelf-3 disk-1")
        expect(3, "device relabel disk-3 x")
        expect(0, "index rebuild")
        expect(0, "device relabel shelf-3 disk-3")
    }

    func testALostHomeComesBackFromItsDevices() throws {
        expect(0, "init store\(directories(5)) \(profile)")
        let content = Self.bytes(300_000, seed: 7)
        put(content, as: "k")
        expect(0, "rm k")
        put(content, as: "k")
        let versions = expect(0, "versions k").text
        Disk.removeTree(store)
        expect(0, "recover store --device \(directory)/d2 --dry-run")
        XCTAssertFalse(Disk.exists(store), "a dry run changes nothing")
        let report = try json("recover store --device \(directory)/d2")
        XCTAssertEqual(report["objects"] as? Int, 1)
        XCTAssertEqual(self.content("k"), content)
        XCTAssertEqual(expect(0, "versions k").text, versions)
        // A damaged store.json is the same.
        Disk.write([1, 2, 3], to: store + "/store.json")
        let damaged = expect(1, "ls")
        XCTAssertTrue(damaged.complaints.contains("bsctl recover \(store) --device DIR"), damaged.complaints)
        expect(0, "recover --device \(directory)/d1")
        XCTAssertEqual(self.content("k"), content)
        // Without as many as may be lost.
        Disk.removeTree(store)
        Disk.removeTree(directory + "/d1")
        Disk.removeTree(directory + "/d4")
        expect(6, "recover store --device \(directory)/d5")
        XCTAssertEqual(self.content("k"), content)
    }

    func testRecoverTellsWhereADeviceIsNow() throws {
        expect(0, "init store\(directories(4)) \(profile)")
        put([1, 2], as: "k")
        XCTAssertEqual(rename(directory + "/d3", directory + "/moved"), 0)
        let listed = expect(6, "device ls")
        XCTAssertTrue(listed.text.contains("bsctl recover --device DIR"), listed.text)
        expect(0, "recover --device \(directory)/moved")
        XCTAssertEqual(try device("disk-3")["path"] as? String, try XCTUnwrap(realpath(directory)) + "/moved")
        Disk.makeDirectory(directory + "/empty")
        expect(2, "recover --device \(directory)/empty")
        expect(0, "init other --disks 2 --profile rs:1+1")
        expect(1, "recover --device \(directory)/other/disk-1")
        expect(2, "recover home --device \(directory)/other/disk-1 --device \(directory)/d1")
        XCTAssertFalse(Disk.exists(directory + "/home"), "what was begun is taken back")
    }

    func testTwoHomesOfOneStoreExcludeEachOther() {
        expect(0, "init store\(directories(4)) \(profile)")
        let child = start(Self.words("put - k"), input: nil)
        XCTAssertTrue(child.feed(Self.bytes(5_000_000, seed: 8)))
        usleep(50_000)
        let refused = expect(5, "recover home --device \(directory)/d1")
        XCTAssertTrue(refused.complaints.contains("another home"), refused.complaints)
        XCTAssertEqual(child.wait().code, 0)
        expect(0, "recover home --device \(directory)/d1")
        XCTAssertEqual(expect(0, "--store home get k -").output.count, 5_000_000)
    }

    private func realpath(_ path: String) -> String? {
        guard let resolved = Glibc.realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
