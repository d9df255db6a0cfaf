public import Erasure

/// What a reshape has to do, by what the index knows.
public struct ReshapePlan: Sendable {
    public let profile: Profile
    /// Blocks that have another profile.
    public var blocks = 0
    /// Blocks with another number of data columns: what they hold moves into new blocks. Counted in bytes, not in shards.
    public var blocksToMove = 0
    public var shardsToWrite = 0
    public var shardsToRemove = 0
    public var bytesToRead: UInt64 = 0
    public var bytesToWrite: UInt64 = 0
    public var bytesToRemove: UInt64 = 0
    /// Blocks that lack devices or sound shards now.
    public var impossible = 0
    /// Devices without the room: what the work needs at most at a time, and what is free.
    public var shortOfSpace: [(device: String, neededBytes: UInt64, freeBytes: UInt64)] = []

    init(_ profile: Profile) { self.profile = profile }

    public var isNothing: Bool { blocks == 0 && blocksToMove == 0 && shardsToRemove == 0 }
}

extension Store {
    /// What `reshape` would do. Reads the index and the free space; changes nothing.
    ///
    /// - Throws: where `reshape` would refuse, but for the space, which the plan tells.
    public func planReshape(to profile: Profile? = nil) throws(StoreError) -> ReshapePlan {
        let profile = profile ?? configuration.profile
        try requireReshapable(to: profile)
        let engine = self.engine
        var plan = ReshapePlan(profile)
        /// More on each device than now: at the moment, and at the worst.
        var balance: [DeviceID: Int] = [:]
        var worst: [DeviceID: Int] = [:]
        var last: BlockName?
        while true {
            let page = try engine.index.blocks(after: last, limit: Self.blocksInBatch)
            guard let end = page.last else { break }
            last = end.name
            var removed: [DeviceID: Int] = [:]
            for block in page {
                guard block.columnCount == profile.dataShards else {
                    plan.addMoved(block)
                    continue
                }
                guard block.profile != profile || !block.rowsBeyondProfile.isEmpty else { continue }
                let conversion = BlockConversion(engine, block, to: profile, isLookedAt: false)
                plan.add(block, conversion)
                // Cells' checksums, contents and frames are estimated: a shard is little more than its payload.
                let bytes = block.shardPayloadBytes + Self.frameBytesEstimate
                for id in conversion.places.values {
                    balance[id, default: 0] += bytes
                    worst[id] = max(worst[id] ?? 0, balance[id] ?? 0)
                }
                for row in conversion.dropped { if let id = block.shards[row] { removed[id, default: 0] += bytes } }
            }
            for (id, bytes) in removed { balance[id, default: 0] -= bytes }
        }
        for member in engine.devices.all {
            guard let needed = worst[member.configured.id], needed > 0, let space = try? member.device?.space(),
                UInt64(needed) > space.freeBytes
            else { continue }
            plan.shortOfSpace.append((engine.devices.name(member.configured.id), UInt64(needed), space.freeBytes))
        }
        return plan
    }

    private static var frameBytesEstimate: Int { 64 << 10 }

    /// How many bytes a second come from the medium, by reading some shards for about a second; nil where there are none.
    public func measureReading() throws(StoreError) -> Double? {
        let engine = self.engine
        let clock = environment.clock
        let start = clock.monotonicNanoseconds()
        var bytes = 0
        for block in try engine.index.blocks(after: nil, limit: 1000) where block.shardPayloadBytes > 0 {
            for (row, id) in block.shards.sorted(by: { $0.key < $1.key }) {
                guard let device = engine.devices.device(id) else { continue }
                _ = try ShardReader.problem(
                    with: ShardName(block.name, row), on: device, storeID: engine.storeID, from: .medium)
                bytes += block.shardPayloadBytes
                let nanoseconds = clock.monotonicNanoseconds() &- start
                if nanoseconds > 1_000_000_000 { return Double(bytes) / (Double(nanoseconds) / 1e9) }
            }
        }
        let seconds = Double(clock.monotonicNanoseconds() &- start) / 1e9
        return bytes > 0 && seconds > 0 ? Double(bytes) / seconds : nil
    }

    /// Throws where no block could be given the profile.
    func requireReshapable(to profile: Profile) throws(StoreError) {
        let operation = "reshape to \(profile)"
        try requireDevices(for: profile, operation)
        let inService = engine.devices.candidates.count
        guard inService >= profile.shardCount else {
            throw StoreError(
                .tooFewDevices, operation,
                detail:
                    "\(Count.text(inService, "device", one: "is", many: "are")) in service, a block needs \(profile.shardCount)",
                advice: "bring devices back or replace them first: bsctl status")
        }
    }
}

extension ReshapePlan {
    /// At most: of what no version needs nothing is copied.
    fileprivate mutating func addMoved(_ block: IndexedBlock) {
        blocksToMove += 1
        bytesToRead += block.payloadBytes
        bytesToWrite += block.payloadBytes * UInt64(profile.shardCount) / UInt64(profile.dataShards)
        bytesToRemove += UInt64(block.shards.count * block.shardPayloadBytes)
    }

    fileprivate mutating func add(_ block: IndexedBlock, _ conversion: BlockConversion) {
        if block.profile != profile { blocks += 1 }
        let needsPlan = !conversion.places.isEmpty && block.shardPayloadBytes > 0
        if block.isUnknown || !conversion.homeless.isEmpty || needsPlan && conversion.plan == nil {
            impossible += 1
            return
        }
        let size = UInt64(block.shardPayloadBytes)
        shardsToWrite += conversion.places.count
        bytesToWrite += size * UInt64(conversion.places.count)
        shardsToRemove += conversion.dropped.count
        bytesToRemove += size * UInt64(conversion.dropped.count)
        guard let plan = conversion.plan else { return }
        bytesToRead += size * UInt64(conversion.isPartial(block) ? plan.reads.count : block.columnCount)
    }
}
