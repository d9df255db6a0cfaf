import Erasure

public struct RepairOptions: Sendable {
    /// So many bytes are read and written in a second, at most; nil for no limit.
    public var bytesPerSecond: Int?

    public init(bytesPerSecond: Int? = nil) { self.bytesPerSecond = bytesPerSecond }
}

/// What a repair did.
public struct RepairReport: Sendable {
    public var checkedBlocks = 0
    /// Blocks that lacked something when it began.
    public var endangeredBlocks = 0
    /// Of these, blocks that survived no further loss or had fewer than their least shards.
    public var unsafeBlocks = 0
    /// Shards made again, and read back from the medium in a pass of its own.
    public var repairedShards = 0
    /// Shards in doubt that turned out to be as they should be: nothing was written.
    public var confirmedShards = 0
    /// Shards that were written and could not be read back. They count as owed.
    public var unconfirmedShards = 0
    public var readBytes: UInt64 = 0
    public var writtenBytes: UInt64 = 0
    /// Shards that still have no place, or could not be made.
    public var owedShards = 0
    public var lostBlocks: [BlockName] = []
    /// Keys of which some version needs a lost block.
    public var lostKeys: [Key] = []
    /// Sandbox devices that were put back: their labels.
    public var replacedDevices: [String] = []
    /// The first thousand; `errorCount` counts them all.
    public var errors: [String] = []
    public var errorCount = 0
    /// When the last of the unsafe blocks was done; nil where one of them could not be made safe.
    public var secondsToSafe: Double?
    public var seconds = 0.0

    public init() {}

    mutating func note(_ error: String) {
        errorCount += 1
        if errors.count < 1000 { errors.append(error) }
    }
}

extension Store {
    /// Makes every missing and damaged shard again, on the devices there are, the most endangered blocks
    /// first; goes on past errors. In a sandbox, lost devices are put back before.
    ///
    /// The locks are given back when somebody waits for them. A repair that was cut off is run again and does what is left.
    /// - Throws: when nothing can be repaired at all, or the locks cannot be had again; single failures are in the report.
    public func repair(
        _ options: RepairOptions = RepairOptions(), progress: ProgressHandler? = nil
    ) throws(StoreError) -> RepairReport {
        var run = RepairRun(self, options, progress)
        return try run.run()
    }
}

/// One run of `Store.repair`. Use from one thread.
private struct RepairRun {
    private let store: Store
    private let progress: ProgressHandler?
    private let start: UInt64
    private var limiter: RateLimiter
    private var engine: Engine
    /// Kept from turn to turn: memory that was touched before is several times faster.
    private let memory: BlockRepair.Memory
    private var report = RepairReport()
    private var queue = RepairQueue()
    private var under: [(entry: RepairQueue.Entry, repair: BlockRepair)] = []
    private var done = 0
    private var doneBytes: UInt64 = 0
    private var isUnsafeLeft = false
    private var bytesToSafe: UInt64 = 0
    private var bytesToFull: UInt64 = 0
    private var workStart: UInt64

    init(_ store: Store, _ options: RepairOptions, _ progress: ProgressHandler?) {
        self.store = store
        self.progress = progress
        engine = store.engine
        memory = BlockRepair.Memory(engine)
        start = store.environment.clock.monotonicNanoseconds()
        workStart = start
        limiter = RateLimiter(store.environment.clock, bytesPerSecond: options.bytesPerSecond)
    }

    mutating func run() throws(StoreError) -> RepairReport {
        if store.configuration.isSandbox { report.replacedDevices = try store.putSandboxDevicesBack() }
        try begin()
        try survey()
        report.checkedBlocks = queue.checkedBlocks
        report.endangeredBlocks = queue.entries.count
        report.unsafeBlocks = queue.unsafeBlocks
        do throws(StoreError) {
            try work()
        } catch {
            throw StoreError(
                error.code, "go on with the repair after \(done) of \(queue.entries.count) blocks",
                detail: error.description, advice: "what was made stays made: run bsctl repair again")
        }
        if !isUnsafeLeft, report.secondsToSafe == nil { report.secondsToSafe = 0 }
        if isUnsafeLeft { report.secondsToSafe = nil }
        noteRate()
        if !report.lostBlocks.isEmpty {
            report.lostKeys = try LossFinder(engine, losing: Set(report.lostBlocks)).keys()
        }
        report.seconds = seconds(since: start)
        return report
    }

