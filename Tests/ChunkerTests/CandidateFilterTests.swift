import XCTest

@testable import Chunker

final class CandidateFilterTests: XCTestCase {
    func testEveryKernelFindsWhatThePlainOneFinds() {
        var random = SplitMix64(state: 7)
        for round in 0..<48 {
            let seed = random.next()
            let bytes = input(round, seed: seed)
            let first = 63 + Int(random.next() % 300)
            let expected = CandidateFilter(seed: seed, kernel: .plain).found(bytes, after: first)
            for kernel in FilterKernel.available {
                let found = CandidateFilter(seed: seed, kernel: kernel).found(bytes, after: first)
                XCTAssertEqual(found, expected, "\(kernel), round \(round), seed \(seed), after \(first)")
            }
        }
    }

    private func input(_ round: Int, seed: UInt64) -> [UInt8] {
        let count = round < 42 ? round * 17 : 3_000
        switch round % 3 {
        case 0: return randomBytes(count, seed: seed)
        case 1: return logBytes(lines: count / 50, seed: seed)
        default: return repeated(CandidateFilter(seed: seed, kernel: .portable).densePattern, count)
        }
    }

    func testTheFastestKernelIsOneOfC() {
        XCTAssertNotEqual(FilterKernel.fastest, .plain)
        print("fastest kernel: \(FilterKernel.fastest)")
    }

    func testOnePositionIn1024IsACandidate() {
        let filter = CandidateFilter(seed: 3, kernel: .fastest)
        let bytes = randomBytes(1 << 20, seed: 9)
        let count = filter.found(bytes, after: 63).count
        XCTAssertTrue((900...1150).contains(count), "\(count)")
    }

    func testNoRunOfOneByteHasACandidate() {
        for seed in UInt64(0)..<20 {
            let filter = CandidateFilter(seed: seed, kernel: .fastest)
            for byte in UInt8.min...UInt8.max {
                XCTAssertEqual(filter.found([UInt8](repeating: byte, count: 200), after: 63), [])
            }
        }
    }

    func testStoresDoNotShareTheirCandidates() {
        let bytes = randomBytes(1 << 20, seed: 9)
        let sets = (UInt64(0)..<4).map { seed in
            Set(CandidateFilter(seed: seed, kernel: .fastest).found(bytes, after: 63).map(\.position))
        }
        for other in sets[1...] { XCTAssertLessThan(other.intersection(sets[0]).count, 20) }
    }
}

func repeated(_ pattern: [UInt8], _ count: Int) -> [UInt8] { (0..<count).map { pattern[$0 % pattern.count] } }

extension CandidateFilter {
    func found(_ bytes: [UInt8], after first: Int) -> [Candidate] {
        bytes.withUnsafeBytes { $0.count > first ? candidates(in: $0, after: first) : [] }
    }

    /// A few bytes that, repeated, have a candidate in every turn: the worst there is.
    var densePattern: [UInt8] {
        for seed in UInt64(0)... {
            let pattern = randomBytes(2 + Int(seed % 3), seed: seed)
            if !found(repeated(pattern, 72), after: 63).isEmpty { return pattern }
        }
        return []
    }
}
