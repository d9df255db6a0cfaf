@testable import BlockStore

/// T2: the power goes after every single device step of a workload, under every policy, and again during the recovery
/// that follows.
public enum CrashPoints {
    /// What was tried.
    public struct Count: Sendable {
        /// Steps of the workload after which the power went.
        public var steps = 0
        /// States that were found afterwards, and recovered from.
        public var states = 0
        /// Recoveries that were cut off in their turn.
        public var recoveries = 0

        public init() {}
    }

    /// Every unsynced thing lost, kept, torn, or each as the seed says. Beside these, each one alone is lost.
    static let policies: [CrashPolicy] = [.loseAllUnsynced, .keepAll, .torn, .random]

    /// Runs `workload` once in full, then cut off after each step; checks every promise each time.
    ///
    /// - Parameters:
    ///   - stride: every so many steps; every one by default.
    ///   - isThorough: each unsynced thing alone is lost, and under the policies for all the power goes again after each
    ///     step of the recovery; otherwise one thing and one step, which depend on the step.
    /// - Throws: `BrokenPromise` with the step, the policy and what happened.
    @discardableResult
    public static func run(_ workload: Workload, every stride: Int = 1, isThorough: Bool = false) throws -> Count {
        let base = try StoreModel(
            seed: 1, devices: 5, profile: "rs:2+2", largestShardBytes: workload.largestShardBytes,
            nodes: workload.nodes)
        try workload.prepare(base)
        try base.check()
        let whole = try base.fork(seed: 2)
        try workload.run(whole)
        var count = Count()
        count.steps = whole.world.steps
        guard count.steps > 0 else { throw BrokenPromise(description: "\(workload.name) does nothing") }
        try workload.afterwards(whole)
        try finish(whole)
        for step in Swift.stride(from: 1 + (count.steps - 1) % stride, through: count.steps, by: stride) {
            let cut = try base.fork(seed: UInt64(step))
            cut.world.crashAtStep = step
            try workload.run(cut)
            guard cut.world.isCrashed else { continue }
            cut.powerGoes()
            let unsynced = cut.world.unsyncedCount
            let each = isThorough ? Array(0..<unsynced) : unsynced > 0 ? [step * 7 % unsynced] : []
            for policy in policies + each.map(CrashPolicy.loseOne) {
                count.states += 1
                let found = try cut.fork(seed: UInt64(step))
                do {
                    found.powerReturns(policy)
                    try workload.afterwards(found)
                    count.recoveries += try cutOffAgain(
                        found, workload, step, isThorough: isThorough && policies.contains(policy))
                    try finish(found)
                } catch {
                    throw BrokenPromise(
                        description: "\(workload.name): power cut after step \(step) of \(count.steps), \(policy): "
                            + "\(error)\n  " + found.log.joined(separator: "\n  "))
                }
            }
        }
        return count
    }

    /// Cuts the recovery off as well, and recovers again, on copies of what was found. Returns how often.
    private static func cutOffAgain(
        _ found: StoreModel, _ workload: Workload, _ step: Int, isThorough: Bool
    ) throws -> Int {
        let whole = try found.fork(seed: UInt64(step))
        try whole.check()
        guard whole.world.steps > 0 else { return 0 }
        let steps = isThorough ? Array(1...whole.world.steps) : [1 + step % whole.world.steps]
        let policies: [CrashPolicy] = isThorough ? [.loseAllUnsynced, .keepAll, .random] : [.random]
        for second in steps {
            let cut = try found.fork(seed: UInt64(step))
            cut.world.crashAtStep = second
            try cut.check()
            guard cut.world.isCrashed else { continue }
            cut.powerGoes()
            for policy in policies {
                let again = try cut.fork(seed: UInt64(second))
                again.powerReturns(policy)
                do {
                    try workload.afterwards(again)
                    try finish(again)
                } catch {
                    throw BrokenPromise(
                        description: "cut off again after step \(second) of the recovery, \(policy): \(error)\n  "
                            + again.log.joined(separator: "\n  "))
                }
            }
        }
        return steps.count * policies.count
    }

    /// Everything is as promised, the store goes on working, and losing as much as it must survive costs nothing.
    private static func finish(_ model: StoreModel) throws {
        try model.check()
        guard try model.write([.put(Key("after"), SeededRandom.bytes(100, seed: 9))]) else {
            throw BrokenPromise(description: "nothing can be put afterwards")
        }
        for disk in model.world.state.disks.keys.sorted() where !model.outsiders.contains(disk) && model.mayHit(disk) {
            model.setAbsent(disk)
        }
        try model.check()
    }
}

extension SeededRandom {
    static func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
        let random = SeededRandom(seed)
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }
}
