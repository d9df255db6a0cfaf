import Chunker
import Foundation
import XCTest

@testable import BlockStore
@testable import Simulation

/// The database of files that were read.
final class KnownFilesTests: XCTestCase {
    private func stamp(_ inode: UInt64, bytes: UInt64 = 300) -> FileStamp {
        FileStamp(
            device: .max, inode: inode, byteCount: bytes, modifiedNanoseconds: -5, changedNanoseconds: 1_700_000_000)
    }

    private func manifest(_ inode: UInt64, bytes: UInt64 = 300) -> Manifest {
        let digest = SeededRandom.bytes(32, seed: inode).withUnsafeBytes { Digest($0) }
        return Manifest(depth: 0, entries: [ManifestEntry(digest: digest, byteCount: bytes)])
    }

    func testAFileIsKnownOnlyAsItWasInEveryRespect() throws {
        let files = try KnownFiles(path: nil)
        let one = stamp(.max)
        try files.remember([(one, manifest(1)), (stamp(2), manifest(2))], day: 1)
        XCTAssertEqual(try files.manifests(of: [stamp(2), one, stamp(3)], day: 1), [manifest(2), manifest(1), nil])
        func other(
            device: UInt64? = nil, inode: UInt64? = nil, bytes: UInt64? = nil, modified: Int64? = nil,
            changed: Int64? = nil
        ) -> FileStamp {
            FileStamp(
                device: device ?? one.device, inode: inode ?? one.inode, byteCount: bytes ?? one.byteCount,
                modifiedNanoseconds: modified ?? one.modifiedNanoseconds,
                changedNanoseconds: changed ?? one.changedNanoseconds)
        }
        let others = [
            other(device: 1), other(inode: 7), other(bytes: 301), other(modified: -4), other(changed: 1_700_000_001),
        ]
        XCTAssertEqual(try files.manifests(of: others, day: 1), [nil, nil, nil, nil, nil])
        try files.remember([(other(bytes: 400), manifest(4, bytes: 400))], day: 1)
        XCTAssertEqual(
            try files.manifests(of: [one, other(bytes: 400)], day: 1), [nil, manifest(4, bytes: 400)],
            "of each file what it held last")
    }

    func testFilesThatNoPutMetForLongAreForgotten() throws {
        let path = NSTemporaryDirectory() + "known-\(UUID().uuidString).db"
        defer { try? FileManager.default.removeItem(atPath: path) }
        // The first to write something prunes.
        for (day, expected) in [(Int64(1000), true), (1080, true), (1092, false)] {
            let files = try KnownFiles(path: path)
            if day == 1000 { try files.remember([(stamp(1), manifest(1)), (stamp(2), manifest(2))], day: day) }
            if day == 1080 { _ = try files.manifests(of: [stamp(1)], day: day) }
            try files.remember([(stamp(3), manifest(3))], day: day)
            XCTAssertEqual(try files.manifests(of: [stamp(1)], day: day), [manifest(1)], "day \(day)")
            XCTAssertEqual(try files.manifests(of: [stamp(2)], day: day)[0] != nil, expected, "day \(day)")
        }
    }

    func testItGrowsToItsSizeAndNoFurther() throws {
        let files = try KnownFiles(path: nil, maximumBytes: 64 << 10)
        try files.remember([(stamp(1), manifest(1))], day: 1)
        let many = (2..<2000).map { (stamp($0), manifest($0)) }
        XCTAssertThrowsError(try files.remember(many, day: 1)) { error in
            XCTAssertEqual((error as? StoreError)?.code, .noSpace)
        }
        XCTAssertEqual(try files.manifests(of: [stamp(1), stamp(2)], day: 1), [manifest(1), nil])
    }

    func testADamagedRowIsNoticed() throws {
        let path = NSTemporaryDirectory() + "known-\(UUID().uuidString).db"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let stamps = (0..<200).map { stamp(UInt64($0)) }
        do {
            try KnownFiles(path: path).remember(stamps.map { ($0, manifest($0.inode)) }, day: 1)
        }
        let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let random = SeededRandom(5)
        var noticed = 0
        for _ in 0..<300 {
            var bytes = whole
            bytes[Int(random.next() % UInt64(bytes.count))] ^= UInt8(1 << (random.next() % 8))
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            do {
                for (stamp, found) in zip(stamps, try KnownFiles(path: path).manifests(of: stamps, day: 1)) {
                    if let found { XCTAssertEqual(found, manifest(stamp.inode)) }
                }
            } catch {
                noticed += 1
                XCTAssertEqual(error.code, .indexDamaged, "\(error)")
            }
        }
        XCTAssertGreaterThan(noticed, 100)
    }
}
