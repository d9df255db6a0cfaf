import Erasure
import Foundation
import Glibc
import XCTest

@testable import BlockStore
@testable import Simulation

/// The machine's clock, so many seconds ahead: what is written now was at rest for so long.
private struct LateClock: Clock {
    let seconds: Int64
    private let clock = SystemClock()

    init(seconds: Int64) { self.seconds = seconds }

    func wallNanoseconds() -> Int64 { clock.wallNanoseconds() + seconds * 1_000_000_000 }
    func monotonicNanoseconds() -> UInt64 { clock.monotonicNanoseconds() }
    func sleep(nanoseconds: UInt64) { clock.sleep(nanoseconds: nanoseconds) }
}

/// Files that were read before and are as they were are not read again. On real directories with real threads.
final class KnownFileTests: XCTestCase {
    private var directory: TemporaryDirectory!
    private var store: Store!
    private var tree: String { directory.path + "/tree" }

    override func setUpWithError() throws {
        directory = try TemporaryDirectory()
        _ = try Store.create(
            try environment(), devices: (1...6).map { NewDevice(path: "disk-\($0)") }, profile: try Profile("rs:4+2"),
            averageChunkBytes: 4096, isSandbox: true)
        try FileManager.default.createDirectory(atPath: tree + "/deep", withIntermediateDirectories: true)
        for number in 0..<20 { write(3000 + number, to: "small-\(number)", seed: UInt64(number)) }
        // More chunks than its record holds: a manifest with nodes.
        write(600_000, to: "deep/large", seed: 99)
        try open()
    }

    override func tearDown() {
        store?.close()
        store = nil
        directory = nil
    }

    private func environment(secondsLate: Int64 = 10) throws -> StoreEnvironment {
        StoreEnvironment(
            home: try DirectoryHome(path: directory.path + "/home", creating: true),
            devices: RebasedProvider(base: directory.path), clock: LateClock(seconds: secondsLate),
            random: SystemRandom(), executor: ThreadedExecutor(computeThreads: 2))
    }

    private func open(secondsLate: Int64 = 10) throws {
        store?.close()
        store = try Store.open(try environment(secondsLate: secondsLate), access: .write)
    }

    private func write(_ count: Int, to name: String, seed: UInt64) {
        let bytes = SeededRandom.bytes(count, seed: seed)
        XCTAssertTrue(FileManager.default.createFile(atPath: tree + "/" + name, contents: Data(bytes)))
    }

    private func putTree(readingAll: Bool = false) throws -> WriteReport {
        let session = try store.startWriting()
        let report = try store.putTree(
            Array(tree.utf8), as: Key("tree"), in: session, deletingOthers: true, readingAll: readingAll)
        XCTAssertEqual(report.failures.map(\.error.description), [])
        return try session.finish()
    }

    private func expectSame(_ message: String = "", file: StaticString = #filePath, line: UInt = #line) throws {
        for name in try FileManager.default.subpathsOfDirectory(atPath: tree) where !name.hasSuffix("deep") {
            let sink = MemorySink()
            _ = try store.read(try store.newestVersion(of: Key("tree/" + name)), into: sink)
            let expected = try Data(contentsOf: URL(fileURLWithPath: tree + "/" + name))
            XCTAssertEqual(Data(sink.bytes), expected, "\(message) \(name)", file: file, line: line)
        }
    }

