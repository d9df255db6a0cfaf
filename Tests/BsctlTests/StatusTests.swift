import XCTest

@testable import bsctl

/// Is my data safe now, what can still fail, what do I do.
final class StatusTests: CommandTest {
    private func last(_ outcome: Outcome) -> String { outcome.text.split(separator: "\n").last.map(String.init) ?? "" }

    func testAStoreThatIsWellSaysSoInItsLastLine() throws {
        makeStore()
        put([1, 2, 3], as: "a")
        let outcome = expect(0, "status")
        XCTAssertEqual(last(outcome), "All data is safe: any 2 devices may fail now.")
        XCTAssertEqual(outcome.text.matches(of: /\[[#.]{10}\] +\d+ %/).count, 6, "a bar for each device")
        XCTAssertEqual(try object(expect(0, "status --json"))["next"] as? [String], [])
        XCTAssertFalse(Disk.exists(store + "/noticed"), "there is nothing to notice")
        let quiet = expect(0, "status --quiet")
        XCTAssertEqual(quiet.text + quiet.complaints, "")
    }

    func testWhatIsOwedIsToldWithSinceWhenAndTheCommandToRunNext() throws {
        makeStore()
        put(Self.bytes(5000, seed: 1), as: "a")
        expect(0, "simulate disk-loss disk-2")
        let degraded = expect(6, "status")
        XCTAssertEqual(last(degraded), "Next: bsctl repair")
        XCTAssertTrue(degraded.text.contains("disk-2 is out, since "), degraded.text)
        XCTAssertTrue(
            degraded.text.contains("are owed, since ") || degraded.text.contains("is owed, since "), degraded.text)
        XCTAssertTrue(degraded.text.contains("All data can be read; any one device may fail now."), degraded.text)
        let noticed = Disk.read(store + "/noticed")
        let first = try object(expect(6, "status --json"))
        XCTAssertEqual(first["next"] as? [String], ["bsctl repair"])
        XCTAssertNotNil(first["owedSinceSeconds"] as? Int)
        XCTAssertEqual(Disk.read(store + "/noticed"), noticed, "the first time stays")
        expect(6, "status --quiet")
        expect(0, "repair")
        expect(0, "status")
        XCTAssertFalse(Disk.exists(store + "/noticed"), "it is forgotten when it is over")
    }

    func testAPutThatOwesShardsNotesWhen() {
        makeStore(disks: 3, "--profile rs:1+2")
        expect(0, "simulate disk-loss disk-1")
        Disk.removeTree(store + "/noticed")
        Disk.write([1], to: directory + "/file")
        expect(6, "put file")
        XCTAssertTrue(String(decoding: Disk.read(store + "/noticed"), as: UTF8.self).contains(" owed\n"))
    }

    func testWhatWasNoticedIsNeverNeeded() {
        makeStore()
        put([1], as: "a")
        for rubbish in ["", "x", "99999999999999999999 owed\n-1 owed\n", "1 2 3\n\n\u{0}\u{1}"] {
            Disk.write(Array(rubbish.utf8), to: store + "/noticed")
            expect(0, "status")
        }
        Disk.removeTree(store + "/noticed")
        Disk.makeDirectory(store + "/noticed")
        expect(0, "simulate disk-loss disk-3")
        expect(6, "status")
    }

    func testDamageIsToldOfTheDeviceThatHasIt() {
        makeStore()
        put(Self.bytes(50_000, seed: 1), as: "a")
        expect(0, "simulate bit-rot --count 1 --seed 4")
        expect(6, "scrub")
        XCTAssertTrue(expect(6, "status").text.contains("in service, 1 damaged shard"))
        expect(0, "repair")
        XCTAssertFalse(expect(0, "status").text.contains("damaged"))
    }

    func testLostDataIsSaidLoudly() {
        makeStore()
        put([1], as: "a")
        expect(0, "simulate disk-loss --count 4 --force --seed 1")
        let outcome = expect(4, "status")
        XCTAssertTrue(outcome.text.contains("DATA IS LOST"), outcome.text)
        XCTAssertTrue(last(outcome).contains("bsctl repair"), outcome.text)
    }

    /// Whoever took them for lost might put empty disks in the place of those that hold the data.
    func testDevicesThatAreAwayAreNotTakenForLostData() {
        let devices = (1...3).map { "\(directory)/d\($0)" }
        for device in devices { Disk.makeDirectory(device) }
        expect(0, "init \(store) --profile rs:2+1 " + devices.map { "--device \($0)" }.joined(separator: " "))
        put(Self.bytes(50_000, seed: 1), as: "a")
        for device in devices.dropFirst() { XCTAssertEqual(rename(device, device + "-moved"), 0) }
        let text = expect(4, "status").text
        XCTAssertTrue(text.contains("CANNOT BE READ NOW"), text)
        XCTAssertFalse(text.contains("LOST"), text)
        XCTAssertTrue(text.hasSuffix("bsctl recover --device DIR\n"), text)
        XCTAssertFalse(text.contains("device replace"), text)
        for command in ["repair", "repair --dry-run"] {
            let complaints = expect(4, command).complaints
            XCTAssertTrue(complaints.contains("lost: a\n"), complaints)
            XCTAssertFalse(complaints.contains("device replace"), complaints)
        }
        expect(0, "recover \(store) --device \(devices[1])-moved --device \(devices[2])-moved")
        expect(0, "status")
        XCTAssertEqual(content("a"), Self.bytes(50_000, seed: 1))
    }

    func testLostBlocksThatNoObjectNeedsAreNotTakenForLostData() {
        let devices = (1...3).map { "\(directory)/d\($0)" }
        for device in devices { Disk.makeDirectory(device) }
        expect(0, "init \(store) --profile rs:2+1 " + devices.map { "--device \($0)" }.joined(separator: " "))
        put(Self.bytes(50_000, seed: 1), as: "a")
        put(Self.bytes(50_000, seed: 2), as: "b")
        for (number, device) in devices.dropFirst().enumerated() {
            XCTAssertEqual(rename(device, device + "-gone"), 0)
            Disk.makeDirectory(device)
            expect(6, "device replace disk-\(number + 2)")
        }
        XCTAssertTrue(expect(4, "repair").complaints.contains("lost: b\n"))
        put(Self.bytes(50_000, seed: 1), as: "again")
        XCTAssertTrue(expect(4, "status").text.contains("DATA IS LOST"))
        put(Self.bytes(50_000, seed: 2), as: "b")
        let text = expect(6, "status").text
        XCTAssertTrue(text.contains("lost that no object needs"), text)
        XCTAssertTrue(text.contains("bsctl collect"), text)
        XCTAssertFalse(expect(6, "repair").complaints.contains("lost:"))
        XCTAssertEqual(content("a"), Self.bytes(50_000, seed: 1))
        expect(0, "collect")
        expect(0, "repair")
        XCTAssertTrue(expect(0, "status").text.contains("All data is safe"))
    }

    func testWatchingNeedsATerminal() {
        makeStore()
        XCTAssertTrue(expect(2, "status --watch").complaints.contains("terminal"))
        XCTAssertTrue(expect(2, "status --watch --json").complaints.contains("--json does not go with --watch"))
    }
}
