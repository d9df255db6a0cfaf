import XCTest

@testable import BlockStore
@testable import Simulation

/// The seeds a run uses: `BS_SEED=n` replays one, `BS_SEEDS=n` asks for so many.
enum Seeds {
    static func thisRun(_ usual: Int) -> [UInt64] {
        let variables = ProcessInfo.processInfo.environment
        if let seed = variables["BS_SEED"].flatMap({ UInt64($0) }) { return [seed] }
        let count = variables["BS_SEEDS"].flatMap { Int($0) } ?? usual
        return (1...max(1, count)).map(UInt64.init)
    }
}

final class SimulatorTests: XCTestCase {
    func testAcknowledgedObjectsSurviveCrashesAndLosses() throws {
        for seed in Seeds.thisRun(60) { _ = try RandomLife(seed: seed).run() }
    }

    /// What random lives found, cut down to the steps that it needs.
    private func live(_ seed: UInt64, only steps: Set<Int>) throws {
        _ = try RandomLife(seed: seed, steps: 30).keeping(steps).run()
    }

    func testADeviceIsFoundInThePlaceOfOneThatWasRemoved() throws {
        try live(53840, only: [2, 7, 8, 19, 20, 21, 23, 24, 28])
    }

    func testNothingIsTakenForStoredWhileTheOutcomeOfACommitIsUnknown() throws {
        try live(54246, only: [16, 25, 26, 27, 29])
    }

    func testAPruneThatFindsNothingLeavesOpenWhatIsOpen() throws { try live(447, only: [10, 18, 19, 20]) }

    func testASeedReplaysExactly() throws {
        XCTAssertEqual(try RandomLife(seed: 7).run(), try RandomLife(seed: 7).run())
    }
}
