@testable import BlockStore

/// The power goes after every single device step of a workload, under every policy, and once more during
/// the recovery that follows.
enum CrashPoints {
    static let policies: [CrashPolicy] = [.loseAllUnsynced, .keepAll, .torn, .random]

    /// Runs `workload` once in full, then cut off after each step; checks every promise each time.
    ///
    /// - Throws: `BrokenPromise` with the step, the policy and what happened.
    static func all(
        prepare: (StoreModel) throws -> Void = { _ in }, _ workload: (StoreModel) throws -> Void
    ) throws {
        let base = try StoreModel(seed: 1, devices: 5, profile: "rs:2+2")
        try prepare(base)
        try base.check()
        let whole = try base.fork(seed: 2)
        try workload(whole)
        let steps = whole.world.steps
        guard steps > 0 else { throw BrokenPromise(description: "the workload does nothing") }
        for step in 1...steps {
            for policy in policies {
                let model = try base.fork(seed: UInt64(step))
                do {
                    try cutOff(model, workload, step, policy)
                } catch {
                    throw BrokenPromise(
                        description: "crash after step \(step) of \(steps), \(policy): \(error)\n  "
                            + model.log.joined(separator: "\n  "))
                }
            }
        }
    }

    private static func cutOff(
        _ model: StoreModel, _ workload: (StoreModel) throws -> Void, _ step: Int, _ policy: CrashPolicy
    ) throws {
        model.world.crashAtStep = step
        try workload(model)
        guard model.world.isCrashed else { return }
        model.crash(policy)
        // Again during the recovery: at a step that the seed chooses.
        model.world.crashAtStep = 1 + Int(model.world.random.next() % 12)
        try model.check()
        if model.world.isCrashed {
            model.crash(policy)
            try model.check()
        }
        // The store goes on working, and losing as much as it must survive costs nothing.
        model.world.crashAtStep = nil
        guard try model.write([.put(Key("after"), SeededRandom.bytes(100, seed: 9))]) else {
            throw BrokenPromise(description: "nothing can be put afterwards")
        }
        for disk in model.world.state.disks.keys.sorted() where model.mayHit(disk) { model.setAbsent(disk) }
        try model.check()
    }
}

extension SeededRandom {
    static func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
        let random = SeededRandom(seed)
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }
}
