import Foundation
import XCTest

final class PutTests: CommandTest {
    func testAPipeIsStoredToItsEnd() {
        makeStore()
        let content = Self.bytes(2_000_000, seed: 1)
        let child = start(Self.words("put - piped"), input: nil)
        for part in stride(from: 0, to: content.count, by: 300_001) {
            XCTAssertTrue(child.feed(Array(content[part..<min(content.count, part + 300_001)])))
        }
        XCTAssertEqual(child.wait().code, 0)
        XCTAssertEqual(self.content("piped"), content)
    }

    func testAWrongLengthStoresNothing() {
        makeStore()
        let file = directory + "/file"
        Disk.write(Self.bytes(100_000, seed: 2), to: file)
        for length in [0, 99_999, 100_001] {
            let outcome = expect(1, "put - k --length \(length)", input: file)
            XCTAssertTrue(outcome.complaints.contains("\(length)"), outcome.complaints)
        }
        expect(1, "put file k --length 7")
        expect(3, "get k -")
        expect(0, "put - k --length 100000", input: file)
        XCTAssertEqual(content("k").count, 100_000)
        expect(1, "put - k --length 5", input: file)
        XCTAssertEqual(content("k").count, 100_000, "the version before stays")
    }

    func testACommandsOutputIsStoredOnlyWhenItSucceeds() {
        makeStore()
        expect(0, words: Self.words("put --from-command k -- sh -c") + [Disk.bytes("echo one; echo two")])
        XCTAssertEqual(content("k"), Disk.bytes("one\ntwo\n"))
        let failed = expect(1, words: Self.words("put --from-command k -- sh -c") + [Disk.bytes("echo half; exit 3")])
        XCTAssertTrue(failed.complaints.contains("code 3"), failed.complaints)
        let killed = expect(
            1, words: Self.words("put --from-command k -- sh -c") + [Disk.bytes("echo half; kill -9 $$")])
        XCTAssertTrue(killed.complaints.contains("signal 9"), killed.complaints)
        XCTAssertEqual(content("k"), Disk.bytes("one\ntwo\n"))
        expect(1, "put --from-command k -- /no/such/command")
        expect(2, "put --from-command k")
        expect(2, "put --from-command k --")
    }

    func testACommandsPipesEndAsUsual() {
        makeStore()
        // With SIGPIPE ignored, `yes` would complain and the shell's last status would not be its own.
        let outcome = expect(0, words: Self.words("put --from-command k -- sh -c") + [Disk.bytes("yes | head -n 2")])
        XCTAssertEqual(content("k"), Disk.bytes("y\ny\n"))
        XCTAssertFalse(outcome.complaints.contains("Broken pipe"), outcome.complaints)
    }

    func testAFileKeepsItsModeAndTimeUnderItsName() {
        makeStore()
        let file = directory + "/script"
        Disk.write(Disk.bytes("#!/bin/sh\n"), to: file, mode: 0o750)
        Disk.setModified(file, seconds: 1_234_567_890, nanoseconds: 123_456_789)
        let before = Disk.snapshot(file)
        expect(0, "put script")
        expect(1, "get script")
        XCTAssertEqual(Disk.snapshot(file), before, "what exists is not touched")
        unlink(file)
        expect(0, "get script")
        XCTAssertEqual(Disk.snapshot(file), before)
        expect(0, "get script copy")
        XCTAssertEqual(Disk.snapshot(directory + "/copy"), before)
    }

    func testDuplicatesAreStoredOnce() throws {
        makeStore()
        let content = Self.bytes(1_500_000, seed: 3)
        Disk.write(content, to: directory + "/one")
        Disk.write(content + [7], to: directory + "/two")
        expect(0, "put one")
        let outcome = expect(0, "put two --json")
        let report = try XCTUnwrap(JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
        XCTAssertEqual(report["logicalBytes"] as? Int, content.count + 1)
        XCTAssertLessThan(try XCTUnwrap(report["newBytes"] as? Int), 300_000)
        XCTAssertEqual(self.content("two"), content + [7])
    }

    func testAPutWithOneDeviceMissingSucceedsAndSaysWhatIsOwed() {
        makeStore()
        expect(0, "simulate disk-loss disk-2")
        let file = directory + "/file"
        Disk.write(Self.bytes(200_000, seed: 4), to: file)
        let outcome = expect(6, "put file")
        XCTAssertTrue(outcome.complaints.contains("owed"), outcome.complaints)
        expect(1, "put file again --min-shards 6")
        expect(3, "get again -")
        expect(0, "repair")
        expect(0, "status")
        expect(0, "put file again --min-shards 6")
    }

    func testRemovingTakesAllKeysOrNone() {
        makeStore()
        for key in ["a", "b", "b/c", "bc", "d"] { put([1], as: key) }
        expect(3, "rm a nothing")
        XCTAssertEqual(keys().count, 5)
        expect(0, "rm a a")
        XCTAssertEqual(keys(), ["b", "b/c", "bc", "d"].map(Disk.bytes))
        let dry = expect(0, "rm -r b --dry-run")
        XCTAssertEqual(dry.text, "would delete b\nwould delete b/c\n")
        XCTAssertEqual(keys().count, 4)
        expect(0, "rm -r b")
        XCTAssertEqual(keys(), ["bc", "d"].map(Disk.bytes))
        expect(3, "rm -r b")
        expect(3, "rm a")
    }

    func testASecondWriterIsToldWhoWrites() {
        makeStore()
        let writer = start(Self.words("put - slow"), input: nil)
        XCTAssertTrue(writer.feed([1, 2, 3]))
        // The first needs a moment to take the lock, and another to write down its name.
        let name = "bsctl put (process \(writer.process))"
        var outcome = run("rm nothing --lock-wait 0")
        for _ in 0..<200 where outcome.code != 5 || !outcome.complaints.contains(name) {
            XCTAssertTrue([3, 5].contains(outcome.code), outcome.complaints)
            usleep(20_000)
            outcome = run("rm nothing --lock-wait 0")
        }
        XCTAssertEqual(outcome.code, 5, outcome.complaints)
        XCTAssertTrue(outcome.complaints.contains(name), outcome.complaints)
        XCTAssertEqual(keys(), [], "a reader does not wait")
        let waiting = start(Self.words("rm slow --lock-wait 60"))
        XCTAssertEqual(writer.wait().code, 0)
        XCTAssertEqual(waiting.wait().code, 0)
        XCTAssertEqual(keys(), [])
    }

    func testAPutMayHaveAProfileOfItsOwn() throws {
        makeStore()
        let content = Self.bytes(50_000, seed: 3)
        put(Self.bytes(9_000, seed: 4), as: "usual")
        Disk.makeDirectory(directory + "/tree")
        Disk.write(content, to: directory + "/tree/a")
        expect(0, "put -r tree --profile rs:2+4")
        let status = expect(0, "status").text
        XCTAssertTrue(status.contains(" of rs:2+4") && status.contains(" of rs:4+2"), status)
        XCTAssertTrue(expect(1, "put tree/a b --profile rs:8+2").complaints.contains("6 devices"))
        XCTAssertTrue(expect(2, "put tree/a b --profile rs:44").complaints.contains("rs:4+2"))
        for disk in 1...4 { Disk.removeTree("\(store)/disk-\(disk)") }
        XCTAssertEqual(self.content("tree/a"), content)
        expect(4, "get usual -")
    }
}
