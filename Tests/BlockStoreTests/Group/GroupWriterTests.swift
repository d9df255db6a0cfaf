import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// Many threads at once, on real directories.
final class GroupWriterTests: XCTestCase {
    /// Runs `body` on so many threads, and waits for all of them.
    private func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
        let left = Monitor(count)
        for number in 0..<count {
            startThread {
                body(number)
                left.withLock { $0 -= 1 }
                left.wakeAll()
            }
        }
        left.wait { $0 == 0 }
    }

    private func makeStore() throws -> (TemporaryDirectory, StoreEnvironment) {
        let directory = try TemporaryDirectory()
        let environment = try directory.environment(ThreadedExecutor(computeThreads: 3))
        _ = try Store.create(
            environment, devices: (1...6).map { NewDevice(path: "disk-\($0)") }, profile: Profile("rs:4+2"),
            averageChunkBytes: 4096, isSandbox: true)
        return (directory, environment)
    }

    private func contents(_ environment: StoreEnvironment) throws -> [Key: [UInt8]] {
        let store = try Store.open(environment, access: .read)
        defer { store.close() }
        var result: [Key: [UInt8]] = [:]
        for object in try store.list() {
            let sink = MemorySink()
            _ = try store.read(object, into: sink)
            result[object.key] = sink.bytes
        }
        return result
    }

    func testWhatManyThreadsPutAtOnceComesBack() throws {
        let (directory, environment) = try makeStore()
        defer { withExtendedLifetime(directory) {} }
        let writer = GroupWriter(environment)
        let commits = Monitor<Set<CommitNumber>>([])
        let expected = Monitor<[Key: [UInt8]]>([:])
        onThreads(16) { thread in
            for number in 0..<6 {
                // Some are larger than what is gathered.
                let size = number == 3 && thread < 4 ? 1_300_000 + thread : 100 * number + thread
                let bytes = SeededRandom.bytes(size, seed: UInt64(thread * 100 + number))
                guard let key = try? Key("\(thread)/\(number)"),
                    let receipt = try? writer.put(key, from: MemorySource(bytes), declaredBytes: UInt64(size))
                else {
                    XCTFail("\(thread)/\(number) was refused")
                    continue
                }
                XCTAssertEqual(receipt.version.byteCount, UInt64(size))
                XCTAssertNil(receipt.debt)
                commits.withLock { _ = $0.insert(receipt.version.identity.commit) }
                expected.withLock { $0[key] = bytes }
            }
        }
        writer.close()
        XCTAssertEqual(try contents(environment), expected.withLock { $0 })
        XCTAssertLessThan(commits.withLock(\.count), 96, "they share commits")
    }

    func testExactlyOneOfManyThreadsPutsAKeyThatIsToBeAbsent() throws {
        let (directory, environment) = try makeStore()
        defer { withExtendedLifetime(directory) {} }
        let writer = GroupWriter(environment)
        let winners = Monitor<[Int]>([])
        let losers = Monitor(0)
        onThreads(12) { thread in
            do throws(StoreError) {
                _ = try writer.put(
                    try Key("k"), from: MemorySource(Array("\(thread)".utf8)), condition: .isAbsent)
                winners.withLock { $0.append(thread) }
            } catch {
                XCTAssertEqual(error.code, .conditionFailed)
                losers.withLock { $0 += 1 }
            }
        }
        writer.close()
        let winner = try XCTUnwrap(winners.withLock { $0 }.first)
        XCTAssertEqual(winners.withLock(\.count), 1)
        XCTAssertEqual(losers.withLock { $0 }, 11)
        XCTAssertEqual(try contents(environment), [try Key("k"): Array("\(winner)".utf8)])
    }

    func testWhoeverWaitsGetsAStoreThatNobodyWritesTo() throws {
        let (directory, environment) = try makeStore()
        let writer = GroupWriter(environment)
        defer { writer.close() }
        _ = try writer.put(try Key("a"), from: MemorySource([1]))
        // As another process would: with a home of its own. The writer is still open, and idle.
        let other = try Store.open(
            try directory.environment(ThreadedExecutor(computeThreads: 1)), access: .write,
            options: Store.Options(lockWaitSeconds: 20))
        other.close()
        _ = try writer.put(try Key("b"), from: MemorySource([2]))
        writer.close()
        XCTAssertEqual(try contents(environment).count, 2)
    }

    func testAClosedWriterTakesNoMore() throws {
        let (directory, environment) = try makeStore()
        defer { withExtendedLifetime(directory) {} }
        let writer = GroupWriter(environment)
        _ = try writer.put(try Key("a"), from: MemorySource([1]))
        writer.close()
        writer.close()
        XCTAssertEqual(code { _ = try writer.put(try Key("b"), from: MemorySource([2])) }, .locked)
        XCTAssertEqual(code { _ = try writer.remove(try Key("a")) }, .locked)
        let store = try Store.open(environment, access: .write, options: Store.Options(lockWaitSeconds: 0))
        store.close()
    }
}
