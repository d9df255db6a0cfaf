import Erasure

/// What to collect.
public struct CollectOptions: Sendable {
    /// Also blocks that lose little, and a few small ones.
    public var isFull: Bool
    /// Ends when so many bytes were copied.
    public var maximumBytes: UInt64?
    /// Instead of what takes room in vain: blocks with another number of data columns than the store's profile.
    var movesOtherShapes = false

    public init(isFull: Bool = false, maximumBytes: UInt64? = nil) {
        self.isFull = isFull
        self.maximumBytes = maximumBytes
    }
}

/// What a collection would do.
public struct CollectForecast: Sendable {
    public let checkedBlocks: Int
    /// Blocks that would go.
    public let blocks: Int
    /// What is needed of them, after compression: it would be read once and written anew.
    public let liveBytes: UInt64
    /// What they take on the devices, parity included.
    public let shardBytes: UInt64
    /// About so much would be free afterwards.
    public let freedBytes: UInt64
    /// Bytes of versions that are not the newest, or deleted: nothing of them is freed before they are purged.
    public let heldBytes: UInt64
}

/// What a collection did.
public struct CollectReport: Sendable {
    public var checkedBlocks = 0
    public var retiredBlocks = 0
    /// Copied, after compression.
    public var copiedBytes: UInt64 = 0
    /// Payload of the shards that went, less that of the shards written.
    public var freedBytes: Int64 = 0
    public var removedShards = 0
    /// Shards of attempts that were given up, and others that nothing needs.
    public var removedStrays = 0
    /// Blocks that should have gone and had to stay, and why.
    public var kept: [(block: BlockName, reason: String)] = []
    /// Bytes of versions that are not the newest, or deleted.
    public var heldBytes: UInt64 = 0
    /// False when it ended at `maximumBytes`.
    public var isComplete = true
    public var seconds = 0.0

    public init() {}
}

extension Store {
    /// Frees what no version uses: blocks with little in them that is needed are written anew, small ones together, and their
    /// files deleted.
    ///
    /// A crash at any point loses nothing; what was under way is done by the next call. Others write and read meanwhile: the
    /// locks are given back when somebody waits for them. At most 64 MiB of chunks and a few bits for each chunk of the store are in memory.
    ///
    /// - Throws: `.indexDamaged` before anything is written, when the index does not hold together; what a put throws, and
    ///   `.lost` when a manifest cannot be read: then it is not known what is needed.
    /// - Complexity: a walk over the index, and one read and write of what is copied.
    public func collect(
        _ options: CollectOptions = CollectOptions(), progress: ProgressHandler? = nil
    ) throws(StoreError) -> CollectReport {
        let start = environment.clock.monotonicNanoseconds()
        var report = CollectReport()
        try requireWholeChain()
        openReserves()
        _ = try startTenure()
        // What the index hides would be taken for garbage.
        try engine.index.check()
        report.heldBytes = try heldBytes
        var left = options.maximumBytes ?? .max
        // Once more where the index was made anew meanwhile: everything has other numbers then.
        var isDone = false
        while !isDone {
            var live: LiveChunks? = try LiveChunks(engine, progress: progress)
            let plan = try CollectionPlan(engine, live, options, progress: progress)
            report.checkedBlocks = plan.checkedBlocks
            isDone = try run(plan, &live, &left, &report, progress)
        }
        try removeStrays(&report)
        report.isComplete = left > 0
        report.seconds = Double(environment.clock.monotonicNanoseconds() &- start) / 1e9
        return report
    }

