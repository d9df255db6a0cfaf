import BlockStore
import Foundation
import XCTest

@testable import bsctl

/// odds, with a store and without one.
final class OddsTests: CommandTest {
    private func odds(_ options: String, _ code: Int32 = 0, line: UInt = #line) throws -> [String: Any] {
        try object(expect(code, "odds --json \(options)", at: line))
    }

    func testDevicesThatAreOnlyThoughtOfNeedNoStore() throws {
        let plain = "--devices 6 --afr 1.5% --repair-hours 72 --latent 0%"
        let odds = try odds(plain)
        let chance = try XCTUnwrap(odds["annualLossProbability"] as? Double)
        XCTAssertEqual(chance / 1.348e-8, 1, accuracy: 1e-3)
        let sampled = try XCTUnwrap(odds["sampled"] as? [String: Any])
        XCTAssertEqual(
            try XCTUnwrap(sampled["probability"] as? Double), chance,
            accuracy: 4 * (try XCTUnwrap(sampled["standardError"] as? Double)))
        let text = expect(0, "odds \(plain)").text
        XCTAssertTrue(
            text.hasPrefix("The chance to lose data within a year: 0.0000013 %, once in 74 million years."), text)
        for words in ["The greatest risk", "what it rests on", "given", "what it leaves out", "fire", "rs:4+3"] {
            XCTAssertTrue(text.contains(words), "\(words)\n\(text)")
        }
        XCTAssertFalse(Disk.exists(store))
    }

    func testEveryAssumptionCanBeReplaced() throws {
        let given = try odds(
            "--devices 9 --domains 3 --profile rs:4+2 --afr 3% --repair-hours 10 --domain-afr 2% --latent 9% --scrub-every 2w"
        )
        let figures = try XCTUnwrap(given["assumptions"] as? [String: Any])
        for (name, value) in [
            ("failuresPerYear", 0.03), ("domainFailuresPerYear", 0.02), ("latentErrorsPerYear", 0.09),
            ("scrubDays", 14),
        ] {
            let figure = try XCTUnwrap(figures[name] as? [String: Any])
            XCTAssertEqual(try XCTUnwrap(figure["value"] as? Double), value, accuracy: 1e-12, name)
            XCTAssertEqual(figure["origin"] as? String, "given", name)
        }
        XCTAssertEqual(figures["repairHours"] as? Double, 10)
        XCTAssertEqual((given["domains"] as? [Any])?.count, 3)
    }

    func testAStoreIsAskedAsItIs() throws {
        makeStore(disks: 7)
        put(Self.bytes(20_000_000, seed: 1), as: "k")
        let whole = try odds("")
        XCTAssertEqual(whole["devices"] as? Int, 7)
        XCTAssertEqual(whole["missingShards"] as? Int, 0)
        let chance = try XCTUnwrap(whole["annualLossProbability"] as? Double)
        XCTAssertTrue((1e-12...1e-3).contains(chance), "\(chance)")
        expect(0, "simulate disk-loss disk-2")
        let hurt = try odds("")
        XCTAssertEqual(hurt["failedNow"] as? [String], ["disk-2"])
        XCTAssertGreaterThan(try XCTUnwrap(hurt["annualLossProbability"] as? Double), chance * 5)
        XCTAssertTrue(expect(0, "odds").text.contains("Out of service now, and counted as failed: disk-2"))
        expect(0, "repair")
        let stronger = try odds("--profile rs:4+3")
        XCTAssertLessThan(try XCTUnwrap(stronger["annualLossProbability"] as? Double), chance)
        expect(0, "simulate disk-loss --force --count 4 --seed 1")
        XCTAssertEqual(try odds("", 4)["isLostNow"] as? Bool, true)
    }

