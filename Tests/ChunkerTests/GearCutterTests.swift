import XCTest

@testable import Chunker

final class GearCutterTests: XCTestCase {
    private func parameters() throws -> ChunkerParameters {
        try ChunkerParameters(
            algorithm: ChunkerParameters.gear, minimumBytes: 1024, averageBytes: 4096, maximumBytes: 16384, seed: 99)
    }

    /// The clear way: one byte at a time.
    private func slowly(_ bytes: ArraySlice<UInt8>, _ parameters: ChunkerParameters) -> Int {
        let cutter = GearCutter(parameters)
        var hash: UInt64 = 0
        for (index, byte) in bytes.prefix(parameters.maximumBytes).enumerated() where index >= parameters.minimumBytes {
            hash = (hash << 1) &+ cutter.gear[Int(byte)]
            let mask = index < parameters.averageBytes ? cutter.strictMask : cutter.looseMask
            if hash & mask == 0 { return index + 1 }
        }
        return min(bytes.count, parameters.maximumBytes)
    }

    func testCutsAreThoseOfTheClearWay() throws {
        let parameters = try parameters()
        let inputs = [
            randomBytes(200_000, seed: 1), [UInt8](repeating: 0, count: 50_000),
            Array("abc".utf8).flatMap { [UInt8](repeating: $0, count: 7_001) }, randomBytes(1, seed: 2), [],
        ]
        for bytes in inputs {
            var start = 0
            var expected: [Int] = []
            while start < bytes.count {
                start += slowly(bytes[start...], parameters)
                expected.append(start)
            }
            XCTAssertEqual(Cutter(parameters).cuts(bytes), expected)
        }
    }

    func testAStreamInPiecesIsCutAsAWhole() throws {
        let cutter = Cutter(try parameters())
        let bytes = randomBytes(100_000, seed: 4)
        var random = SplitMix64(state: 5)
        XCTAssertEqual(cutter.cuts(bytes) { Int(random.next() % 20_000) }, cutter.cuts(bytes))
    }
}