    /// What `collect` would do now. Reads the index and manifests alone.
    public func forecastCollection(
        _ options: CollectOptions = CollectOptions(), progress: ProgressHandler? = nil
    ) throws(StoreError) -> CollectForecast {
        try engine.index.check()
        let live = try LiveChunks(engine, progress: progress)
        let plan = try CollectionPlan(engine, live, options, progress: progress)
        let profile = configuration.profile
        let liveBytes = UInt64(plan.liveBytes)
        let rewritten = liveBytes * UInt64(profile.shardCount) / UInt64(profile.dataShards)
        return CollectForecast(
            checkedBlocks: plan.checkedBlocks, blocks: plan.blocks.count, liveBytes: liveBytes,
            shardBytes: UInt64(plan.shardBytes),
            freedBytes: UInt64(plan.shardBytes) - min(rewritten, UInt64(plan.shardBytes)),
            heldBytes: try heldBytes)
    }

    /// Merges some of the small blocks when there are many, as whoever closes the store after writing does. What goes wrong is
    /// no concern of theirs: the next one tries again.
    func mergeIfMany() {
        guard let totals = try? engine.index.totals(), totals.smallBlocks > Int64(options.toleratedSmallBlocks) else {
            return
        }
        var report = CollectReport()
        var live: LiveChunks?
        // One batch.
        var left: UInt64 = 1
        guard let plan = try? CollectionPlan(engine, nil, CollectOptions()) else { return }
        _ = try? run(plan, &live, &left, &report, nil)
    }

    private var heldBytes: UInt64 {
        get throws(StoreError) {
            let totals = try engine.index.totals()
            return UInt64(max(0, totals.allVersionsBytes - totals.logicalBytes))
        }
    }

    /// Where a commit is missing, so may be what it deleted.
    private func requireWholeChain() throws(StoreError) {
        if let missing = recovery?.missing.first {
            throw StoreError(
                .lost, "collect", detail: "\(missing) is missing: what is needed is not known",
                advice: "bring devices back, then bsctl index rebuild")
        }
    }

    /// Collects batch by batch; false when the marks are of another index.
    private func run(
        _ plan: CollectionPlan, _ live: inout LiveChunks?, _ left: inout UInt64,
        _ report: inout CollectReport, _ progress: ProgressHandler?
    ) throws(StoreError) -> Bool {
        var done = 0
        for list in [plan.candidates, plan.ends] {
            var rest = list[...]
            while !rest.isEmpty, left > 0 {
                try environment.checkStop("go on collecting")
                let (batch, profile) = batch(&rest)
                let tenure = try startTenure()
                if Mutant.isActive(.collectedBlocksRemovedFirst) {
                    for name in batch {
                        if let block = try engine.index.block(named: name) { removeFiles(of: [block], &report) }
                    }
                }
                let collector = Collector(
                    engine: engine, tenure: tenure, live: live, hasUnknown: plan.hasUnknown,
                    profile: plan.movesOtherShapes ? tenure.engine.configuration.profile : profile)
                let outcome = try collector.collect(batch)
                if let problem = tenure.indexProblem { throw problem }
                report.retiredBlocks += outcome.retired.count
                report.copiedBytes += outcome.copiedBytes
                report.kept += outcome.kept
                report.freedBytes -= Int64(outcome.writtenBytes)
                left -= min(left, max(1, outcome.copiedBytes))
                removeFiles(of: outcome.retired, &report)
                done += batch.count
                progress?(
                    Progress(
                        phase: "collecting blocks", doneBytes: report.copiedBytes, totalBytes: UInt64(plan.liveBytes),
                        doneItems: done, totalItems: plan.blocks.count))
                guard try takeTurns() else { continue }
                try requireWholeChain()
                if Mutant.isActive(.newVersionsUnmarked) { continue }
                if try live?.update(engine) == false { return false }
            }
        }
        return true
    }

    /// As many blocks of one profile as fit into memory, at least one.
    private func batch(_ rest: inout ArraySlice<CollectionPlan.Candidate>) -> ([BlockName], Profile) {
        var batch: [BlockName] = []
        var bytes = 0
        let profile = rest.first?.profile ?? configuration.profile
        while let next = rest.first, next.profile == profile,
            batch.isEmpty || bytes + next.memoryBytes <= options.collectedBytes, batch.count < options.collectedBlocks
        {
            batch.append(next.block)
            bytes += next.memoryBytes
            rest.removeFirst()
        }
        return (batch, profile)
    }

