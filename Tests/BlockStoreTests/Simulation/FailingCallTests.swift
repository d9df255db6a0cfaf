import XCTest

@testable import BlockStore
@testable import Simulation

/// T6: every single call of a device or the home fails once, in a repair every third.
final class FailingCallTests: XCTestCase {
    /// - Parameter stride: every so many calls, where there are very many.
    private func everyFailure(
        every stride: Int = 1, prepare: (StoreModel) throws -> Void = { _ in },
        _ workload: (StoreModel) throws -> Void
    ) throws {
        let base = try StoreModel(seed: 1, devices: 5, profile: "rs:2+2")
        try prepare(base)
        try base.check()
        let whole = try base.fork(seed: 2)
        try workload(whole)
        for call in Swift.stride(from: 1, through: whole.world.calls, by: stride) {
            for failure in SimulatedWorld.Failure.allCases {
                let model = try base.fork(seed: 2)
                model.world.failAtCall = (call, failure)
                do {
                    try workload(model)
                    try model.check()
                    // The next command finds everything as promised, without the index too.
                    model.closeStore()
                    model.world.state.index = nil
                    try model.check()
                    let isStored = try model.write([.put(Key("after"), [1, 2, 3])])
                    XCTAssertTrue(isStored, "\(failure) at call \(call)")
                    try model.check()
                    model.closeStore()
                    for (name, disk) in model.world.state.disks {
                        XCTAssertEqual(disk.names(in: "tmp"), [], "\(failure) at call \(call): temporaries on \(name)")
                    }
                } catch {
                    return XCTFail("\(failure) at call \(call): \(error)\n  " + model.log.joined(separator: "\n  "))
                }
            }
        }
    }

    func testAFailedCallNeverLosesWhatWasAcknowledgedInAPut() throws {
        try everyFailure(
            prepare: { model in
                try model.write([.put(Key("a"), SeededRandom.bytes(9_000, seed: 1))])
            },
            { model in
                try model.write([.put(Key("a"), SeededRandom.bytes(12_000, seed: 2)), .put(Key("b"), [1])])
            })
    }

    func testNorInARemove() throws {
        try everyFailure(
            prepare: { model in
                try model.write([.put(Key("a"), SeededRandom.bytes(9_000, seed: 1))])
            }, { model in try model.write([.remove(Key("a"))]) })
    }

    func testNorInAMoveOrAPurge() throws {
        try everyFailure(
            prepare: { model in
                try model.write([.put(Key("a"), SeededRandom.bytes(9_000, seed: 1)), .put(Key("b"), [1])])
                try model.write([.put(Key("b"), [2])])
                try model.watch([Key("b")])
            },
            { model in
                try model.write([.move(Key("a"), Key("c"))])
                try model.purge(Key("b"), age: 0)
            })
    }

    func testNorInARepair() throws {
        try everyFailure(
            every: 3,
            prepare: { model in
                try model.write([.put(Key("a"), SeededRandom.bytes(9_000, seed: 1)), .put(Key("b"), [7])])
                model.wipe("disk-2")
            }, { model in _ = try model.repairAll() })
    }
}
