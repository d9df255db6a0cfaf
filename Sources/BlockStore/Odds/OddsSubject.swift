public import Erasure

/// A number that the odds rest on, and how it is known.
public struct OddsFigure: Sendable, Hashable {
    public enum Origin: String, Sendable {
        /// Of this store.
        case measured
        /// By whoever asks.
        case given
        case assumed
    }

    public var value: Double
    public var origin: Origin

    public init(_ value: Double, _ origin: Origin) {
        self.value = value
        self.origin = origin
    }
}

/// What the odds are asked of: a layout, and what is known of how it is looked after.
public struct OddsSubject: Sendable {
    public var layout: OddsLayout
    /// Most blocks have it.
    public let profile: Profile
    /// All data as it is stored, compressed and without parity.
    public let payloadBytes: Double
    /// Where each block has a device without a shard of it beside, what was lost is made again without a new device.
    public let hasSpareDevice: Bool
    public var failuresPerYear = OddsFigure(OddsAssumptions.Defaults.failuresPerYear, .assumed)
    /// Until a repair begins after a failure.
    public var waitHours: OddsFigure
    /// How fast lost shards are made again: bytes of them a second.
    public var repairBytesPerSecond = OddsFigure(OddsAssumptions.Defaults.repairBytesPerSecond, .assumed)
    /// Both together, where it was said so.
    public var givenRepairHours: Double?
    public var domainFailuresPerYear = OddsFigure(OddsAssumptions.Defaults.domainFailuresPerYear, .assumed)
    public var latentErrorsPerYear = OddsFigure(OddsAssumptions.Defaults.latentErrorsPerYear, .assumed)
    public var scrubDays: OddsFigure
    /// Blocks that cannot be read even from all devices there are: of these the odds say nothing.
    public var unreadableBlocks = 0
    /// Shards that are known to be damaged or have no place: they count as missing for good.
    public var missingShards = 0
    /// There is no data yet: the layout is one that is only thought of.
    public var isEmpty = false

    init(
        layout: OddsLayout, profile: Profile, payloadBytes: Double, hasSpareDevice: Bool, scrubDays: OddsFigure
    ) {
        self.layout = layout
        self.profile = profile
        self.payloadBytes = payloadBytes
        self.hasSpareDevice = hasSpareDevice
        self.scrubDays = scrubDays
        waitHours = OddsFigure(
            hasSpareDevice
                ? OddsAssumptions.Defaults.repairStartHours : OddsAssumptions.Defaults.replacementHours, .assumed)
    }

    /// Devices and data that are only thought of.
    ///
    /// - Throws: `.invalid` where the profile needs more devices.
    public static func imagined(
        _ profile: Profile, on devices: [OddsLayout.Device], payloadBytes: Double
    ) throws(StoreError) -> OddsSubject {
        guard devices.count >= profile.shardCount else {
            throw StoreError(
                .invalid, "tell the odds of \(profile) on \(Count.text(devices.count, "device"))",
                detail: "it needs at least \(profile.shardCount), one for each shard of a block")
        }
        let blocks = max(1, Int(min(1e12, payloadBytes / Double(blockBytes(profile)))))
        return OddsSubject(
            layout: OddsLayout.imagined(profile, on: devices, blocks: blocks, payloadBytes: payloadBytes),
            profile: profile, payloadBytes: payloadBytes, hasSpareDevice: devices.count > profile.shardCount,
            scrubDays: OddsFigure(OddsAssumptions.Defaults.scrubDays, .assumed))
    }

    /// Payload of a full block.
    static func blockBytes(_ profile: Profile) -> Int {
        Limits.fullShardBytes(columns: profile.dataShards) * profile.dataShards
    }

    /// The same devices and data with another profile, on more devices where it needs them.
    ///
    /// - Parameter domains: spread over at least so many; nil for as they are.
    public func changed(to profile: Profile, domains: Int? = nil) -> OddsSubject {
        let count = max(layout.devices.count, profile.shardCount)
        let devices = domains.map { OddsLayout.devices(count, domains: $0) } ?? layout.devices(grownTo: count)
        let blocks = max(1, Int(min(1e12, payloadBytes / Double(Self.blockBytes(profile)))))
        var changed = self
        changed.layout = OddsLayout.imagined(
            profile, on: devices, blocks: max(blocks, isEmpty ? 1000 : 1), payloadBytes: payloadBytes)
        return OddsSubject(changed, profile: profile, hasSpareDevice: count > profile.shardCount)
    }

    private init(_ other: OddsSubject, profile: Profile, hasSpareDevice: Bool) {
        layout = other.layout
        self.profile = profile
        payloadBytes = other.payloadBytes
        self.hasSpareDevice = hasSpareDevice
        failuresPerYear = other.failuresPerYear
        // What a repair waits for changes with the change alone where it was only assumed.
        waitHours = other.waitHours
        if other.waitHours.origin == .assumed, other.hasSpareDevice, !hasSpareDevice {
            waitHours.value = OddsAssumptions.Defaults.replacementHours
        }
        repairBytesPerSecond = other.repairBytesPerSecond
        // A repair takes as long as it reads and writes.
        repairBytesPerSecond.value *=
            (1 + Self.readsPerShard(other.profile)) / (1 + Self.readsPerShard(profile))
        givenRepairHours = other.givenRepairHours
        domainFailuresPerYear = other.domainFailuresPerYear
        latentErrorsPerYear = other.latentErrorsPerYear
        scrubDays = other.scrubDays
        isEmpty = other.isEmpty
    }

