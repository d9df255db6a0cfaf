import Erasure

/// The repair of one block, from what is missing to what was read back (design law 6): every cell that is used is checked against
/// its own checksum and what is made against the chunks' checksums before anything is written, and what was written counts when
/// it was read from the medium.
///
/// Of a shard that is damaged in part the sound cells are taken over, and what its stripes lack is made from the others; a shard
/// that is gone is damaged all over. When a source turns out damaged it becomes one of those to be repaired; when all cells
/// agree and the chunks do not, sources are excluded one by one.
///
/// Thread rule: one step at a time, each on the compute lane. Between two steps calls to devices run on the devices' lanes, side
/// by side, and touch what they are given; nobody waits on a lane. Whoever started it waits for `completion` and then has `outcome`.
final class BlockRepair: @unchecked Sendable {
    // @unchecked: the steps follow one another through the executor's queues, and `completion` comes after the last.
    struct Outcome: Sendable {
        /// Shards made again and read back.
        var repaired: [(row: Row, device: DeviceID)] = []
        /// Shards in doubt that turned out to be what they should be.
        var confirmed: [(row: Row, device: DeviceID)] = []
        /// Shards that were written and did not read back.
        var unconfirmed: [(row: Row, device: DeviceID)] = []
        var readBytes: UInt64 = 0
        var writtenBytes: UInt64 = 0
        /// Rows that have no place: too few devices.
        var owed: [Row] = []
        /// Too much is gone: the block cannot be read in full.
        var isLost = false
        var errors: [String] = []
    }

    let name: BlockName
    let completion = Completion()
    private(set) var outcome = Outcome()
    private let engine: Engine
    private let repairer: BlockRepairer
    private let preferred: [Row: DeviceID]
    private let memory: Memory
    private let executor: any Executor
    private var block: IndexedBlock
    private var head: ShardHead?
    /// Rows to be written, with their places, and what is left of each.
    private var targets: [(row: Row, device: DeviceID)] = []
    private var old: [Row: OldShard] = [:]
    /// Where the bytes of each row are that is to be written, or is made to prove one of them.
    private var slots: [Row: (buffer: Buffer, start: Int)] = [:]
    /// What was read for the stripes.
    private var read: Buffer?
    /// Cells that cannot be had from where they should be.
    private var bad: [Row: Set<Int>] = [:]
    /// Rows whose checksums agree with bytes that are wrong.
    private var liars: Set<Row> = []
    /// Sources that are left out, one after the other, when cells agree and chunks do not.
    private var suspects: [Row] = []
    private var suspect: Row?

    /// Memory for what is read and for what is made, used again by one block after the other.
    struct Memory: Sendable {
        let read: BufferPool
        let made: BufferPool

        init(_ engine: Engine) {
            read = BufferPool(byteCount: engine.blockBuffers.byteCount, kept: Limits.blocksInRepair)
            made = BufferPool(
                byteCount: engine.parityBuffers(for: engine.configuration.profile).byteCount,
                kept: Limits.blocksInRepair)
        }

        /// A pool passes over what is not of its size.
        func give(_ buffer: Buffer) {
            if buffer.byteCount == made.byteCount { made.give(buffer) } else { read.give(buffer) }
        }
    }

    /// - Parameters:
    ///   - executor: the store's, or one that does everything on the calling thread.
    ///   - preferring: where rows should go, if that may be.
    init(
        _ engine: Engine, _ block: IndexedBlock, _ memory: Memory, on executor: any Executor,
        preferring preferred: [Row: DeviceID] = [:]
    ) {
        self.executor = executor
        self.preferred = preferred
        self.engine = engine
        self.memory = memory
        self.block = block
        name = block.name
        repairer = BlockRepairer(engine)
    }

    func start() { onCompute { $0.prepare() } }

    private var cellCount: Int { Limits.cellCount(payloadBytes: block.shardPayloadBytes) }

    // What is missing, where it goes, and what is left of it.

