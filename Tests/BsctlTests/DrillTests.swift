import XCTest

/// `bsctl drill`: a store is put to the test, and is as it was.
final class DrillTests: CommandTest {
    /// Contents, inodes and sizes of the devices' files; the home's caches are nobody's data.
    private func picture(disks: Int) -> [String: [[UInt8]: String]] {
        var picture: [String: [[UInt8]: String]] = [:]
        for disk in (1...disks).map({ "disk-\($0)" }) {
            let contents = Disk.snapshot("\(store)/\(disk)")
            let stamps = Disk.stamps("\(store)/\(disk)")
            picture[disk] = contents.reduce(into: [:]) { result, entry in
                result[entry.key] =
                    entry.value.kind == "d"
                    ? "directory" : "\(stamps[entry.key]?.file ?? 0) \(entry.value) \(entry.value.content.hashValue)"
            }
        }
        return picture
    }

    func testADrillProvesTheStoreAndLeavesItAsItWas() throws {
        makeStore(disks: 5, "--profile rs:3+2")
        let content = Self.bytes(300_000, seed: 4)
        put(content, as: "a")
        put([1, 2, 3], as: "b")
        expect(0, "status")
        let before = picture(disks: 5)
        let outcome = expect(0, "drill --all --bits 40 --seed 3")
        XCTAssertTrue(outcome.text.contains("40 bits flipped"), outcome.text)
        XCTAssertTrue(outcome.text.contains("every damaged shard was found, and made right again"), outcome.text)
        XCTAssertEqual(outcome.text.matches(of: /2 objects, .*: all right/).count, 2, outcome.text)
        XCTAssertTrue(outcome.text.contains("each is as it was"), outcome.text)
        XCTAssertEqual(outcome.text.split(separator: "\n").last, "passed")
        XCTAssertEqual(picture(disks: 5), before)
        XCTAssertEqual(
            Disk.names(store).filter { $0.starts(with: Disk.bytes("drill-")) }, [], "nothing of the view is left")
        expect(0, "scrub")
        XCTAssertEqual(self.content("a"), content)
        XCTAssertEqual(
            expect(0, "drill --all --bits 40 --seed 3 --quiet").text, "", "the verdict is the exit code")
    }

    func testADrillProvesAStoreThatIsNoSandbox() throws {
        let devices = (1...3).map { "\(directory)/d\($0)" }
        for device in devices { Disk.makeDirectory(device) }
        expect(0, "init \(store) --profile rs:2+1 --device \(devices.joined(separator: " "))")
        put(Self.bytes(300_000, seed: 4), as: "a")
        let outcome = expect(0, "drill --all --seed 3")
        XCTAssertEqual(outcome.text.split(separator: "\n").last, "passed")
        XCTAssertTrue(outcome.text.contains("made again"), outcome.text)
        for device in devices {
            XCTAssertEqual(Disk.names(device).filter { $0.starts(with: Disk.bytes("drill-")) }, [], device)
        }
        expect(0, "scrub")
    }

    func testADrillTakesNoMoreThanTheStoreSurvivesNow() throws {
        makeStore(disks: 4, "--profile rs:2+2")
        put(Self.bytes(50_000, seed: 1), as: "a")
        expect(0, "simulate disk-loss disk-1")
        let degraded = try object(expect(0, "drill --seed 1 --json"))
        XCTAssertEqual((degraded["lostDevices"] as? [String])?.count, 1)
        XCTAssertTrue(expect(2, "drill --losses 2").complaints.contains("does not survive the loss of 2"))
        expect(0, "simulate disk-loss disk-2")
        XCTAssertTrue(expect(2, "drill").complaints.contains("survives no loss"))
    }

    func testADrillOfAStoreThatIsDamagedSaysWhatCannotBeRead() throws {
        makeStore(disks: 3, "--profile rs:2+1")
        put(Self.bytes(400_000, seed: 1), as: "a")
        // More than one shard of a block has damage that nobody knows of.
        expect(0, "simulate bit-rot --count 3000 --force --seed 2")
        let outcome = expect(4, "drill --all")
        XCTAssertTrue(outcome.complaints.contains("a: "), outcome.complaints)
        XCTAssertEqual(outcome.text.split(separator: "\n").last, "FAILED")
    }

    func testWhatAKilledDrillLeftBehindIsRemovedByTheNext() throws {
        makeStore(disks: 3, "--profile rs:2+1")
        put([1, 2, 3], as: "a")
        let left = "\(store)/disk-1/drill-00"
        Disk.makeDirectory(left)
        Disk.write([1], to: "\(left)/file")
        expect(0, "drill")
        XCTAssertFalse(Disk.exists(left))
    }
}
