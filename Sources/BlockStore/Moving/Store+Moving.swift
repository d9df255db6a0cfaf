import Erasure

/// What a drain or a fill moved.
public struct MoveReport: Sendable {
    public var movedShards = 0
    /// Of these, made again because they could not be copied.
    public var rebuiltShards = 0
    public var movedBytes: UInt64 = 0
    /// Shards that stay where they were because something went wrong.
    public var failedShards = 0
    /// What did, the first few times.
    public var errors: [String] = []
    public var seconds = 0.0

    public init() {}
}

extension Store {
    /// Moves everything that `goal` says, a few blocks at a time, giving way to other writers in between. Goes on past
    /// errors.
    ///
    /// - Parameter touched: told the name of each block of which something was to be moved, with the rows.
    func carryOut(
        _ goal: MoveGoal, _ planned: MovePlan, _ phase: String, progress: ProgressHandler?,
        touched: (BlockName, [Row]) -> Void = { _, _ in }
    ) throws(StoreError) -> MoveReport {
        let start = environment.clock.monotonicNanoseconds()
        var report = MoveReport()
        var last: BlockName?
        try startTenure().ensureEpoch()
        while true {
            try environment.checkStop("go on with \(phase)")
            let engine = self.engine
            let batch = try nextMoves(goal, after: last, limit: engine.environment.executor.width + 1)
            last = batch.last
            let jobs = batch.work.map { block, moves in
                Job(engine.environment.executor, on: .compute) { () throws(StoreError) in
                    let mover = ShardMover(engine)
                    var outcome = ShardMover.Outcome()
                    for move in moves { mover.move(move.row, of: block, from: move.source, to: move.target, &outcome) }
                    return outcome
                }
            }
            for ((block, moves), job) in zip(batch.work, jobs) {
                let outcome = try job.value()
                report.movedShards += outcome.moved.count
                report.rebuiltShards += outcome.rebuilt
                report.movedBytes += outcome.bytes
                report.failedShards += outcome.errors.count
                report.errors += outcome.errors.prefix(max(0, 20 - report.errors.count))
                touched(block.name, moves.map(\.row))
                progress?(
                    Progress(
                        phase: phase, doneBytes: report.movedBytes, totalBytes: planned.bytes,
                        doneItems: report.movedShards, totalItems: planned.shards))
            }
            guard last != nil else { break }
            if try takeTurns() { try startTenure().ensureEpoch() }
        }
        report.seconds = Double(environment.clock.monotonicNanoseconds() &- start) / 1e9
        return report
    }

    /// The next blocks with something to move.
    ///
    /// - Returns: `last` is where to go on; nil at the end.
    private func nextMoves(
        _ goal: MoveGoal, after name: BlockName?, limit: Int
    ) throws(StoreError) -> (work: [(IndexedBlock, [ShardMove])], last: BlockName?) {
        let engine = self.engine
        var work: [(IndexedBlock, [ShardMove])] = []
        var last = name
        while true {
            let page = try engine.index.blocks(after: last, limit: 256)
            if page.isEmpty { return (work, nil) }
            for block in page {
                last = block.name
                let moves = goal.moves(of: block, engine.devices)
                if !moves.isEmpty { work.append((block, moves)) }
                if work.count == limit { return (work, last) }
            }
        }
    }
}
