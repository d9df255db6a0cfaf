import Chunker
import Erasure

/// How redundant an acknowledged commit is.
struct CommitOutcome: Sendable {
    var shardBytes: UInt64 = 0
    /// Shards that its blocks should have and do not.
    var owedShards = 0
    /// The commit is durable but the index could not follow.
    var indexProblem: StoreError?
}

/// Packs chunks and records into blocks and makes them real, all at once (docs/architecture.md,
/// "Commit").
///
/// Shards are staged and synced while the commit fills. `commit` then names every block but the
/// last, and the last, which carries the commit record, only when all else is durable. A failed
/// device leaves service; the commit goes on while every block keeps its least shards.
///
/// Use from one thread.
final class CommitWriter {
    private let tenure: WriterTenure
    private var engine: Engine { tenure.engine }
    private let minimumShards: Int?
    /// Whichever shards are lost, so many at most: blocks are not acknowledged before they survive it.
    private let leastLosses: Int
    /// How the blocks of its commits are coded.
    let profile: Profile
    private let parityBuffers: BufferPool
    private var open: OpenBlock?
    private var sealed: [BlockStaging] = []
    /// In a dry run: the blocks that would be sealed, and what they would take.
    private var counted = (blocks: 0, outcome: CommitOutcome())
    private var nextOrdinal: UInt32 = 0
    private var openedNanoseconds: UInt64?
    /// Chunks packed in this commit: as good as stored for the rest of it. In a dry run those of all commits, since the
    /// index learns of none: 32 bytes for each new chunk.
    private var packed: Set<Digest> = []
    private var configuration: Configuration?
    private var retired: RetiredRecord?

    /// - Parameter profile: nil for the configured one.
    init(_ tenure: WriterTenure, minimumShards: Int?, leastLosses: Int = 1, profile: Profile? = nil) {
        self.tenure = tenure
        self.minimumShards = minimumShards
        self.leastLosses = leastLosses
        self.profile = profile ?? tenure.engine.configuration.profile
        parityBuffers = tenure.engine.parityBuffers(for: self.profile)
    }

    var isEmpty: Bool { sealedCount == 0 && (open?.isEmpty ?? true) }

    private var sealedCount: Int { sealed.count + counted.blocks }

    /// The number this commit will have.
    var number: CommitNumber { tenure.state.head.number.next }

    /// Whether it is time to close: 1,024 blocks, or ten seconds.
    var isDue: Bool {
        if sealedCount >= Limits.blocksPerCommit - 2 { return true }
        guard let openedNanoseconds else { return false }
        return engine.environment.clock.monotonicNanoseconds() &- openedNanoseconds > Limits.commitNanoseconds
    }

    func contains(_ digest: Digest) -> Bool { packed.contains(digest) }

    /// Packs one chunk.
    func add(
        _ stored: UnsafeRawBufferPointer, digest: Digest, plainBytes: Int, codec: Codec, checksum: UInt32
    ) throws(StoreError) {
        try prepare(payloadBytes: stored.count)
        open?.append(
            stored, digest: digest, plainBytes: plainBytes, codec: codec, checksum: checksum,
            buffers: engine.blockBuffers)
        packed.insert(digest)
    }

    /// Adds a record and returns its identity.
    @discardableResult
    func add(_ record: Record) throws(StoreError) -> RecordIdentity {
        try prepare(payloadBytes: 0)
        let identity = RecordIdentity(commit: number, ordinal: nextOrdinal)
        nextOrdinal += 1
        open?.append(IdentifiedRecord(identity: identity, record: record))
        switch record {
        case .configuration(let value): configuration = value
        case .retired(let value): retired = value
        default: break
        }
        return identity
    }

    /// Adds a record that stands in another block, under the identity that it has.
    func add(copyOf record: IdentifiedRecord) throws(StoreError) {
        try prepare(payloadBytes: 0)
        open?.append(record)
    }

    /// Seals the open block if `payloadBytes` more do not fit, and opens one if there is none.
    private func prepare(payloadBytes: Int) throws(StoreError) {
        if let block = open, !block.hasRoom(forBytes: payloadBytes) || block.isContentsFull {
            try seal(isFull: !block.hasRoom(forBytes: payloadBytes))
        }
        guard open == nil else { return }
        if openedNanoseconds == nil { openedNanoseconds = engine.environment.clock.monotonicNanoseconds() }
        try tenure.ensureEpoch()
        open = OpenBlock(
            name: tenure.newBlockName(), profile: profile,
            fullShardBytes: engine.environment.fullShardBytes(columns: profile.dataShards), firstBytes: payloadBytes)
    }

