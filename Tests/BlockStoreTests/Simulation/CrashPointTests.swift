import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// T2: the power goes after every single device step of a workload, under every policy, and once more
/// during the recovery that follows.
final class CrashPointTests: XCTestCase {
    private func key(_ text: String) throws -> Key { try Key(text) }

    private func bytes(_ count: Int, seed: UInt64) -> [UInt8] { SeededRandom.bytes(count, seed: seed) }

    private func everyCrashPoint(
        prepare: (StoreModel) throws -> Void = { _ in }, _ workload: (StoreModel) throws -> Void
    ) throws {
        try CrashPoints.all(prepare: prepare, workload)
    }

    func testAPutIsWholeOrAbsentWhereverThePowerGoes() throws {
        try everyCrashPoint { model in
            try model.write([.put(key("a"), bytes(30_000, seed: 1))])
        }
    }

    func testAnOverwriteLeavesTheOldOrTheNewVersion() throws {
        try everyCrashPoint(
            prepare: { model in
                try model.write([.put(key("a"), bytes(20_000, seed: 1))])
            },
            { model in
                try model.write([.put(key("a"), bytes(25_000, seed: 2))])
            })
    }

    func testATreeOfObjectsIsAtomicObjectByObject() throws {
        try everyCrashPoint { model in
            try model.write((0..<5).map { .put(try key("tree/\($0)"), bytes(3_000 * $0, seed: UInt64($0))) })
        }
    }

    func testARemoveHappensOrDoesNot() throws {
        try everyCrashPoint(
            prepare: { model in
                try model.write([.put(key("a"), bytes(5_000, seed: 1)), .put(key("b"), bytes(10, seed: 2))])
            },
            { model in
                try model.write([.remove(key("a"))])
            })
    }

    func testADegradedPutIsWholeOrAbsent() throws {
        try everyCrashPoint(
            prepare: { model in
                try model.write([.put(key("a"), bytes(5_000, seed: 1))])
                model.setAbsent("disk-2")
                model.setAbsent("disk-4")
            },
            { model in
                try model.write([.put(key("b"), bytes(9_000, seed: 3))])
            })
    }

    func testRepairAndReplacementCanBeCutOffAnywhere() throws {
        try everyCrashPoint(
            prepare: { model in
                try model.write([.put(key("a"), bytes(9_000, seed: 1)), .put(key("b"), bytes(100, seed: 2))])
                model.wipe("disk-3")
            },
            { model in
                _ = try model.repairAll()
            })
    }

    func testARebuiltIndexCanBeCutOffAnywhere() throws {
        try everyCrashPoint(
            prepare: { model in
                try model.write([.put(key("a"), bytes(9_000, seed: 1))])
                try model.write([.put(key("a"), bytes(9_500, seed: 2)), .remove(key("a"))])
                model.closeStore()
                model.world.state.index = nil
            },
            { model in
                try model.write([.put(key("b"), bytes(1_000, seed: 3))])
            })
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
