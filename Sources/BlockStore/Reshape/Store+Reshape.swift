public import Erasure

/// What a reshape did.
public struct ReshapeReport: Sendable {
    public let profile: Profile
    /// Blocks that have the profile now and did not before.
    public var blocks = 0
    public var writtenShards = 0
    public var writtenBytes: UInt64 = 0
    public var readBytes: UInt64 = 0
    public var removedShards = 0
    /// Blocks that could not be given the profile; `problems` says why, for some.
    public var left = 0
    /// Shards of no profile of their block that could not be removed: their device is away, or the block lacks others.
    public var leftoverShards = 0
    /// Blocks with another number of data columns, whose data stand in new blocks now.
    public var movedBlocks = 0
    public var movedBytes: UInt64 = 0
    public var problems: [String] = []
    public var commits = 0
    /// What redundancy the commits themselves owe, in words.
    public var debt: String?
    public var seconds = 0.0

    init(_ profile: Profile) { self.profile = profile }

    /// Everything that can have the profile has it, and nothing is left over.
    public var isComplete: Bool { left == 0 && leftoverShards == 0 && debt == nil }
}

extension Store {
    /// Gives every block another profile, and makes it the profile of new blocks. Blocks with as many data columns change in
    /// place; the data of others move into new blocks, as a collection moves them.
    ///
    /// Batch by batch: the shards that are new are written and read back; then a commit says which blocks have the profile; then
    /// what they had beyond it is removed. So each block has all shards of its old profile or all of the new one at any time,
    /// and is read throughout. What is to be done is the configuration's profile and the blocks that have another one:
    /// cut off anywhere, the next call goes on, and puts to order what it finds half done.
    ///
    /// - Parameter wanted: nil for the store's own profile: what is not finished is.
    /// - Throws: `.tooFewDevices`, `.noSpace` before anything is changed; single blocks that fail are in the
    ///   report.
    /// - Complexity: reads k shards of a block for new parity, fewer where parity follows from parity; memory as a repair.
    public func reshape(
        to wanted: Profile? = nil, progress: ProgressHandler? = nil
    ) throws(StoreError) -> ReshapeReport {
        let start = environment.clock.monotonicNanoseconds()
        let profile = wanted ?? configuration.profile
        var report = ReshapeReport(profile)
        _ = try startTenure()
        let plan = try planReshape(to: profile)
        if let short = plan.shortOfSpace.first {
            throw StoreError(
                .noSpace, "reshape to \(profile)", at: short.device,
                detail: "\(short.neededBytes) bytes are needed there at a time, \(short.freeBytes) are free",
                advice: "make room on it; nothing was changed")
        }
        if configuration.profile != profile { try setProfile(profile, &report) }
        try takeStock()
        var last: BlockName?
        repeat {
            _ = try takeTurns()
            try environment.checkStop("go on reshaping")
            guard configuration.profile == profile else {
                throw StoreError(
                    .locked, "reshape to \(profile)",
                    detail: "somebody made \(configuration.profile) the store's profile meanwhile",
                    advice: "what was done is done; run bsctl reshape with the profile that is meant")
            }
            last = try reshapeBatch(after: last, &report)
            progress?(
                Progress(
                    phase: "reshaping blocks", doneBytes: report.writtenBytes, doneItems: report.blocks,
                    totalItems: max(plan.blocks, report.blocks)))
        } while last != nil
        if plan.blocksToMove > 0 { try moveOthers(&report, progress) }
        report.seconds = Double(environment.clock.monotonicNanoseconds() &- start) / 1e9
        return report
    }

    /// Moves what blocks of another shape hold into new ones, and retires them.
    private func moveOthers(_ report: inout ReshapeReport, _ progress: ProgressHandler?) throws(StoreError) {
        var options = CollectOptions()
        options.movesOtherShapes = true
        let moved = try collect(options, progress: progress)
        report.movedBlocks = moved.retiredBlocks
        report.movedBytes = moved.copiedBytes
        report.left += moved.kept.count
        report.problems += moved.kept.prefix(20).map { "block \($0.block) stays as it is: \($0.reason)" }
    }

    /// So many blocks are looked at before what they have is said, and at most.
    static var blocksInBatch: Int { 256 }