    /// Deletes the shards of blocks that are retired, durably. What cannot be deleted now is a stray later.
    private func removeFiles(of blocks: [IndexedBlock], _ report: inout CollectReport) {
        for block in blocks {
            for (row, id) in block.shards.sorted(by: { $0.key < $1.key }) {
                guard let device = engine.devices.device(id) else { continue }
                do throws(StoreError) {
                    try device.remove(ShardName(block.name, row))
                    report.removedShards += 1
                    report.freedBytes += Int64(block.shardPayloadBytes)
                } catch {
                    engine.devices.fail(id, error)
                }
            }
        }
    }

    /// Deletes the shards that belong to no block of the store: of blocks retired while a device was away, and of attempts
    /// that were given up (*void* blocks), which are retired first. Void ones only with every device in service: what is void
    /// for some may be in doubt for others.
    private func removeStrays(_ report: inout CollectReport) throws(StoreError) {
        let tenure = try startTenure()
        let engine = self.engine
        var void: [ShardName: [DeviceID]] = [:]
        let isEverybodyHere = engine.devices.outOfService.isEmpty
        for id in engine.devices.inService {
            guard let device = engine.devices.device(id) else { continue }
            let shards: [ShardName]
            do throws(StoreError) {
                shards = try device.shards(from: .none)
            } catch {
                engine.devices.fail(id, error)
                continue
            }
            var known: Set<UInt64> = []
            var number: BlockNumber?
            for shard in shards {
                if tenure.state.retired.holds(shard) {
                    remove(shard, from: id, &report)
                    continue
                }
                if shard.number != number {
                    number = shard.number
                    known = Set(try engine.index.blocks(from: shard.number, to: shard.number).map(\.name.id.prefix))
                }
                if !known.contains(shard.idPrefix), shard.number <= tenure.state.highestBlock {
                    void[shard, default: []].append(id)
                }
            }
        }
        guard isEverybodyHere, engine.devices.outOfService.isEmpty, !void.isEmpty else { return }
        let names = void.keys.sorted()
        var numbers: [BlockNumber] = []
        var single: [BlockName] = []
        for shard in names {
            if try engine.index.blocks(from: shard.number, to: shard.number).isEmpty {
                numbers.append(shard.number)
            } else if let name = blockName(of: shard, on: void[shard] ?? []) {
                single.append(name)
            }
        }
        let retired = try tenure.state.retired.adding(numbers: numbers, single: single, commits: []) {
            range throws(StoreError) in
            try engine.index.blocks(from: range.lowerBound, to: range.upperBound).isEmpty
        }
        let writer = CommitWriter(tenure, minimumShards: nil)
        try writer.add(.retired(retired))
        report.freedBytes -= Int64(try writer.commit().shardBytes)
        if let problem = tenure.indexProblem { throw problem }
        for shard in names where retired.holds(shard) {
            for id in void[shard] ?? [] { remove(shard, from: id, &report) }
        }
    }

    private func remove(_ shard: ShardName, from id: DeviceID, _ report: inout CollectReport) {
        guard let device = engine.devices.device(id) else { return }
        do throws(StoreError) {
            try device.remove(shard)
            report.removedStrays += 1
        } catch {
            engine.devices.fail(id, error)
        }
    }

    /// The block that a shard is of, whole; nil when its header cannot be read.
    private func blockName(of shard: ShardName, on devices: [DeviceID]) -> BlockName? {
        for id in devices {
            guard let device = engine.devices.device(id) else { continue }
            if let (header, _) = try? ShardReader.header(of: shard, on: device, storeID: engine.storeID) {
                return header.block
            }
        }
        return nil
    }
}
