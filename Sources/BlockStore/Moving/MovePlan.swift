import Erasure

/// What moves from where to where, before it does.
public struct MovePlan: Sendable {
    public var shards = 0
    /// Payload of these.
    public var bytes: UInt64 = 0
    /// By the label of the device that takes them.
    public var takes: [String: UInt64] = [:]
    /// Shards that every other device in service has one beside already.
    public var homeless = 0
    /// Devices that have less room than they are to take.
    public var lackingRoom: [String] = []
    /// How fast the shards can be read, measured on some of them; nil when there was nothing to measure.
    public var bytesPerSecond: Double?

    /// About so much: a device that is no member yet draws its id when it becomes one, and what it attracts hangs on that.
    public var isEstimated = false

    public init() {}

    /// At the measured rate.
    public var seconds: Double? { bytesPerSecond.map { Double(bytes) / $0 } }
}

/// One shard that is to move.
struct ShardMove: Sendable {
    let row: Row
    let source: DeviceID
    /// Nil where no device is free.
    let target: DeviceID?
}

/// Which shards move. Decides over what the index says; the devices have the last word when they do.
enum MoveGoal {
    /// Everything off a device. `listed` are the shards found on it, known or not.
    case empty(DeviceID, listed: Set<ShardName>)
    /// Its share onto a device.
    case fill(Placement.Candidate)

    func moves(of block: IndexedBlock, _ devices: DeviceSet) -> [ShardMove] {
        switch self {
        case .empty(let source, let listed):
            let candidates = devices.candidates.filter { $0.id != source }
            var places = block.shards
            return block.profile.rows.compactMap { row in
                guard block.shards[row] == source || listed.contains(ShardName(block.name, row)) else { return nil }
                places[row] = nil
                let others = places.values.filter { $0 != source }.compactMap { devices[$0]?.candidate }
                let target = Placement.successor(for: block.name.id, among: candidates, beside: others)
                places[row] = target
                return ShardMove(row: row, source: source, target: target)
            }
        case .fill(let newcomer):
            if let member = devices[newcomer.id], !member.state.isInService { return [] }
            if block.shards.values.contains(newcomer.id) { return [] }
            let candidates = devices.candidates.filter { $0.id != newcomer.id } + [newcomer]
            let places = block.shards.filter { !block.damaged.contains($0.key) && devices.device($0.value) != nil }
            guard
                let row = Placement.attracted(
                    by: newcomer.id, of: block.name.id, places, rowCount: block.profile.shardCount,
                    among: candidates), let source = places[row]
            else { return [] }
            return [ShardMove(row: row, source: source, target: newcomer.id)]
        }
    }
}

extension Store {
    /// Looks at every block and adds up.
    ///
    /// - Parameter measuring: reads some of the shards, to tell how long it takes.
    func plan(
        _ goal: MoveGoal, measuring: Bool = false, label: (DeviceID) -> String
    ) throws(StoreError) -> MovePlan {
        let engine = self.engine
        var plan = MovePlan()
        var takes: [DeviceID: UInt64] = [:]
        var samples: [(ShardName, DeviceID, UInt64)] = []
        try forEachBlock { block in
            for move in goal.moves(of: block, engine.devices) {
                // Left behind by a move that was cut off: only to be removed.
                if let place = block.shards[move.row], place != move.source { continue }
                plan.shards += 1
                plan.bytes += UInt64(block.shardPayloadBytes)
                guard let target = move.target else {
                    plan.homeless += 1
                    continue
                }
                takes[target, default: 0] += UInt64(block.shardPayloadBytes)
                if measuring, samples.count < 32, !block.damaged.contains(move.row) {
                    samples.append((ShardName(block.name, move.row), move.source, UInt64(block.shardPayloadBytes)))
                }
            }
        }
        for (id, bytes) in takes.sorted(by: { $0.key < $1.key }) {
            plan.takes[label(id)] = bytes
            guard let space = try? engine.devices.device(id)?.space(), space.freeBytes < bytes else { continue }
            plan.lackingRoom.append(label(id))
        }
        plan.bytesPerSecond = measure(samples)
        return plan
    }

    /// Reads and checks some shards from the medium, for a second at most.
    private func measure(_ samples: [(shard: ShardName, device: DeviceID, bytes: UInt64)]) -> Double? {
        let start = environment.clock.monotonicNanoseconds()
        func seconds() -> Double { Double(environment.clock.monotonicNanoseconds() &- start) / 1e9 }
        var bytes: UInt64 = 0
        for sample in samples where seconds() < 1 {
            guard let device = engine.devices.readable(sample.device),
                ShardReader.isSound(sample.shard, on: device, storeID: engine.storeID)
            else { continue }
            bytes += sample.bytes
        }
        let taken = seconds()
        return bytes > 0 && taken > 0 ? Double(bytes) / taken : nil
    }
}