    /// Sends the open block on its way.
    private func seal(isFull: Bool) throws(StoreError) {
        guard let block = open else { return }
        open = nil
        // At most two blocks under way beside the one that fills: memory stays bounded.
        if sealed.count >= 2 { sealed[sealed.count - 2].wait() }
        let (targets, least) = try place(block)
        if tenure.isDryRun { return count(block, isFull: isFull, shards: targets.count) }
        sealed.append(
            BlockStaging(
                engine, block, isFull: isFull, targets: targets, leastShards: least,
                leastLosses: min(leastLosses, block.profile.tolerance), parityBuffers: parityBuffers))
    }

    /// In place of staging: what the shards of the block would take.
    private func count(_ block: OpenBlock, isFull: Bool, shards: Int) {
        if let payload = block.payload { engine.blockBuffers.give(payload) }
        let size = block.shardPayloadBytes(isFull: isFull)
        counted.blocks += 1
        counted.outcome.shardBytes += UInt64(shards) * UInt64(size)
        counted.outcome.owedShards += max(0, Self.wantedShards(block.profile, hasPayload: size > 0) - shards)
    }

    /// Shards without which a new block owes some.
    private static func wantedShards(_ profile: Profile, hasPayload: Bool) -> Int {
        hasPayload ? profile.shardCount : profile.tolerance + 1
    }

    /// Which row goes where, and with how many the block is acknowledged.
    private func place(_ block: OpenBlock) throws(StoreError) -> (targets: [(row: Row, device: DeviceID)], least: Int) {
        let rows = block.profile.rows
        let devices = Placement.choose(rows.count, for: block.name.id, among: engine.devices.candidates)
        let least = leastShards(of: block)
        guard devices.count >= least else {
            throw StoreError(
                .tooFewDevices, "write a block",
                detail:
                    "\(Count.text(devices.count, "device", one: "is", many: "are")) in service, \(least) are needed for the "
                    + "redundancy asked for",
                advice: "bring devices back or replace them: bsctl status, bsctl device replace")
        }
        return (zip(rows, devices).map { (row: $0, device: $1) }, least)
    }

    /// A block with payload survives the loss of any one more shard, or has as many as were asked for; one
    /// without is read from any single shard, so two will do. The first k + 1 rows of every profile survive one loss.
    private func leastShards(of block: OpenBlock) -> Int {
        let count = block.profile.shardCount
        if block.usedBytes == 0 { return min(2, count) }
        return min(count, max(block.profile.dataShards + 1, minimumShards ?? 0))
    }

    /// Makes everything added real, or nothing. In a dry run: tells what that would take.
    ///
    /// - Parameter whenReal: run when everything is, before the index follows. Not in a dry run.
    /// - Throws: when the commit was not acknowledged and will not come back; `.unknownOutcome` when it
    ///   may yet come back.
    func commit(whenReal: () -> Void = {}) throws(StoreError) -> CommitOutcome {
        try prepare(payloadBytes: 0)
        let record = try commitRecord()
        open?.append(
            IdentifiedRecord(
                identity: RecordIdentity(commit: record.number, ordinal: nextOrdinal), record: .commit(record)))
        try seal(isFull: false)
        if tenure.isDryRun {
            defer { reset() }
            return counted.outcome
        }
        let blocks = sealed
        guard let last = blocks.last else { preconditionFailure("a commit has a block") }
        for block in blocks { block.wait() }
        do throws(StoreError) {
            try requireEnough(blocks) { $0.staged().map(\.key) }
            if Mutant.isActive(.commitBlockNamedFirst) { name([last]) }
            name(Array(blocks.dropLast()))
            try requireEnough(blocks) { $0 === last ? $0.staged().map(\.key) : $0.named().map(\.key) }
        } catch {
            // No commit record has a name: nothing of this can ever be accepted.
            discard(blocks)
            throw error
        }
        name([last])
        do throws(StoreError) {
            try requireEnough(blocks) { $0.named().map(\.key) }
        } catch {
            try refuse(record, blocks, because: error)
        }
        whenReal()
        return acknowledge(record, blocks)
    }

    /// Gives up what was not committed.
    func cancel() {
        for block in sealed { block.wait() }
        discard(sealed)
        if let payload = open?.payload { engine.blockBuffers.give(payload) }
        reset()
    }

    private func commitRecord() throws(StoreError) -> CommitRecord {
        guard let block = open else { preconditionFailure("a block is open") }
        let blocks =
            sealed.map {
                CommitRecord.Block(name: $0.name, profile: $0.profile, leastShards: UInt8($0.leastShards))
            } + [CommitRecord.Block(name: block.name, profile: profile, leastShards: UInt8(leastShards(of: block)))]
        let head = tenure.state.head
        return CommitRecord(
            number: number, epoch: tenure.state.epoch, previous: head.number == .none ? nil : head.block,
            devices: engine.devices.candidates.map(\.id), blocks: blocks)
    }