    /// How many shards are read to make one again, in the mean over all shards of a block.
    static func readsPerShard(_ profile: Profile) -> Double {
        guard profile.localGroups > 0 else { return Double(profile.dataShards) }
        let rows = profile.rows
        let reads = rows.reduce(0) { sum, row in
            sum + (RepairPlan.make(lost: [row], available: rows, columns: profile.columns)?.reads.count ?? 0)
        }
        return Double(reads) / Double(rows.count)
    }

    /// On the device that holds the most.
    public var shardBytesToRepair: Double { layout.fullestDeviceBytes }

    public var rebuildHours: Double { shardBytesToRepair / max(1, repairBytesPerSecond.value) / 3600 }

    /// From a failure until all is made again.
    public var repairHours: Double { max(0.05, givenRepairHours ?? waitHours.value + rebuildHours) }

    public var assumptions: OddsAssumptions {
        OddsAssumptions(
            failuresPerYear: failuresPerYear.value, repairHours: repairHours,
            domainFailuresPerYear: domainFailuresPerYear.value, latentErrorsPerYear: latentErrorsPerYear.value,
            scrubDays: scrubDays.value)
    }
}

extension Store {
    /// What the odds of this store are asked of: its blocks where they lie, and what is known of its repairs and scrubs.
    ///
    /// Blocks without payload are left out: each of their shards has all they hold.
    /// - Complexity: a look at each block, and memory for each set of devices that blocks lie on.
    public func oddsSubject() throws(StoreError) -> OddsSubject {
        let engine = self.engine
        let order = engine.devices.order
        let index = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($0.element, $0.offset) })
        let members = engine.devices.all
        var layout = OddsLayout(
            devices: members.map {
                OddsLayout.Device(
                    label: $0.configured.label, domain: $0.configured.domain, weight: $0.configured.weight)
            },
            failedNow: Set(members.indices.filter { !members[$0].state.isInService }))
        var (unreadable, missing, payloadBytes) = (0, 0, 0.0)
        var verification = Verification()
        var blocksByProfile: [Profile: Int] = [:]
        let now = wallSeconds
        try forEachBlock { block in
            verification.look(at: block, now: now)
            guard block.shardPayloadBytes > 0 else { return }
            let wanted = Set(block.profile.rows)
            let sound = Protection.onDistinctDevices(
                block.shards.filter { wanted.contains($0.key) && !block.damaged.contains($0.key) })
            missing += wanted.count - sound.count
            guard spans(sound.keys, columns: block.columns) else {
                unreadable += 1
                return
            }
            payloadBytes += Double(block.payloadBytes)
            blocksByProfile[block.profile, default: 0] += 1
            layout.add(
                sound.compactMapValues { index[$0] }, columns: block.columns,
                OddsLayout.Amount(
                    blocks: 1, shardBytes: Double(block.shardPayloadBytes), payloadBytes: Double(block.payloadBytes)))
        }
        let profiles = blocksByProfile.sorted { ($1.value, $0.key.description) < ($0.value, $1.key.description) }
        layout.setProfiles(profiles.map { (profile: $0.key, blocks: $0.value) })
        let profile = profiles.first?.key ?? configuration.profile
        let isEmpty = layout.blocks == 0
        if isEmpty {
            let devices = layout.devices
            guard devices.count >= profile.shardCount else {
                throw StoreError(
                    .invalid, "tell the odds of a store without data",
                    detail: "\(profile) needs \(profile.shardCount) devices, there are \(devices.count)")
            }
            layout = OddsLayout.imagined(profile, on: devices, blocks: 1000, payloadBytes: 0)
        }
        let widest = (isEmpty ? [profile] : profiles.map(\.key)).map(\.shardCount).max() ?? 0
        var subject = OddsSubject(
            layout: layout, profile: profile, payloadBytes: payloadBytes,
            hasSpareDevice: engine.devices.candidates.count > widest,
            scrubDays: Self.scrubDays(verification))
        subject.unreadableBlocks = unreadable
        subject.missingShards = missing
        subject.isEmpty = isEmpty
        if let rate = try engine.index.repairRate() {
            subject.repairBytesPerSecond = OddsFigure(rate, .measured)
        }
        return subject
    }

    /// How often everything is read: as seldom as what waits longest was, but no more often than monthly, since one scrub
    /// says nothing of the next.
    private static func scrubDays(_ verification: Verification) -> OddsFigure {
        guard verification.neverBlocks == 0, let oldest = verification.oldestSeconds else {
            return OddsFigure(OddsAssumptions.Defaults.unscrubbedDays, .assumed)
        }
        let days = Double(oldest) / 86400
        return days > OddsAssumptions.Defaults.scrubDays
            ? OddsFigure(days, .measured) : OddsFigure(OddsAssumptions.Defaults.scrubDays, .assumed)
    }
}
