import XCTest

@testable import BlockStore
@testable import Simulation

/// T3: deliberate bugs, each of which some check must notice; without this the other checks prove nothing.
final class MutantTests: XCTestCase {
    override func tearDown() { Mutant.active = nil }

    func testEveryMutantIsCaught() throws {
        var escaped: [Mutant] = []
        // Some alone: BS_MUTANT=digestSkipped,siblingsOrphaned
        let chosen = ProcessInfo.processInfo.environment["BS_MUTANT"]?.split(separator: ",").map(String.init)
        for mutant in Mutant.allCases where chosen?.contains("\(mutant)") ?? true {
            Mutant.active = mutant
            let caught = Checks.first(against: mutant)
            Mutant.active = nil
            print("mutant \(mutant): \(caught.map { "caught by \($0)" } ?? "ESCAPED")")
            if caught == nil { escaped.append(mutant) }
        }
        XCTAssertEqual(escaped, [])
    }

    func testWithoutAMutantEveryCheckPasses() throws {
        for check in Checks.all.prefix(3) { try check.run() }
    }
}
