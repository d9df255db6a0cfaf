/// What a rebuild of the index would read.
public struct RebuildPlan: Sendable {
    public struct Source: Sendable {
        public let label: String
        public let path: String?
        public let state: DeviceState
        public internal(set) var shards = 0
    }

    public internal(set) var devices: [Source] = []
    /// Of which at least one shard is there: a table of contents of each is read.
    public internal(set) var blocks = 0
    public internal(set) var notices: [String] = []

    public var shards: Int { devices.reduce(0) { $0 + $1.shards } }
}

extension Store {
    /// Looks what `rebuildIndex` would read: lists the shards on each device and opens none. Needs neither a lock nor an
    /// index, and changes nothing.
    ///
    /// - Throws: where there is no store, or no device of it has a shard.
    public static func planRebuild(
        _ environment: StoreEnvironment, options: Options = Options()
    ) throws(StoreError) -> RebuildPlan {
        try selfTest()
        let opening = Opening(environment: environment, access: .read, options: options, progress: nil)
        let discovery = Discovery(environment, home: try opening.readHome())
        let devices = discovery.deviceSet()
        var plan = RebuildPlan()
        plan.notices = discovery.notices
        var blocks: Set<ShardName.Block> = []
        for id in devices.order {
            var shards: [ShardName] = []
            do throws(StoreError) {
                shards = try devices.device(id)?.shards(from: .none) ?? []
            } catch {
                devices.fail(id, error)
            }
            for shard in shards { blocks.insert(ShardName.Block(shard)) }
            guard let member = devices[id] else { continue }
            plan.devices.append(
                RebuildPlan.Source(
                    label: member.configured.label, path: member.path, state: member.state, shards: shards.count))
        }
        plan.blocks = blocks.count
        guard plan.blocks > 0 else {
            throw StoreError(
                .notFound, "rebuild the index",
                detail: "no shard was found on the \(Count.text(devices.inService.count, "device")) in service",
                advice: "bring more devices back, or run bsctl init again if it was interrupted")
        }
        return plan
    }
}
