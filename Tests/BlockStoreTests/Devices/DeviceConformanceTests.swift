import Erasure
import Foundation
import XCTest

@testable import BlockStore
@testable import Simulation

/// The contract of `Device`, line by line, for every conformer.
final class DeviceConformanceTests: XCTestCase {
    /// Runs `body` on an empty device of each kind, with a way to open the same place again.
    private func each(_ body: (_ name: String, _ open: () throws -> any Device) throws -> Void) throws {
        let directory = try TemporaryDirectory()
        try FileManager.default.createDirectory(atPath: directory.path + "/d", withIntermediateDirectories: true)
        try body("directory") { try DirectoryDevice(path: directory.path + "/d") }
        let world = SimulatedWorld(seed: 1, disks: ["d"])
        try body("simulated") { try SimulatedProvider(world).open("d") }
        if let server = TestNode.real {
            var homes = 0
            try body("real node") {
                homes += 1
                return try TestNode.provider(home: "home-\(homes)").open(server.address("d"))
            }
        }
        guard TestNode.python != nil else { return print("no python3: devices on nodes are passed over") }
        for conditions in ["yes", "refused", "ignored"] {
            let server = try TestNode("server.py", ["--bucket", "tests", "--conditions", conditions])
            // Each is opened by another home: within one, the home's own lock is between writers.
            var homes = 0
            try body("node, conditions \(conditions)") {
                homes += 1
                return try TestNode.provider(home: "home-\(homes)").open(server.address("store/d"))
            }
        }
    }

    private func shard(_ number: UInt64, _ row: Row = .data(column: 0)) -> ShardName {
        ShardName(number: BlockNumber(number), idPrefix: 0xabcd, row: row)
    }

    private func stage(_ device: any Device, _ bytes: [UInt8], _ name: ShardName) throws -> StagedShard {
        try bytes.withBytes { raw throws(StoreError) in
            let middle = raw.count / 2
            return try device.stage(
                [UnsafeRawBufferPointer(rebasing: raw[..<middle]), UnsafeRawBufferPointer(rebasing: raw[middle...])],
                as: name)
        }
    }

    private func write(_ device: any Device, _ bytes: [UInt8], _ name: ShardName, replacing: Bool = false) throws {
        let staged = try stage(device, bytes, name)
        try device.sync([staged])
        try device.name([staged], replacing: replacing)
    }

    private func read(_ device: any Device, _ name: ShardName, _ range: Range<Int>, _ source: ReadSource) throws
        -> [UInt8]
    {
        var bytes = [UInt8](repeating: 0, count: range.count)
        try bytes.withMutableBytes { raw throws(StoreError) in
            try device.read(name, at: range.lowerBound, into: raw, from: source)
        }
        return bytes
    }

    func testWhatIsNamedReadsTheSameFromEverywhere() throws {
        try each { name, open in
            let device = try open()
            try device.writeDocument(.device, [1])
            let bytes = SeededRandom.bytes(100_001, seed: 1)
            try write(device, bytes, shard(5))
            for source in [ReadSource.cache, .passing, .medium] {
                for range in [0..<bytes.count, 0..<1, 4095..<4097, 100_000..<100_001, 7..<70_000] {
                    XCTAssertEqual(try read(device, shard(5), range, source), Array(bytes[range]), name)
                }
                XCTAssertEqual(code { _ = try read(device, shard(5), 99_999..<100_002, source) }, .corrupt, name)
                XCTAssertEqual(code { _ = try read(device, shard(6), 0..<1, source) }, .notFound, name)
            }
            XCTAssertEqual(try device.byteCount(of: shard(5)), bytes.count)
            XCTAssertNil(try device.byteCount(of: shard(6)))
            XCTAssertEqual(
                try read(try open(), shard(5), 0..<10, .cache), Array(bytes[0..<10]), "\(name), opened again")
        }
    }

    func testAStagedShardIsNotVisibleAndCanBeForgotten() throws {
        try each { name, open in
            let device = try open()
            try device.writeDocument(.device, [1])
            let staged = try stage(device, [1, 2, 3], shard(1))
            XCTAssertNil(try device.byteCount(of: shard(1)), name)
            XCTAssertEqual(try device.shards(from: .none), [], name)
            device.discard([staged])
            _ = try stage(device, [4], shard(1))
            try device.clearStaging()
            XCTAssertEqual(try device.shards(from: .none), [], name)
            try write(device, [5], shard(1))
            XCTAssertEqual(try read(device, shard(1), 0..<1, .cache), [5], name)
        }
    }

    func testANameIsNeverReplacedUnlessRepairAsks() throws {
        try each { name, open in
            let device = try open()
            try device.writeDocument(.device, [1])
            try write(device, [1], shard(1))
            XCTAssertEqual(try read(device, shard(1), 0..<1, .cache), [1])
            XCTAssertEqual(code { try write(device, [2], shard(1)) }, .exists, name)
            XCTAssertEqual(try read(device, shard(1), 0..<1, .cache), [1], name)
            try write(device, [3], shard(1), replacing: true)
            XCTAssertEqual(try read(device, shard(1), 0..<1, .cache), [3], name)
        }
    }