    /// Makes `profile` that of new blocks: from now on puts use it, and what is not finished can be told.
    private func setProfile(_ profile: Profile, _ report: inout ReshapeReport) throws(StoreError) {
        var changed = configuration
        changed.number += 1
        changed.profile = profile
        let writer = CommitWriter(try startTenure(), minimumShards: nil, profile: profile)
        try writer.add(.configuration(changed))
        try commit(writer, &report)
        // The copies of the configuration are written there.
        try reopen()
    }

    private func commit(_ writer: CommitWriter, _ report: inout ReshapeReport) throws(StoreError) {
        let outcome = try writer.commit()
        report.commits += 1
        if outcome.owedShards > 0 {
            let verb = outcome.owedShards == 1 ? "is" : "are"
            report.debt = "\(Count.text(outcome.owedShards, "shard")) of a commit \(verb) owed"
        }
        if let problem = outcome.indexProblem {
            throw StoreError(
                .indexBehind, "go on reshaping",
                detail: "what was committed is safe, but the index could not follow (\(problem.detail))",
                advice: "run the command again: the index is caught up when the store opens")
        }
    }

    /// Takes shards that an interrupted reshape left into the index: it may be older than they are.
    private func takeStock() throws(StoreError) {
        let engine = self.engine
        for id in engine.devices.inService {
            guard let device = engine.devices.device(id) else { continue }
            let shards: [ShardName]
            do throws(StoreError) {
                shards = try device.shards(from: .none)
            } catch {
                engine.devices.fail(id, error)
                continue
            }
            var last: BlockName?
            var next = 0
            while next < shards.count {
                let page = try engine.index.blocks(after: last, limit: 1000)
                guard let end = page.last else { break }
                last = end.name
                var found: [(BlockRef, Row, DeviceID)] = []
                for block in page {
                    while next < shards.count, shards[next].number < block.name.number { next += 1 }
                    for shard in shards[next...].prefix(while: { $0.number == block.name.number })
                    where shard.idPrefix == block.name.id.prefix && block.shards[shard.row] == nil {
                        found.append((block.ref, shard.row, id))
                    }
                }
                if !found.isEmpty { try engine.index.setShards(found) }
            }
        }
    }

    /// Reshapes some blocks behind `after`, for about a turn.
    ///
    /// - Returns: the last block looked at; nil when there are no more.
    private func reshapeBatch(after: BlockName?, _ report: inout ReshapeReport) throws(StoreError) -> BlockName? {
        let tenure = try startTenure()
        let engine = tenure.engine
        let profile = report.profile
        let page = try engine.index.blocks(after: after, limit: Self.blocksInBatch)
        guard !page.isEmpty else { return nil }
        // Whoever names a shard has said in which epoch.
        try tenure.ensureEpoch()
        let start = environment.clock.monotonicNanoseconds()
        var under: [(block: IndexedBlock, job: Job<BlockReshaper.Outcome>)] = []
        /// In the order of numbers: which have or may have the profile after this batch.
        var states: [(block: IndexedBlock, state: BlockState)] = []
        func collect() throws(StoreError) {
            let (block, job) = under.removeFirst()
            let outcome = try job.value()
            report.writtenShards += outcome.writtenShards
            report.writtenBytes += outcome.writtenBytes
            report.readBytes += outcome.readBytes
            if !outcome.isWhole { report.note(outcome.problem, block) }
            states.append((block, outcome.isWhole ? .ready : .left))
        }
        for block in page {
            // A turn ends early for a stop: what was made is said first.
            let isTurnOver = environment.clock.monotonicNanoseconds() &- start > options.turnNanoseconds
            if isTurnOver || environment.shouldStop(), !states.isEmpty { break }
            guard block.columnCount == profile.dataShards, !block.isUnknown, block.profile != profile else {
                while !under.isEmpty { try collect() }
                let isOther = block.columnCount != profile.dataShards
                states.append((block, isOther ? .other : block.profile == profile ? .hasProfile : .left))
                continue
            }
            let reshaper = BlockReshaper(engine, to: profile)
            under.append(
                (
                    block,
                    Job(engine.environment.executor, on: .compute) { () throws(StoreError) in reshaper.prepare(block) }
                )
            )
            if under.count > engine.environment.executor.width { try collect() }
        }
        while !under.isEmpty { try collect() }
        // A device may have failed after it was read.
        let ready = try states.map { block, state throws(StoreError) in
            let isReady = state == .ready ? try isWhole(block.ref, profile, engine) : false
            return (block: block, state: state == .ready && !isReady ? BlockState.left : state)
        }
        report.left += ready.count { $0.state == .left }
        if Mutant.isActive(.reshapeDropsOldFirst) {
            try dropRows(of: ready.map(\.block), beyond: profile, engine, &report)
        }
        let intervals = Self.intervals(ready)
        if !intervals.isEmpty {
            let writer = CommitWriter(tenure, minimumShards: nil)
            for interval in intervals {
                try writer.add(
                    .profile(ProfileRecord(first: interval.lowerBound, last: interval.upperBound, profile: profile)))
            }
            try commit(writer, &report)
            report.blocks += ready.count { $0.state == .ready }
        }
        try dropRows(
            of: ready.filter { $0.state == .ready || $0.state == .hasProfile }.map(\.block), beyond: profile, engine,
            &report)
        return states.last?.block.name
    }

