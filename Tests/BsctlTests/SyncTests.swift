import Foundation
import XCTest

/// `bsctl sync`, from end to end.
final class SyncTests: CommandTest {
    private func makeOther(_ options: String = "--disks 3 --profile rs:2+1") { expect(0, "init other \(options)") }

    /// `line` about the store at `other`.
    @discardableResult
    private func expectThere(_ code: Int32, _ line: String) -> Outcome { expect(code, "\(line) --store other") }

    func testASecondStoreFollowsTheFirst() throws {
        makeStore()
        makeOther()
        Disk.makeDirectory(directory + "/tree")
        Disk.write(Self.bytes(700_000, seed: 1), to: directory + "/tree/x")
        Disk.write([1, 2, 3], to: directory + "/tree/y")
        expect(0, "put -r tree")
        let plan = try object(expect(0, "sync store other --dry-run --json"))
        XCTAssertEqual(plan["versions"] as? Int, 3)
        XCTAssertEqual(plan["bytes"] as? Int, 700_003)
        XCTAssertEqual(expectThere(0, "ls").text, "")
        XCTAssertTrue(expect(0, "sync store other").text.hasPrefix("copied 3 versions of 3 keys: "))
        XCTAssertTrue(expect(0, "sync store other").text.hasPrefix("nothing to copy: 3 versions there already"))
        expectThere(0, "get -r tree out")
        XCTAssertEqual(Disk.read(directory + "/out/x"), Self.bytes(700_000, seed: 1))
        XCTAssertEqual(
            try FileManager.default.attributesOfItem(atPath: directory + "/out/x")[.modificationDate] as? Date,
            try FileManager.default.attributesOfItem(atPath: directory + "/tree/x")[.modificationDate] as? Date)
        expect(0, "rm tree/y")
        expect(0, "mv tree/x tree/z")
        let report = try object(expect(0, "sync store other --json"))
        XCTAssertEqual(report["versions"] as? Int, 1)
        XCTAssertEqual(report["deleteMarkers"] as? Int, 2)
        XCTAssertEqual(report["newBytes"] as? Int, 0, "a move brings no data")
        XCTAssertEqual(report["readBytes"] as? Int, 0)
        XCTAssertEqual(expectThere(0, "ls").text, expect(0, "ls").text)
        expectThere(0, "undelete tree/y")
    }

    func testOnlyWhatBeginsWithThePrefixIsCopied() throws {
        makeStore()
        makeOther()
        put([1], as: "a/1")
        put([2], as: "b/1")
        expect(0, "sync store other --prefix b")
        XCTAssertEqual(expectThere(0, "ls").text, "b/1\n")
    }

    func testALostVersionIsNamedAndTheOthersAreCopied() throws {
        makeStore(disks: 2, "--profile rs:1+1")
        makeOther()
        put([1], as: "before")
        let known = Set(Disk.stamps(store).keys)
        put(Self.bytes(50_000, seed: 3), as: "lost")
        let new = Disk.stamps(store).keys.filter { !known.contains($0) && $0.contains(Array("/blocks/".utf8)) }
        put([2], as: "after")
        for path in new {
            let full = store + String(decoding: path, as: UTF8.self)
            var bytes = Disk.read(full)
            guard bytes.count > 10_000 else { continue }
            for place in stride(from: 300, to: 10_000, by: 100) { bytes[place] ^= 0x5a }
            Disk.write(bytes, to: full)
        }
        let outcome = expect(4, "sync store other")
        XCTAssertTrue(outcome.complaints.contains("lost, version 3.0: "), outcome.complaints)
        XCTAssertTrue(outcome.complaints.contains("1 version could not be copied; the others are [lost]"))
        XCTAssertEqual(expectThere(0, "ls").text, "after\nbefore\n")
        let report = try object(expect(4, "sync store other --json"))
        XCTAssertEqual(report["code"] as? String, "lost")
        XCTAssertEqual((report["failed"] as? [[String: Any]])?.first?["version"] as? String, "3.0")
    }

    func testAWriterOfTheOtherStoreIsWaitedForAndOneOfThisIsNot() throws {
        makeStore()
        makeOther()
        put([1], as: "a")
        let here = start(Self.words("put - b"), input: nil)
        XCTAssertTrue(here.feed(Self.bytes(300_000, seed: 1)))
        expect(0, "sync store other --lock-wait 0")
        let there = start(Self.words("put - b --store other"), input: nil)
        XCTAssertTrue(there.feed(Self.bytes(300_000, seed: 2)))
        XCTAssertTrue(expect(5, "sync store other --lock-wait 0").complaints.contains("bsctl put"))
        expect(0, "sync store other --dry-run")
        XCTAssertEqual(there.wait().code, 0)
        XCTAssertEqual(here.wait().code, 0)
        // Each store has a "b" of its own: that of this one is the newer there from now on.
        XCTAssertTrue(expect(0, "sync store other").text.hasPrefix("copied 1 version of 1 key"))
        XCTAssertEqual(expectThere(0, "get b -").output, Self.bytes(300_000, seed: 1))
    }

    func testWhatMakesNoSenseIsRefused() throws {
        makeStore()
        makeOther()
        XCTAssertTrue(expect(2, "sync store store").complaints.contains("source and target are one store"))
        XCTAssertTrue(expect(3, "sync store nowhere").complaints.contains("nowhere"))
        XCTAssertTrue(expect(3, "sync nowhere other").complaints.contains("nowhere"))
        expect(2, "sync store")
        expect(2, "sync store other --store store")
    }
}
