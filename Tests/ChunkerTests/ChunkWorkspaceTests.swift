import XCTest

@testable import Chunker

final class ChunkWorkspaceTests: XCTestCase {
    private let workspace = ChunkWorkspace()

    func testDigestsAreSHA256() {
        func digest(_ text: String) -> String {
            Array(text.utf8).withUnsafeBytes { workspace.digest(of: $0) }.description
        }
        XCTAssertEqual(digest(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        XCTAssertEqual(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    func testWhatIsCompressedComesBack() throws {
        let plain = Array(repeating: Array("to be or not to be, ".utf8), count: 400).flatMap(\.self)
        var stored = [UInt8](repeating: 0, count: plain.count)
        let count = try XCTUnwrap(
            plain.withUnsafeBytes { plain in stored.withUnsafeMutableBytes { workspace.compress(plain, into: $0) } })
        XCTAssertLessThan(count, plain.count / 8)
        var back = [UInt8](repeating: 0, count: plain.count)
        try stored[..<count].withUnsafeBytes { stored in
            try back.withUnsafeMutableBytes { try decompress(stored, codec: .lz4, into: $0) }
        }
        XCTAssertEqual(back, plain)
    }

    func testWhatDoesNotShrinkIsStoredAsItIs() {
        for plain in [randomBytes(65_536, seed: 1), [UInt8](repeating: 7, count: 511)] {
            var stored = [UInt8](repeating: 0, count: plain.count)
            XCTAssertNil(
                plain.withUnsafeBytes { plain in stored.withUnsafeMutableBytes { workspace.compress(plain, into: $0) } }
            )
        }
    }

    func testHostileBlocksAreErrorsAndNothingElse() {
        for seed in UInt64(0)..<2_000 {
            let stored = randomBytes(Int(seed % 300), seed: seed)
            var plain = [UInt8](repeating: 0, count: Int(seed * 7 % 5_000))
            let outcome = Result {
                try stored.withUnsafeBytes { stored in
                    try plain.withUnsafeMutableBytes { try decompress(stored, codec: .lz4, into: $0) }
                }
            }
            if case .failure(let error) = outcome { XCTAssertTrue(error is CodecError) }
        }
    }

    func testAWrongLengthIsAnError() {
        var plain = [UInt8](repeating: 0, count: 4)
        XCTAssertThrowsError(
            try [UInt8](repeating: 0, count: 5).withUnsafeBytes { stored in
                try plain.withUnsafeMutableBytes { try decompress(stored, codec: .stored, into: $0) }
            })
    }
}