    private func prepare() {
        var missing = repairer.missingRows(of: block)
        do throws(StoreError) {
            let moved = repairer.elsewhere(missing, of: block)
            if !moved.isEmpty {
                try engine.index.setShards(moved.sorted { $0.key < $1.key }.map { (block.ref, $0.key, $0.value) })
            }
            block.shards.merge(moved) { $1 }
            block.damaged.subtract(moved.keys)
            missing.removeAll { moved[$0] != nil }
        } catch {
            outcome.errors.append(error.description)
        }
        let places = repairer.place(missing, of: block, preferring: preferred)
        outcome.owed = missing.filter { places[$0] == nil }
        targets = places.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        // Nothing to read where nothing can be written.
        guard !targets.isEmpty else {
            outcome.isLost = !engine.isReadable(block)
            return finish()
        }
        do throws(StoreError) {
            head = try engine.head(of: block, to: "repair")
        } catch {
            return fail(error)
        }
        giveBuffersBack()
        makeRoom(for: targets.map(\.row), from: memory.made)
        old = [:]
        suspect = nil
        suspects = block.profile.tolerance >= 1 ? block.profile.rows.filter { !liars.contains($0) } : []
        let copies = targets.compactMap { target in
            engine.holders(of: ShardName(name, target.row), expectedOn: block.shards[target.row]).first { _ in true }
                .map { (row: target.row, device: $0) }
        }
        fan(copies, on: { $0.device }) { [self] copy in
            OldShard(copy.row, of: block, on: copy.device, engine, into: bytes(0..<cellCount, of: copy.row))
        } then: { repair, found in
            for shard in found {
                repair.old[shard.row] = shard
                repair.outcome.readBytes += shard.readBytes
            }
            repair.dropUnsupported()
            repair.plan(repair.head)
        }
    }

    /// What a newer version wrote is no damage.
    private func dropUnsupported() {
        for shard in old.values.sorted(by: { $0.row < $1.row }) {
            guard let problem = shard.unsupported else { continue }
            outcome.errors.append(problem.description)
            targets.removeAll { $0.row == shard.row }
        }
    }

    // Which cells to read, from whom.

    /// The cells that each row to be written lacks.
    ///
    /// - Parameter doubting: what is in doubt as a whole and passes all its checks is made again and compared.
    private func lacking(doubting: Bool) -> [Row: Set<Int>] {
        let lacking = targets.map { row, _ in
            guard let shard = old[row], !liars.contains(row), suspect != row else { return (row, Set(0..<cellCount)) }
            let isDoubtful = doubting && shard.isWhole && block.damaged.contains(row)
            return (row, isDoubtful ? Set(0..<cellCount) : shard.bad)
        }
        return Dictionary(uniqueKeysWithValues: lacking)
    }

    private func plan(_ head: ShardHead?) {
        guard let head, !targets.isEmpty else { return finish() }
        let written = Set(targets.map(\.row))
        var holders: [Row: DeviceID] = [:]
        for row in Set(block.shards.keys).union(block.profile.rows).sorted() {
            guard !written.contains(row), !liars.contains(row), suspect != row else { continue }
            holders[row] = engine.holders(of: ShardName(name, row), expectedOn: block.shards[row]).first { _ in true }
        }
        // What is in doubt is used only where the rest does not do: whatever is wrong with it, its checks hold.
        for (doubting, usesDoubtful) in [(true, false), (true, true), (false, true)] {
            let lacking = lacking(doubting: doubting)
            let usable = holders.filter { usesDoubtful || !block.damaged.contains($0.key) }
            for rows in engine.devices.cheapestFirst(usable) {
                let sources = Dictionary(uniqueKeysWithValues: rows.map { ($0, bad[$0] ?? []) })
                if let plan = StripePlan(
                    lacking: lacking, sources: sources, columns: block.columns, cellCount: cellCount)
                {
                    return read(plan, holders, lacking, head)
                }
            }
        }
        if suspect != nil { return nextSuspect(head) }
        let rows = targets.map(\.row.name).joined(separator: ", ")
        fail(
            StoreError(
                .lost, "rebuild rows \(rows) of block \(name)",
                detail: "what is left of the \(holders.count + old.count) shards that were found does not span them"))
    }

    /// Cells of one row that are read, and where they are put.
    private struct Reads {
        let row: Row
        let device: DeviceID
        var parts: [(cells: Range<Int>, offset: Int)] = []
    }

    private func read(_ plan: StripePlan, _ holders: [Row: DeviceID], _ lacking: [Row: Set<Int>], _ head: ShardHead) {
        makeRoom(for: plan.made.filter { slots[$0] == nil }, from: memory.read)
        var reads: [Row: Reads] = [:]
        var total = 0
        for run in plan.runs {
            for row in run.plan.reads {
                guard let device = holders[row] else { continue }
                reads[row, default: Reads(row: row, device: device)].parts.append((run.cells, total))
                total += Limits.bytes(ofCells: run.cells, payloadBytes: block.shardPayloadBytes)
            }
        }
        giveReadBufferBack()
        let buffer = memory.read.take(atLeast: total)
        read = buffer
        outcome.readBytes += UInt64(total)
        let sources = reads.values.sorted { $0.row < $1.row }
        fan(sources, on: { $0.device }) { [self] source in
            SourceProblem(reading: source.parts, of: source.row, block, on: source.device, engine, into: buffer)
        } then: { repair, problems in
            let failed = zip(sources, problems).compactMap { source, problem in problem.map { (source, $0) } }
            if failed.isEmpty { return repair.make(plan, sources, lacking, head) }
            repair.retry(without: failed)
        }
    }

