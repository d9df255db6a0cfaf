import Erasure
import Foundation
import XCTest

@testable import BlockStore
@testable import Simulation

/// Reading long objects while shards are missing: what is made from others is right, in any order, whatever these hold.
final class DegradedReadTests: XCTestCase {
    private static let content = SeededRandom.bytes(9_000_000, seed: 1)

    private func environment(_ directory: TemporaryDirectory) throws -> StoreEnvironment {
        StoreEnvironment(
            home: try DirectoryHome(path: "\(directory.path)/home", creating: true),
            devices: RebasedProvider(base: directory.path), clock: SystemClock(), random: SystemRandom(),
            executor: ThreadedExecutor(computeThreads: 3))
    }

    private func shards(_ directory: TemporaryDirectory, _ disk: String) throws -> [String] {
        let root = "\(directory.path)/\(disk)/blocks"
        return try FileManager.default.subpathsOfDirectory(atPath: root).filter { $0.contains(".") }
            .map { "\(root)/\($0)" }
    }

    func testLongObjectsAreReadRightFromWhatIsLeft() throws {
        for profile in ["rs:2+2", "lrc:4+2+1"] {
            let directory = try TemporaryDirectory()
            let devices = try Profile(profile).shardCount
            _ = try Store.create(
                try environment(directory), devices: (1...devices).map { NewDevice(path: "disk-\($0)") },
                profile: try Profile(profile), isSandbox: true)
            let store = try Store.open(try environment(directory), access: .write)
            let session = try store.startWriting()
            try session.put(Key("a"), from: MemorySource(Self.content))
            _ = try session.finish()
            store.close()
            // What is long holds the object; where its rows went is chance. One with data is gone, of another every
            // eleventh cell is rotten.
            let long = try (1...devices).flatMap { try shards(directory, "disk-\($0)") }.filter {
                try FileManager.default.attributesOfItem(atPath: $0)[.size] as? Int ?? 0 > 1 << 20
            }
            for path in long where path.hasSuffix(".d00") { try FileManager.default.removeItem(atPath: path) }
            for path in long where path.hasSuffix(".d01") {
                var bytes = [UInt8](try XCTUnwrap(FileManager.default.contents(atPath: path)))
                for position in stride(from: ShardLayout.payloadOffset + 300_000, to: bytes.count - 5_000, by: 11 << 16)
                {
                    bytes[position] ^= 1
                }
                try Data(bytes).write(to: URL(fileURLWithPath: path))
            }
            let reader = try Store.open(try environment(directory), access: .read)
            let object = try reader.newestVersion(of: Key("a"))
            let whole = MemorySink()
            let report = try reader.read(object, into: whole)
            XCTAssertEqual(whole.bytes, Self.content, profile)
            XCTAssertGreaterThan(report.rebuiltBytes, 0)
            let random = SeededRandom(2)
            for _ in 0..<40 {
                let first = random.next() % UInt64(Self.content.count)
                let last = min(UInt64(Self.content.count) - 1, first + random.next() % 300_000)
                let part = MemorySink()
                _ = try reader.read(object, range: first...last, into: part)
                XCTAssertEqual(part.bytes, Array(Self.content[Int(first)...Int(last)]), "\(profile), \(first)–\(last)")
            }
            reader.close()
        }
    }

    /// The bytes of a row that is away are made from others without a look at their checksums: only the digest tells.
    /// And where each has damage of its own, everything is read as long as every single cell is left often enough.
    func testBytesMadeFromADamagedShardAreNotDelivered() throws {
        let directory = try TemporaryDirectory()
        _ = try Store.create(
            try environment(directory), devices: (1...4).map { NewDevice(path: "disk-\($0)") },
            profile: try Profile("rs:2+2"), isSandbox: true)
        let store = try Store.open(try environment(directory), access: .write)
        let session = try store.startWriting()
        try session.put(Key("a"), from: MemorySource(Self.content))
        _ = try session.finish()
        store.close()
        let disks = (1...4).map { "disk-\($0)" }
        let away = try XCTUnwrap(
            disks.first { disk in
                try shards(directory, disk).contains { path in
                    let bytes = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
                    return path.hasSuffix(".d00") && bytes > 1 << 20
                }
            })
        try FileManager.default.moveItem(atPath: "\(directory.path)/\(away)", toPath: "\(directory.path)/gone")
        // Of the shards that are left, each alone makes the first row with another: every one has a bad byte in a cell of its own.
        for (number, disk) in disks.filter({ $0 != away }).enumerated() {
            for path in try shards(directory, disk) {
                var bytes = [UInt8](try XCTUnwrap(FileManager.default.contents(atPath: path)))
                let position = ShardLayout.payloadOffset + number * Limits.cellBytes + 1000
                guard position < bytes.count - 5_000 else { continue }
                bytes[position] ^= 0x40
                try Data(bytes).write(to: URL(fileURLWithPath: path))
            }
        }
        let reader = try Store.open(try environment(directory), access: .read)
        let whole = MemorySink()
        let report = try reader.read(try reader.newestVersion(of: Key("a")), into: whole)
        XCTAssertEqual(whole.bytes, Self.content)
        XCTAssertGreaterThan(report.rebuiltBytes, 0)
        XCTAssertFalse(report.damaged.isEmpty)
        reader.close()
    }
}
