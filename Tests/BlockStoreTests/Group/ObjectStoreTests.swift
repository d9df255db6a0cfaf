import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// The library's front: tasks, real directories, real threads.
final class ObjectStoreTests: XCTestCase {
    private var directory: TemporaryDirectory!
    private var store: ObjectStore!

    override func setUp() async throws {
        directory = try TemporaryDirectory()
        store = try await ObjectStore.createSandbox(directory.path + "/store", disks: 4, profile: "rs:2+2")
    }

    override func tearDown() async throws {
        await store.close()
        store = nil
        directory = nil
    }

    /// Word by word: test builds are slow.
    private func bytes(_ count: Int, _ seed: UInt64 = 1) -> [UInt8] {
        let random = SeededRandom(seed)
        return (0..<(count + 7) / 8).map { _ in random.next() }.withUnsafeBytes { Array($0.prefix(count)) }
    }

    /// Expects `body` to throw an error of the store.
    private func expect(
        _ code: StoreError.Code, line: UInt = #line, _ body: () async throws -> some Any
    ) async {
        do {
            _ = try await body()
            XCTFail("nothing was thrown", line: line)
        } catch {
            XCTAssertEqual((error as? StoreError)?.code, code, "\(error)", line: line)
        }
    }

    func testWhatWasPutIsReadByEverybodyAtOnce() async throws {
        let receipt = try await store.put("greeting", from: Array("hello".utf8))
        XCTAssertNil(receipt.debt)
        let read = try await store.read("greeting")
        XCTAssertEqual(read, Array("hello".utf8))
        let part = try await store.read(receipt.version, range: 1...2)
        XCTAssertEqual(part, Array("el".utf8))
        try await store.put("greeting", from: Array("again".utf8))
        let versions = try await store.versions(of: "greeting")
        XCTAssertEqual(versions.count, 2)
        let old = try await store.read(versions[1])
        XCTAssertEqual(old, Array("hello".utf8))
        try await store.remove("greeting")
        await expect(.notFound) { try await store.read("greeting") }
        let listed = try await store.list()
        XCTAssertEqual(listed, [])
        await expect(.invalid) { try await store.put("", from: []) }
        await expect(.notFound) { try await store.remove("nothing") }
    }

