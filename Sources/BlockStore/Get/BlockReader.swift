import Erasure

/// Reads one block's payload with every byte checked against its cell's checksum, rebuilding what is
/// missing or damaged from the other shards.
///
/// This is the slow, sure path: a healthy get reads a chunk's stored bytes directly and checks the
/// digest. Use from one thread.
struct BlockReader {
    let engine: Engine
    let block: IndexedBlock
    /// Rows that must not be used: known or suspected to be wrong.
    private(set) var excluded: Set<Row>
    /// What was found wrong on the way, row by row.
    private(set) var problems: [Row: String] = [:]
    private let source: ReadSource
    /// One of the places where a row's shard is.
    private struct Copy: Hashable {
        let row: Row
        let device: DeviceID
    }
    private var open: [Copy: OpenShard] = [:]
    /// Copies that are no shards of this block.
    private var unusable: Set<Copy> = []
    private var holders: [Row: [DeviceID]] = [:]

    init(_ engine: Engine, _ block: IndexedBlock, excluding excluded: Set<Row> = [], from source: ReadSource = .cache) {
        self.engine = engine
        self.block = block
        self.excluded = excluded
        self.source = source
    }

    var columns: Range<Int> { block.firstColumn..<(block.firstColumn + block.columnCount) }

    /// Fills `buffer` with the payload bytes from `offset` on.
    ///
    /// - Throws: `.lost` when the rows left do not span what is needed.
    mutating func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) {
        let shardBytes = block.shardPayloadBytes
        guard shardBytes > 0 else {
            throw StoreError(.corrupt, "read block \(block.name)", detail: "it has no payload")
        }
        var done = 0
        while done < buffer.count {
            let position = offset + done
            let column = position / shardBytes
            let start = position % shardBytes
            let count = min(buffer.count - done, shardBytes - start)
            guard column < block.columnCount else {
                throw StoreError(
                    .corrupt, "read block \(block.name)", detail: "byte \(position) lies beyond its payload")
            }
            let cells = (start / Limits.cellBytes)..<((start + count + Limits.cellBytes - 1) / Limits.cellBytes)
            let first = cells.lowerBound * Limits.cellBytes
            let bytes = min(cells.upperBound * Limits.cellBytes, shardBytes) - first
            let scratch = Buffers.scratch.take(atLeast: bytes)
            defer { Buffers.scratch.give(scratch) }
            try read(.data(column: block.firstColumn + column), cells: cells, into: scratch.slice(0..<bytes))
            let part = scratch.slice((start - first)..<(start - first + count))
            UnsafeMutableRawBufferPointer(rebasing: buffer[done..<(done + count)]).copyMemory(
                from: UnsafeRawBufferPointer(part))
            done += count
        }
    }

    /// Fills `payload` with all data shards end to end: `columnCount · shardPayloadBytes` bytes.
    mutating func readAll(into payload: UnsafeMutableRawBufferPointer) throws(StoreError) {
        let stride = 16  // 1 MiB of each shard at a time
        let cellCount = Limits.cellCount(payloadBytes: block.shardPayloadBytes)
        for column in 0..<block.columnCount {
            var cell = 0
            while cell < cellCount {
                let end = min(cell + stride, cellCount)
                let start = column * block.shardPayloadBytes + cell * Limits.cellBytes
                let bytes = min(end * Limits.cellBytes, block.shardPayloadBytes) - cell * Limits.cellBytes
                try read(
                    .data(column: block.firstColumn + column), cells: cell..<end,
                    into: UnsafeMutableRawBufferPointer(rebasing: payload[start..<(start + bytes)]))
                cell = end
            }
        }
    }

    /// Fills `buffer` with some cells of `row`: from its shard when that is sound, else rebuilt from sources that are.
    private mutating func read(
        _ row: Row, cells: Range<Int>, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        // Damage is local: a row that fails here may serve other cells.
        if try readDirectly(row, cells, buffer) { return }
        do throws(StoreError) {
            try rebuild(row, cells, into: buffer)
        } catch {
            // What each cell lacks may be on other shards.
            guard error.code == .lost, cells.count > 1 else { throw error }
            var start = 0
            for cell in cells {
                let byteCount = Limits.bytes(ofCells: cell..<(cell + 1), payloadBytes: block.shardPayloadBytes)
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer[start..<(start + byteCount)])
                try read(row, cells: cell..<(cell + 1), into: part)
                start += byteCount
            }
        }
    }

    /// Some cells of `row`, by the cheapest plan from sources that are sound.
    private mutating func rebuild(
        _ row: Row, _ cells: Range<Int>, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        let byteCount = buffer.count
        var unusable = excluded
        unusable.insert(row)
        while true {
            let available = candidates().filter { !unusable.contains($0) }
            guard let plan = RepairPlan.make(lost: [row], available: available, columns: columns) else {
                throw StoreError(
                    .lost, "rebuild row \(row.name) of block \(block.name)",
                    detail: "the \(available.count) sound shards left do not span it")
            }
            let scratch = Buffers.scratch.take(atLeast: byteCount * plan.reads.count)
            defer { Buffers.scratch.give(scratch) }
            var sources: [UnsafeRawBufferPointer] = []
            var failed: Row?
            for (index, source) in plan.reads.enumerated() {
                let part = scratch.slice((index * byteCount)..<((index + 1) * byteCount))
                guard try readDirectly(source, cells, part) else {
                    failed = source
                    break
                }
                sources.append(UnsafeRawBufferPointer(part))
            }
            if let failed {
                unusable.insert(failed)
                continue
            }
            return Rebuilder(plan).rebuild(from: sources, into: [buffer])
        }
    }

    /// Whether the cells could be read from a shard of the row and passed their checks. There may be several: one that was
    /// left behind does not stand before a sound one.
    mutating func readDirectly(
        _ row: Row, _ cells: Range<Int>, _ buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> Bool {
        guard !excluded.contains(row) else { return false }
        let name = ShardName(block.name, row)
        let places = holders[row] ?? Array(engine.holders(of: name, expectedOn: block.shards[row]))
        holders[row] = places
        if places.isEmpty { problems[row] = "no device has it" }
        for id in places {
            let copy = Copy(row: row, device: id)
            guard !unusable.contains(copy) else { continue }
            do throws(StoreError) {
                let shard = try openShard(copy)
                try shard.read(cells, into: buffer)
                return true
            } catch {
                problems[row] = error.description
                if open[copy] == nil { unusable.insert(copy) }
            }
        }
        return false
    }

    /// Every row that some device might hold.
    private func candidates() -> [Row] {
        let known = Set(block.shards.keys).union(block.profile.rows)
        return known.sorted()
    }

    private mutating func openShard(_ copy: Copy) throws(StoreError) -> OpenShard {
        if let shard = open[copy] { return shard }
        let name = ShardName(block.name, copy.row)
        guard let device = engine.devices.readable(copy.device) else {
            throw StoreError(.notFound, "read shard \(name)", detail: "its device is away")
        }
        let shard = try OpenShard(copy.row, of: block, on: device, storeID: engine.storeID, from: source)
        open[copy] = shard
        return shard
    }
}
