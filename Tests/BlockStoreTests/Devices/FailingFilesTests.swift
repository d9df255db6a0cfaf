import Erasure
import Foundation
import Glibc
import XCTest

@testable import BlockStore
@testable import Simulation

/// T6, inside one process: what fails on real files leaves no descriptor open and no temporary behind.
final class FailingFilesTests: XCTestCase {
    private let shard = ShardName(number: BlockNumber(5), idPrefix: 0xabcd, row: .data(column: 0))

    private func openDescriptors() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    }

    /// Runs `body`, which must fail, a hundred times with a device that is closed afterwards.
    private func failing(
        _ what: String, prepare: (String) throws -> Void = { _ in }, _ body: (DirectoryDevice, String) throws -> Void,
        line: UInt = #line
    ) throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/d"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try DirectoryDevice(path: path).writeDocument(.device, [1])
        try prepare(path)
        let before = try openDescriptors()
        for _ in 0..<100 {
            XCTAssertThrowsError(try body(try DirectoryDevice(path: path), path), what, line: line)
        }
        XCTAssertEqual(try openDescriptors(), before, "\(what): descriptors", line: line)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path + "/tmp")) ?? []
        XCTAssertEqual(names, [], "\(what): temporaries", line: line)
    }

    private func stage(_ device: DirectoryDevice, _ bytes: [UInt8]) throws -> StagedShard {
        try bytes.withBytes { raw throws(StoreError) in try device.stage([raw], as: shard) }
    }

    private func makeFile(_ path: String) throws {
        try? FileManager.default.removeItem(atPath: path)
        try Data([1]).write(to: URL(fileURLWithPath: path))
    }

    func testFailedWritesLeaveNoDescriptorAndNoTemporary() throws {
        let small = [UInt8](repeating: 7, count: 9_000)
        // Space is reserved for it.
        let large = [UInt8](repeating: 7, count: 2 << 20)
        try failing(
            "no identity", prepare: { try FileManager.default.removeItem(atPath: $0 + "/device.json") },
            { device, _ in _ = try self.stage(device, [1]) })
        try failing(
            "a file in the place of the temporaries", prepare: { try self.makeFile($0 + "/tmp") },
            { device, _ in _ = try self.stage(device, [1]) })
        try failing("a full disk") { device, _ in
            try self.limitingFiles(to: 4096) { _ = try self.stage(device, small) }
        }
        try failing("no space to reserve") { device, _ in
            try self.limitingFiles(to: 4096) { _ = try self.stage(device, large) }
        }
        try failing("a document on a full disk") { device, _ in
            try self.limitingFiles(to: 4096) {
                try device.writeDocument(.epoch, small)
            }
        }
        try failing(
            "a directory in the place of a document",
            prepare: {
                try FileManager.default.createDirectory(
                    atPath: $0 + "/epoch.json/x", withIntermediateDirectories: true)
            },
            { device, _ in try device.writeDocument(.epoch, [1]) })
        try failing(
            "a file in the place of the shards", prepare: { try self.makeFile($0 + "/blocks") },
            { device, _ in
                let staged = try self.stage(device, [1])
                defer { device.discard([staged]) }
                try device.sync([staged])
                try device.name([staged], replacing: false)
            })
        try failing("a temporary that is gone") { device, path in
            let staged = try self.stage(device, [1])
            try device.sync([staged])
            for name in try FileManager.default.contentsOfDirectory(atPath: path + "/tmp") {
                try FileManager.default.removeItem(atPath: path + "/tmp/" + name)
            }
            try device.name([staged], replacing: false)
        }
    }

    func testFailedReadsLeaveNoDescriptor() throws {
        let write = { (path: String) in
            let device = try DirectoryDevice(path: path)
            let staged = try self.stage(device, [1, 2, 3])
            try device.sync([staged])
            try device.name([staged], replacing: false)
        }
        for source in [ReadSource.cache, .passing, .medium] {
            let read = { (device: DirectoryDevice, _: String) in
                var bytes = [UInt8](repeating: 0, count: 10)
                try bytes.withMutableBytes { raw throws(StoreError) in
                    try device.read(self.shard, at: 0, into: raw, from: source)
                }
            }
            try failing("a shard that is not there", read)
            try failing("a shard that is too short", prepare: write, read)
        }
        try failing(
            "a directory in the place of a document",
            prepare: {
                try FileManager.default.createDirectory(atPath: $0 + "/epoch.json", withIntermediateDirectories: true)
            },
            { device, _ in
                guard let bytes = try device.readDocument(.epoch), !bytes.isEmpty else {
                    throw StoreError(.corrupt, "read a document", detail: "it is a directory")
                }
            })
        try failing("a device that is a file") { _, path in _ = try DirectoryDevice(path: path + "/device.json") }
    }

    func testFailedOutputsLeaveNoDescriptorAndNoFile() throws {
        let directory = try TemporaryDirectory()
        let before = try openDescriptors()
        let target = Array((directory.path + "/out").utf8)
        for _ in 0..<100 {
            XCTAssertThrowsError(
                try limitingFiles(to: 4096) {
                    let sink = try FileSink(path: target)
                    try SeededRandom.bytes(9_000, seed: 1).withBytes { raw throws(StoreError) in try sink.write(raw) }
                    try sink.finish(ObjectAttributes())
                })
        }
        XCTAssertEqual(try openDescriptors(), before)
        XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: directory.path), [])
    }

    func testAStoreThatDoesNotOpenLeavesNoDescriptor() throws {
        let directory = try TemporaryDirectory()
        let environment = try directory.environment(seed: 1)
        for disk in 1...4 {
            try FileManager.default.createDirectory(
                atPath: directory.path + "/disk-\(disk)", withIntermediateDirectories: true)
        }
        let devices = (1...4).map { NewDevice(path: "disk-\($0)") }
        _ = try Store.create(environment, devices: devices, profile: Profile("rs:2+2"))
        // Every index that is opened is no database, and cannot be made anew.
        try? FileManager.default.removeItem(atPath: directory.path + "/home/index.db")
        try FileManager.default.createDirectory(
            atPath: directory.path + "/home/index.db/x", withIntermediateDirectories: true)
        XCTAssertThrowsError(try Store.open(environment, access: .write))
        let before = try openDescriptors()
        for _ in 0..<20 { XCTAssertThrowsError(try Store.open(environment, access: .write)) }
        XCTAssertEqual(try openDescriptors(), before)
    }

    /// Runs `body` while no file may grow beyond `byteCount`: a full disk that needs no disk.
    private func limitingFiles(to byteCount: Int, _ body: () throws -> Void) throws {
        var limit = rlimit()
        XCTAssertEqual(getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit), 0)
        let former = signal(SIGXFSZ, SIG_IGN)
        var small = limit
        small.rlim_cur = rlim_t(byteCount)
        XCTAssertEqual(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &small), 0)
        defer {
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            signal(SIGXFSZ, former)
        }
        try body()
    }
}
