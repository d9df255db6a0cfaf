import Erasure

/// What it takes to give one block the rows of another profile with as many columns: which stay, which are made from what and
/// go where, which are dropped in the end. Writes nothing.
struct BlockConversion {
    /// Rows of the new profile that are there, each on a device of its own.
    let kept: [Row: DeviceID]
    /// Of these, the ones that the block's profile so far does not have: whoever made them did not live to say so. They count
    /// once they are read back.
    let unproved: [Row]
    /// Rows that are made, and where.
    let places: [Row: DeviceID]
    /// Rows for which there is no device.
    let homeless: [Row]
    /// How the rows in `places` are made; nil when what is there does not determine them.
    let plan: RepairPlan?
    /// Rows that are there and in the new profile no more.
    let dropped: [Row]

    /// - Precondition: `profile.dataShards == block.columnCount`.
    /// - Parameter isLookedAt: the devices are asked whether they have what the index says.
    init(_ engine: Engine, _ block: IndexedBlock, to profile: Profile, isLookedAt: Bool) {
        let wanted = profile.rows(over: block.columns)
        let known = block.shards.filter { !block.damaged.contains($0.key) }
        var there: [Row: DeviceID] = [:]
        for (row, id) in known.sorted(by: { $0.key < $1.key }) {
            guard let device = engine.devices.device(id) else { continue }
            if !isLookedAt || Engine.has(device, ShardName(block.name, row)) { there[row] = id }
        }
        let kept = Protection.onDistinctDevices(there.filter { wanted.contains($0.key) })
        let places = Self.place(wanted.filter { kept[$0] == nil }, of: block, beside: kept, engine)
        self.kept = kept
        self.places = places
        let old = Set(block.profile.rows)
        unproved = kept.keys.filter { !old.contains($0) }.sorted()
        homeless = wanted.filter { kept[$0] == nil && places[$0] == nil }
        dropped = block.shards.keys.filter { !wanted.contains($0) }.sorted()
        let made = places.keys.sorted()
        // A device that failed is still read from.
        let sources = known.filter { row, id in
            places[row] == nil
                && (there[row] != nil || engine.devices.device(id) == nil && engine.devices.readable(id) != nil)
        }
        plan =
            made.isEmpty || block.shardPayloadBytes == 0
            ? nil : RepairPlan.make(lost: made, available: sources.keys.sorted(), columns: block.columns)
    }

    /// Whether the new rows follow from fewer than a whole payload: parity from parity, or a group from its data.
    func isPartial(_ block: IndexedBlock) -> Bool { plan.map { $0.reads.count < block.columnCount } ?? false }

    /// Back where a row is known to have been, else on a device that holds none of the rows that stay; those that hold nothing of
    /// the block come first. One that is about to lose its row will do: what is counted before and afterwards stands on
    /// devices of its own either way.
    private static func place(
        _ missing: [Row], of block: IndexedBlock, beside kept: [Row: DeviceID], _ engine: Engine
    ) -> [Row: DeviceID] {
        var places: [Row: DeviceID] = [:]
        var taken = Set(kept.values)
        let candidates = engine.devices.candidates
        for row in missing {
            guard let id = block.shards[row], !taken.contains(id), candidates.contains(where: { $0.id == id }) else {
                continue
            }
            places[row] = id
            taken.insert(id)
        }
        let homeless = missing.filter { places[$0] == nil }
        let free = candidates.filter { !taken.contains($0.id) }
        let holders = Set(block.shards.values)
        for choice in [free.filter { !holders.contains($0.id) }, free.filter { holders.contains($0.id) }] {
            let left = homeless.filter { places[$0] == nil }
            let occupied = taken.sorted().compactMap { engine.devices[$0]?.configured.domain }
            for (row, id) in zip(
                left, Placement.choose(left.count, for: block.name.id, among: choice, occupied: occupied))
            {
                places[row] = id
                taken.insert(id)
            }
        }
        return places
    }
}
