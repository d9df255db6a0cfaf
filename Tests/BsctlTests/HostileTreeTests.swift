import XCTest

/// Restores never leave their directory, whatever the keys are called.
final class HostileTreeTests: CommandTest {
    private var tree: String { directory + "/tree" }
    private var target: String { directory + "/target" }

    func testHostileKeysAreRefusedOneByOne() {
        makeStore()
        let hostile = ["p/../escaped", "p/a/../../escaped", "p/./x", "p//escaped", "p/..", "p/x//y", "p/z/"]
        for key in hostile { put([6], as: key) }
        put([1], as: "p/good")
        put([2], as: "p/also/good")
        put([6], as: Disk.bytes("p/") + [UInt8](repeating: 0x78, count: 300))
        let outcome = expect(1, "get -r p \(target)/restored")
        XCTAssertEqual(outcome.code, 1)
        Disk.makeDirectory(target)
        let second = expect(1, "get -r p \(target)/restored")
        for key in hostile {
            XCTAssertTrue(second.complaints.contains("\(key): cannot"), "\(key)\n\(second.complaints)")
        }
        XCTAssertEqual(
            Disk.snapshot(target).filter { $0.value.kind == "-" }.mapValues(\.content),
            [Disk.bytes("/restored/good"): [1], Disk.bytes("/restored/also/good"): [2]])
        XCTAssertFalse(Disk.exists(directory + "/escaped"))
    }

    func testALinkInTheWayIsNotFollowed() {
        makeStore()
        Disk.makeDirectory(directory + "/outside")
        Disk.makeDirectory(tree)
        Disk.makeLink(tree + "/link", to: directory + "/outside")
        Disk.makeLink(tree + "/file", to: directory + "/outside/planted")
        expect(0, "put -r tree p")
        put([6], as: "p/link/planted")
        let outcome = expect(1, "get -r p target")
        XCTAssertTrue(outcome.complaints.contains("p/link/planted: cannot"), outcome.complaints)
        // And where the links are there already:
        expect(0, "rm p/link p/file")
        put([6], as: "p/file")
        expect(1, "get -r p target")
        XCTAssertEqual(Disk.names(directory + "/outside"), [])
    }

    func testAFileWhereADirectoryIsNeededFailsAlone() {
        makeStore()
        put([1], as: "p/a")
        put([2], as: "p/a/b")
        put([3], as: "p/c")
        let outcome = expect(1, "get -r p target")
        XCTAssertTrue(outcome.complaints.contains("p/a/b: cannot"), outcome.complaints)
        XCTAssertEqual(Disk.read(target + "/a"), [1])
        XCTAssertEqual(Disk.read(target + "/c"), [3])
    }

    func testOneKeyIsATreeToo() {
        makeStore()
        put([1], as: "a/file")
        put([2], as: "a/file-not-meant")
        expect(0, "get -r a/file target")
        XCTAssertEqual(Disk.names(target), [Disk.bytes("file")])
        expect(3, "get -r a/fil target")
    }
}
