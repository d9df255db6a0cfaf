import XCTest

@testable import BlockStore
@testable import Simulation

/// T8 on every change: the inputs that fuzzing found to cover most, the targets' own seeds, and mutations of both. What
/// they must not do is trap.
final class FuzzTests: XCTestCase {
    private static let corpus = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Corpus")

    private func inputs(_ target: FuzzTarget) throws -> [[UInt8]] {
        let directory = Self.corpus.appendingPathComponent(target.rawValue)
        let files = try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
        XCTAssertFalse(files.isEmpty, "there is a corpus for \(target)")
        return try files.sorted { $0.path < $1.path }.map { Array(try Data(contentsOf: $0)) } + target.seeds
    }

    func testHostileBytesNeverTrap() throws {
        for target in FuzzTarget.allCases where target != .store {
            for input in try inputs(target) { target.run(input) }
        }
    }

    func testMutationsOfThemNeverTrap() throws {
        let random = SeededRandom(Seeds.thisRun(1)[0])
        for target in FuzzTarget.allCases where target != .store {
            let inputs = try inputs(target)
            for _ in 0..<2000 { target.run(Self.mutated(random.pick(inputs), with: random.pick(inputs), random)) }
        }
    }

    func testAHostileStoreNeverTraps() throws {
        // Every so-many-th: each opens, reads, scrubs and repairs a store.
        for input in try inputs(.store).enumerated() where input.offset % 8 == 0 { FuzzTarget.store.run(input.element) }
    }

    private static func mutated(_ input: [UInt8], with other: [UInt8], _ random: SeededRandom) -> [UInt8] {
        var bytes = input
        for _ in 0...(random.next() % 4) {
            guard !bytes.isEmpty else { return other }
            let position = Int(random.next() % UInt64(bytes.count))
            switch random.next() % 5 {
            case 0: bytes[position] = random.pick([0, 1, 0x7f, 0x80, 0xff])
            case 1: bytes[position] ^= UInt8(1 << (random.next() % 8))
            case 2: bytes.removeSubrange(position..<min(bytes.count, position + Int(1 + random.next() % 8)))
            case 3: bytes.insert(contentsOf: bytes[position...].prefix(8), at: position)
            default: bytes = Array(bytes[..<position]) + other.suffix(max(0, other.count - position))
            }
        }
        return bytes
    }
}