    func testFilesGoInAndOut() async throws {
        let (source, target) = (directory.path + "/source", directory.path + "/target")
        let content = bytes(3_000_000)
        XCTAssertTrue(FileManager.default.createFile(atPath: source, contents: Data(content)))
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: source)
        let receipt = try await store.put("file", fromFile: source)
        XCTAssertEqual(receipt.version.attributes.mode, 0o640)
        let again = try await store.put("file", fromFile: source, skippingUnchanged: true)
        XCTAssertEqual(again.version.identity, receipt.version.identity, "nothing new, no new version")
        try await store.read("file", toFile: target)
        XCTAssertEqual(FileManager.default.contents(atPath: target), Data(content))
        await expect(.exists) { try await store.read("file", toFile: target) }
        await expect(.input) { try await store.put("none", fromFile: directory.path + "/none") }
    }

    func testASequenceIsStoredWholeOrNotAtAll() async throws {
        struct Broken: Error {}
        func pieces(_ count: Int, thenThrows error: (any Error)? = nil) -> AsyncThrowingStream<
            ArraySlice<UInt8>, any Error
        > {
            let piece = bytes(200_000)[...]
            return AsyncThrowingStream { continuation in
                for _ in 0..<count { continuation.yield(piece) }
                continuation.finish(throwing: error)
            }
        }
        for count in [0, 1, 7] {
            let receipt = try await store.put("whole", from: pieces(count), declaredBytes: UInt64(count) * 200_000)
            XCTAssertEqual(receipt.version.byteCount, UInt64(count) * 200_000)
            for reason in [Broken(), StoreError(.input, "go on", detail: "it broke")] as [any Error] {
                do {
                    try await store.put("broken", from: pieces(count, thenThrows: reason))
                    XCTFail("a source that breaks is no object")
                } catch {
                    XCTAssertEqual("\(error)", "\(reason)", "the source's own error comes through")
                }
            }
        }
        await expect(.input) { try await store.put("short", from: pieces(2), declaredBytes: 400_001) }
        await expect(.input) { try await store.put("long", from: pieces(7), declaredBytes: 300_000) }
        for key in ["broken", "short", "long"] { await expect(.notFound) { try await store.version(of: key) } }
        let content = try await store.read("whole")
        XCTAssertEqual(content, Array([[UInt8]](repeating: bytes(200_000), count: 7).joined()))
    }

    func testPiecesComeInOrderAndOnlyWhenTheyAreTaken() async throws {
        let content = bytes(3_500_000)
        try await store.put("large", from: content)
        var (found, count) = ([UInt8](), 0)
        for try await piece in try await store.pieces(of: "large") {
            found += piece
            count += 1
        }
        XCTAssertEqual(found, content)
        XCTAssertEqual(count, 4)
        // As a source, too: from one key to another, without holding it whole.
        let receipt = try await store.put("copy", from: try await store.pieces(of: "large"))
        XCTAssertEqual(receipt.version.byteCount, 3_500_000)
        let copy = try await store.read("copy")
        XCTAssertEqual(copy, content)
        await expect(.notFound) { try await store.pieces(of: "nothing") }
        try await store.put("empty", from: [])
        for try await _ in try await store.pieces(of: "empty") { XCTFail("nothing is in it") }
    }

    func testManyTasksShareCommits() async throws {
        let store = try XCTUnwrap(store)
        let commits = try await withThrowingTaskGroup(of: CommitNumber.self) { group in
            for task in 0..<64 {
                group.addTask {
                    try await store.put("task/\(task)", from: Array("\(task)".utf8)).version.identity.commit
                }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        XCTAssertLessThan(commits.count, 64)
        let listed = try await store.list(prefix: "task/")
        XCTAssertEqual(listed.count, 64)
    }

    func testExactlyOneTaskPutsAKeyThatIsToBeAbsent() async throws {
        let store = try XCTUnwrap(store)
        let winners = await withTaskGroup(of: Int?.self) { group in
            for task in 0..<32 {
                group.addTask {
                    do {
                        try await store.put("k", from: [UInt8(task)], condition: .isAbsent)
                        return task
                    } catch {
                        XCTAssertEqual((error as? StoreError)?.code, .conditionFailed)
                        return nil
                    }
                }
            }
            return await group.reduce(into: [Int]()) { if let winner = $1 { $0.append(winner) } }
        }
        XCTAssertEqual(winners.count, 1)
        let read = try await store.read("k")
        XCTAssertEqual(read, [UInt8(winners[0])])
    }

    func testWhatACancelledTaskPutsIsNotStored() async throws {
        let store = try XCTUnwrap(store)
        // The store is another's: nothing begins.
        let environment = try StoreEnvironment(home: directory.path + "/store")
        let other = try await Task.detached { try Store.open(environment, access: .write) }.value
        let whole = Task { try await store.put("whole", from: [1, 2, 3]) }
        let removal = Task { try await store.remove("nothing") }
        let (stream, continuation) = AsyncStream<[UInt8]>.makeStream()
        let arriving = Task { try await store.put("arriving", from: stream) }
        for _ in 0..<20 { continuation.yield(bytes(200_000)) }
        for task in [whole, removal, arriving] { task.cancel() }
        for task in [whole, removal, arriving] {
            do {
                _ = try await task.value
                XCTFail("it was cancelled")
            } catch {
                XCTAssertTrue(error is CancellationError, "\(error)")
            }
        }
        await Task.detached { other.close() }.value
        continuation.finish()
        try await store.put("after", from: [4])
        let listed = try await store.list()
        XCTAssertEqual(listed.map(\.key.description), ["after"])
    }

    func testACancelledReadEnds() async throws {
        let store = try XCTUnwrap(store)
        try await store.put("large", from: bytes(2_000_000))
        let pieces = try await store.pieces(of: "large")
        let reading = Task {
            var count = 0
            for try await _ in pieces {
                count += 1
                withUnsafeCurrentTask { $0?.cancel() }
            }
            return count
        }
        do {
            _ = try await reading.value
            XCTFail("it was cancelled")
        } catch {
            XCTAssertTrue(error is CancellationError, "\(error)")
        }
        let path = directory.path + "/target"
        let restoring = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await store.read("large", toFile: path)
        }
        do {
            _ = try await restoring.value
            XCTFail("it was cancelled")
        } catch {
            XCTAssertTrue(error is CancellationError, "\(error)")
        }
        XCTAssertFalse(FileManager.default.fileExists(atPath: path))
    }

    func testWhatAnotherProcessChangesIsSeen() async throws {
        try await store.put("a", from: bytes(5_000))
        let environment = try StoreEnvironment(home: directory.path + "/store")
        let root = directory.path + "/store"
        try await Task.detached {
            // A new index in the place of the old one, and another device in the place of a lost one.
            _ = try Store.rebuildIndex(environment, options: Store.Options(lockWaitSeconds: 20))
            try FileManager.default.removeItem(atPath: root + "/disk-1")
            try FileManager.default.createDirectory(atPath: root + "/new", withIntermediateDirectories: true)
            let other = try Store.open(environment, access: .write, options: Store.Options(lockWaitSeconds: 20))
            defer { other.close() }
            let lost = try XCTUnwrap(other.devices.first { !$0.state.isInService })
            _ = try other.replaceDevice(lost.id, with: root + "/new")
            let session = try other.startWriting()
            try session.put(Key("b"), from: MemorySource([1, 2]))
            _ = try session.finish()
        }.value
        let read = try await (store.read("a"), store.read("b"))
        XCTAssertEqual(read.0, bytes(5_000))
        XCTAssertEqual(read.1, [1, 2])
        let paths = try await store.withStore { store in store.devices.compactMap(\.path) }
        XCTAssertTrue(paths.contains(root + "/new"), "the other device is known")
        let receipt = try await store.put("c", from: [3])
        XCTAssertNil(receipt.debt)
    }

    func testAClosedStoreTakesNothingMore() async throws {
        try await store.put("a", from: [1])
        await store.close()
        await store.close()
        await expect(.locked) { try await store.put("b", from: [2]) }
        await expect(.locked) { try await store.read("a") }
        let again = try await ObjectStore.open(directory.path + "/store")
        let read = try await again.read("a")
        XCTAssertEqual(read, [1])
        await again.close()
        await expect(.notFound) { try await ObjectStore.open(directory.path + "/nothing") }
        await expect(.exists) { try await ObjectStore.createSandbox(directory.path + "/store") }
        await expect(.invalid) { try await ObjectStore.createSandbox(directory.path + "/other", profile: "rs:4") }
    }

    func testALimitedPoolIsNotBlocked() async throws {
        // More tasks than any pool has threads, all waiting for the store of another: somebody must still run.
        let store = try XCTUnwrap(store)
        let environment = try StoreEnvironment(home: directory.path + "/store")
        let other = try await Task.detached { try Store.open(environment, access: .write) }.value
        let waiting = (0..<200).map { number in Task { try await store.put("\(number)", from: [1]) } }
        for _ in 0..<100 { await Task.yield() }
        let listed = try await store.list()
        XCTAssertEqual(listed, [], "reading goes on meanwhile")
        await Task.detached { other.close() }.value
        for task in waiting { _ = try await task.value }
    }
}
