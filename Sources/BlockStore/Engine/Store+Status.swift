public import Erasure

/// Everything a person asks first.
public struct StoreStatus: Sendable {
    public let storeID: StoreID
    /// Of new blocks.
    public let profile: Profile
    /// How many blocks should have which profile: several where puts asked for one, or a reshape is not finished.
    public let profiles: [(profile: Profile, blocks: Int)]
    public let configurationNumber: UInt64
    public let isSandbox: Bool
    public let headCommit: CommitNumber
    public let epoch: UInt64
    public let devices: [DeviceInfo]
    public let usage: [DeviceID: DeviceUsage]
    public let totals: StoreTotals
    /// How many blocks lack how many of their shards, the fullest first. Known damage counts as lacking.
    public let protection: [(missing: Int, blocks: Int)]
    public let owedShards: Int
    /// Shards that their block's profile does not have: what a reshape made and did not say, or said and did not remove.
    public let shardsBeyondProfiles: Int
    /// Blocks that cannot be read in full from the devices there are.
    public let lostBlocks: Int
    /// Some version of an object needs one of them.
    public let isContentLost: Bool
    public let verification: Verification
    /// So many more devices may fail, whichever they are, with every block still readable from those in service; −1 when
    /// some are not now, though they may still read from devices that failed.
    public let lossesSurvivedNow: Int
    /// Why writing is refused; nil when it is not.
    public let writeRefusal: String?
    public let inDoubt: [CommitSummary]
    public let bypassed: [CommitSummary]
    /// What no failure domain as a whole may do: fail.
    public let domainWarnings: [String]
}

/// Sums over the store.
public struct StoreTotals: Sendable, Hashable {
    /// Keys whose newest version is there.
    public let objects: Int
    public let versions: Int
    /// Bytes of the newest versions.
    public let logicalBytes: Int
    /// Bytes of all versions.
    public let allVersionsBytes: Int
    public let chunks: Int
    public let uniqueBytes: Int
    /// Unique bytes after compression.
    public let compressedBytes: Int
    public let blocks: Int
    /// On the devices, parity included.
    public let shardBytes: Int
}

/// What a loss would do.
public struct LossForecast: Sendable, Hashable {
    public let blocks: Int
    /// Blocks that could not be read any more.
    public let lostBlocks: Int
}

extension Store {
    public func status() throws(StoreError) -> StoreStatus {
        let engine = self.engine
        var histogram: [Int: Int] = [:]
        var owed = 0
        var lost: Set<BlockName> = []
        var beyond = 0
        var survived = Int.max
        var table = SurvivalTable()
        var usage: [DeviceID: DeviceUsage] = [:]
        var verification = Verification()
        let now = wallSeconds
        try forEachBlock { block in
            Self.count(block, &usage)
            let sound = engine.soundRows(of: block)
            let missing = max(0, Self.wantedShards(block, engine) - sound.count)
            histogram[missing, default: 0] += 1
            owed += missing
            beyond += block.rowsBeyondProfile.count
            let losses = table.lossesSurvived(
                sound, columns: block.columns, payloadBytes: block.shardPayloadBytes)
            if !engine.isReadable(block) { lost.insert(block.name) }
            survived = min(survived, losses)
            verification.look(at: block, now: now)
        }
        guard let state = try engine.index.state() else { throw Index.corrupt("it is empty") }
        let totals = try engine.index.totals()
        let isContentLost = lost.isEmpty ? false : try !LossFinder(engine, losing: lost).keys(limit: 1).isEmpty
        return StoreStatus(
            storeID: engine.storeID, profile: configuration.profile,
            profiles: totals.blocksByProfile.map { (profile: $0.key, blocks: Int($0.value)) }
                .sorted { ($1.blocks, $0.profile.description) < ($0.blocks, $1.profile.description) },
            configurationNumber: configuration.number,
            isSandbox: configuration.isSandbox, headCommit: state.head.number, epoch: state.epoch.counter,
            devices: devices, usage: usage,
            totals: StoreTotals(
                objects: Int(totals.objects), versions: Int(totals.versions), logicalBytes: Int(totals.logicalBytes),
                allVersionsBytes: Int(totals.allVersionsBytes), chunks: Int(totals.chunks),
                uniqueBytes: Int(totals.uniquePlainBytes), compressedBytes: Int(totals.chunkStoredBytes),
                blocks: Int(totals.blocks), shardBytes: Int(totals.shardBytes)),
            protection: histogram.sorted { $0.key < $1.key }.map { (missing: $0.key, blocks: $0.value) },
            owedShards: owed, shardsBeyondProfiles: beyond, lostBlocks: lost.count,
            isContentLost: isContentLost, verification: verification,
            lossesSurvivedNow: survived == Int.max ? engine.devices.inService.count : survived,
            writeRefusal: writeRefusal, inDoubt: recovery?.doubtful ?? [], bypassed: recovery?.bypassed ?? [],
            domainWarnings: configuration.domainWarnings)
    }

    /// What losing these devices, and these single shards elsewhere, would do to the blocks as they are now.
    public func forecast(
        losing devices: Set<DeviceID>, and shards: Set<ShardName> = []
    ) throws(StoreError) -> LossForecast {
        let engine = self.engine
        var blocks = 0
        var lost = 0
        try forEachBlock { block in
            blocks += 1
            let left = engine.readableRows(of: block).filter { row in
                !shards.contains(ShardName(block.name, row))
                    && block.shards[row].map { !devices.contains($0) } ?? false
            }
            if !Protection.isReadable(left, columns: block.columns, payloadBytes: block.shardPayloadBytes) { lost += 1 }
        }
        return LossForecast(blocks: blocks, lostBlocks: lost)
    }

    /// What each device holds as far as the index knows.
    public func deviceUsage() throws(StoreError) -> [DeviceID: DeviceUsage] {
        var usage: [DeviceID: DeviceUsage] = [:]
        try forEachBlock { Self.count($0, &usage) }
        return usage
    }

    private static func count(_ block: IndexedBlock, _ usage: inout [DeviceID: DeviceUsage]) {
        for (row, id) in block.shards {
            guard !block.damaged.contains(row) else {
                usage[id, default: DeviceUsage()].damagedShards += 1
                continue
            }
            usage[id, default: DeviceUsage()].shards += 1
            usage[id, default: DeviceUsage()].bytes += UInt64(block.shardPayloadBytes)
        }
    }

    private var writeRefusal: String? {
        if let doubt = recovery?.doubtful.first {
            return "commit \(doubt.number) is in doubt: bring devices back or run bsctl recover --abandon"
        }
        let absent = engine.devices.outOfService.count
        let tolerance = (try? engine.absencesTolerated()) ?? configuration.profile.tolerance
        if absent > tolerance {
            return "\(Count.text(absent, "device", one: "is", many: "are")) out of service, at most \(tolerance) may be"
        }
        let needed = configuration.profile.dataShards + 1
        let present = engine.devices.candidates.count
        if present < needed {
            return "\(Count.text(present, "device", one: "is", many: "are")) in service, a put needs \(needed)"
        }
        return nil
    }

    /// Shards that a block should have: all rows, or, without payload, as many as there are devices.
    static func wantedShards(_ block: IndexedBlock, _ engine: Engine) -> Int {
        min(block.profile.shardCount, max(engine.devices.order.count, 1))
    }

    func forEachBlock(_ body: (IndexedBlock) -> Void) throws(StoreError) {
        var last: BlockName?
        while true {
            let page = try engine.index.blocks(after: last, limit: 1000)
            guard let end = page.last else { return }
            last = end.name
            for block in page { body(block) }
        }
    }
}
