import Erasure

public struct DrillOptions: Sendable {
    /// So many objects are read, chosen at random; nil for all.
    public var sampleCount: Int?
    /// So many devices are lost; nil for as many as the store survives now.
    public var lossCount: Int?
    /// So many bits are flipped.
    public var bitCount: Int

    public init(sampleCount: Int? = 1000, lossCount: Int? = nil, bitCount: Int = 20) {
        self.sampleCount = sampleCount
        self.lossCount = lossCount
        self.bitCount = bitCount
    }
}

/// What a drill found out.
public struct DrillReport: Sendable {
    /// What was read under some damage.
    public struct Reading: Sendable {
        public var objects = 0
        public var bytes: UInt64 = 0
        /// Made from other shards.
        public var rebuiltBytes: UInt64 = 0
        /// The keys that could not be read, and why.
        public var failures: [(key: Key, error: StoreError)] = []
    }

    public var blocks = 0
    public var linkedFiles = 0
    /// Where bits were flipped, and in how many shards.
    public var rottenDevices: [String] = []
    public var rottenShards = 0
    public var flippedBits = 0
    /// Of these shards, those in which the damage was not seen; those that a repair did not make right again.
    public var unseenShards = 0
    public var unmendedShards = 0
    public var afterRot = Reading()
    public var lostDevices: [String] = []
    public var afterLoss = Reading()
    /// Nil when it was left out.
    public var repair: RepairReport?
    /// Why it was left out.
    public var repairOmission: String?
    /// Files of the store that were compared with how they were, and what differs.
    public var comparedFiles = 0
    public var goneFiles = 0
    public var problems: [String] = []
    public var seconds = 0.0

    /// Whether the store kept its promise, and the drill its own.
    public var isPassed: Bool {
        afterRot.failures.isEmpty && afterLoss.failures.isEmpty && unseenShards == 0 && unmendedShards == 0
            && problems.isEmpty && (repair.map { $0.lostBlocks.isEmpty && $0.errorCount == 0 } ?? true)
    }
}

extension Store {
    /// Tries out on a view of the store (`DrillView`) what is promised: rotten bits on as many devices as the store
    /// survives, then so many devices lost; each time objects are read and verified, and the view is repaired. Afterwards the
    /// store's own files are compared with how they were.
    ///
    /// Nobody writes while the view is made; then the store is open to others. Blocks the calling thread.
    /// - Parameters:
    ///   - environment: of the store, whose devices are directories.
    ///   - home: its directory.
    ///   - random: decides which devices, bits and objects: a seed brings the same drill back.
    /// - Throws: `.invalid` when the store survives no loss as it is now; `.interrupted`; whatever keeps a view from being made.
    /// - Complexity: a hard link for each shard, a copy of the index; room for the shards that a repair makes again.
    public static func drill(
        _ environment: StoreEnvironment, home: String, _ options: DrillOptions, random: any RandomSource,
        storeOptions: Options = Options(), progress: ProgressHandler? = nil
    ) throws(StoreError) -> DrillReport {
        let start = environment.clock.monotonicNanoseconds()
        var report = DrillReport()
        let (view, plan) = try makeView(environment, home, options, random, storeOptions, &report, progress)
        var drill = Drill(
            environment: environment, view: view, options: options, plan: plan, random: random, progress: progress)
        do throws(StoreError) {
            try drill.run(&report)
        } catch {
            view.remove()
            throw error
        }
        view.remove()
        (report.comparedFiles, report.goneFiles, report.problems) = view.differences()
        report.seconds = Double(environment.clock.monotonicNanoseconds() &- start) / 1e9
        return report
    }

    private static func makeView(
        _ environment: StoreEnvironment, _ home: String, _ options: DrillOptions, _ random: any RandomSource,
        _ storeOptions: Options, _ report: inout DrillReport, _ progress: ProgressHandler?
    ) throws(StoreError) -> (DrillView, Drill.Plan) {
        let store = try open(environment, access: .write, options: storeOptions, progress: progress)
        defer { store.close() }
        let plan = try Drill.Plan(store, options, random)
        progress?(Progress(phase: "linking shards"))
        let view = try DrillView(of: store, home: home, random: random)
        report.blocks = Int(try store.engine.index.totals().blocks)
        report.linkedFiles = view.linkedFiles
        return (view, plan)
    }
}