    func testTheSpeedOfRepairsIsMeasured() throws {
        makeStore()
        put(Self.bytes(100_000_000, seed: 2), as: "k")
        func figure(_ name: String) throws -> [String: Any] {
            let figures = try XCTUnwrap(try odds("")["assumptions"] as? [String: Any])
            return try XCTUnwrap(figures[name] as? [String: Any])
        }
        XCTAssertEqual(try figure("repairBytesPerSecond")["origin"] as? String, "assumed")
        XCTAssertEqual(try figure("scrubDays")["value"] as? Double, 365)
        expect(0, "simulate disk-loss disk-1")
        expect(0, "repair")
        expect(0, "scrub")
        XCTAssertEqual(try figure("repairBytesPerSecond")["origin"] as? String, "measured")
        XCTAssertEqual(try figure("scrubDays")["value"] as? Double, 30)
    }

    func testAnEmptyStoreHasOddsToo() throws {
        makeStore()
        XCTAssertGreaterThan(try XCTUnwrap(try odds("")["annualLossProbability"] as? Double), 0)
        XCTAssertTrue(expect(0, "odds").text.contains("No data yet"))
    }

    func testAFleetIsPlayedWithProfilesSideBySide() throws {
        let line =
            "--simulate 200 --devices 24 --afr 30% --repair-hours 240 --profile rs:4+1 --profile rs:4+3"
            + " --data 1GiB --seed 5"
        let played = try odds(line)
        let profiles = try XCTUnwrap(played["profiles"] as? [[String: Any]])
        XCTAssertEqual(profiles.map { $0["profile"] as? String }, ["rs:4+1", "rs:4+3"])
        XCTAssertEqual(profiles[0]["deviceFailures"] as? Int, profiles[1]["deviceFailures"] as? Int)
        let losses = profiles.compactMap { $0["losses"] as? Int }
        XCTAssertGreaterThan(losses[0], losses[1])
        let text = expect(0, "odds \(line)").text
        XCTAssertEqual(text, expect(0, "odds \(line)").text, "a seed brings everything back")
        XCTAssertTrue(text.contains("chance a year"), text)
    }

    func testWrongQuestionsAreRefusedWithWhatIsMeant() {
        for (line, words) in [
            ("--devices 5", "it needs at least 6"), ("--devices 6 --domains 7", "only 6 devices"),
            ("--afr 1.5 --devices 6", "expected a percentage"), ("--repair-hours 0 --devices 6", "hours from 0.1"),
            ("--domains 3", "goes with --devices"), ("--profile rs:4+2 --profile rs:4+3 --devices 9", "--simulate"),
            ("--simulate 0 --devices 6", "from 1"),
        ] {
            let outcome = expect(2, "odds \(line)")
            XCTAssertTrue(outcome.complaints.contains(words), outcome.complaints)
        }
        expect(3, "odds --profile rs:4+2")
    }

    func testChancesAreWrittenForPeople() {
        XCTAssertEqual(Chance.percent(0.0321), "3.2 %")
        XCTAssertEqual(Chance.percent(0.5), "50 %")
        XCTAssertEqual(Chance.percent(1.348e-8), "0.0000013 %")
        XCTAssertEqual(Chance.percent(3.4e-14), "3.4e-12 %")
        XCTAssertEqual(Chance.percent(0), "0 %")
        XCTAssertEqual(Chance.percent(1), "100 %")
        XCTAssertEqual(Chance.percent(0.99999), "over 99.9 %")
        XCTAssertEqual(Chance.onceIn(1.348e-8), "once in 74 million years")
        XCTAssertEqual(Chance.onceIn(0.0321), "once in 31 years")
        XCTAssertEqual(Chance.onceIn(0.000714), "once in 1,400 years")
        XCTAssertEqual(Chance.onceIn(0.0000101), "once in 99 thousand years")
        XCTAssertEqual(Chance.onceIn(1.0000004e-6), "once in 1 million years")
        XCTAssertEqual(Chance.onceIn(1e-14), "less than once in a trillion years")
        XCTAssertEqual(Chance.onceIn(0.6), "more than once in two years")
        XCTAssertEqual(Chance.scientific(9.99e-9), "1.0e-8")
        XCTAssertEqual(Chance.factor(2.04), "2.0×")
        XCTAssertEqual(Chance.factor(12345), "12,000×")
    }
}
