import Foundation
import XCTest

final class ObjectTests: CommandTest {
    private func json(_ line: String) throws -> [String: Any] {
        try XCTUnwrap(JSONSerialization.jsonObject(with: Data(expect(0, line).output)) as? [String: Any])
    }

    /// The versions of `key`, the newest first.
    private func versions(_ key: String) throws -> [String] {
        let list = try XCTUnwrap(try json("versions \(key) --json")["versions"] as? [[String: Any]])
        return list.compactMap { $0["version"] as? String }
    }

    func testCopiesAndMovesCostNoData() throws {
        makeStore()
        let content = Self.bytes(1_000_000, seed: 1)
        put(content, as: "a")
        let report = try json("cp a b --json")
        XCTAssertEqual(report["copied"] as? Int, 1)
        XCTAssertEqual(report["newBytes"] as? Int, 0)
        XCTAssertEqual(report["shardBytes"] as? Int, 0)
        expect(0, "mv a dir/")
        XCTAssertEqual(keys(), ["b", "dir/a"].map(Disk.bytes))
        XCTAssertEqual(self.content("dir/a"), content)
        XCTAssertEqual(self.content("b"), content)
        expect(0, "cp -r dir/ other")
        let dry = expect(0, "mv -r dir moved --dry-run")
        XCTAssertEqual(dry.text, "would move dir/a to moved/a\n")
        expect(0, "mv -r dir moved")
        XCTAssertEqual(keys(), ["b", "moved/a", "other/a"].map(Disk.bytes))
    }

    func testACopyThatMakesNoSenseIsToldWhy() {
        makeStore()
        for key in ["a", "t/x"] { put([1], as: key) }
        for (code, line, words) in [
            (2, "cp a a", "same key"), (2, "mv a a", "same key"), (3, "cp no b", "no key no"),
            (3, "cp t b", "-r"), (2, "cp -r t t/u", "lies in the source"), (2, "mv -r t t/", "same"),
            (3, "mv -r no b", "at or under"), (2, "cp a b --if-absent --if-version 1.0", "--if-absent"),
            (2, "cp -r t u --if-absent", "-r"), (7, "cp a t/x --if-absent", "absent"),
            (3, "cp a b --version 99.0", "versions"), (2, "mv a b --version 2.0", "unknown option"),
        ] {
            let outcome = expect(Int32(code), line)
            XCTAssertTrue(outcome.complaints.contains(words), "\(line): \(outcome.complaints)")
        }
        XCTAssertEqual(keys(), ["a", "t/x"].map(Disk.bytes))
    }

    func testVersionsComeBackAndGo() throws {
        makeStore()
        for byte in [1, 2, 3] { put([UInt8(byte)], as: "k") }
        expect(0, "rm k")
        let all = try versions("k")
        XCTAssertEqual(all.count, 4)
        XCTAssertTrue(expect(0, "versions k").text.contains("deleted"))
        expect(3, "versions nothing")
        XCTAssertEqual(expect(0, "get k - --version \(all[2])").output, [2])
        expect(0, "undelete k --dry-run")
        expect(3, "get k -")
        expect(0, "undelete k")
        XCTAssertEqual(content("k"), [3])
        expect(1, "undelete k")
        expect(0, "restore k --version \(all[3])")
        XCTAssertEqual(content("k"), [1])
        expect(2, "restore k")
        expect(2, "restore k --version \(all[0])")
        expect(3, "restore k --version 99.0")
        let newest = try versions("k")[0]
        let dry = expect(0, "rm k --version \(newest) --dry-run")
        XCTAssertTrue(dry.text.contains("would purge version \(newest)"), dry.text)
        XCTAssertEqual(content("k"), [1])
        expect(0, "rm k --version \(newest)")
        XCTAssertEqual(content("k"), [3])
        expect(3, "rm k --version \(newest)")
        expect(3, "get k - --version \(newest)")
        expect(2, "rm k other --version \(newest)")
        expect(2, "rm -r k --version \(newest)")
        expect(0, "index rebuild")
        XCTAssertEqual(content("k"), [3])
        XCTAssertEqual(try versions("k").count, 5)
    }

    func testAPutOnAConditionStoresOrChangesNothing() throws {
        makeStore()
        let file = directory + "/file"
        Disk.write([1], to: file)
        expect(0, "put file k --if-absent")
        let refused = expect(7, "put file k --if-absent --json")
        XCTAssertTrue(refused.text.contains("\"code\":\"conditionFailed\""), refused.text)
        let first = try versions("k")[0]
        Disk.write([2], to: file)
        expect(0, "put file k --if-version \(first)")
        expect(7, "put file k --if-version \(first)")
        expect(7, "put - k --if-version \(first)", input: file)
        // What would be lost by running it is not run.
        expect(7, words: Self.words("put --from-command k --if-absent -- touch \(directory)/ran"))
        XCTAssertNotEqual(access("\(directory)/ran", F_OK), 0)
        expect(2, "put file k --if-version newest")
        expect(2, "put -r . k --if-absent")
        XCTAssertEqual(content("k"), [2])
        expect(0, "rm k")
        expect(0, "put file k --if-absent")
    }

