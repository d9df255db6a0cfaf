import Erasure
import XCTest

@testable import BlockStore

/// The formulas, held against figures that others published or that were worked out apart.
final class DeviceSetOddsTests: XCTestCase {
    private func odds(_ profile: String, _ failuresPerYear: Double, days: Double) throws -> DeviceSetOdds {
        DeviceSetOdds(try Profile(profile), failuresPerYear: failuresPerYear, repairYears: days / 365.25)
    }

    func testTheMarkovChainGivesTheKnownAnnualOdds() throws {
        for (profile, rate, days, expected) in [
            ("rs:17+3", 0.00405, 6.5, 2.838e-11), ("rs:4+2", 0.015, 3, 1.348e-8), ("rs:8+3", 0.015, 3, 3.641e-11),
            ("rs:8+4", 0.015, 3, 1.343e-14), ("rs:10+4", 0.015, 3, 3.393e-14), ("rs:4+2", 0.5, 30, 0.03208),
        ] {
            let found = try odds(profile, rate, days: days).markov
            XCTAssertEqual(found / expected, 1, accuracy: 5e-4, "\(profile): \(found)")
        }
    }

    func testOneRepairTimeOfALargeOperatorHasItsPublishedOdds() {
        // 17 + 3 with 6.5 days to repair; whoever published it counts 365 days in a year.
        let p = 0.00405 * 6.5 / 365
        XCTAssertEqual(
            DeviceSetOdds.windowLoss(devices: 20, tolerance: 3, failureProbability: p), 1.310e-13, accuracy: 1e-16)
        XCTAssertEqual(DeviceSetOdds.windowLoss(devices: 3, tolerance: 0, failureProbability: 0.5), 0.875)
        XCTAssertEqual(DeviceSetOdds.windowLoss(devices: 3, tolerance: 3, failureProbability: 0.5), 0)
    }

    func testTheClosedFormIsTheTextbookOne() throws {
        let found = try odds("rs:4+2", 0.015, days: 3).closedForm
        let years = 3 / 365.25
        XCTAssertEqual(found, 3 * 20 * 0.015 * 0.015 * 0.015 * years * years, accuracy: found * 1e-12)
        // It is the limit of the chain where failures are rare.
        let rare = try odds("rs:4+2", 0.001, days: 0.1)
        XCTAssertEqual(rare.markov / rare.closedForm, 1, accuracy: 1e-3)
    }

    func testALocalCodeLosesExactlyTheSetsThatNoCodeOfItsShapeCouldSave() throws {
        let shares = UndecodableShares(try Profile("lrc:12+2+2"))
        XCTAssertTrue(shares.isExact)
        XCTAssertEqual(shares[3], 0)
        XCTAssertEqual(shares[4] * 1820, 1820 - 1568, accuracy: 1e-9)
        XCTAssertEqual(shares[5], 1)
        let plain = UndecodableShares(try Profile("rs:10+4"))
        XCTAssertEqual([plain[0], plain[4], plain[5], plain[99]], [0, 0, 1, 1])
    }

    func testALocalCodeIsBetterThanItsToleranceAndWorseThanItsParities() throws {
        func markov(_ profile: String) throws -> Double { try odds(profile, 0.02, days: 4).markov }
        let (local, three, four) = (try markov("lrc:12+2+2"), try markov("rs:13+3"), try markov("rs:12+4"))
        XCTAssertLessThan(local, three)
        XCTAssertGreaterThan(local, four)
        // Of four that fail one set in seven is lost: near three parities over as many devices, times that.
        XCTAssertEqual(local / three, 252.0 / 1820, accuracy: 0.02)
    }

    func testTinyProbabilitiesKeepTheirDigits() throws {
        let odds = try odds("rs:4+8", 0.001, days: 0.5)
        XCTAssertLessThan(odds.markov, 1e-40)
        XCTAssertEqual(odds.markov / odds.closedForm, 1, accuracy: 0.02)
    }

    func testSubsetsAreAllOfThemOrASampleThatIsTheSameEachTime() {
        var all = Subsets(of: 6, size: 3, limit: 20, sample: 5)
        var seen: Set<[Int]> = []
        while let set = all.next() { seen.insert(set) }
        XCTAssertEqual(seen.count, 20)
        XCTAssertTrue(all.isExhaustive)
        func sample() -> [[Int]] {
            var some = Subsets(of: 40, size: 5, limit: 1000, sample: 50)
            var sets: [[Int]] = []
            while let set = some.next() { sets.append(set) }
            return sets
        }
        XCTAssertEqual(sample().count, 50)
        XCTAssertEqual(sample(), sample())
        XCTAssertTrue(sample().allSatisfy { Set($0).count == 5 && $0 == $0.sorted() && ($0.last ?? 40) < 40 })
        var none = Subsets(of: 4, size: 0, limit: 9, sample: 9)
        XCTAssertEqual(none.next(), [])
        XCTAssertNil(none.next())
    }
}
