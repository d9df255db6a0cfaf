public import Erasure

/// A shard that is not as it should be.
public struct ShardProblem: Sendable, Hashable {
    public let block: BlockName
    public let row: Row
    /// Label of the device.
    public let device: String
    public let problem: String
}

public struct ScrubReport: Sendable {
    /// Shards looked at, from the medium.
    public var shards = 0
    public var bytes: UInt64 = 0
    public var problems: [ShardProblem] = []
    /// Shards that could not be looked at because their device is out of service.
    public var unreachable = 0
    /// Blocks that were read lately and were passed over.
    public var skippedBlocks = 0
    public var lostBlocks: [BlockName] = []
    public var lostKeys: [Key] = []
    public var repair: RepairReport?
    /// The caller asked to stop: the next scrub goes on where this one was.
    public var isInterrupted = false
    public var seconds = 0.0

    public init() {}

    /// The repair that followed: what is lost is what it could not mend.
    public mutating func add(_ repair: RepairReport) {
        self.repair = repair
        lostBlocks = repair.lostBlocks
        lostKeys = repair.lostKeys
    }
}

public struct ScrubOptions: Sendable {
    /// Blocks that were read whole more lately than this are passed over.
    public var olderThanSeconds: Double?
    /// So many bytes are read in a second, at most; nil for no limit.
    public var bytesPerSecond: Int?

    public init(olderThanSeconds: Double? = nil, bytesPerSecond: Int? = nil) {
        self.olderThanSeconds = olderThanSeconds
        self.bytesPerSecond = bytesPerSecond
    }
}

/// What a scrub would read.
public struct ScrubPreview: Sendable {
    public let blocks: Int
    public let bytes: UInt64
    public let skippedBlocks: Int
    public let verification: Verification
}

extension Store {
    /// Reads every shard from the medium and checks every byte of it, what waits longest first; remembers what is bad, and when it
    /// was read: one that was cut off goes on where it was. With `repairing` (which needs `.write`) repairs it afterwards; to keep
    /// nobody from writing, scrub with a store opened for reading and repair with another.
    ///
    /// - Throws: `.indexDamaged` before anything is read, when the index does not hold together.
    public func scrub(
        _ options: ScrubOptions = ScrubOptions(), repairing: Bool = false, progress: ProgressHandler? = nil
    ) throws(StoreError) -> ScrubReport {
        let clock = environment.clock
        let start = clock.monotonicNanoseconds()
        var report = ScrubReport()
        let engine = self.engine
        // What the index hides would not be looked at.
        try engine.index.check()
        let queue = try scrubQueue(options)
        report.skippedBlocks = queue.skippedBlocks
        var limiter = RateLimiter(clock, bytesPerSecond: options.bytesPerSecond)
        var verified: [IndexedBlock] = []
        var noted = start
        func note() {
            // It is a cache: that this cannot be written down costs another reading.
            try? engine.index.noteVerified(verified, at: wallSeconds)
            verified = []
            noted = clock.monotonicNanoseconds()
        }
        for (number, entry) in queue.entries.enumerated() {
            let pause = limiter.pauseNanoseconds
            if pause > 0 { clock.sleep(nanoseconds: pause) }
            // What was found so far is told.
            if environment.shouldStop() {
                report.isInterrupted = true
                break
            }
            guard let block = try engine.index.block(named: entry.name) else { continue }
            limiter.spend(entry.bytes)
            let unreachable = report.unreachable
            try scrub(block, engine, &report)
            if report.unreachable == unreachable { verified.append(block) }
            if clock.monotonicNanoseconds() &- noted >= Limits.turnNanoseconds { note() }
            progress?(
                Progress(
                    phase: "reading shards", doneBytes: report.bytes, totalBytes: queue.bytes, doneItems: number + 1,
                    totalItems: queue.entries.count))
        }
        note()
        if repairing, !report.isInterrupted {
            report.add(try repair(RepairOptions(bytesPerSecond: options.bytesPerSecond), progress: progress))
        } else if !report.lostBlocks.isEmpty {
            report.lostKeys = try LossFinder(engine, losing: Set(report.lostBlocks)).keys()
        }
        report.seconds = Double(clock.monotonicNanoseconds() &- start) / 1e9
        return report
    }

    /// Looks at what `scrub` would read.
    public func previewScrub(_ options: ScrubOptions) throws(StoreError) -> ScrubPreview {
        let queue = try scrubQueue(options)
        return ScrubPreview(
            blocks: queue.entries.count, bytes: queue.bytes, skippedBlocks: queue.skippedBlocks,
            verification: queue.verification)
    }

    private func scrubQueue(_ options: ScrubOptions) throws(StoreError) -> ScrubQueue {
        var queue = ScrubQueue(now: wallSeconds, options.olderThanSeconds)
        try forEachBlock { queue.look(at: $0) }
        queue.sort()
        return queue
    }