    func testOfSeveralWritersOneIsTheFirst() throws {
        makeStore()
        Disk.write([7], to: directory + "/file")
        let writers = (0..<4).map { _ in start(Self.words("put file lock --if-absent")) }
        XCTAssertEqual(writers.map { $0.wait().code }.sorted(), [0, 7, 7, 7])
        XCTAssertEqual(try versions("lock").count, 1)
    }

    func testChangesAreFollowedFromWhereTheyWereLeft() throws {
        makeStore()
        put([1], as: "a")
        put([2, 3], as: "b")
        expect(0, "mv a c")
        func lines(_ text: String) -> [[String: Any]] {
            text.split(separator: "\n").compactMap {
                try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
            }
        }
        let all = lines(expect(0, "changes").text)
        XCTAssertEqual(all.compactMap { $0["change"] as? String }, ["put", "put", "put", "delete"])
        XCTAssertEqual(all.compactMap { $0["key"] as? String }, ["a", "b", "c", "a"])
        let second = try XCTUnwrap(all[1]["seq"] as? String)
        XCTAssertEqual(lines(expect(0, "changes --since \(second)").text).count, 2)
        XCTAssertEqual(expect(0, "changes --since \(try XCTUnwrap(all.last?["seq"] as? String))").text, "")
        expect(3, "changes --since 99.0")
        expect(2, "changes --since yesterday")
        // A follower sees what comes while it looks.
        let output = directory + "/followed"
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/bin/sh")
        shell.arguments = [
            "-c", "exec \(Self.binaryPath) --store \(store) changes --since \(second) --follow > \(output)",
        ]
        try shell.run()
        defer {
            shell.terminate()
            shell.waitUntilExit()
        }
        func wait(for count: Int) -> Int {
            for _ in 0..<200 {
                if lines(String(decoding: Disk.read(output), as: UTF8.self)).count >= count { break }
                usleep(50_000)
            }
            return lines(String(decoding: Disk.read(output), as: UTF8.self)).count
        }
        XCTAssertEqual(wait(for: 2), 2)
        put([4], as: "d")
        XCTAssertEqual(wait(for: 3), 3)
        expect(0, "rm d")
        XCTAssertEqual(wait(for: 4), 4)
    }

    func testThePastIsListedAndRead() throws {
        makeStore()
        put([1], as: "t/a")
        put([2], as: "t/b")
        let commit = try XCTUnwrap(try versions("t/b")[0].split(separator: ".").first)
        usleep(1_100_000)
        let time = Int(Date().timeIntervalSince1970) - 1
        put([3, 3], as: "t/a")
        expect(0, "rm t/b")
        for moment in ["\(commit)", "@\(time)"] {
            let then = expect(0, "ls --at \(moment)")
            XCTAssertEqual(then.text, "t/a\nt/b\n", moment)
            XCTAssertEqual(expect(0, "get t/a - --at \(moment)").output, [1])
            expect(0, "stat t/b --at \(moment)")
            expect(0, "get -r t restored --at \(moment)")
            XCTAssertEqual(Disk.read(directory + "/restored/b"), [2])
            Disk.removeTree(directory + "/restored")
        }
        expect(0, "cp -r t then --at \(commit)")
        XCTAssertEqual(content("then/b"), [2])
        expect(0, "ls --at 2999-12-31")
        XCTAssertEqual(expect(0, "ls --at 1999-12-31T23:59:59Z").text, "")
        expect(3, "ls --at 999999")
        expect(3, "get t/a - --at 1")
        for bad in ["yesterday", "2026-13-01", "2026-02-30", "2026-01-01T25:00", "@", "-1", "2026-01-01T10:00:00+1"] {
            expect(2, "ls --at=\(bad)")
        }
        expect(2, "get t/a - --at 2 --version 2.0")
    }

    func testPruneKeepsWhatARuleKeeps() throws {
        makeStore()
        for round in 1...4 { for key in ["a", "t/b"] { put([UInt8(round)], as: key) } }
        expect(0, "rm t/b")
        for (line, words) in [
            ("prune", "--keep-last"), ("prune --keep-within 30", "30d"), ("prune --keep-within 1year", "30d"),
            ("prune --keep-last -1", "--keep-last"), ("prune --keep-last 1 x", "too many"),
        ] {
            let outcome = expect(2, line)
            XCTAssertTrue(outcome.complaints.contains(words), "\(line): \(outcome.complaints)")
        }
        XCTAssertEqual(expect(0, "prune --keep-within 1h").text, "nothing to prune\n")
        let dry = try json("prune --keep-last 2 --prefix t/ --dry-run --json")
        XCTAssertEqual(dry["versions"] as? Int, 2)
        XCTAssertEqual((dry["wouldPurge"] as? [[String: Any]])?.compactMap { $0["key"] as? String }, ["t/b", "t/b"])
        XCTAssertEqual(
            expect(0, "prune --keep-last 2 --prefix t/").text, "purged 2 versions (2 B) of 1 key\n")
        XCTAssertEqual(try versions("a").count, 4)
        XCTAssertEqual(try versions("t/b").count, 3)
        let report = try json("prune --keep-last 0 --keep-within 0s --json")
        XCTAssertEqual(report["versions"] as? Int, 5)
        XCTAssertEqual(report["deleteMarkers"] as? Int, 1)
        XCTAssertEqual(content("a"), [4])
        expect(3, "versions t/b")
    }
}