    /// Bytes that this process has read so far, from wherever.
    private func bytesRead() throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/io", encoding: .utf8)
        let line = try XCTUnwrap(text.split(separator: "\n").first { $0.hasPrefix("rchar: ") })
        return try XCTUnwrap(Int(line.dropFirst(7)))
    }

    func testASmallFileIsReadAheadOnlyWhileItIsWhatWasSeen() throws {
        let root = try Files.open(Array(tree.utf8), O_RDONLY | O_DIRECTORY)
        let clock = LateClock(seconds: 100)
        func read(_ name: String, seen: FileStamp) -> SmallFile? {
            SmallFile.read(Array(name.utf8), in: root, seen: seen, keepsStamps: true, clock)
        }
        let seen = try XCTUnwrap(FileStamp(try XCTUnwrap(Files.status(of: Array("small-3".utf8), in: root))))
        let file = try XCTUnwrap(read("small-3", seen: seen))
        // As it is read: a look before the first byte, and one after the last.
        let reading = try XCTUnwrap(FileReading(file, clock))
        var bytes = [UInt8](repeating: 0, count: 5000)
        let count = try bytes.withMutableBytes { raw throws(StoreError) in try file.read(into: raw) }
        XCTAssertEqual(Array(bytes[..<count]), SeededRandom.bytes(3003, seed: 3))
        XCTAssertEqual(try bytes.withMutableBytes { raw throws(StoreError) in try file.read(into: raw) }, 0)
        XCTAssertEqual(reading.end(receivedBytes: 3003), seen)

        // Written to since it was seen and before it was read: what is read is told with its new stamp.
        write(3003, to: "small-3", seed: 77)
        let later = try XCTUnwrap(read("small-3", seen: seen))
        let again = try XCTUnwrap(FileReading(later, clock)).end(receivedBytes: 3003)
        XCTAssertNotEqual(again, seen)
        // Longer, gone, or a pipe: left to who knows what to say of it.
        write(3004, to: "small-3", seed: 3)
        XCTAssertNil(read("small-3", seen: seen))
        XCTAssertNil(read("absent", seen: seen))
        XCTAssertEqual(mkfifo(tree + "/pipe", 0o600), 0)
        XCTAssertNil(read("pipe", seen: seen))
        XCTAssertEqual(symlink("small-4", tree + "/link"), 0)
        XCTAssertNil(read("link", seen: seen))
    }

    func testAnUnchangedTreeIsNotRead() throws {
        XCTAssertEqual(try putTree().unread, 0)
        let before = try bytesRead()
        let second = try putTree()
        // The index, and the node of the large file's manifest.
        XCTAssertLessThan(try bytesRead() - before, 100_000)
        XCTAssertEqual(second.unread, 21)
        XCTAssertEqual(second.unreadBytes, second.logicalBytes)
        XCTAssertEqual(second.objects, 0)
        XCTAssertEqual(second.unchanged, 23)
        XCTAssertEqual(second.commits, 0)
        let third = try putTree(readingAll: true)
        XCTAssertEqual(third.unread, 0)
        XCTAssertEqual(third.unchanged, 23)
        XCTAssertEqual(try putTree().unread, 21, "what is read all the same is known as before")
        try expectSame()
    }

    func testWhateverChangesAFileIsSeen() throws {
        _ = try putTree()
        // The same size and time of modification.
        var status = stat()
        XCTAssertEqual(stat(tree + "/small-1", &status), 0)
        write(3001, to: "small-1", seed: 1001)
        var times = [status.st_atim, status.st_mtim]
        XCTAssertEqual(utimensat(AT_FDCWD, tree + "/small-1", &times, 0), 0)
        // Another file of the same size under the name, as editors write them.
        write(3002, to: "new", seed: 1002)
        XCTAssertEqual(rename(tree + "/new", tree + "/small-2"), 0)
        // Longer.
        write(4000, to: "small-3", seed: 3)
        // One byte in the middle of the large one.
        let file = Glibc.open(tree + "/deep/large", O_WRONLY)
        XCTAssertEqual(pwrite(file, "x", 1, 300_000), 1)
        Glibc.close(file)
        // Attributes alone: read again, and of no new content.
        chmod(tree + "/small-4", 0o600)
        // Two exchange their names.
        XCTAssertEqual(rename(tree + "/small-5", tree + "/aside"), 0)
        XCTAssertEqual(rename(tree + "/small-6", tree + "/small-5"), 0)
        XCTAssertEqual(rename(tree + "/aside", tree + "/small-6"), 0)
        unlink(tree + "/small-7")
        let report = try putTree()
        XCTAssertEqual(report.unread, 20 - 7)
        XCTAssertEqual(report.removed, 1)
        try expectSame()
        XCTAssertEqual(try putTree().unread, 20)
        try expectSame()
    }

    func testAFileThatWasChangedAMomentAgoIsReadAgain() throws {
        try open(secondsLate: 0)
        _ = try putTree()
        XCTAssertEqual(try putTree().unread, 0)
        // A clock that was set back makes every file one of the future.
        try open(secondsLate: -1_000_000)
        _ = try putTree()
        XCTAssertEqual(try putTree().unread, 0)
        try open(secondsLate: 10)
        _ = try putTree()
        XCTAssertEqual(try putTree().unread, 21)
    }

    func testAFileThatChangesWhileItIsReadIsReadAgain() throws {
        let path = tree + "/deep/large"
        func put(changing: Bool) throws -> Int {
            let session = try store.startWriting()
            let source = try FileSource(path: Array(path.utf8))
            var isDone = !changing
            source.onBytes = { _ in
                if !isDone { self.write(600_000, to: "deep/large", seed: 7) }
                isDone = true
            }
            try session.put(try Key("large"), file: source)
            return try session.finish().unread
        }
        XCTAssertEqual(try put(changing: true), 0)
        XCTAssertEqual(try put(changing: false), 0)
        XCTAssertEqual(try put(changing: false), 1)
    }

    func testAKnownFileIsStoredUnderAnotherKeyUnread() throws {
        _ = try putTree()
        XCTAssertEqual(link(tree + "/small-1", directory.path + "/link"), 0)
        // The link changed its time.
        _ = try putTree()
        for (name, path) in [("by itself", tree + "/deep/large"), ("linked", directory.path + "/link")] {
            let session = try store.startWriting()
            let source = try FileSource(path: Array(path.utf8))
            try session.put(try Key(name), file: source, declaredBytes: nil, condition: .isAbsent)
            let report = try session.finish()
            XCTAssertEqual(report.unread, 1, name)
            XCTAssertEqual(report.objects, 1, name)
            XCTAssertEqual(report.newBytes, 0, name)
            let sink = MemorySink()
            _ = try store.read(try store.newestVersion(of: Key(name)), into: sink)
            XCTAssertEqual(Data(sink.bytes), try Data(contentsOf: URL(fileURLWithPath: path)))
            let again = try store.startWriting()
            XCTAssertThrowsError(
                try again.put(try Key(name), file: FileSource(path: Array(path.utf8)), condition: .isAbsent))
            XCTAssertThrowsError(
                try again.put(try Key(name), file: FileSource(path: Array(path.utf8)), declaredBytes: 5))
            again.cancel()
        }
    }

    func testADamagedOrLostMemoryCostsReadingAgain() throws {
        let path = directory.path + "/home/files.db"
        for damage in ["lost", "garbage", "another", "directory", "short", "torn"] {
            _ = try putTree()
            XCTAssertEqual(try putTree().unread, 21, damage)
            let whole = try Data(contentsOf: URL(fileURLWithPath: path))
            try FileManager.default.removeItem(atPath: path)
            switch damage {
            case "garbage": try Data(SeededRandom.bytes(9000, seed: 1)).write(to: URL(fileURLWithPath: path))
            case "another": try Connection(path: path).run("CREATE TABLE files (x); PRAGMA user_version=1")
            case "directory": try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            case "short": try whole.prefix(4096).write(to: URL(fileURLWithPath: path))
            case "torn":
                try (whole.prefix(4096) + Data(SeededRandom.bytes(4096, seed: 2)) + whole.dropFirst(8192)).write(
                    to: URL(fileURLWithPath: path))
            default: break
            }
            XCTAssertEqual(try putTree().unread, 0, damage)
            try expectSame(damage)
            if damage == "directory" { try FileManager.default.removeItem(atPath: path) }
        }
    }

    func testWhatWasCollectedIsReadAgain() throws {
        _ = try putTree()
        let session = try store.startWriting()
        var keys: [Key] = []
        try store.forEachObject(under: []) { keys.append($0.key) }
        for key in keys { try session.remove(key) }
        _ = try session.finish()
        for key in keys {
            for version in try store.engine.index.versions(of: key) {
                let session = try store.startWriting()
                try session.purge(key, version: version.identity)
                _ = try session.finish()
            }
        }
        XCTAssertGreaterThan(try store.collect(CollectOptions(isFull: true)).retiredBlocks, 0)
        let report = try putTree()
        XCTAssertEqual(report.unread, 0)
        XCTAssertGreaterThan(report.newBytes, 600_000)
        try expectSame()
        XCTAssertEqual(try putTree().unread, 21)
    }

    func testDamageThatIsKnownMakesAFileBeReadAndStoredAgain() throws {
        _ = try putTree()
        let index = store.engine.index
        for block in try index.blocks(after: nil, limit: 100) where block.payloadBytes > 0 {
            try index.markDamaged(block.shards.keys.sorted().prefix(1).map { (block.ref, $0) })
        }
        let report = try putTree()
        XCTAssertEqual(report.unread, 0)
        XCTAssertGreaterThan(report.newBytes, 600_000)
    }

    func testANewIndexKnowsTheFilesAsWell() throws {
        _ = try putTree()
        store.close()
        _ = try Store.rebuildIndex(try environment())
        try open()
        XCTAssertEqual(try putTree().unread, 21)
        try expectSame()
    }

    func testAHomeThatRemembersNothingReadsEverything() throws {
        let path = directory.path + "/home/files.db"
        try FileManager.default.createDirectory(atPath: path + "/x", withIntermediateDirectories: true)
        _ = try putTree()
        XCTAssertEqual(try putTree().unread, 0)
        try expectSame()
    }

    func testWhatIsKnownHoldsInTheSimulatorToo() throws { try KnownFileAccidents.all() }
}