    /// For people, and to tell what was read lately. Before 1970 nothing was.
    var wallSeconds: UInt64 { UInt64(max(0, environment.clock.wallNanoseconds() / 1_000_000_000)) }

    private func scrub(_ block: IndexedBlock, _ engine: Engine, _ report: inout ScrubReport) throws(StoreError) {
        var jobs: [(Row, DeviceID, Job<String?>)] = []
        for row in block.profile.rows {
            let name = ShardName(block.name, row)
            let expected = block.shards[row]
            // Missing where it should be is a problem there, unless it is found elsewhere.
            let holder = engine.holders(of: name, expectedOn: expected).first { _ in true } ?? expected
            guard let id = holder, let device = engine.devices.readable(id) else {
                report.unreachable += 1
                continue
            }
            jobs.append(
                (
                    row, id,
                    Job(engine.environment.executor, on: .device(engine.devices.lane(id))) { () throws(StoreError) in
                        try ShardReader.problem(with: name, on: device, storeID: engine.storeID, from: .medium)
                    }
                ))
        }
        var marks: [(BlockRef, Row)] = []
        var sound: [(Row, DeviceID)] = []
        var newer: [Row] = []
        for (row, id, job) in jobs {
            report.shards += 1
            report.bytes += UInt64(block.shardPayloadBytes)
            let found: String?
            do throws(StoreError) {
                found = try job.value()
            } catch {
                guard error.code == .unsupported else { throw error }
                // A newer version wrote it: no damage to mend, nothing lost, and nothing that this one can vouch for.
                newer.append(row)
                report.problems.append(
                    ShardProblem(block: block.name, row: row, device: engine.devices.label(id), problem: error.detail))
                continue
            }
            guard let problem = found else {
                sound.append((row, id))
                continue
            }
            // A device that failed has not answered: that says nothing of what it holds.
            guard engine.devices.device(id) != nil else {
                report.unreachable += 1
                continue
            }
            // Collected meanwhile, or moved: nothing is wrong with it where it is not any more.
            guard let now = try engine.index.block(named: block.name), now.shards[row] == block.shards[row] else {
                continue
            }
            // A copy elsewhere may be sound all the same.
            let name = ShardName(block.name, row)
            let others = engine.holders(of: name, expectedOn: nil).filter { $0 != id }
            if let other = others.first(where: { Self.isSound(name, on: $0, engine) }) { sound.append((row, other)) }
            marks.append((block.ref, row))
            report.problems.append(
                ShardProblem(block: block.name, row: row, device: engine.devices.label(id), problem: problem))
        }
        if !marks.isEmpty { try engine.index.markDamaged(marks) }
        // What was found sound is sound, and where it was found, whatever was believed of it.
        let corrections = sound.filter { row, id in
            if block.shards[row] == id { return block.damaged.contains(row) }
            return !sound.contains { $0.0 != row && $0.1 == id }
        }
        if !corrections.isEmpty { try engine.index.setShards(corrections.map { (block.ref, $0.0, $0.1) }) }
        // Found only beside another row of the block, where it does not count: it is missing in its own place.
        for (row, id) in sound where block.shards[row] != id && !corrections.contains(where: { $0.0 == row }) {
            if marks.contains(where: { $0.1 == row }) { continue }
            guard let expected = block.shards[row], engine.devices.device(expected) != nil else { continue }
            try engine.index.markDamaged([(block.ref, row)])
            report.problems.append(
                ShardProblem(
                    block: block.name, row: row, device: engine.devices.label(expected), problem: "missing"))
        }
        func isReadable(_ rows: [Row]) -> Bool {
            Protection.isReadable(rows, columns: block.columns, payloadBytes: block.shardPayloadBytes)
        }
        let rows = sound.map(\.0) + newer
        guard !isReadable(rows) else { return }
        // Nobody is kept from collecting or moving it meanwhile: then nothing was seen of how it is now.
        guard let now = try engine.index.block(named: block.name), now.shards == block.shards else { return }
        // What is there beyond the profile is not missed when it is gone, and helps while it is there.
        let others = block.rowsBeyondProfile.filter { row in
            let name = ShardName(block.name, row)
            return engine.holders(of: name, expectedOn: block.shards[row]).contains {
                Self.isSound(name, on: $0, engine)
            }
        }
        if !isReadable(rows + others) { report.lostBlocks.append(block.name) }
    }

    private static func isSound(_ shard: ShardName, on id: DeviceID, _ engine: Engine) -> Bool {
        guard let device = engine.devices.readable(id) else { return false }
        return ShardReader.isSound(shard, on: device, storeID: engine.storeID)
    }
}
