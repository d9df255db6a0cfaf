import XCTest

final class GetTests: CommandTest {
    func testRangesAreExact() {
        makeStore()
        let content = Self.bytes(400_000, seed: 1)
        put(content, as: "k")
        for range in [0...0, 0...399_999, 65_535...65_536, 123_456...234_567, 399_999...399_999] {
            XCTAssertEqual(
                expect(0, "get k - --range \(range.lowerBound)-\(range.upperBound)").output, Array(content[range]))
        }
        let beyond = expect(2, "get k - --range 0-400000")
        XCTAssertTrue(beyond.output.isEmpty)
        XCTAssertTrue(beyond.complaints.contains("0-399999"), beyond.complaints)
        put([], as: "empty")
        expect(2, "get empty - --range 0-0")
        XCTAssertEqual(self.content("empty"), [])
    }

    func testARefusedGetLeavesNoFile() {
        makeStore()
        put(Self.bytes(1000, seed: 2), as: "k")
        expect(2, "get k out --range 0-1000")
        expect(3, "get nothing out")
        expect(3, "get k out --version 77.0")
        expect(1, "get k no/such/directory/out")
        XCTAssertFalse(
            Disk.names(directory).contains {
                String(decoding: $0, as: UTF8.self).contains("out") && !$0.starts(with: Disk.bytes(".command"))
            })
    }

    func testNothingIsEverReplaced() {
        makeStore()
        put([1], as: "k")
        Disk.write([9], to: directory + "/file")
        Disk.makeLink(directory + "/dangling", to: "/nowhere")
        Disk.makeDirectory(directory + "/folder")
        for target in ["file", "dangling", "folder"] { expect(1, "get k \(target)") }
        XCTAssertEqual(Disk.read(directory + "/file"), [9])
    }

    func testAKeyWithoutANameForAFileIsRefused() {
        makeStore()
        for key in ["a/..", "a/.", "..", "/", "x/-"] {
            put([1], as: key)
            expect(2, "get -- \(key)")
            XCTAssertEqual(expect(0, words: Self.words("get -- \(key)") + [Disk.bytes("-")]).output, [1])
        }
        expect(0, "get a/.. named")
        XCTAssertEqual(Disk.read(directory + "/named"), [1])
    }

    func testALinkIsRestoredAsALink() {
        makeStore()
        Disk.makeDirectory(directory + "/tree")
        Disk.makeLink(directory + "/tree/link", to: "no such target")
        expect(0, "put -r tree")
        expect(0, "get tree/link here")
        XCTAssertEqual(Disk.snapshot(directory + "/here"), Disk.snapshot(directory + "/tree/link"))
        XCTAssertEqual(content("tree/link"), Disk.bytes("no such target"))
        expect(1, "get tree/link here")
    }

    func testAListingThatCannotBeWrittenIsAFailure() {
        makeStore()
        put([1], as: "k")
        let words = [Disk.bytes("/bin/sh"), Disk.bytes("-c")]
        func shell(_ script: String) -> Outcome {
            Child(
                words + [Disk.bytes(script.replacing("bsctl", with: Self.binaryPath))], in: directory,
                environment: ["PATH=/usr/bin:/bin", "BSCTL_STORE=\(store)"], input: "/dev/null",
                scratch: directory + "/.shell"
            ).wait()
        }
        XCTAssertNotEqual(shell("bsctl ls > /dev/full").code, 0)
        XCTAssertNotEqual(shell("bsctl get k - > /dev/full").code, 0)
        XCTAssertEqual(shell("bsctl ls >&-; true").code, 0)
        // With standard output closed, the next file opened would become it.
        XCTAssertEqual(shell("echo hello | bsctl put - closed >&- 2>&-").code, 0)
        XCTAssertEqual(content("closed"), Disk.bytes("hello\n"))
        expect(0, "scrub")
    }

    func testOddKeysAreKeptByteForByte() {
        makeStore()
        let odd: [[UInt8]] = [
            [0xff, 0xfe], Disk.bytes("a\u{301}"), Disk.bytes("\u{e1}"), Disk.bytes(" "), Disk.bytes("a\tb"),
            Disk.bytes("-dash"), Disk.bytes("../up"), Disk.bytes("/abs"), Disk.bytes("a//b"),
            [UInt8](repeating: 0x78, count: 1024), Disk.bytes("日本語"), Disk.bytes("\u{1b}[2J"),
        ]
        for (index, key) in odd.enumerated() { put([UInt8(index)], as: key) }
        for (index, key) in odd.enumerated() {
            let words = [Disk.bytes("get"), Disk.bytes("--"), key, Disk.bytes("-")]
            XCTAssertEqual(expect(0, words: words).output, [UInt8(index)])
        }
        let sorted = odd.sorted { $0.lexicographicallyPrecedes($1) }
        XCTAssertEqual(keys(), sorted)
        XCTAssertEqual(
            expect(0, "ls").output, Array(sorted.map { $0 + [10] }.joined()), "raw where there is no terminal")
        XCTAssertTrue(expect(0, "ls --json").text.contains("\"keyBase64\":\"//4=\""))
    }

    func testBadKeysAreRefused() {
        makeStore()
        expect(2, words: [Disk.bytes("put"), Disk.bytes("-"), []])
        expect(2, words: [Disk.bytes("put"), Disk.bytes("-"), [UInt8](repeating: 0x78, count: 1025)])
        expect(2, words: [Disk.bytes("get"), [], Disk.bytes("-")])
        expect(2, words: [Disk.bytes("rm"), []])
        XCTAssertEqual(keys(), [])
    }

    func testListMatchesRawBytes() {
        makeStore()
        for key in ["a", "a/b", "ab", "b"] { put([1], as: key) }
        XCTAssertEqual(keys("a"), ["a", "a/b", "ab"].map(Disk.bytes))
        XCTAssertEqual(keys("a/"), ["a/b"].map(Disk.bytes))
        XCTAssertEqual(keys("c"), [])
        XCTAssertEqual(keys().count, 4)
    }
}