    func testListingIsInOrderFromANumberOnAndRemovingTwiceIsFine() throws {
        try each { name, open in
            let device = try open()
            try device.writeDocument(.device, [1])
            let shards = [1, 2, 4095, 4096, 9000, 12_288].flatMap { number in
                [shard(number, .data(column: 1)), shard(number, .parity(index: 0, columns: 0..<2))]
            }
            for shard in shards.reversed() { try write(device, [0], shard) }
            for first: UInt64 in [0, 1, 2, 3, 4096, 4097, 12_288, 12_289] {
                XCTAssertEqual(
                    try device.shards(from: BlockNumber(first)), shards.filter { $0.number.value >= first },
                    "\(name) from \(first)")
            }
            try device.remove(shards[3])
            try device.remove(shards[3])
            XCTAssertEqual(try device.shards(from: .none), shards.filter { $0 != shards[3] }, name)
            XCTAssertEqual(code { _ = try read(device, shards[3], 0..<1, .cache) }, .notFound, name)
        }
    }

    func testDocumentsAreReplacedWhole() throws {
        try each { name, open in
            let device = try open()
            XCTAssertNil(try device.readDocument(.device), name)
            try device.writeDocument(.device, [1, 2, 3])
            try device.writeDocument(.device, [4])
            try device.writeDocument(.epoch, [])
            XCTAssertEqual(try open().readDocument(.device), [4], name)
            XCTAssertEqual(try open().readDocument(.epoch), [], name)
        }
    }

    func testStrangersAmongTheShardsArePassedOver() throws {
        let directory = try TemporaryDirectory()
        let device = try DirectoryDevice(path: directory.path)
        try device.writeDocument(.device, [1])
        try write(device, [1], shard(5))
        for name in ["blocks/strangerfile0", "blocks/0000000000001", "blocks/x", "blocks/0000000000000/notes.txt"] {
            try Data([1]).write(to: URL(fileURLWithPath: "\(directory.path)/\(name)"))
        }
        try FileManager.default.createSymbolicLink(
            atPath: directory.path + "/blocks/0000000000002", withDestinationPath: "/")
        let again = try DirectoryDevice(path: directory.path)
        XCTAssertEqual(try again.shards(from: .none), [shard(5)])
        XCTAssertNil(try again.byteCount(of: shard(4097)))
    }

    func testOneWriterAtATime() throws {
        try each { name, open in
            let (first, second) = (try open(), try open())
            XCTAssertTrue(try first.tryLock(), name)
            XCTAssertFalse(try second.tryLock(), name)
            first.unlock()
            XCTAssertTrue(try second.tryLock(), name)
            second.unlock()
        }
    }

    func testNothingIsWrittenWhereTheIdentityIsGone() throws {
        try each { name, open in
            let device = try open()
            XCTAssertNotNil(code { _ = try stage(device, [1], shard(1)) }, name)
        }
    }
}

/// What a directory must be to become a device.
final class DirectoryProviderTests: XCTestCase {
    private func prepare(_ path: String, creating: Bool = false, table: String = "/dev/null") throws {
        _ = try DirectoryProvider(mountTable: table).prepare(path, creating: creating) { document, hasShards in
            document == [42] && !hasShards
        }
    }

    func testOnlyAnEmptyDirectoryBecomesADevice() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/d"
        XCTAssertEqual(code { try prepare(path) }, .notFound)
        XCTAssertNil(code { try prepare(path, creating: true) })
        XCTAssertNil(code { try prepare(path) }, "an empty one will do")
        try FileManager.default.createDirectory(atPath: path + "/lost+found", withIntermediateDirectories: false)
        XCTAssertNil(code { try prepare(path) }, "a fresh file system counts as empty")
        try Data([1]).write(to: URL(fileURLWithPath: path + "/file"))
        XCTAssertEqual(code { try prepare(path) }, .exists)
        XCTAssertEqual(code { try prepare(path + "/file") }, .notFound)
        try FileManager.default.removeItem(atPath: path + "/file")
        try Data([42]).write(to: URL(fileURLWithPath: path + "/device.json"))
        XCTAssertNil(code { try prepare(path) }, "left over from an interrupted init")
        try Data([7]).write(to: URL(fileURLWithPath: path + "/device.json"))
        XCTAssertEqual(code { try prepare(path) }, .exists)
        XCTAssertEqual(code { try prepare("") }, .invalid)
        XCTAssertNotNil(code { try prepare("a\0b") })
    }

    func testAMountPointWithNothingMountedIsRefused() throws {
        let directory = try TemporaryDirectory()
        let table = directory.path + "/fstab"
        try FileManager.default.createDirectory(atPath: directory.path + "/mnt", withIntermediateDirectories: false)
        try Data("/dev/sdz1 \(directory.path)/mnt ext4 defaults 0 2\n".utf8).write(to: URL(fileURLWithPath: table))
        XCTAssertEqual(code { try prepare(directory.path + "/mnt", table: table) }, .invalid)
        XCTAssertEqual(
            code { try prepare(directory.path + "/mnt/store", creating: true, table: table) }, .invalid,
            "nor a place below it")
        XCTAssertNil(code { try prepare(directory.path + "/mnt") })
    }

    func testTheLockSaysWhoHoldsIt() throws {
        let directory = try TemporaryDirectory()
        let first = try DirectoryHome(path: directory.path, command: "bsctl put")
        let second = try DirectoryHome(path: directory.path, command: "bsctl rm")
        XCTAssertTrue(try first.tryLock())
        XCTAssertFalse(try second.tryLock())
        XCTAssertEqual(second.lockHolder(), "bsctl put (process \(ProcessInfo.processInfo.processIdentifier))")
        first.unlock()
        XCTAssertTrue(try second.tryLock())
        second.unlock()
    }
}
