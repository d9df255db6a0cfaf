/// What replacing a device would do.
public struct ReplacePlan: Sendable {
    public let label: String
    public let oldID: DeviceID
    /// Where the old one is or was, as far as that is known.
    public let oldPath: String?
    public let path: String
    /// Blocks that would lack shards then, whatever they lack now included.
    public let endangeredBlocks: Int
    public let owedShards: Int
    /// What a repair would read and write to make these again.
    public let readBytes: UInt64
    public let writtenBytes: UInt64
}

/// What giving a device another label, domain or weight would do. No shard moves for it.
public struct DeviceChangePlan: Sendable {
    public struct Settings: Sendable, Hashable {
        public let label: String
        public let domain: String
        public let weight: UInt32

        init(_ device: Configuration.Device) {
            label = device.label
            domain = device.domain
            weight = device.weight
        }
    }

    public let id: DeviceID
    public let old: Settings
    public let new: Settings
    /// What a person should know of the failure domains then.
    public let domainWarnings: [String]
}

/// What a change of devices would do, before it does. Needs no lock and changes nothing.
extension Store {
    /// What `replaceDevice` would do.
    ///
    /// Shards of the newest commit that whoever writes makes again first, where there is a free device, are not counted.
    ///
    /// - Throws: as `replaceDevice`.
    /// - Complexity: a look at each shard of the store, as for a repair.
    public func planReplacing(_ id: DeviceID, with path: String? = nil) throws(StoreError) -> ReplacePlan {
        let (operation, target) = try placeToReplace(id, with: path)
        let newcomer = try lookAtNewcomer(operation, at: target)
        let old = try member(id, operation)
        try requireChangeable(operation, to: configuration(replacing: old.configured).changed)
        let queue = try queue(without: old)
        return ReplacePlan(
            label: old.configured.label, oldID: id, oldPath: old.path, path: newcomer?.place ?? target,
            endangeredBlocks: queue.entries.count, owedShards: queue.entries.reduce(0) { $0 + Int($1.missing) },
            readBytes: queue.readBytes, writtenBytes: queue.writtenBytes)
    }

    /// What a repair would find if `member` had been replaced by an empty device.
    private func queue(without member: DeviceSet.Member) throws(StoreError) -> RepairQueue {
        let engine = self.engine
        let id = member.configured.id
        let members = engine.devices.all.map { other in
            guard other.configured.id == id else { return other }
            return DeviceSet.Member(
                configured: Configuration.Device(
                    id: id, label: other.configured.label, domain: other.configured.domain,
                    weight: other.configured.weight, state: .inService),
                lane: other.lane, device: nil, state: .absent("replaced"), path: other.path)
        }
        let later = Engine(
            environment: environment, configuration: configuration, devices: DeviceSet(members, environment.executor),
            index: engine.index)
        let (repairer, repairerNow) = (BlockRepairer(later, expecting: [id]), BlockRepairer(engine))
        let head = try engine.index.state()?.head.number
        var queue = RepairQueue()
        try forEachBlock { block in
            if block.commit == head, !member.state.isInService {
                let missing = repairerNow.missingRows(of: block)
                if repairerNow.place(missing, of: block).count == missing.count { return }
            }
            queue.look(at: block, repairer)
        }
        return queue
    }

    /// What `setDevice` would do.
    ///
    /// - Throws: as `setDevice`.
    public func planSetting(
        _ id: DeviceID, label: String? = nil, domain: String? = nil, weight: UInt32? = nil
    ) throws(StoreError) -> DeviceChangePlan {
        let (operation, changed) = try configuration(setting: id, label: label, domain: domain, weight: weight)
        let old = try member(id, operation).configured
        if changed != configuration { try requireChangeable(operation, to: changed) }
        return DeviceChangePlan(
            id: id, old: DeviceChangePlan.Settings(old),
            new: DeviceChangePlan.Settings(changed.devices.first { $0.id == id } ?? old),
            domainWarnings: changed.domainWarnings)
    }
}
