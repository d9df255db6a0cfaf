import XCTest

@testable import Chunker

final class MinimaCutterTests: XCTestCase {
    private let parameters = try? ChunkerParameters(averageBytes: 4096, seed: 99)

    private func cutter(_ kernel: FilterKernel = .fastest) throws -> Cutter {
        Cutter(try XCTUnwrap(parameters), kernel: kernel)
    }

    /// The definition, word for word: every candidate is compared with every one around it.
    private func defined(_ bytes: [UInt8]) throws -> [Int] {
        let parameters = try XCTUnwrap(parameters)
        let (reach, maximum, count) = (parameters.minimumBytes, parameters.maximumBytes, bytes.count)
        let quiet = max(reach, min(3 * reach, 16 << 10))
        let candidates = CandidateFilter(seed: parameters.seed, kernel: .plain).found(bytes, after: 63)
        let natural = candidates.indices.filter { index in
            let one = candidates[index]
            let before = candidates[..<index].reversed().prefix { one.position - $0.position <= reach }
            let after = candidates[(index + 1)...].prefix { $0.position - one.position <= reach }
            return one.position >= reach && count - one.position >= reach
                && before.allSatisfy { one.key < $0.key } && after.allSatisfy { one.key <= $0.key }
        }
        var ends: [Int] = []
        var start = 0
        for next in natural.map({ candidates[$0].position }) + [count] {
            while true {
                let following = candidates.first { $0.position >= start + reach }?.position ?? count
                if following - start > reach + quiet {
                    let hasCandidate = candidates.contains { $0.position > start && $0.position < start + reach }
                    let lengths = hasCandidate ? [reach] : [4 * reach, 2 * reach, reach]
                    start += try XCTUnwrap(lengths.first { $0 < following - start - quiet })
                    ends.append(start)
                    continue
                }
                guard next - start > maximum else { break }
                let range = (start + reach)...(start + maximum - reach)
                let lowest = candidates.filter { range.contains($0.position) }.map(\.key).min()
                start =
                    candidates.last { range.contains($0.position) && $0.key == lowest }?.position ?? range.upperBound
                ends.append(start)
            }
            start = next
            ends.append(start)
        }
        return count == 0 ? [] : ends
    }

    private func inputs() throws -> [[UInt8]] {
        let parameters = try XCTUnwrap(parameters)
        let dense = CandidateFilter(seed: parameters.seed, kernel: .fastest).densePattern
        return [
            [], [1], randomBytes(63, seed: 1), randomBytes(4095, seed: 2), randomBytes(4096, seed: 3),
            randomBytes(90_000, seed: 4), logBytes(lines: 1_500, seed: 5), [UInt8](repeating: 0, count: 50_000),
            randomBytes(20_000, seed: 6) + [UInt8](repeating: 7, count: 40_000) + randomBytes(20_000, seed: 7),
            repeated(randomBytes(1000, seed: 8), 60_000), repeated(dense, 11_000),
            randomBytes(9_000, seed: 9) + repeated(dense, 11_000) + randomBytes(9_000, seed: 10),
        ]
    }

    func testCutsAreThoseOfTheDefinitionWithEveryKernel() throws {
        for (number, bytes) in try inputs().enumerated() {
            let expected = try defined(bytes)
            for kernel in FilterKernel.available {
                XCTAssertEqual(try cutter(kernel).cuts(bytes), expected, "\(kernel), input \(number)")
            }
        }
    }

    func testAStreamInPiecesIsCutAsAWhole() throws {
        var random = SplitMix64(state: 5)
        for (number, bytes) in try inputs().enumerated() {
            let cutter = try cutter()
            let whole = cutter.cuts(bytes)
            for largest in [7, 300, 5_000, 40_000] where bytes.count / largest < 3_000 {
                let pieces = cutter.cuts(bytes) { Int(random.next() % UInt64(largest)) + 1 }
                XCTAssertEqual(pieces, whole, "input \(number), pieces of up to \(largest) bytes")
            }
        }
    }

    func testNoChunkIsShorterOrLongerThanItMayBe() throws {
        let cutter = try cutter()
        for (number, bytes) in try inputs().enumerated() {
            let ends = cutter.cuts(bytes)
            XCTAssertEqual(ends.last ?? 0, bytes.count)
            for (length, isLast) in zip(zip([0] + ends, ends).map { $1 - $0 }, ends.map { $0 == bytes.count }) {
                XCTAssertLessThanOrEqual(length, cutter.parameters.maximumBytes, "input \(number)")
                if !isLast || ends.count > 1 {
                    XCTAssertGreaterThanOrEqual(length, cutter.parameters.minimumBytes, "input \(number)")
                }
            }
        }
    }

