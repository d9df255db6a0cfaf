import XCTest

@testable import BlockStore
@testable import Simulation

/// T5: the slice of every commit; `scripts/sim --patterns` tries them all.
final class EveryPatternTests: XCTestCase {
    private func requireClean(_ tally: EveryPattern.Tally) {
        XCTAssertTrue(tally.isClean, tally.complaints.joined(separator: "\n"))
    }

    func testEverySetOfLostDevicesReadsOrIsLostAsTheModelSays() throws {
        for (profile, devices) in [("rs:1+1", 2), ("rs:2+1", 3), ("rs:2+1", 5), ("rs:4+2", 6)] {
            let tally = try EveryPattern(profile: profile, devices: devices).tryAll()
            XCTAssertEqual(tally.patterns, 1 << devices)
            requireClean(tally)
        }
        requireClean(try EveryPattern(profile: "rs:4+2", devices: 8).tryAll(every: 13))
        requireClean(try EveryPattern(profile: "rs:6+3", devices: 9).tryAll(every: 47))
        requireClean(try EveryPattern(profile: "lrc:6+2+2", devices: 10).tryAll(every: 61))
        requireClean(try EveryPattern(profile: "lrc:4+2+1", devices: 9).tryAll(every: 59))
    }

    func testWideProfilesReadOrAreLostAsTheModelSays() throws {
        requireClean(try EveryPattern(profile: "rs:8+4", devices: 12).tryAll(every: 911))
        requireClean(try EveryPattern(profile: "rs:17+3", devices: 20).tryAll(every: 174_763))
    }

    func testEverySetOfLostRowsHasTheRankOfTheModel() throws {
        for profile in ["rs:1+1", "rs:2+1", "rs:4+2", "rs:6+3", "lrc:6+2+2"] {
            requireClean(try EveryPattern.ranks(of: profile))
        }
    }

    func testEveryToleratedLossOfRowsComesBackThroughISAL() throws {
        for profile in ["rs:1+1", "rs:2+1", "rs:4+2", "rs:6+3"] { requireClean(try EveryPattern.bytes(of: profile)) }
        for profile in [
            "rs:8+3", "rs:8+4", "rs:10+4", "rs:12+4", "rs:16+4", "rs:17+3", "lrc:6+2+2", "lrc:8+2+2", "lrc:10+2+2",
            "lrc:12+2+2",
        ] {
            requireClean(try EveryPattern.bytes(of: profile, every: 97))
        }
    }
}
