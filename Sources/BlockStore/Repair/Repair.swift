import Erasure

/// What a repair did.
public struct RepairReport: Sendable {
    public var checkedBlocks = 0
    public var repairedShards = 0
    public var writtenBytes: UInt64 = 0
    /// Shards that still have no place, or could not be made.
    public var owedShards = 0
    public var lostBlocks: [BlockName] = []
    /// Keys of which some version needs a lost block.
    public var lostKeys: [Key] = []
    /// Sandbox devices that were put back: their labels.
    public var replacedDevices: [String] = []
    public var errors: [String] = []
    public var seconds = 0.0

    public init() {}
}

extension Store {
    /// Makes every missing and damaged shard again, on the devices there are, the most endangered blocks
    /// first; goes on past errors. In a sandbox, lost devices are put back before.
    ///
    /// - Throws: when nothing can be repaired at all; single failures are in the report.
    public func repair(progress: ProgressHandler? = nil) throws(StoreError) -> RepairReport {
        let start = environment.clock.monotonicNanoseconds()
        var report = RepairReport()
        if configuration.isSandbox { report.replacedDevices = try putSandboxDevicesBack() }
        let tenure = try startTenure(allowingAbsent: true)
        try tenure.ensureEpoch()
        try repairBlocks(&report, progress)
        try Self.noteLosses(&report, engine)
        report.seconds = Double(environment.clock.monotonicNanoseconds() &- start) / 1e9
        return report
    }

    private func repairBlocks(_ report: inout RepairReport, _ progress: ProgressHandler?) throws(StoreError) {
        let engine = self.engine
        // Counting sort by what is left, over refs alone: bounded by the number of damaged blocks.
        var endangered: [Int: [BlockRef]] = [:]
        var last: BlockName?
        let looker = BlockRepairer(engine)
        while true {
            let page = try engine.index.blocks(after: last, limit: 1000)
            guard let end = page.last else { break }
            last = end.name
            report.checkedBlocks += page.count
            for block in page {
                let missing = looker.missingRows(of: block).count
                if missing > 0 { endangered[missing, default: []].append(block.ref) }
            }
        }
        let order = endangered.sorted { $0.key > $1.key }.flatMap(\.value)
        var under: [Job<(BlockName, BlockRepairer.Outcome)>] = []
        var done = 0
        func collect(_ job: Job<(BlockName, BlockRepairer.Outcome)>) throws(StoreError) {
            let (name, outcome) = try job.value()
            report.repairedShards += outcome.repaired.count
            report.writtenBytes += outcome.writtenBytes
            report.owedShards += outcome.owed.count
            if outcome.isLost { report.lostBlocks.append(name) }
            report.errors += outcome.errors
            done += 1
            progress?(
                Progress(
                    phase: "repairing blocks", doneBytes: report.writtenBytes, doneItems: done, totalItems: order.count)
            )
        }
        for ref in order {
            guard let block = try engine.index.block(ref) else { continue }
            under.append(
                Job(engine.environment.executor, on: .compute) { () throws(StoreError) in
                    var repairer = BlockRepairer(engine)
                    return (block.name, repairer.repair(block))
                })
            if under.count > engine.environment.executor.width { try collect(under.removeFirst()) }
        }
        for job in under { try collect(job) }
    }

    /// Names exactly the keys that lost blocks take with them.
    static func noteLosses(_ report: inout RepairReport, _ engine: Engine) throws(StoreError) {
        guard !report.lostBlocks.isEmpty else { return }
        report.lostKeys = try LossFinder(engine, losing: Set(report.lostBlocks)).keys()
    }
}

/// Finds the keys that need blocks which are gone. Scans the versions: used when there is a loss to name.
struct LossFinder {
    private let engine: Engine
    private let lost: Set<BlockName>

    init(_ engine: Engine, losing lost: Set<BlockName>) {
        self.engine = engine
        self.lost = lost
    }

    /// Keys of which some version cannot be read in full.
    func keys() throws(StoreError) -> [Key] {
        var result: [Key] = []
        var after: Key?
        repeat {
            let page = try engine.index.list(prefix: [], after: after, limit: 1000, all: true)
            for version in page.versions {
                guard let put = version.put, result.last != put.key else { continue }
                if try isHit(put.manifest) { result.append(put.key) }
            }
            after = page.last
        } while after != nil
        return result
    }

    private func isHit(_ manifest: Manifest) throws(StoreError) -> Bool {
        var reader = ManifestReader(manifest, ChunkReader(engine: engine))
        do throws(StoreError) {
            while let entry = try reader.next() {
                var isReadable = false
                for place in try engine.index.places(of: entry.digest) {
                    guard let block = try engine.index.block(place.block) else { continue }
                    if !lost.contains(block.name) { isReadable = true }
                }
                if !isReadable { return true }
            }
            return false
        } catch {
            // A node that cannot be read is a loss as well.
            if error.code == .lost || error.code == .corrupt { return true }
            throw error
        }
    }
}
