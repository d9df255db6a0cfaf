import Erasure

/// Moves shards of one block from a device to others: each is checked cell by cell while it is read, written, synced and
/// named on the other device, read back from the medium, and then the index follows. Only after all that is the old one
/// removed. A crash in between leaves the row on two devices, which harms nobody; a later move takes the other one over.
///
/// What cannot be read or is not sound is made again from the block's other shards.
///
/// Use from one thread, under the writer lock, in an epoch that stands on every device.
struct ShardMover {
    struct Outcome: Sendable {
        /// Shards that stand where they should, and were read back there.
        var moved: [(row: Row, device: DeviceID)] = []
        /// Of these, the ones that were made again.
        var rebuilt = 0
        /// Old copies removed.
        var removed = 0
        var bytes: UInt64 = 0
        var errors: [String] = []
    }

    private let engine: Engine

    init(_ engine: Engine) { self.engine = engine }

    /// Moves `row` of `block` away from `source`, to `target` unless a sound copy stands on a device of its own already.
    func move(_ row: Row, of block: IndexedBlock, from source: DeviceID, to target: DeviceID?, _ outcome: inout Outcome)
    {
        let shard = ShardName(block.name, row)
        do throws(StoreError) {
            if let other = soundCopy(of: row, block, besides: source) {
                try engine.index.setShards([(block.ref, row, other)])
                outcome.moved.append((row, other))
            } else if let target {
                if Mutant.isActive(.movedBeforeDurable) { try remove(shard, from: source, &outcome) }
                try copy(row, of: block, from: source, to: target, &outcome)
            } else {
                throw StoreError(
                    .tooFewDevices, "move shard \(shard)",
                    detail: "every other device in service has a shard of its block")
            }
            try remove(shard, from: source, &outcome)
        } catch {
            outcome.errors.append(error.description)
        }
    }

    /// Where else a sound copy of the row stands that counts: on a device that takes shards and has no other row of the block.
    private func soundCopy(of row: Row, _ block: IndexedBlock, besides source: DeviceID) -> DeviceID? {
        let shard = ShardName(block.name, row)
        let taken = Set(block.shards.filter { $0.key != row }.values)
        return engine.devices.candidates.map(\.id).first { id in
            guard id != source, !taken.contains(id), let device = engine.devices.device(id),
                (try? device.byteCount(of: shard)) != nil
            else { return false }
            return ShardReader.isSound(shard, on: device, storeID: engine.storeID)
        }
    }

    private func copy(
        _ row: Row, of block: IndexedBlock, from source: DeviceID, to target: DeviceID, _ outcome: inout Outcome
    ) throws(StoreError) {
        let shard = ShardName(block.name, row)
        let buffer = engine.blockBuffers.take(atLeast: block.shardPayloadBytes)
        defer { engine.blockBuffers.give(buffer) }
        guard let file = try soundFile(shard, row, block, on: source, buffer) else {
            return try rebuild(row, of: block, from: source, on: target, &outcome)
        }
        guard let place = engine.devices.device(target) else {
            throw StoreError(.io, "move shard \(shard)", at: engine.devices.name(target), detail: "it left service")
        }
        do throws(StoreError) {
            let staged = try file.withPieces { pieces throws(StoreError) in try place.stage(pieces, as: shard) }
            try place.sync([staged])
            // What is there under that name is no sound copy: it was looked for.
            try place.name([staged], replacing: true)
            if let problem = try ShardReader.problem(with: shard, on: place, storeID: engine.storeID, from: .medium) {
                throw StoreError(.corrupt, "read back shard \(shard)", at: place.place, detail: problem)
            }
        } catch {
            engine.devices.fail(target, error)
            throw error
        }
        try engine.index.setShards([(block.ref, row, target)])
        outcome.moved.append((row, target))
        outcome.bytes += UInt64(file.byteCount)
    }

    /// Nil where it cannot be had. What a newer version wrote is no damage, and stays.
    private func soundFile(
        _ shard: ShardName, _ row: Row, _ block: IndexedBlock, on source: DeviceID, _ buffer: Buffer
    ) throws(StoreError) -> ShardFile? {
        guard !block.damaged.contains(row), let device = engine.devices.readable(source) else { return nil }
        do throws(StoreError) {
            return try load(shard, from: device, into: buffer, block)
        } catch {
            if error.code == .unsupported { throw error }
            return nil
        }
    }

    /// The whole shard, every byte of it checked. What is written from it is the same file: its checksums follow from it.
    private func load(
        _ shard: ShardName, from device: any Device, into buffer: Buffer, _ block: IndexedBlock
    ) throws(StoreError) -> ShardFile {
        let head = try ShardReader.head(of: shard, on: device, storeID: engine.storeID, from: .passing)
        guard head.header.block == block.name, head.header.payloadBytes == block.shardPayloadBytes else {
            throw StoreError(.corrupt, "read shard \(shard)", at: device.place, detail: "it is of another block")
        }
        let table = try ShardReader.checksums(of: head.header, head.layout, shard, on: device, from: .passing)
        let payload = buffer.slice(0..<head.header.payloadBytes)
        if table.cellCount > 0 {
            try ShardReader.cells(
                0..<table.cellCount, of: head.header, head.layout, checkedBy: table, shard, on: device, into: payload,
                from: .passing)
        }
        return ShardFile(header: head.header, payload: UnsafeRawBufferPointer(payload), contents: head.contentsBytes)
    }

    private func rebuild(
        _ row: Row, of block: IndexedBlock, from source: DeviceID, on target: DeviceID, _ outcome: inout Outcome
    ) throws(StoreError) {
        // What cannot be had because its device is away is not damaged: the device may return.
        if engine.devices.device(source) != nil { try engine.index.markDamaged([(block.ref, row)]) }
        guard let known = try engine.index.block(block.ref) else { return }
        let repairer = BlockRepairer(engine)
        let repair = repairer.repair(known, preferring: [row: target])
        // Made again, or found where nobody expected it.
        guard let now = try engine.index.block(block.ref), !now.damaged.contains(row), let place = now.shards[row],
            place != known.shards[row] || repair.repaired.contains(where: { $0.row == row })
        else {
            throw StoreError(
                repair.isLost ? .lost : .io, "make shard \(ShardName(block.name, row)) again",
                detail: repair.errors.isEmpty ? "it has no place" : repair.errors.joined(separator: "; "),
                advice: "see bsctl repair")
        }
        outcome.moved.append((row, place))
        outcome.rebuilt += 1
        outcome.bytes += repair.writtenBytes
    }

    /// Removes what has its place elsewhere. A device that is not written to any more keeps it: nobody counts on it.
    private func remove(_ shard: ShardName, from source: DeviceID, _ outcome: inout Outcome) throws(StoreError) {
        guard let device = engine.devices.device(source), try device.byteCount(of: shard) != nil else { return }
        try device.remove(shard)
        outcome.removed += 1
    }

    /// Removes the copies of a shard that stand elsewhere than on `place`, where it is sound.
    func removeCopies(of shard: ShardName, besides place: DeviceID) throws(StoreError) {
        let others = engine.holders(of: shard, expectedOn: nil).filter {
            $0 != place && engine.devices.device($0) != nil
        }
        guard !others.isEmpty, let device = engine.devices.device(place),
            ShardReader.isSound(shard, on: device, storeID: engine.storeID)
        else { return }
        for id in others { try engine.devices.device(id)?.remove(shard) }
    }
}