    /// Names the staged shards of `blocks`, all devices at once.
    private func name(_ blocks: [BlockStaging]) {
        var byDevice: [DeviceID: [StagedShard]] = [:]
        for block in blocks {
            for place in block.staged().values { byDevice[place.device, default: []].append(place.shard) }
        }
        let engine = self.engine
        let work = byDevice.sorted { $0.key < $1.key }.map { id, shards in
            (
                Lane.device(engine.devices.lane(id)),
                { @Sendable in
                    guard let device = engine.devices.device(id) else { return }
                    do throws(StoreError) {
                        try engine.environment.timing(.name, bytes: 0) { () throws(StoreError) in
                            try device.name(shards.sorted { $0.shard < $1.shard }, replacing: false)
                        }
                        for block in blocks { block.noteNamed(on: id) }
                    } catch {
                        engine.devices.fail(id, error)
                    }
                }
            )
        }
        engine.environment.executor.run(work)
    }

    private func requireEnough(_ blocks: [BlockStaging], _ rows: (BlockStaging) -> [Row]) throws(StoreError) {
        for block in blocks where !block.isEnough(rows(block)) {
            let failed = engine.devices.all.compactMap { member -> String? in
                guard case .failed(let reason) = member.state else { return nil }
                return "\(member.configured.label): \(reason)"
            }
            let isFull = failed.contains { $0.contains("No space left") }
            throw StoreError(
                isFull ? .noSpace : .io, "store durably",
                detail: "block \(block.name) has \(Count.text(rows(block).count, "shard")) on devices, at least "
                    + "\(block.leastShards) are needed, of which any one may be lost"
                    + (failed.isEmpty ? "" : "; failed: " + failed.joined(separator: "; ")))
        }
    }

    /// The commit block has its name on some devices, on too few to acknowledge it: a record-only
    /// commit of a new epoch bypasses it, so that it can never come back.
    private func refuse(
        _ record: CommitRecord, _ blocks: [BlockStaging], because reason: StoreError
    ) throws(StoreError) {
        discard(blocks)
        reset()
        if Mutant.isActive(.refusedPutComesBack) { throw reason }
        do throws(StoreError) {
            try Self.withdraw(tenure)
        } catch {
            throw StoreError(
                .unknownOutcome, "say whether this was stored",
                detail: "\(reason); and the commit that would have withdrawn it failed: \(error)",
                advice: "see bsctl status when the devices are back")
        }
        throw reason
    }

    /// Commits nothing, in a new epoch, above a commit that was named and not acknowledged.
    static func withdraw(_ tenure: WriterTenure) throws(StoreError) {
        tenure.isOutcomeUnknown = true
        try tenure.beginEpoch()
        _ = try CommitWriter(tenure, minimumShards: nil).commit()
        tenure.isOutcomeUnknown = false
    }

    private func discard(_ blocks: [BlockStaging]) {
        for block in blocks {
            let named = block.named()
            for (row, place) in block.staged() where named[row] == nil {
                engine.devices.device(place.device)?.discard([place.shard])
            }
        }
    }

    private func acknowledge(_ record: CommitRecord, _ blocks: [BlockStaging]) -> CommitOutcome {
        var outcome = CommitOutcome()
        var accepted: [AcceptedBlock] = []
        for block in blocks {
            let shards = block.named()
            let wanted = Self.wantedShards(block.profile, hasPayload: block.shardPayloadBytes > 0)
            outcome.owedShards += max(0, wanted - shards.count)
            outcome.shardBytes += UInt64(shards.count) * UInt64(block.shardPayloadBytes)
            accepted.append(
                AcceptedBlock(
                    name: block.name, profile: block.profile, columnCount: block.profile.dataShards, firstColumn: 0,
                    shardPayloadBytes: block.shardPayloadBytes, payloadBytes: block.contents.payloadBytes,
                    leastShards: block.leastShards, shards: shards, contents: block.contents))
        }
        tenure.accept(
            AcceptedCommit(record: record, blocks: accepted), configuration: configuration, retired: retired)
        outcome.indexProblem = tenure.indexProblem
        reset()
        return outcome
    }

    private func reset() {
        open = nil
        sealed = []
        counted = (0, CommitOutcome())
        nextOrdinal = 0
        openedNanoseconds = nil
        if !tenure.isDryRun { packed = [] }
        configuration = nil
        retired = nil
    }
}
