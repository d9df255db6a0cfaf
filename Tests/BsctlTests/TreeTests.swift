import Foundation
import XCTest

final class TreeTests: CommandTest {
    private var tree: String { directory + "/tree" }
    private var target: String { directory + "/target" }

    private func makeTree() {
        Disk.makeDirectory(tree)
        for name in ["plain", "emp ty", "deep"] { Disk.makeDirectory("\(tree)/\(name)") }
        Disk.makeDirectory("\(tree)/deep/er")
        Disk.makeDirectory("\(tree)/deep/er/closed")
        let odd: [[UInt8]] = [
            [0xff, 0xfe, 0x80], Disk.bytes("new\nline"), Disk.bytes("a\u{301}"), Disk.bytes("\u{e1}"),
            Disk.bytes("-rf"), Disk.bytes("..."), Disk.bytes("tab\tand \"quotes\""),
            [UInt8](repeating: 0x6c, count: 255),
        ]
        for (index, name) in odd.enumerated() {
            Disk.write(Self.bytes(index * 1000, seed: UInt64(index)), to: Disk.bytes("\(tree)/plain/") + name)
        }
        Disk.write([1], to: "\(tree)/deep/er/closed/inside", mode: 0o400)
        Disk.write([], to: "\(tree)/deep/empty", mode: 0o600)
        Disk.write([2], to: "\(tree)/deep/everyone", mode: 0o777)
        Disk.makeLink("\(tree)/deep/up", to: "../../../etc/passwd")
        Disk.makeLink("\(tree)/deep/dangling", to: "nowhere at all")
        Disk.setModified("\(tree)/deep/up", seconds: 5, nanoseconds: 6)
        Disk.setModified("\(tree)/deep/empty", seconds: -5, nanoseconds: 999_999_999)
        Disk.setModified("\(tree)/deep/everyone", seconds: 4_000_000_000, nanoseconds: 1)
        for name in ["deep/er/closed", "deep/er", "deep", "emp ty", "plain", ""] {
            Disk.setModified("\(tree)/\(name)", seconds: 1_000_000_000 + name.utf8.count, nanoseconds: 42)
        }
        chmod("\(tree)/deep/er/closed", 0o555)
        chmod("\(tree)/emp ty", 0o1700)
    }

    private func expectSame(_ message: String = "", file: StaticString = #filePath, at line: UInt = #line) {
        let (restored, expected) = (Disk.snapshot(target), Disk.snapshot(tree))
        XCTAssertEqual(Set(restored.keys), Set(expected.keys), message, file: file, line: line)
        for (name, entry) in expected {
            XCTAssertEqual(
                restored[name], entry, "\(message) \(String(decoding: name, as: UTF8.self))", file: file, line: line)
        }
    }

    func testATreeComesBackAsItWas() {
        makeTree()
        makeStore()
        expect(0, "put -r tree")
        expect(0, "get -r tree target")
        expectSame()
        XCTAssertTrue(keys().contains(Disk.bytes("tree/")))
        XCTAssertTrue(keys("tree/emp").contains(Disk.bytes("tree/emp ty/")), "an empty directory is an object")
    }

    func testPrefixesMayBeAnything() {
        makeTree()
        makeStore()
        for prefix in ["a/b/c", "slash/", "/", "/abs"] {
            expect(0, "put -r tree \(prefix)")
            expect(0, "get -r \(prefix) target")
            expectSame(prefix)
            Disk.removeTree(target)
            expect(0, "rm -r \(prefix)")
            XCTAssertEqual(keys(), [], prefix)
        }
        expect(0, "put -r tree/../tree/.")
        XCTAssertEqual(Set(keys().map { $0.prefix(5) }), [ArraySlice(Disk.bytes("tree/"))])
    }