    /// A tenure, with its epoch on every device: before a shard is named.
    private mutating func begin() throws(StoreError) {
        try store.startTenure(allowingAbsent: true).ensureEpoch()
        engine = store.engine
    }

    private mutating func survey() throws(StoreError) {
        var last: BlockName?
        while true {
            let page = try engine.index.blocks(after: last, limit: 1000)
            guard let end = page.last else { break }
            last = end.name
            let repairer = BlockRepairer(engine)
            for block in page { queue.look(at: block, repairer) }
            try store.environment.checkStop("look for missing shards")
            if try store.takeTurns() { try begin() }
        }
        queue.sort()
        bytesToSafe = queue.bytesToSafe
        bytesToFull = queue.readBytes + queue.writtenBytes
    }

    private mutating func work() throws(StoreError) {
        workStart = store.environment.clock.monotonicNanoseconds()
        for entry in queue.entries {
            try pause()
            guard let block = try engine.index.block(named: entry.name) else {
                done += 1
                continue
            }
            limiter.spend(entry.bytes)
            let repair = BlockRepair(engine, block, memory, on: engine.environment.executor)
            repair.start()
            under.append((entry, repair))
            if under.count >= Limits.blocksInRepair { finishFirst() }
        }
        finishAll()
    }

    /// Gives others their turn, and the limit its due: for longer than a moment nothing is held meanwhile.
    private mutating func pause() throws(StoreError) {
        if store.environment.shouldStop() { finishAll() }
        try store.environment.checkStop("go on repairing")
        let pause = limiter.pauseNanoseconds
        guard pause > 0 || store.isTurnOver else { return }
        finishAll()
        if pause >= Limits.pauseNanoseconds {
            try store.reopen(afterNanoseconds: pause)
            return try begin()
        }
        if pause > 0 { store.environment.clock.sleep(nanoseconds: pause) }
        if try store.takeTurns() { try begin() }
    }

    /// What was repaired tells how long the next repair takes, where it was more than a few shards.
    private func noteRate() {
        let seconds = seconds(since: workStart)
        guard report.writtenBytes >= Limits.leastMeasuredBytes, seconds > 0 else { return }
        // The index is a cache: that this cannot be written down must not fail the repair.
        try? engine.index.noteRepairRate(Double(report.writtenBytes) / seconds)
    }

    private mutating func finishAll() { while !under.isEmpty { finishFirst() } }

    private mutating func finishFirst() {
        let (entry, repair) = under.removeFirst()
        engine.environment.executor.wait(for: repair.completion)
        let outcome = repair.outcome
        report.repairedShards += outcome.repaired.count
        report.confirmedShards += outcome.confirmed.count
        report.unconfirmedShards += outcome.unconfirmed.count
        report.readBytes += outcome.readBytes
        report.writtenBytes += outcome.writtenBytes
        report.owedShards += outcome.owed.count
        if outcome.isLost { report.lostBlocks.append(entry.name) }
        for error in outcome.errors { report.note(error) }
        done += 1
        doneBytes += entry.bytes
        if !entry.isSafe {
            if outcome.isLost || !outcome.owed.isEmpty { isUnsafeLeft = true }
            report.secondsToSafe = seconds(since: start)
        }
        tellProgress()
    }

    private func tellProgress() {
        guard let progress else { return }
        let seconds = seconds(since: workStart)
        let rate = seconds > 0 ? Double(doneBytes) / seconds : 0
        func secondsFor(_ bytes: UInt64) -> Double? { rate > 0 ? Double(bytes) / rate : nil }
        progress(
            Progress(
                phase: "repairing blocks", doneBytes: doneBytes, totalBytes: bytesToFull, doneItems: done,
                totalItems: queue.entries.count, secondsToSafe: secondsFor(bytesToSafe - min(bytesToSafe, doneBytes)),
                secondsToEnd: secondsFor(bytesToFull - min(bytesToFull, doneBytes)), bytesPerSecond: rate))
    }

    private func seconds(since time: UInt64) -> Double {
        Double(store.environment.clock.monotonicNanoseconds() &- time) / 1e9
    }
}