    private enum BlockState { case ready, hasProfile, other, left }

    /// Closed intervals of block numbers in which every block that the profile can be meant for has all shards of it.
    private static func intervals(_ states: [(block: IndexedBlock, state: BlockState)]) -> [ClosedRange<BlockNumber>] {
        var result: [ClosedRange<BlockNumber>] = []
        var open: ClosedRange<BlockNumber>?
        for (block, state) in states {
            switch state {
            case .ready: open = (open?.lowerBound ?? block.name.number)...block.name.number
            case .hasProfile, .other: break
            case .left:
                if let open { result.append(open) }
                open = nil
            }
        }
        if let open { result.append(open) }
        return result
    }

    /// Whether every row of `profile` stands, as far as is known, on a device of its own in service.
    private func isWhole(_ ref: BlockRef, _ profile: Profile, _ engine: Engine) throws(StoreError) -> Bool {
        guard let block = try engine.index.block(ref) else { return false }
        let rows = profile.rows(over: block.columns)
        let sound = block.shards.filter { row, id in
            rows.contains(row) && !block.damaged.contains(row) && engine.devices.device(id) != nil
        }
        return Protection.onDistinctDevices(sound).count == rows.count
    }

    /// Removes what these blocks have beyond `profile`, where that is theirs and complete.
    private func dropRows(
        of blocks: [IndexedBlock], beyond profile: Profile, _ engine: Engine, _ report: inout ReshapeReport
    ) throws(StoreError) {
        let looker = BlockRepairer(engine)
        var dropped: [(BlockRef, Row)] = []
        for known in blocks where known.profile != profile || !known.rowsBeyondProfile.isEmpty {
            guard let block = try engine.index.block(known.ref), block.columnCount == profile.dataShards else {
                continue
            }
            let wanted = Set(profile.rows(over: block.columns))
            let rows = block.shards.keys.filter { !wanted.contains($0) }.sorted()
            guard !rows.isEmpty else { continue }
            let isSafe = block.profile == profile && looker.missingRows(of: block).isEmpty
            guard isSafe || Mutant.isActive(.reshapeDropsOldFirst) else {
                report.leftoverShards += rows.count
                continue
            }
            for row in rows {
                guard let id = block.shards[row], let device = engine.devices.device(id) else {
                    report.leftoverShards += 1
                    continue
                }
                do throws(StoreError) {
                    try device.remove(ShardName(block.name, row))
                    dropped.append((block.ref, row))
                    report.removedShards += 1
                } catch {
                    engine.devices.fail(id, error)
                    report.leftoverShards += 1
                    report.note(error, block)
                }
            }
        }
        if !dropped.isEmpty { try engine.index.dropShards(dropped) }
    }
}

extension ReshapeReport {
    fileprivate mutating func note(_ problem: StoreError?, _ block: IndexedBlock) {
        guard let problem, problems.count < 20 else { return }
        problems.append("block \(block.name): \(problem)")
    }
}
