import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// T2: the power goes after every single device step of a workload, under every policy, and once more
/// during the recovery that follows.
final class CrashPointTests: XCTestCase {
    func testWhateverIsCutOffAnywhereKeepsEveryPromise() throws {
        // Every step of all of them: scripts/sim --crash-points
        for workload in Workload.all { try CrashPoints.run(workload, every: workload.name == "put" ? 1 : 31) }
    }

    func testInitCanBeCutOffAnywhereAndRunAgain() throws {
        let disks = (1...5).map { "disk-\($0)" }
        let profile = try Profile("rs:2+2")
        func create(_ world: SimulatedWorld) throws(StoreError) {
            _ = try Store.create(
                world.environment, devices: disks.map { NewDevice(path: $0) }, profile: profile,
                averageChunkBytes: 4096)
        }
        let whole = SimulatedWorld(seed: 1, disks: disks)
        try create(whole)
        for step in 1...whole.steps {
            for policy in CrashPoints.policies {
                let world = SimulatedWorld(seed: UInt64(step), disks: disks)
                world.crashAtStep = step
                _ = try? create(world)
                world.reboot(policy)
                // Either the store is there, or init can be run again.
                do throws(StoreError) {
                    try Store.open(world.environment, access: .write).close()
                } catch {
                    world.restart()
                    world.state.index = nil
                    XCTAssertNoThrow(try create(world), "after step \(step), \(policy): \(error)")
                    world.restart()
                }
                XCTAssertNoThrow(
                    try Store.open(world.environment, access: .write).close(), "after step \(step), \(policy)")
            }
        }
    }
}
