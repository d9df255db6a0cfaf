import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// Stores written by released versions, which every later version must read (docs/format.md §12).
final class GoldenStoreTests: XCTestCase {
    /// Makes the golden store. LZ4's output may change with its version: what is compressed comes last, in
    /// a commit of its own.
    private func make(_ golden: GoldenStore, in directory: TemporaryDirectory) throws {
        let environment = try directory.environment(seed: 1)
        _ = try Store.create(
            environment, devices: golden.disks.map { NewDevice(path: $0) }, profile: try Profile(golden.profile),
            averageChunkBytes: 4096, isSandbox: true)
        let store = try Store.open(environment, access: .write)
        defer { store.close() }
        func commit(_ body: (WriteSession) throws -> Void) throws {
            let session = try store.startWriting()
            try body(session)
            XCTAssertNil(try session.finish().debt)
        }
        try commit { session in
            try session.put(Key("tiny"), from: MemorySource(Array("tiny".utf8)))
            try session.put(Key("empty"), from: MemorySource([]))
            try session.put(Key("large"), from: MemorySource(SeededRandom.bytes(30_000, seed: 3)))
            try session.put(Key("replaced"), from: MemorySource(SeededRandom.bytes(600, seed: 4)))
            try session.put(
                Key("deleted"), attributes: ObjectAttributes(kind: .file, mode: 0o644, modifiedNanoseconds: 1),
                from: MemorySource(Array("gone".utf8)))
        }
        try commit { session in
            try session.put(Key("replaced"), from: MemorySource(SeededRandom.bytes(700, seed: 5)))
            try session.remove(Key("deleted"))
        }
        try commit { session in
            try session.put(Key("text"), from: MemorySource(GoldenStore.text))
        }
    }

    /// `BS_MAKE_GOLDEN=NAME swift test --filter testMakeAGoldenStore` writes it; done once.
    func testMakeAGoldenStore() throws {
        let name = ProcessInfo.processInfo.environment["BS_MAKE_GOLDEN"]
        guard let golden = GoldenStore.today.first(where: { $0.name == name }) else {
            throw XCTSkip("only with BS_MAKE_GOLDEN=NAME")
        }
        let directory = try TemporaryDirectory()
        try make(golden, in: directory)
        try? FileManager.default.removeItem(atPath: golden.path)
        try FileManager.default.createDirectory(atPath: golden.path, withIntermediateDirectories: true)
        for name in golden.disks + ["home"] {
            try FileManager.default.copyItem(atPath: "\(directory.path)/\(name)", toPath: "\(golden.path)/\(name)")
        }
        for name in ["home/index.db", "home/index.db-wal", "home/index.db-shm", "home/lock"] {
            try? FileManager.default.removeItem(atPath: "\(golden.path)/\(name)")
        }
    }

    private func read(_ directory: TemporaryDirectory) throws -> [String: [UInt8]] {
        let store = try Store.open(try directory.environment(seed: 9), access: .read)
        defer { store.close() }
        var found: [String: [UInt8]] = [:]
        for object in try store.list() {
            let sink = MemorySink()
            _ = try store.read(object, into: sink)
            found[object.key.description] = sink.bytes
        }
        return found
    }

    func testEveryGoldenStoreReadsWithAnyDiskLost() throws {
        let expected = GoldenStore.expected
        for golden in GoldenStore.all {
            XCTAssertEqual(try read(try golden.copy()), expected, golden.name)
            for lost in golden.disks {
                let directory = try golden.copy()
                try FileManager.default.removeItem(atPath: "\(directory.path)/\(lost)")
                XCTAssertEqual(try read(directory), expected, "\(golden.name) without \(lost)")
            }
        }
    }

    func testEveryGoldenStoreGoesOnAndFindsWhatItHasAlready() throws {
        let large = try XCTUnwrap(GoldenStore.expected["large"])
        for golden in GoldenStore.all {
            let directory = try golden.copy()
            let store = try Store.open(try directory.environment(seed: 9), access: .write)
            defer { store.close() }
            let session = try store.startWriting()
            try session.put(Key("again"), from: MemorySource(large))
            // Cut as it was cut then: nothing of it is new.
            XCTAssertEqual(try session.finish().newBytes, 0, golden.name)
            let sink = MemorySink()
            _ = try store.read(try store.newestVersion(of: Key("again")), into: sink)
            XCTAssertEqual(sink.bytes, large, golden.name)
        }
    }

    func testTheSameSeedStillWritesTheSameBytes() throws {
        for golden in GoldenStore.today {
            let directory = try TemporaryDirectory()
            try make(golden, in: directory)
            var compared = 0
            for disk in golden.disks {
                let shards = try DirectoryDevice(path: "\(golden.path)/\(disk)").shards(from: .none)
                let last = try XCTUnwrap(shards.last?.number)
                for shard in shards where shard.number < last {
                    let path = "\(disk)/blocks/\(shard.directoryName)/\(shard.fileName)"
                    XCTAssertEqual(
                        FileManager.default.contents(atPath: "\(directory.path)/\(path)"),
                        FileManager.default.contents(atPath: "\(golden.path)/\(path)"), path)
                    compared += 1
                }
            }
            XCTAssertEqual(compared, 3 * golden.diskCount)
        }
    }
}
