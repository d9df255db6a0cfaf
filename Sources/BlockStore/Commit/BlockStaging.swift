import Chunker
import Erasure

/// A sealed block on its way to the devices: encoded on a compute lane, then written and synced under
/// temporary names, one lane a device.
///
/// Thread rule: created and asked by the committing thread; the lanes only touch `progress`.
final class BlockStaging: Sendable {
    let name: BlockName
    let profile: Profile
    let shardPayloadBytes: Int
    let contents: TableOfContents
    /// The block is not acknowledged with fewer shards than this.
    let leastShards: Int
    private let leastLosses: Int
    /// Where each row goes.
    let targets: [(row: Row, device: DeviceID)]

    struct Progress: Sendable {
        var outstanding: Int
        /// Rows whose bytes are durable under a temporary name.
        var staged: [Row: (device: DeviceID, shard: StagedShard)] = [:]
        /// Rows that have their final name, durably.
        var named: [Row: DeviceID] = [:]
        var isEncoded = false
    }

    private let progress: Monitor<Progress>
    private let completion = Completion()
    private let engine: Engine
    fileprivate let parityBuffers: BufferPool

    /// Starts to encode and stage. The block's payload is given back to `engine.blockBuffers` when done.
    ///
    /// - Parameter parityBuffers: of a size that fits the block's profile.
    init(
        _ engine: Engine, _ block: OpenBlock, isFull: Bool, targets: [(row: Row, device: DeviceID)], leastShards: Int,
        leastLosses: Int, parityBuffers: BufferPool
    ) {
        self.engine = engine
        self.parityBuffers = parityBuffers
        name = block.name
        profile = block.profile
        shardPayloadBytes = block.shardPayloadBytes(isFull: isFull)
        contents = TableOfContents(
            block: block.name, payloadBytes: UInt64(block.usedBytes), chunks: block.chunks, records: block.records)
        self.leastShards = leastShards
        self.leastLosses = leastLosses
        self.targets = targets
        progress = Monitor(Progress(outstanding: targets.count))
        let payload = block.payload
        let usedBytes = block.usedBytes
        let encode: @Sendable () -> Void = { [self] in
            stage(
                engine.environment.timing(.encode, bytes: usedBytes) {
                    EncodedBlock(self, payload: payload, usedBytes: usedBytes, engine: engine)
                })
        }
        // Little is done sooner than somebody is woken for it.
        if usedBytes <= Limits.littleBytes { encode() } else { engine.environment.executor.submit(.compute, encode) }
    }

    var payloadBytes: Int { contents.payloadBytes == 0 ? 0 : shardPayloadBytes }

    var columns: Range<Int> { 0..<profile.dataShards }

    /// Waits until every shard is staged and synced, or has failed.
    func wait() { engine.environment.executor.wait(for: completion) }

    /// Staged shards on devices that are still in service.
    func staged() -> [Row: (device: DeviceID, shard: StagedShard)] {
        progress.withLock(\.staged).filter { engine.devices.device($0.value.device) != nil }
    }

    /// Named shards on devices that are still in service.
    func named() -> [Row: DeviceID] {
        progress.withLock(\.named).filter { engine.devices.device($0.value) != nil }
    }

    func noteNamed(on device: DeviceID) {
        progress.withLock { progress in
            for (row, place) in progress.staged where place.device == device { progress.named[row] = device }
        }
    }

    /// Whether `rows` are enough to acknowledge the block: as many as that, and the loss of any one more is survived,
    /// or of as many as were asked for.
    /// With local parities not every choice of k + 1 rows survives it.
    func isEnough(_ rows: some Collection<Row>) -> Bool {
        let losses = Protection.lossesSurvived(rows, columns: columns, payloadBytes: shardPayloadBytes)
        if Mutant.isActive(.leastShardsIgnored) { return losses >= 0 }
        return rows.count >= leastShards && losses >= leastLosses
    }

    /// Hands every shard to its device's lane.
    private func stage(_ encoded: EncodedBlock) {
        guard !targets.isEmpty else { return end(encoded) }
        for (row, id) in targets {
            engine.environment.executor.submit(.device(engine.devices.lane(id))) { [self] in
                var place: StagedShard?
                if let device = engine.devices.device(id) {
                    do throws(StoreError) {
                        let environment = engine.environment
                        let file = encoded.file(of: row)
                        let shard = try environment.timing(.write, bytes: file.byteCount) { () throws(StoreError) in
                            try file.withPieces { pieces throws(StoreError) in
                                try device.stage(pieces, as: ShardName(name, row))
                            }
                        }
                        do throws(StoreError) {
                            try environment.timing(.sync, bytes: file.byteCount) { () throws(StoreError) in
                                try device.sync([shard])
                            }
                            place = shard
                        } catch {
                            device.discard([shard])
                            throw error
                        }
                    } catch {
                        engine.devices.fail(id, error)
                    }
                }
                finish(row, id, place, of: encoded)
            }
        }
    }