    func testUnchangedFilesMakeNoVersions() throws {
        makeTree()
        makeStore()
        expect(0, "put -r tree")
        let count = keys().count
        func report() throws -> [String: Any] {
            let outcome = expect(0, "put -r tree --json")
            return try XCTUnwrap(JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
        }
        let second = try report()
        XCTAssertEqual(second["objects"] as? Int, 0)
        XCTAssertEqual(second["unchanged"] as? Int, count)
        XCTAssertEqual(second["commits"] as? Int, 0)
        chmod("\(tree)/deep/everyone", 0o700)
        let third = try report()
        XCTAssertEqual(third["objects"] as? Int, 1)
        Disk.removeTree("\(tree)/plain")
        XCTAssertEqual(try report()["removed"] as? Int, 0)
        XCTAssertEqual(keys().count, count, "without --delete nothing is deleted")
    }

    func testAPutTellsWhatWasKnownAndWhatBecameOfTheNew() throws {
        makeStore()
        Disk.makeDirectory(tree)
        Disk.write(Self.bytes(3_000_000, seed: 1), to: "\(tree)/a")
        func told(_ line: String) -> [String] {
            expect(0, line).text.replacing(#/[0-9]+\.[0-9] s/#, with: "T s").replacing(#/[0-9]+ MB\/s/#, with: "R MB/s")
                .replacing(#/[0-9.]+ [KM]iB on/#, with: "S on").split(separator: "\n").map(String.init)
        }
        XCTAssertEqual(
            told("put -r tree --dry-run").last, "2.86 MiB new → 2.86 MiB compressed → S on devices")
        XCTAssertEqual(
            told("put -r tree"),
            ["2 objects stored: 2.86 MiB in T s, R MB/s", "2.86 MiB new → 2.86 MiB compressed → S on devices"])
        Disk.write(Self.bytes(20_000, seed: 2), to: "\(tree)/b")
        // The bytes of unchanged files are no part of what was compressed.
        let both = told("put -r tree --checksum")
        XCTAssertEqual(both.first, "2 objects stored, 1 unchanged: 2.88 MiB in T s, R MB/s")
        XCTAssertEqual(both.last, "2.86 MiB known, 19.5 KiB new → 19.5 KiB compressed → S on devices")
        XCTAssertEqual(told("put -r tree --checksum"), ["3 unchanged: 2.88 MiB read in T s, R MB/s"])
        XCTAssertEqual(told("put tree/b b --checksum"), ["1 object stored: 19.5 KiB in T s", "all of it known"])
        let report = try object(expect(0, "put tree/a again --checksum --json"))
        XCTAssertEqual(report["knownBytes"] as? Int, 3_000_000)
        XCTAssertEqual(report["newBytes"] as? Int, 0)
    }

    func testFilesThatAreAsTheyWereAreNotReadAgain() throws {
        Disk.makeDirectory(tree)
        for number in 0..<10 { Disk.write(Self.bytes(5000, seed: UInt64(number)), to: "\(tree)/file-\(number)") }
        XCTAssertEqual(Glibc.link("\(tree)/file-0", "\(tree)/linked"), 0)
        makeStore()
        func check(_ line: String, unread: Int, objects: Int) throws {
            let found = try object(expect(0, line + " --json"))
            XCTAssertEqual(found["unread"] as? Int, unread, line)
            XCTAssertEqual(found["unreadBytes"] as? Int, unread * 5000, line)
            XCTAssertEqual(found["objects"] as? Int, objects, line)
        }
        // Longer than any file system's tick.
        usleep(2_200_000)
        try check("put -r tree", unread: 0, objects: 12)
        try check("put -r tree", unread: 11, objects: 0)
        XCTAssertEqual(expect(0, "put -r tree").text, "12 unchanged, 11 of them known and not read\n")
        try check("put -r tree elsewhere", unread: 11, objects: 12)
        try check("put tree/file-3 copy", unread: 1, objects: 1)
        try check("put tree/file-3 copy --checksum", unread: 0, objects: 1)
        try check("put -r tree --checksum", unread: 0, objects: 0)
        Disk.write(Self.bytes(5000, seed: 77), to: "\(tree)/file-4")
        Disk.write(Self.bytes(5000, seed: 78), to: "\(tree)/linked")
        // Both names of the linked file changed. And what was written a moment ago may still change unseen.
        try check("put -r tree", unread: 8, objects: 3)
        try check("put -r tree", unread: 8, objects: 0)
        usleep(2_200_000)
        try check("put -r tree", unread: 8, objects: 0)
        try check("put -r tree", unread: 11, objects: 0)
        for key in ["copy", "tree/linked", "elsewhere/file-4"] {
            let seeds: [String: UInt64] = ["copy": 3, "tree/linked": 78, "elsewhere/file-4": 4]
            XCTAssertEqual(content(key), Self.bytes(5000, seed: seeds[key] ?? 0), key)
        }
        unlink(store + "/files.db")
        try check("put -r tree", unread: 0, objects: 0)
    }

    func testAMirrorHasWhatTheTreeHasAndNothingElse() {
        makeTree()
        makeStore()
        for key in ["tree-sibling", "tre", "treex/y", "other"] { put([1], as: key) }
        expect(0, "put -r tree --delete")
        Disk.removeTree("\(tree)/deep")
        Disk.write([7], to: "\(tree)/deep")
        Disk.write([8], to: "\(tree)/new")
        expect(0, "put -r tree --delete")
        expect(0, "get -r tree target")
        expectSame()
        for key in ["tree-sibling", "tre", "treex/y", "other"] { XCTAssertEqual(content(key), [1], key) }
    }

    func testWhatCannotBeReadIsNamedAndTheRestIsStored() throws {
        makeTree()
        makeStore()
        put([1], as: "tree/not-in-the-tree")
        // Readable to root or not, a directory with a key that is too long cannot be stored.
        var deep = tree
        for _ in 0..<5 {
            deep += "/" + String(repeating: "d", count: 250)
            Disk.makeDirectory(deep)
        }
        let outcome = expect(1, "put -r tree --delete")
        XCTAssertTrue(outcome.complaints.contains("1,024"), outcome.complaints)
        XCTAssertTrue(outcome.complaints.contains("--delete deletes nothing"), outcome.complaints)
        XCTAssertEqual(content("tree/not-in-the-tree"), [1])
        XCTAssertEqual(content("tree/deep/everyone"), [2])
        let json = expect(1, "put -r tree --json")
        let report = try XCTUnwrap(JSONSerialization.jsonObject(with: Data(json.output)) as? [String: Any])
        XCTAssertEqual((report["failed"] as? [Any])?.count, 1)
        expect(1, "put -r nothing-here")
        expect(1, "put nothing-here")
        expect(1, "put tree")
    }

    func testUnreadableFilesFailAlone() throws {
        try XCTSkipIf(geteuid() == 0, "root reads everything")
        makeTree()
        makeStore()
        chmod("\(tree)/deep/everyone", 0)
        let outcome = expect(1, "put -r tree")
        XCTAssertTrue(outcome.complaints.contains("deep/everyone"), outcome.complaints)
        XCTAssertEqual(content("tree/deep/empty"), [])
    }

    func testAFileThatFailsWhileItIsReadFailsAlone() throws {
        makeStore()
        // Reading a process's memory from its beginning fails after the file was opened.
        let words = [Disk.bytes("put"), Disk.bytes("/proc/self/mem"), Disk.bytes("memory")]
        let outcome = expect(1, words: words)
        XCTAssertTrue(outcome.complaints.contains("/proc/self/mem"), outcome.complaints)
        expect(3, "get memory -")
    }

    func testWhatIsNoFileLinkOrDirectoryIsLeftOutWithAWarning() {
        makeTree()
        makeStore()
        XCTAssertEqual(mkfifo("\(tree)/pipe", 0o600), 0)
        let outcome = expect(0, "put -r tree")
        XCTAssertTrue(outcome.complaints.contains("tree/pipe"), outcome.complaints)
        expect(3, "get tree/pipe -")
    }

    func testAStoreDoesNotStoreItself() {
        makeStore()
        Disk.write([1], to: directory + "/file")
        let outcome = expect(0, words: [Disk.bytes("put"), Disk.bytes("-r"), Disk.bytes(directory), Disk.bytes("all")])
        XCTAssertTrue(outcome.complaints.contains("belongs to this very store"), outcome.complaints)
        XCTAssertEqual(content("all/file"), [1])
        XCTAssertEqual(keys("all/store/"), [])
        expect(2, words: Self.words("put -r \(store) itself"))
        expect(2, words: Self.words("put -r \(store)/disk-1 itself"))
    }

    func testSetUserIDIsNotGivenToWhoeverRestores() {
        makeStore()
        Disk.makeDirectory(tree)
        Disk.write([1], to: tree + "/suid", mode: 0o4755)
        expect(0, "put -r tree")
        expect(0, "get -r tree target")
        XCTAssertEqual(Disk.snapshot(target)[Disk.bytes("/suid")]?.mode, 0o755)
    }

    func testWhatExistsIsNotOverwritten() throws {
        makeTree()
        makeStore()
        expect(0, "put -r tree")
        Disk.makeDirectory(target)
        Disk.makeDirectory(target + "/deep")
        Disk.write([9], to: target + "/deep/everyone")
        let outcome = expect(1, "get -r tree target")
        XCTAssertTrue(outcome.complaints.contains("tree/deep/everyone: cannot"), outcome.complaints)
        XCTAssertEqual(Disk.read(target + "/deep/everyone"), [9])
        XCTAssertEqual(Disk.read(target + "/deep/er/closed/inside"), [1])
        // All of it is there now: only directories, which may be there, come back, and no file or link is counted.
        let again = try object(expect(1, "get -r tree target --json"))
        XCTAssertEqual(again["objects"] as? Int, 6)
        let failed = try XCTUnwrap(again["failed"] as? [[String: Any]])
        XCTAssertEqual(failed.count, 13)
        let keys = failed.compactMap { $0["key"] as? String }
        XCTAssertEqual(keys, keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
        XCTAssertGreaterThan(keys.count, 10, "all but those that are not UTF-8")
    }
}
