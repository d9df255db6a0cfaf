import XCTest

@testable import BlockStore
@testable import Simulation

/// T3: deliberate bugs, each of which some check must notice; without this the other checks prove nothing.
final class MutantTests: XCTestCase {
    override func tearDown() { Mutant.active = nil }

    /// What is tried on a mutant, the cheapest first.
    private static let checks: [(name: String, run: @Sendable () throws -> Void)] = [
        ("graph rules", { try GraphRules.all() }),
        ("accidents", { try Accidents.all() }),
        (
            "crash points of put",
            {
                try CrashPoints.all { model in
                    try model.write([.put(Key("a"), SeededRandom.bytes(20_000, seed: 1))])
                }
            }
        ),
        ("random lives", { for seed in 1...60 { _ = try RandomLife.run(seed: UInt64(seed)) } }),
    ]

    func testEveryMutantIsCaught() throws {
        var escaped: [Mutant] = []
        for mutant in Mutant.allCases {
            Mutant.active = mutant
            let caught = Self.checks.first { check in
                do {
                    try check.run()
                    return false
                } catch {
                    return true
                }
            }
            Mutant.active = nil
            print("mutant \(mutant): \(caught.map { "caught by \($0.name)" } ?? "ESCAPED")")
            if caught == nil { escaped.append(mutant) }
        }
        XCTAssertEqual(escaped, [])
    }

    func testWithoutAMutantEveryCheckPasses() throws {
        for check in Self.checks.prefix(2) { try check.run() }
    }
}
