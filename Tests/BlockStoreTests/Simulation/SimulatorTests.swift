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

    func testASeedReplaysExactly() throws {
        XCTAssertEqual(try RandomLife(seed: 7).run(), try RandomLife(seed: 7).run())
    }
}
