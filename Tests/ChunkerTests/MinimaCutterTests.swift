import XCTest

@testable import Chunker

final class MinimaCutterTests: XCTestCase {
    private let parameters = try? ChunkerParameters(averageBytes: 4096, seed: 99)

    private func cutter(_ kernel: FilterKernel = .fastest) throws -> Cutter {
        Cutter(try XCTUnwrap(parameters), kernel: kernel)
    }

    /// The definition, word for word: every candidate is compared with every one around it.
    private func defined(_ bytes: [UInt8], _ parameters: ChunkerParameters) -> [Int] {
        let (reach, maximum, count) = (parameters.minimumBytes, parameters.maximumBytes, bytes.count)
        let quiet = max(reach, min(3 * reach, 16 << 10))
        let candidates = CandidateFilter(seed: parameters.seed, kernel: .portable).found(bytes, after: 63)
        let natural = candidates.indices.filter { index in
            let one = candidates[index]
            let before = candidates[..<index].reversed().prefix { one.position - $0.position <= reach }
            let after = candidates[(index + 1)...].prefix { $0.position - one.position <= reach }
            return before.allSatisfy { one.key < $0.key } && after.allSatisfy { one.key <= $0.key }
        }.map { candidates[$0].position }
        let changes = [0] + (1..<max(1, count)).filter { bytes[$0] != bytes[$0 - 1] } + [count]
        let runs = zip(changes, changes.dropFirst()).filter { $1 - $0 >= reach }
        let runCuts = runs.flatMap { [$0 + 32, $1] }
        let cuts = (natural + runCuts).filter { reach <= $0 && $0 <= count - reach }.sorted()
        let firsts = (candidates.map(\.position) + cuts).sorted()
        let lengths = [8, 4, 2, 1].map { $0 * reach }

        func length(from start: Int) -> Int {
            if let run = runs.first(where: { $0 + 32 <= start + reach && start + 2 * reach <= $1 }) {
                guard run.0 <= start else { return reach }
                return lengths.first { $0 <= maximum && start + $0 + reach <= run.1 } ?? reach
            }
            let first = (firsts.first { $0 >= start + reach } ?? count) - start
            if first > reach + quiet {
                if candidates.contains(where: { start < $0.position && $0.position < start + reach }) { return reach }
                return lengths.first { $0 <= min(4 * reach, maximum - quiet) && $0 < first - quiet } ?? reach
            }
            let next = (cuts.first { $0 >= start + reach } ?? count) - start
            if next <= maximum { return next }
            let range = (start + reach)...(start + maximum - reach)
            let lowest = candidates.filter { range.contains($0.position) }.map(\.key).min()
            return (candidates.last { range.contains($0.position) && $0.key == lowest }?.position ?? range.upperBound)
                - start
        }
        var ends: [Int] = []
        if count > 0, count < 2 * reach { return [count] }
        while (ends.last ?? 0) < count { ends.append((ends.last ?? 0) + length(from: ends.last ?? 0)) }
        return ends
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
        ] + (0..<24).map { patchwork(60_000, unit: parameters.minimumBytes, seed: $0) }
    }

    /// What makes a chunker's rules meet: runs, random bytes, counters and patterns of lengths around `unit`, one after another.
    private func patchwork(_ count: Int, unit: Int, seed: UInt64) -> [UInt8] {
        var random = SplitMix64(state: seed)
        var bytes: [UInt8] = []
        while bytes.count < count {
            let length = [unit / 8, unit / 2, unit - 1, unit, unit + 33, 2 * unit, 5 * unit, 9 * unit][
                Int(random.next() % 8)]
            switch random.next() % 5 {
            case 0: bytes += randomBytes(length, seed: random.next())
            case 1:
                bytes += (0..<length).map {
                    UInt8(truncatingIfNeeded: $0 % 4 == 1 ? $0 >> 10 : $0 % 4 == 0 ? $0 >> 2 : 0)
                }
            case 2: bytes += repeated(randomBytes(Int(random.next() % 70) + 2, seed: random.next()), length)
            default: bytes += [UInt8](repeating: UInt8(random.next() % 2), count: length)
            }
        }
        return bytes
    }

    func testCutsAreThoseOfTheDefinitionWithEveryKernel() throws {
        let parameters = try XCTUnwrap(parameters)
        for (number, bytes) in try inputs().enumerated() {
            let expected = defined(bytes, parameters)
            for kernel in FilterKernel.available where kernel != .plain || number < 16 {
                XCTAssertEqual(try cutter(kernel).cuts(bytes), expected, "\(kernel), input \(number)")
            }
        }
    }

    /// Q is 3 R for small chunks, R for large ones; a maximum of 4 R leaves less room.
    func testCutsAreThoseOfTheDefinitionAtOtherSizes() throws {
        for (average, minimum, maximum) in [
            (1024, 64, 1024), (4096, 2048, 8192), (16384, 8192, 65536), (65536, 32768, 262144),
        ] {
            let parameters = try ChunkerParameters(
                algorithm: 2, minimumBytes: minimum, averageBytes: average, maximumBytes: maximum, seed: 7)
            let cutter = Cutter(parameters)
            var random = SplitMix64(state: 8)
            for seed in UInt64(0)..<UInt64(minimum > 8192 ? 2 : 8) {
                let bytes = patchwork(30 * minimum, unit: minimum, seed: seed)
                let expected = defined(bytes, parameters)
                XCTAssertEqual(cutter.cuts(bytes), expected, "\(minimum), seed \(seed)")
                let pieces = cutter.cuts(bytes) { Int(random.next() % UInt64(minimum * 2)) + 1 }
                XCTAssertEqual(pieces, expected, "\(minimum), seed \(seed), in pieces")
            }
        }
    }

    func testABlockWrittenIntoZerosCostsOneChunk() throws {
        let cutter = try cutter()
        let reach = cutter.parameters.minimumBytes
        let zeros = [UInt8](repeating: 0, count: 40 * reach)
        let disk =
            randomBytes(50_000, seed: 1) + zeros + randomBytes(50_000, seed: 2) + zeros + randomBytes(50_000, seed: 3)
        func chunks(_ bytes: [UInt8]) -> Set<[UInt8]> {
            let ends = cutter.cuts(bytes)
            return Set(zip([0] + ends, ends).map { Array(bytes[$0..<$1]) })
        }
        let known = chunks(disk)
        var random = SplitMix64(state: 3)
        for _ in 0..<40 {
            var written = disk
            let place = 50_000 + reach * (2 + Int(random.next() % 37))
            written.replaceSubrange(place..<(place + 500), with: randomBytes(500, seed: random.next()))
            let new = chunks(written).subtracting(known)
            // Zeros of a length that there was not yet, and what was written.
            XCTAssertLessThanOrEqual(new.filter { $0.contains { $0 != 0 } }.count, 1, "at \(place)")
            XCTAssertLessThanOrEqual(new.count, 3, "at \(place)")
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

    func testMaximumAndMinimumTogetherAreEnoughToTell() throws {
        let cutter = try cutter()
        let enough = cutter.parameters.maximumBytes + cutter.parameters.minimumBytes
        for (number, bytes) in try inputs().enumerated() {
            cutter.begin()
            var start = 0
            while bytes.count - start >= enough {
                let chunk = bytes[start..<(start + enough)].withUnsafeBytes {
                    cutter.firstChunkBytes(in: $0, isEnd: false)
                }
                start += try XCTUnwrap(chunk, "input \(number), at \(start)")
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
                3018, 5066, 21450, 37834, 41930, 45000, 48032, 64416, 68000, 76192, 84384, 92576, 100768, 108000,
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