    private func finish(_ row: Row, _ device: DeviceID, _ place: StagedShard?, of encoded: EncodedBlock) {
        let isLast = progress.withLock { progress in
            progress.outstanding -= 1
            if let place { progress.staged[row] = (device, place) }
            return progress.outstanding == 0
        }
        if isLast { end(encoded) }
    }

    private func end(_ encoded: EncodedBlock) {
        // First: who waits takes the next buffer at once, and would find none.
        encoded.giveBack()
        completion.raise()
    }
}

/// A block's shards in memory.
final class EncodedBlock: Sendable {
    private let engine: Engine
    /// What `files` point into, until it is given back.
    private let buffers: Monitor<(payload: Buffer?, parity: Buffer?)>
    private let parityBuffers: BufferPool
    private let files: [Row: ShardFile]

    init(_ staging: BlockStaging, payload: Buffer?, usedBytes: Int, engine: Engine) {
        self.engine = engine
        parityBuffers = staging.parityBuffers
        let size = staging.shardPayloadBytes
        let contents = staging.contents.encode()
        let digest = Workspaces.shared.with { workspace in contents.withUnsafeBytes { workspace.digest(of: $0) } }
        let rows = staging.targets.map(\.row)
        let parityRows = rows.filter(\.isParity)
        let parity =
            parityRows.isEmpty || size == 0
            ? nil : staging.parityBuffers.take(atLeast: parityRows.count * size)
        buffers = Monitor((payload, parity))
        if let payload, size > 0 {
            let padding = payload.slice(usedBytes..<(size * staging.profile.dataShards))
            padding.initializeMemory(as: UInt8.self, repeating: Mutant.isActive(.paddingNotZeroed) ? 1 : 0)
            if let parity {
                func parts(_ buffer: Buffer, _ count: Int) -> [UnsafeMutableRawBufferPointer] {
                    (0..<count).map { index in buffer.slice((index * size)..<((index + 1) * size)) }
                }
                Encoder(parity: parityRows, columns: staging.columns).encode(
                    parts(payload, staging.profile.dataShards), into: parts(parity, parityRows.count), byteCount: size)
            }
        }
        var files: [Row: ShardFile] = [:]
        for row in rows {
            let header = ShardHeader(
                storeID: engine.storeID, block: staging.name, columnCount: staging.profile.dataShards, firstColumn: 0,
                row: row, payloadBytes: size, tableOfContentsBytes: contents.count, tableOfContentsDigest: digest)
            let bytes = Self.bytes(of: row, parityRows, payload, parity, size)
            files[row] = ShardFile(header: header, payload: bytes, contents: contents)
        }
        self.files = files
    }

    deinit { giveBack() }

    /// Gives the buffers back: nobody may use a file of it any more.
    func giveBack() {
        let (payload, parity) = buffers.withLock { buffers in
            defer { buffers = (nil, nil) }
            return buffers
        }
        if let payload { engine.blockBuffers.give(payload) }
        if let parity { parityBuffers.give(parity) }
    }

    /// The shard file of `row`. Its payload points into this object's buffers.
    func file(of row: Row) -> ShardFile {
        guard let file = files[row] else { preconditionFailure("row \(row.name) was not encoded") }
        return file
    }

    private static func bytes(
        of row: Row, _ parityRows: [Row], _ payload: Buffer?, _ parity: Buffer?, _ size: Int
    ) -> UnsafeRawBufferPointer {
        guard size > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        switch row {
        case .data(let column):
            guard let payload else { preconditionFailure("a block with payload has a buffer") }
            return UnsafeRawBufferPointer(payload.slice((column * size)..<((column + 1) * size)))
        case .parity:
            guard let parity, let index = parityRows.firstIndex(of: row) else {
                preconditionFailure("a parity row has a buffer")
            }
            return UnsafeRawBufferPointer(parity.slice((index * size)..<((index + 1) * size)))
        }
    }
}
