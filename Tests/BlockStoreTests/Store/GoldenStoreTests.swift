import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// Stores written by released versions, which every later version must read (docs/format.md §12).
final class GoldenStoreTests: XCTestCase {
    /// Makes the golden store. LZ4's output may change with its version: what is compressed comes last, in
    /// a commit of its own.
    private func make(in directory: TemporaryDirectory) throws {
        let environment = try directory.environment(seed: 1)
        _ = try Store.create(
            environment, devices: (1...3).map { NewDevice(path: "disk-\($0)") }, profile: try Profile("rs:2+1"),
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

    /// `BS_MAKE_GOLDEN=1 swift test --filter testMakeTheGoldenStore` writes it anew; done once a format.
    func testMakeTheGoldenStore() throws {
        guard ProcessInfo.processInfo.environment["BS_MAKE_GOLDEN"] != nil else {
            throw XCTSkip("only with BS_MAKE_GOLDEN=1")
        }
        let directory = try TemporaryDirectory()
        try make(in: directory)
        try? FileManager.default.removeItem(atPath: GoldenStore.path)
        try FileManager.default.createDirectory(atPath: GoldenStore.path, withIntermediateDirectories: true)
        for name in GoldenStore.disks + ["home"] {
            try FileManager.default.copyItem(atPath: "\(directory.path)/\(name)", toPath: "\(GoldenStore.path)/\(name)")
        }
        for name in ["home/index.db", "home/index.db-wal", "home/index.db-shm", "home/lock"] {
            try? FileManager.default.removeItem(atPath: "\(GoldenStore.path)/\(name)")
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

    func testTheGoldenStoreOfFormat1Reads() throws {
        let expected = GoldenStore.expected
        XCTAssertEqual(try read(try GoldenStore.copy()), expected)
        for lost in 1...3 {
            let directory = try GoldenStore.copy()
            try FileManager.default.removeItem(atPath: "\(directory.path)/disk-\(lost)")
            XCTAssertEqual(try read(directory), expected, "without disk-\(lost)")
        }
    }

    func testTheSameSeedStillWritesTheSameBytes() throws {
        let directory = try TemporaryDirectory()
        try make(in: directory)
        var compared = 0
        for disk in GoldenStore.disks {
            let shards = try DirectoryDevice(path: "\(GoldenStore.path)/\(disk)").shards(from: .none)
            let last = try XCTUnwrap(shards.last?.number)
            for shard in shards where shard.number < last {
                let path = "\(disk)/blocks/\(shard.directoryName)/\(shard.fileName)"
                XCTAssertEqual(
                    FileManager.default.contents(atPath: "\(directory.path)/\(path)"),
                    FileManager.default.contents(atPath: "\(GoldenStore.path)/\(path)"), path)
                compared += 1
            }
        }
        XCTAssertEqual(compared, 9)
    }
}