/// The exercises, on a view.
struct Drill {
    /// Which devices are to rot, and which to be lost.
    struct Plan {
        let devices: [DeviceInfo]

        /// As many devices at random as every block survives the loss of now, or as were asked for.
        init(_ store: Store, _ options: DrillOptions, _ random: any RandomSource) throws(StoreError) {
            let operation = "hold a drill"
            var left = store.devices.filter(\.state.isInService)
            var chosen: [DeviceInfo] = []
            let wanted = options.lossCount ?? left.count
            while chosen.count < wanted, !left.isEmpty {
                let next = left.remove(at: Int(random.next() % UInt64(left.count)))
                let forecast = try store.forecast(losing: Set((chosen + [next]).map(\.id)))
                guard forecast.lostBlocks == 0 else {
                    guard let asked = options.lossCount else { continue }
                    throw StoreError(
                        .invalid, operation,
                        detail: "the store does not survive the loss of \(asked) devices as it is now",
                        advice: "leave out --losses, and it finds out how many it survives")
                }
                chosen.append(next)
            }
            guard !chosen.isEmpty else {
                throw StoreError(
                    .invalid, operation, detail: "the store survives no loss as it is now",
                    advice: "bsctl repair first; bsctl status says what is owed")
            }
            devices = chosen.sorted { $0.label < $1.label }
        }
    }

    let environment: StoreEnvironment
    let view: DrillView
    let options: DrillOptions
    let plan: Plan
    let random: any RandomSource
    let progress: ProgressHandler?
    private var sample: [ObjectVersion] = []

    init(
        environment: StoreEnvironment, view: DrillView, options: DrillOptions, plan: Plan, random: any RandomSource,
        progress: ProgressHandler?
    ) {
        self.environment = environment
        self.view = view
        self.options = options
        self.plan = plan
        self.random = random
        self.progress = progress
    }

    mutating func run(_ report: inout DrillReport) throws(StoreError) {
        sample = try withStore(.read) { store throws(StoreError) in
            try store.sample(of: options.sampleCount, random: random)
        }
        try rot(&report)
        try lose(&report)
    }

    private func withStore<Value>(
        _ access: Store.Access, _ body: (Store) throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        let environment = StoreEnvironment(
            home: try DirectoryHome(path: view.home, command: "bsctl drill"), devices: view.provider,
            clock: environment.clock, random: environment.random, executor: environment.executor,
            shouldStop: environment.shouldStop)
        let store = try Store.open(environment, access: access)
        defer { store.close() }
        return try body(store)
    }

    private func read(_ what: String) throws(StoreError) -> DrillReport.Reading {
        progress?(Progress(phase: what))
        return try withStore(.read) { store throws(StoreError) in
            let reading = try DrillReport.Reading(of: sample, through: store.engine)
            try environment.checkStop("hold a drill")
            return reading
        }
    }

    /// Bits flip on as many devices as may be lost.
    private func rot(_ report: inout DrillReport) throws(StoreError) {
        let rotten = try withStore(.read) { store throws(StoreError) in try flipBits(store) }
        report.rottenDevices = plan.devices.map(\.label)
        report.rottenShards = Set(rotten.map(\.shard)).count
        report.flippedBits = rotten.count
        report.afterRot = try read("reading with rotten bits")
        progress?(Progress(phase: "looking for rotten bits"))
        // As a reader: who opens the store to write makes the newest commit whole by that.
        report.unseenShards = try withStore(.read) { store throws(StoreError) in try look(at: rotten, in: store) }
        _ = try withStore(.write) { store throws(StoreError) in try store.repair(progress: progress) }
        report.unmendedShards = try withStore(.read) { store throws(StoreError) in
            Set(rotten.map(\.shard)).count - (try look(at: rotten, in: store))
        }
    }

    private struct Rot: Hashable {
        let device: DeviceID
        let shard: ShardName
        let bit: UInt64
    }

