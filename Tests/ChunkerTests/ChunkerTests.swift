import XCTest

@testable import Chunker

/// Bytes that a seed brings back.
func randomBytes(_ count: Int, seed: UInt64) -> [UInt8] {
    var state = seed
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 33)
    }
}

final class CutterTests: XCTestCase {
    private func parameters() throws -> ChunkerParameters { try ChunkerParameters(averageBytes: 4096, seed: 99) }

    /// The clear way: one byte at a time.
    private func slowly(_ bytes: ArraySlice<UInt8>, _ cutter: Cutter) -> Int {
        let parameters = cutter.parameters
        var hash: UInt64 = 0
        for (index, byte) in bytes.prefix(parameters.maximumBytes).enumerated() where index >= parameters.minimumBytes {
            hash = (hash << 1) &+ cutter.gear[Int(byte)]
            let mask = index < parameters.averageBytes ? cutter.strictMask : cutter.looseMask
            if hash & mask == 0 { return index + 1 }
        }
        return min(bytes.count, parameters.maximumBytes)
    }

    private func cuts(_ bytes: [UInt8], _ cutter: Cutter) -> [Int] {
        var start = 0
        var result: [Int] = []
        bytes.withUnsafeBytes { raw in
            while start < raw.count {
                guard
                    let count = cutter.firstChunkBytes(in: UnsafeRawBufferPointer(rebasing: raw[start...]), isEnd: true)
                else { return XCTFail("the end always has a cut") }
                start += count
                result.append(start)
            }
        }
        return result
    }

    func testCutsAreThoseOfTheClearWay() throws {
        let cutter = Cutter(try parameters())
        let inputs = [
            randomBytes(200_000, seed: 1), [UInt8](repeating: 0, count: 50_000),
            Array("abc".utf8).flatMap { [UInt8](repeating: $0, count: 7_001) }, randomBytes(1, seed: 2), [],
        ]
        for bytes in inputs {
            var start = 0
            var expected: [Int] = []
            while start < bytes.count {
                start += slowly(bytes[start...], cutter)
                expected.append(start)
            }
            XCTAssertEqual(cuts(bytes, cutter), expected)
        }
    }

    func testChunksKeepTheirBounds() throws {
        let cutter = Cutter(try parameters())
        let ends = cuts(randomBytes(500_000, seed: 3), cutter)
        let lengths = zip([0] + ends, ends).map { $1 - $0 }
        for length in lengths.dropLast() {
            XCTAssertGreaterThan(length, cutter.parameters.minimumBytes)
            XCTAssertLessThanOrEqual(length, cutter.parameters.maximumBytes)
        }
        let mean = 500_000 / lengths.count
        XCTAssertTrue((2_500...7_500).contains(mean), "mean \(mean)")
    }

    func testAStreamInPiecesIsCutAsAWhole() throws {
        let cutter = Cutter(try parameters())
        let bytes = randomBytes(100_000, seed: 4)
        var ends: [Int] = []
        var start = 0
        var available = 0
        var state: UInt64 = 5
        while start < bytes.count {
            state = state &* 6_364_136_223_846_793_005 &+ 1
            available = min(bytes.count, available + Int(state >> 50))
            while true {
                let count = bytes[start..<available].withUnsafeBytes {
                    cutter.firstChunkBytes(in: $0, isEnd: available == bytes.count)
                }
                guard let count else { break }
                start += count
                ends.append(start)
            }
        }
        XCTAssertEqual(ends, cuts(bytes, cutter))
    }

    func testAnInsertionChangesOnlyTheChunksAroundIt() throws {
        let cutter = Cutter(try parameters())
        let before = randomBytes(400_000, seed: 6)
        var after = before
        after.insert(contentsOf: [1, 2, 3], at: 200_000)
        let old = Set(cuts(before, cutter))
        let shifted = Set(cuts(after, cutter).map { $0 > 200_003 ? $0 - 3 : $0 })
        XCTAssertLessThanOrEqual(old.symmetricDifference(shifted).count, 8)
    }

    func testSizesThatMakeNoSenseAreRefused() {
        for average in [0, 1, 4095, 5000, 8 << 20, -4096] {
            XCTAssertThrowsError(try ChunkerParameters(averageBytes: average, seed: 0))
        }
        XCTAssertThrowsError(
            try ChunkerParameters(algorithm: 9, minimumBytes: 64, averageBytes: 4096, maximumBytes: 4096, seed: 0))
        XCTAssertThrowsError(
            try ChunkerParameters(algorithm: 1, minimumBytes: 4096, averageBytes: 4096, maximumBytes: 64, seed: 0))
    }
}

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