    /// A source that is damaged is to be repaired too, where it can be written to; else it is not used any more.
    private func retry(without failed: [(source: Reads, problem: SourceProblem)]) {
        var hasNewTargets = false
        for (source, problem) in failed {
            bad[source.row, default: []].formUnion(problem.cells)
            if problem.error.code == .unsupported { continue }
            hasNewTargets = mark(source.row, source.device, problem.error.description) || hasNewTargets
        }
        if hasNewTargets { prepare() } else { plan(head) }
    }

    /// Remembers a damaged shard; whether that makes one more to be repaired.
    private func mark(_ row: Row, _ device: DeviceID, _ problem: String) -> Bool {
        guard block.shards[row] == device, engine.devices.device(device) != nil, !block.damaged.contains(row) else {
            return false
        }
        engine.remember([DamagedShard(block: block.ref, name: name, row: row, problem: problem)])
        block.damaged.insert(row)
        return true
    }

    // Make what is missing and prove it.

    private func make(_ plan: StripePlan, _ sources: [Reads], _ lacking: [Row: Set<Int>], _ head: ShardHead) {
        var cells = CellMap(cellCount)
        for target in targets {
            for cell in 0..<cellCount where lacking[target.row]?.contains(cell) == false {
                cells[target.row, cell] = bytes(cell..<(cell + 1), of: target.row)
            }
        }
        for source in sources {
            for part in source.parts {
                var offset = part.offset
                for cell in part.cells {
                    let count = Limits.bytes(ofCells: cell..<(cell + 1), payloadBytes: block.shardPayloadBytes)
                    cells[source.row, cell] = read?.slice(offset..<(offset + count))
                    offset += count
                }
            }
        }
        let rebuilders = Dictionary(
            Set(plan.runs.map(\.plan)).map { ($0, Rebuilder($0)) }, uniquingKeysWith: { first, _ in first })
        for run in plan.runs {
            let count = Limits.bytes(ofCells: run.cells, payloadBytes: block.shardPayloadBytes)
            let from = run.plan.reads.compactMap { row in
                // The cells of a run stand end to end, in what was read as in what is made.
                cells[row, run.cells.lowerBound].map { UnsafeRawBufferPointer(start: $0.baseAddress, count: count) }
            }
            rebuilders[run.plan]?.rebuild(from: from, into: run.plan.lost.map { bytes(run.cells, of: $0) })
            for row in run.plan.lost {
                for cell in run.cells { cells[row, cell] = bytes(cell..<(cell + 1), of: row) }
            }
        }
        let excluded = liars.union(suspect.map { [$0] } ?? [])
        let held = cells
        var proof = ChunkProof(
            block: block, contents: head.contents,
            held: { row, cell in held[row, cell].map { UnsafeRawBufferPointer($0) } },
            isWanted: wanted(plan), reader: BlockReader(engine, block, excluding: excluded))
        do throws(StoreError) {
            guard try proof.holds() else { return nextSuspect(head) }
        } catch {
            return suspect == nil ? fail(error) : nextSuspect(head)
        }
        giveReadBufferBack()
        guard let liar = suspect else { return write(head) }
        liars.insert(liar)
        let device = block.shards[liar]
        let isNew = device.map { mark(liar, $0, "its checksums agree with bytes that are wrong") } ?? false
        if isNew { prepare() } else { write(head) }
    }

    /// Data that are written as a whole, and the data under each parity in the stripes that are made.
    private func wanted(_ plan: StripePlan) -> (Row, Int) -> Bool {
        let data = Set(targets.map(\.row).filter { !$0.isParity })
        var stripes: [Int: [Range<Int>]] = [:]
        for run in plan.runs {
            for case .parity(_, let span) in run.plan.lost {
                for cell in run.cells { stripes[cell, default: []].append(span) }
            }
        }
        return { row, cell in
            if data.contains(row) { return true }
            guard case .data(let column) = row, let spans = stripes[cell] else { return false }
            return spans.contains { $0.contains(column) }
        }
    }