    private func flipBits(_ store: Store) throws(StoreError) -> [Rot] {
        var shards: [(device: DeviceID, shard: ShardName, byteCount: Int)] = []
        for info in plan.devices {
            guard let device = store.engine.devices.device(info.id) else { continue }
            for shard in try device.shards(from: .none) {
                if let byteCount = try device.byteCount(of: shard), byteCount > 0 {
                    shards.append((info.id, shard, byteCount))
                }
            }
        }
        guard !shards.isEmpty else { return [] }
        var rotten: Set<Rot> = []
        // Half of all bits at most: random choice then finds new ones quickly.
        let count = min(options.bitCount, shards.reduce(0) { $0 + $1.byteCount * 4 })
        while rotten.count < count {
            let target = shards[Int(random.next() % UInt64(shards.count))]
            let rot = Rot(device: target.device, shard: target.shard, bit: random.next() % UInt64(target.byteCount * 8))
            guard rotten.insert(rot).inserted else { continue }
            try view.rot(target.shard, of: target.device, at: Int(rot.bit / 8), bit: Int(rot.bit % 8))
        }
        return rotten.sorted { ($0.device, $0.shard, $0.bit) < ($1.device, $1.shard, $1.bit) }
    }

    /// In how many of the rotten shards nothing is wrong. What is wrong is remembered, for repair.
    private func look(at rotten: [Rot], in store: Store) throws(StoreError) -> Int {
        var sound = 0
        var damaged: [DamagedShard] = []
        let engine = store.engine
        var seen: Set<ShardName> = []
        for rot in rotten where seen.insert(rot.shard).inserted {
            guard let device = engine.devices.device(rot.device) else { continue }
            guard
                let problem = try ShardReader.problem(
                    with: rot.shard, on: device, storeID: engine.storeID, from: .medium)
            else {
                sound += 1
                continue
            }
            try store.forEachBlock { block in
                guard block.name.number == rot.shard.number, block.shards[rot.shard.row] == rot.device else { return }
                damaged.append(DamagedShard(block: block.ref, name: block.name, row: rot.shard.row, problem: problem))
            }
        }
        engine.remember(damaged)
        return sound
    }

    /// The devices are gone; then others take their places.
    private func lose(_ report: inout DrillReport) throws(StoreError) {
        report.lostDevices = plan.devices.map(\.label)
        for device in plan.devices { view.lose(device.id) }
        report.afterLoss = try read("reading without \(report.lostDevices.joined(separator: ", "))")
        report.repairOmission = try withStore(.read) { store throws(StoreError) in try lackOfRoom(store) }
        guard report.repairOmission == nil else { return }
        report.repair = try withStore(.write) { store throws(StoreError) in
            for device in plan.devices {
                guard let place = view.place(of: device.id, isNew: true) else { continue }
                view.provider.allow(place, at: place)
                _ = try store.replaceDevice(device.id, with: place)
            }
            return try store.repair(progress: progress)
        }
    }

    /// Why what was lost cannot be made again here; nil where there is room for twice as much.
    private func lackOfRoom(_ store: Store) throws(StoreError) -> String? {
        let usage = try store.deviceUsage()
        let needed = plan.devices.reduce(0) { $0 + (usage[$1.id]?.bytes ?? 0) }
        let free = plan.devices.compactMap { $0.space?.freeBytes }.min() ?? 0
        guard needed > free / 2 else { return nil }
        return "\(needed) bytes would be made again, and only \(free) are free"
    }
}

extension Store {
    /// So many objects at random, all as likely, or all; in key order.
    func sample(of count: Int?, random: any RandomSource) throws(StoreError) -> [ObjectVersion] {
        var chosen: [ObjectVersion] = []
        var seen: UInt64 = 0
        try forEachObject(under: []) { object throws(StoreError) in
            seen += 1
            guard let count, chosen.count >= count else { return chosen.append(object) }
            let place = random.next() % seen
            if place < UInt64(count) { chosen[Int(place)] = object }
        }
        return chosen.sorted { $0.key < $1.key }
    }
}

extension DrillReport.Reading {
    /// Reads and verifies `objects`.
    init(of objects: [ObjectVersion], through engine: Engine) throws(StoreError) {
        let receiver = VerifyingReceiver()
        let read = try ObjectReader(engine).read(objects, range: nil, into: receiver)
        self.init(
            objects: read.objects, bytes: read.bytes, rebuiltBytes: read.rebuiltBytes, failures: receiver.failures)
    }
}

/// Takes objects, of which every chunk was verified, and keeps nothing.
private final class VerifyingReceiver: ObjectReceiver {
    private(set) var failures: [(key: Key, error: StoreError)] = []

    func begin(_ object: ObjectVersion) {}
    func write(_ bytes: UnsafeRawBufferPointer) {}
    func end(_ object: ObjectVersion) {}
    func fail(_ object: ObjectVersion, _ error: StoreError) { failures.append((object.key, error)) }
}
