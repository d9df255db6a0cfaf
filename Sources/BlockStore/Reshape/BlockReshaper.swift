import Erasure

/// Makes the shards that another profile asks for of one block, on devices of their own, and proves them: sources by the
/// checksums of their cells and, where the whole payload is at hand, by those of every chunk (design law 6); results by reading
/// them back from the medium. Removes nothing and records nothing.
///
/// Use from one thread, under the writer lock.
struct BlockReshaper {
    struct Outcome: Sendable {
        /// Every row of the profile stands, proved, on a device of its own.
        var isWhole = false
        var writtenShards = 0
        var writtenBytes: UInt64 = 0
        var readBytes: UInt64 = 0
        /// Why it is not whole.
        var problem: StoreError?
    }

    private let engine: Engine
    private let profile: Profile

    init(_ engine: Engine, to profile: Profile) {
        self.engine = engine
        self.profile = profile
    }

    func prepare(_ block: IndexedBlock) -> Outcome {
        var outcome = Outcome()
        do throws(StoreError) {
            var block = block
            var conversion = BlockConversion(engine, block, to: profile, isLookedAt: true)
            if try !prove(conversion, block, &outcome), let marked = try engine.index.block(block.ref) {
                block = marked
                conversion = BlockConversion(engine, block, to: profile, isLookedAt: true)
            }
            guard conversion.homeless.isEmpty else {
                throw StoreError(
                    .tooFewDevices, "give block \(block.name) profile \(profile)",
                    detail: "there is no device for " + conversion.homeless.map(\.name).joined(separator: ", "))
            }
            if !conversion.places.isEmpty { try make(conversion, of: block, &outcome) }
            outcome.isWhole = true
        } catch {
            outcome.problem = error
        }
        return outcome
    }

    /// Whether the rows that an interrupted reshape made read as they should. Marks those that do not: they are made anew.
    private func prove(
        _ conversion: BlockConversion, _ block: IndexedBlock, _ outcome: inout Outcome
    ) throws(StoreError) -> Bool {
        var damaged: [(BlockRef, Row)] = []
        for row in conversion.unproved where !Mutant.isActive(.reshapeNotReadBack) {
            guard let id = conversion.kept[row], let device = engine.devices.device(id) else { continue }
            do throws(StoreError) {
                try engine.requireSound(ShardName(block.name, row), on: device)
                outcome.readBytes += UInt64(block.shardPayloadBytes)
            } catch {
                guard error.code == .corrupt else { throw error }
                damaged.append((block.ref, row))
            }
        }
        if !damaged.isEmpty { try engine.index.markDamaged(damaged) }
        return damaged.isEmpty
    }

    private func make(
        _ conversion: BlockConversion, of block: IndexedBlock, _ outcome: inout Outcome
    ) throws(StoreError) {
        let repairer = BlockRepairer(engine)
        let head = try engine.head(of: block, to: "reshape")
        let rows = conversion.places.keys.sorted()
        let size = block.shardPayloadBytes
        let buffers = engine.parityBuffers(for: profile)
        let output = size > 0 ? buffers.take(atLeast: size * rows.count) : nil
        defer { if let output { buffers.give(output) } }
        let parts = rows.indices.map { index in output?.slice((index * size)..<((index + 1) * size)) }
        if output != nil {
            let made = parts.compactMap { $0 }
            if try !convert(conversion, block, into: made, &outcome) {
                try encode(rows, of: block, head, repairer, into: made, &outcome)
            }
        }
        var written: [(BlockRef, Row, DeviceID)] = []
        for (row, part) in zip(rows, parts) {
            guard let id = conversion.places[row] else { continue }
            let header = ShardHeader(
                storeID: engine.storeID, block: block.name, columnCount: block.columnCount,
                firstColumn: block.firstColumn, row: row, payloadBytes: size,
                tableOfContentsBytes: head.contentsBytes.count, tableOfContentsDigest: head.header.tableOfContentsDigest
            )
            let payload = part.map { UnsafeRawBufferPointer($0) } ?? UnsafeRawBufferPointer(start: nil, count: 0)
            let file = ShardFile(header: header, payload: payload, contents: head.contentsBytes)
            if let problem = engine.write(
                file, as: ShardName(block.name, row), on: id, isReadBack: !Mutant.isActive(.reshapeNotReadBack))
            {
                outcome.problem = problem
                continue
            }
            written.append((block.ref, row, id))
            outcome.writtenShards += 1
            outcome.writtenBytes += UInt64(ShardLayout(header).byteCount)
        }
        try engine.index.setShards(written)
        if let problem = outcome.problem { throw problem }
    }

    /// Makes the rows from the few that they follow from, a megabyte of each at a time. False where that is a whole payload, or
    /// where some source is not as it should be: then everything is read and proved.
    private func convert(
        _ conversion: BlockConversion, _ block: IndexedBlock, into made: [UnsafeMutableRawBufferPointer],
        _ outcome: inout Outcome
    ) throws(StoreError) -> Bool {
        guard conversion.isPartial(block), let plan = conversion.plan else { return false }
        let size = block.shardPayloadBytes
        let stripe = 16 * Limits.cellBytes
        let scratch = Buffer(byteCount: stripe * plan.reads.count)
        let rebuilder = Rebuilder(plan)
        var reader = BlockReader(engine, block, from: .passing)
        var start = 0
        while start < size {
            let count = min(stripe, size - start)
            let first = start / Limits.cellBytes
            let cells = first..<(first + (count + Limits.cellBytes - 1) / Limits.cellBytes)
            let sources = plan.reads.indices.map { scratch.slice(($0 * stripe)..<($0 * stripe + count)) }
            for (row, source) in zip(plan.reads, sources) {
                guard try reader.readDirectly(row, cells, source) else { return false }
                outcome.readBytes += UInt64(count)
            }
            rebuilder.rebuild(
                from: sources.map { UnsafeRawBufferPointer($0) },
                into: made.map { UnsafeMutableRawBufferPointer(rebasing: $0[start..<(start + count)]) })
            start += count
        }
        return true
    }

    /// Makes the rows from the whole payload, proved chunk by chunk.
    private func encode(
        _ rows: [Row], of block: IndexedBlock, _ head: ShardHead, _ repairer: BlockRepairer,
        into made: [UnsafeMutableRawBufferPointer], _ outcome: inout Outcome
    ) throws(StoreError) {
        let size = block.shardPayloadBytes
        let payload = engine.blockBuffers.take(atLeast: size * block.columnCount)
        defer { engine.blockBuffers.give(payload) }
        try repairer.load(block, head, into: payload.slice(0..<(size * block.columnCount)))
        outcome.readBytes += UInt64(size * block.columnCount)
        let data = (0..<block.columnCount).map { payload.slice(($0 * size)..<(($0 + 1) * size)) }
        let parity = zip(rows, made).filter(\.0.isParity)
        if !parity.isEmpty {
            Encoder(parity: parity.map(\.0), columns: block.columns).encode(
                data, into: parity.map(\.1), byteCount: size)
        }
        for (row, part) in zip(rows, made) {
            guard case .data(let column) = row else { continue }
            part.copyMemory(from: UnsafeRawBufferPointer(data[column - block.firstColumn]))
        }
    }
}