    private func nextSuspect(_ head: ShardHead) {
        guard let next = suspects.popLast() else {
            return fail(
                StoreError(
                    .lost, "repair block \(name)",
                    detail: "its shards pass their checksums but do not yield its chunks; nothing was overwritten"))
        }
        suspect = next
        plan(head)
    }

    // Write, and read back.

    private func write(_ head: ShardHead) {
        var files: [(row: Row, device: DeviceID, file: ShardFile)] = []
        for (row, id) in targets {
            let header = ShardHeader(
                storeID: engine.storeID, block: name, columnCount: block.columnCount, firstColumn: block.firstColumn,
                row: row, payloadBytes: block.shardPayloadBytes, tableOfContentsBytes: head.contentsBytes.count,
                tableOfContentsDigest: head.header.tableOfContentsDigest)
            let payload = UnsafeRawBufferPointer(bytes(0..<cellCount, of: row))
            let file = ShardFile(header: header, payload: payload, contents: head.contentsBytes)
            if let shard = old[row], shard.device == id, shard.is(file, header) {
                outcome.confirmed.append((row, id))
            } else {
                files.append((row, id, file))
            }
        }
        let places = files.map { (row: $0.row, device: $0.device) }
        fan(files, on: { $0.device }) { [self] entry in
            ShardWrite(entry.file, as: ShardName(name, entry.row), on: entry.device, engine)
        } then: { repair, writes in
            repair.conclude(Array(zip(places, writes)))
        }
    }

    private func conclude(_ writes: [((row: Row, device: DeviceID), ShardWrite)]) {
        for ((row, id), write) in writes {
            outcome.writtenBytes += UInt64(write.writtenBytes)
            guard let error = write.error else {
                outcome.repaired.append((row, id))
                continue
            }
            if write.writtenBytes > 0 { outcome.unconfirmed.append((row, id)) }
            outcome.errors.append(error.description)
            outcome.owed.append(row)
        }
        do throws(StoreError) {
            try engine.index.setShards((outcome.repaired + outcome.confirmed).map { (block.ref, $0.row, $0.device) })
        } catch {
            outcome.errors.append(error.description)
        }
        finish()
    }

    private func fail(_ error: StoreError) {
        if error.code == .lost {
            outcome.isLost = true
            engine.remember(
                targets.map { DamagedShard(block: block.ref, name: name, row: $0.row, problem: "it is not there") })
        }
        outcome.errors.append(error.description)
        finish()
    }

    private func finish() {
        giveBuffersBack()
        completion.raise()
    }

    // Memory.

    private func makeRoom(for rows: [Row], from pool: BufferPool) {
        let size = block.shardPayloadBytes
        guard !rows.isEmpty, size > 0 else { return }
        let buffer = pool.take(atLeast: rows.count * size)
        for (index, row) in rows.enumerated() { slots[row] = (buffer, index * size) }
    }

    /// The place of some cells of a row that is written or made.
    private func bytes(_ cells: Range<Int>, of row: Row) -> UnsafeMutableRawBufferPointer {
        guard let slot = slots[row] else { return UnsafeMutableRawBufferPointer(start: nil, count: 0) }
        let start = slot.start + cells.lowerBound * Limits.cellBytes
        return slot.buffer.slice(start..<(start + Limits.bytes(ofCells: cells, payloadBytes: block.shardPayloadBytes)))
    }

    private func giveReadBufferBack() {
        if let read { memory.give(read) }
        read = nil
    }

    private func giveBuffersBack() {
        giveReadBufferBack()
        for slot in slots.values where slot.start == 0 { memory.give(slot.buffer) }
        slots = [:]
    }

    // Steps.

    private func onCompute(_ step: @escaping @Sendable (BlockRepair) -> Void) {
        executor.submit(.compute) { [self] in step(self) }
    }

    /// Does `work` for each of `items` on the lane of its device, and then goes on with what came of it, in their order.
    private func fan<Item: Sendable, Value: Sendable>(
        _ items: [Item], on device: (Item) -> DeviceID, _ work: @escaping @Sendable (Item) -> Value,
        then next: @escaping @Sendable (BlockRepair, [Value]) -> Void
    ) {
        guard !items.isEmpty else { return next(self, []) }
        let values = Monitor<[Int: Value]>([:])
        for (number, item) in items.enumerated() {
            executor.submit(.device(engine.devices.lane(device(item)))) { [self] in
                let value = work(item)
                let all: [Int: Value]? = values.withLock { values in
                    values[number] = value
                    return values.count == items.count ? values : nil
                }
                if let all { onCompute { next($0, items.indices.compactMap { all[$0] }) } }
            }
        }
    }
}