    func testChunksHaveTheAverageAskedFor() throws {
        let count = try cutter().cuts(randomBytes(4 << 20, seed: 3)).count
        let mean = (4 << 20) / count
        XCTAssertTrue((3_900...4_500).contains(mean), "mean \(mean)")
    }

    func testAnEditChangesOnlyTheChunksAroundIt() throws {
        let cutter = try cutter()
        let reach = cutter.parameters.minimumBytes
        var random = SplitMix64(state: 12)
        for base in [randomBytes(400_000, seed: 6), logBytes(lines: 6_000, seed: 7)] {
            let before = Set(cutter.cuts(base).dropLast())
            for round in 0..<12 {
                let at = 100_000 + Int(random.next() % 200_000)
                let new = randomBytes(Int(random.next() % 300) + 1, seed: random.next())
                // What is taken away, and what comes in its place.
                let (gone, come) = [(0, new), (new.count, []), (new.count, new)][round % 3]
                let edited = base[..<at] + come + base[(at + gone)...]
                let after = Set(cutter.cuts(Array(edited)).dropLast())
                let left = { (cut: Int) in cut + reach <= at }
                XCTAssertEqual(before.filter(left), after.filter(left), "seed 12, round \(round)")
                let shift = come.count - gone
                let isRight = { (cut: Int) in cut - reach - 64 >= at + gone }
                XCTAssertEqual(
                    Set(before.filter(isRight).map { $0 + shift }), after.filter { isRight($0 - shift) },
                    "seed 12, round \(round)")
            }
        }
    }

    /// Extremum chunkers that are as fast cost ten and more here.
    func testAByteInsertedIntoALogCostsOneChunk() throws {
        let cutter = Cutter(try ChunkerParameters(averageBytes: 64 << 10, seed: 99))
        let workspace = ChunkWorkspace()
        func chunks(_ bytes: [UInt8]) -> Set<Digest> {
            let ends = cutter.cuts(bytes)
            return Set(
                zip([0] + ends, ends).map { start, end in
                    bytes[start..<end].withUnsafeBytes { workspace.digest(of: $0) }
                })
        }
        let log = Array(logBytes(lines: 20_000, seed: 7).prefix(1 << 20))
        let before = chunks(log)
        var random = SplitMix64(state: 1)
        let rounds = 100
        var new = 0
        for _ in 0..<rounds {
            var edited = log
            edited.insert(UInt8(truncatingIfNeeded: random.next()), at: Int(random.next() % UInt64(log.count)))
            new += chunks(edited).subtracting(before).count
        }
        print("a byte inserted into a log: \(Double(new) / Double(rounds)) new chunks")
        XCTAssertLessThanOrEqual(new, rounds * 11 / 10)
    }

    /// The format: what is cut one way today must be cut the same way for ever.
    func testTheCutsOfTheFormatStay() throws {
        XCTAssertEqual(
            try cutter().cuts(randomBytes(60_000, seed: 42)),
            [
                3246, 6467, 12559, 20254, 26329, 29202, 33713, 36588, 38787, 41373, 46125, 48454, 51160, 57681, 60000,
            ])
        let sparse =
            randomBytes(5_000, seed: 1) + [UInt8](repeating: 0, count: 40_000) + randomBytes(3_000, seed: 2)
            + [UInt8](repeating: 0, count: 20_000) + repeated(randomBytes(1000, seed: 8), 40_000)
        XCTAssertEqual(
            try cutter().cuts(sparse),
            [
                3018, 11210, 19402, 27594, 35786, 37834, 45106, 53298, 61490, 69682, 77874, 86066, 94258, 98354, 100402,
                108000,
            ])
    }

    func testSizesThatMakeNoSenseAreRefused() {
        for average in [0, 1, 4095, 5000, 8 << 20, -4096] {
            XCTAssertThrowsError(try ChunkerParameters(averageBytes: average, seed: 0))
        }
        for (algorithm, minimum, maximum) in [(UInt16(9), 64, 4096), (1, 4096, 64), (2, 2048, 8191), (2, 63, 8192)] {
            XCTAssertThrowsError(
                try ChunkerParameters(
                    algorithm: algorithm, minimumBytes: minimum, averageBytes: 4096, maximumBytes: maximum, seed: 0))
        }
    }
}
