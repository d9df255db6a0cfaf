import CLinux
import Foundation
import Glibc
import XCTest

@testable import BlockStore
@testable import Simulation

/// What goes past the page cache is what would have gone through it.
final class DirectIOTests: XCTestCase {
    private func withFile(_ body: (FileDescriptor, [UInt8]) throws -> Void) throws {
        let directory = try TemporaryDirectory()
        let path = Array("\(directory.path)/file".utf8)
        try body(try Files.open(path, O_RDWR | O_CREAT | O_EXCL), path)
    }

    /// Bytes that begin so many bytes after a place where the pages agree with those of a shard's payload.
    private func buffer(_ bytes: [UInt8], shiftedBy shift: Int) -> (Buffer, UnsafeMutableRawBufferPointer) {
        let buffer = Buffer(byteCount: bytes.count + shift)
        let part = buffer.slice(shift..<(shift + bytes.count))
        part.copyBytes(from: bytes)
        return (buffer, part)
    }

    func testWhatIsWrittenIsAllThereIs() throws {
        let head = SeededRandom.bytes(ShardLayout.payloadOffset, seed: 1)
        for count in [0, 100, 65_536, 65_600, 1 << 20, 1_234_560] {
            for (tailCount, shift) in [(0, 0), (24, 0), (70_001, 0), (24, 64)] {
                let payload = SeededRandom.bytes(count, seed: 2)
                let tail = SeededRandom.bytes(tailCount, seed: 3)
                let (owner, part) = buffer(payload, shiftedBy: shift)
                try withFile { file, path in
                    let isDirect = try withExtendedLifetime(owner) {
                        try head.withUnsafeBytes { head in
                            try tail.withUnsafeBytes { tail in
                                let pieces = [head, UnsafeRawBufferPointer(part), tail]
                                let isDirect = try DirectIO.write(pieces, to: file)
                                if !isDirect { try Files.write(pieces, to: file.number) }
                                return isDirect
                            }
                        }
                    }
                    if shift > 0 || count < 65_536 { XCTAssertFalse(isDirect) }
                    let found = try XCTUnwrap(
                        FileManager.default.contents(atPath: String(decoding: path, as: UTF8.self)))
                    XCTAssertEqual([UInt8](found), head + payload + tail, "\(count) bytes, \(tailCount) behind")
                }
            }
        }
    }

    func testWhatIsReadIsWhatIsThere() throws {
        try withFile { file, path in
            let bytes = SeededRandom.bytes(700_001, seed: 4)
            try bytes.withUnsafeBytes { try Files.write([$0], to: file.number) }
            try Files.sync(file)
            guard let direct = try? Files.open(path, O_RDONLY | Int32(BS_O_DIRECT)) else {
                throw XCTSkip("this file system has no way past the page cache")
            }
            for offset in [0, 1, 256, 4096, 4352, 131_328, 699_000] {
                for count in [1, 255, 3_840, 65_536, 100_000, 500_000, 700_000] {
                    for shift in [0, 1, 3_840] {
                        let (owner, part) = buffer([UInt8](repeating: 0, count: count), shiftedBy: shift)
                        let found = try withExtendedLifetime(owner) {
                            try DirectIO.read(direct, at: offset, into: part)
                        }
                        XCTAssertEqual(found, min(count, bytes.count - offset))
                        XCTAssertEqual(
                            Array(part[..<found]), Array(bytes[offset..<(offset + found)]),
                            "\(count) bytes at \(offset), shifted by \(shift)")
                    }
                }
            }
        }
    }
}
