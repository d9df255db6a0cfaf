import Chunker
import Erasure

/// A chunk's plain bytes, checked against its digest.
struct PlainChunk: Sendable {
    let buffer: Buffer
    let byteCount: Int
    /// How many stored bytes were made from other shards.
    let detour: Detour
    /// The shards found guilty on the way.
    let damaged: [DamagedShard]
    /// The bytes that it was decoded from, where they were asked for and are not the plain ones.
    var compressed: (buffer: Buffer, byteCount: Int)?

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(buffer.slice(0..<byteCount)) }
}

/// Stored bytes that were not read where they stand, but made from other shards.
struct Detour: Sendable {
    /// Because they could not be read.
    var rebuiltBytes = 0
    /// Because others came sooner, or cost less.
    var reroutedBytes = 0
}

/// A shard that was found damaged or missing while something else was read.
struct DamagedShard: Sendable, Hashable {
    let block: BlockRef
    let name: BlockName
    let row: Row
    let problem: String
}

/// Reads chunks by digest: the right bytes or an error (design law 3). Any thread.
struct ChunkReader: Sendable {
    let engine: Engine
    private let recentBlocks: RecentBlocks
    private let lostRows: LostRows

    init(engine: Engine) {
        self.engine = engine
        recentBlocks = RecentBlocks(engine)
        lostRows = LostRows(engine)
    }

    /// Where each of `entries` stands: for many with one look at the index.
    func places(of entries: some RandomAccessCollection<ManifestEntry>) throws(StoreError) -> [[ChunkPlace]] {
        var places = [[ChunkPlace]](repeating: [], count: entries.count)
        for found in try engine.index.numberedPlaces(of: entries.lazy.map(\.digest)) {
            places[found.position].append(found.place)
        }
        return places
    }

    /// Reads the chunk named `digest`, which must have `byteCount` plain bytes.
    ///
    /// The fast path reads exactly the stored bytes, and makes those of rows that are known to be lost from others. Only when a
    /// check fails are cell checksums consulted, the range rebuilt from sound cells, and, should all checksums agree
    /// and the digest not, each source excluded in turn.
    ///
    /// - Parameters:
    ///   - known: where it stood a moment ago.
    ///   - keepsCompressed: returns the stored bytes too, where the chunk was read straight from one place.
    func read(
        _ digest: Digest, byteCount: Int, at known: [ChunkPlace], keepsCompressed: Bool = false
    ) throws(StoreError) -> PlainChunk {
        var places = known
        while true {
            do throws(StoreError) {
                return try readOnce(digest, byteCount: byteCount, at: places, keepsCompressed: keepsCompressed)
            } catch {
                // Collected meanwhile: then it is elsewhere by now.
                let newest = try engine.index.places(of: digest)
                guard error.code == .lost, newest != places else { throw error }
                guard !newest.isEmpty else {
                    throw StoreError(
                        .notFound, "read chunk \(digest)", detail: "its version was purged and collected meanwhile")
                }
                places = newest
            }
        }
    }

    /// Reads a manifest node: a chunk whose length is known only to the index.
    func readNode(_ digest: Digest) throws(StoreError) -> PlainChunk {
        let places = try engine.index.places(of: digest)
        let byteCount = places.first?.plainBytes ?? 0
        guard byteCount <= ManifestNode.maximumBytes else {
            throw StoreError(
                .corrupt, "read manifest node \(digest)", detail: "\(byteCount) bytes are too long for one")
        }
        return try read(digest, byteCount: byteCount, at: places)
    }

    private func readOnce(
        _ digest: Digest, byteCount: Int, at places: [ChunkPlace], keepsCompressed: Bool
    ) throws(StoreError) -> PlainChunk {
        guard !places.isEmpty else { throw Index.corrupt("it has no place for chunk \(digest)") }
        let plain = engine.chunkBuffers.take(byteCount)
        var blocks: [(ChunkPlace, IndexedBlock)] = []
        for place in places where place.plainBytes == byteCount {
            guard let block = try recentBlocks[place.block] else { continue }
            if let direct = readDirectly(digest, place, block, into: plain.slice(0..<byteCount)) {
                var chunk = PlainChunk(
                    buffer: plain, byteCount: byteCount, detour: direct.detour, damaged: [])
                if let buffer = direct.compressed {
                    if keepsCompressed {
                        chunk.compressed = (buffer, place.storedBytes)
                    } else {
                        engine.chunkBuffers.give(buffer)
                    }
                }
                return chunk
            }
            blocks.append((place, block))
        }
        var problems: [DamagedShard] = []
        for (place, block) in blocks {
            if try rebuild(digest, place, block, into: plain.slice(0..<byteCount), &problems) {
                recentBlocks.note(problems)
                return PlainChunk(
                    buffer: plain, byteCount: byteCount, detour: Detour(rebuiltBytes: place.storedBytes),
                    damaged: problems)
            }
        }
        // What was known of a block may be out of date: whoever reshapes one makes its new parity known and removes the old, and
        // after a collection another block may have its place in the index.
        for (place, block) in blocks {
            guard let now = try engine.index.block(place.block), now != block else { continue }
            var found: [DamagedShard] = []
            if try rebuild(digest, place, now, into: plain.slice(0..<byteCount), &found) {
                return PlainChunk(
                    buffer: plain, byteCount: byteCount, detour: Detour(rebuiltBytes: place.storedBytes), damaged: found
                )
            }
        }
        engine.remember(problems)
        let names = blocks.map { $0.1.name.description }.joined(separator: ", ")
        throw StoreError(
            .lost, "read chunk \(digest)", detail: "too few sound shards of block \(names) are left")
    }

    /// Reads the stored bytes of a chunk from one of its places, to be copied as they are. They are decoded once, so that
    /// nothing is handed on that does not yield the chunk. `stored` holds exactly so many.
    ///
    /// - Throws: `.lost` when the block has them no more.
    func readStored(
        _ digest: Digest, _ place: ChunkPlace, _ block: IndexedBlock, into stored: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        guard Self.isPlausible(place, in: block), place.plainBytes <= Limits.plainChunkBytes else {
            throw Index.corrupt("the place of chunk \(digest) lies outside its block")
        }
        let plain = engine.chunkBuffers.take(place.plainBytes)
        defer { engine.chunkBuffers.give(plain) }
        let isRight = { (bytes: UnsafeRawBufferPointer) in
            guard place.codec == .stored else {
                return decode(digest, place, bytes, into: plain.slice(0..<place.plainBytes))
            }
            return bytes.count == place.plainBytes && Workspaces.shared.with { $0.digest(of: bytes) } == digest
        }
        if readDirectly(place, block, into: stored) != nil, isRight(UnsafeRawBufferPointer(stored)) { return }
        var problems: [DamagedShard] = []
        defer { engine.remember(problems) }
        guard try rebuild(place, block, into: stored, &problems, isRight) else {
            throw StoreError(
                .lost, "read chunk \(digest)", detail: "too few sound shards of block \(block.name) are left")
        }
    }

    private static func isPlausible(_ place: ChunkPlace, in block: IndexedBlock) -> Bool {
        block.shardPayloadBytes > 0 && place.storedBytes > 0 && place.storedBytes <= Limits.plainChunkBytes
            && place.offset + place.storedBytes <= block.columnCount * block.shardPayloadBytes
    }

    /// How many bytes were made from others, where the stored bytes, read without looking at anything else, yield the chunk; and
    /// these, where they are not the plain ones.
    private func readDirectly(
        _ digest: Digest, _ place: ChunkPlace, _ block: IndexedBlock, into plain: UnsafeMutableRawBufferPointer
    ) -> (detour: Detour, compressed: Buffer?)? {
        guard Self.isPlausible(place, in: block) else { return nil }
        // A chunk that is stored as it is needs no second buffer.
        let stored = place.codec == .stored ? nil : engine.chunkBuffers.take(place.storedBytes)
        let target = stored.map { $0.slice(0..<place.storedBytes) } ?? plain
        let fetched = engine.environment.timing(.fetch, bytes: place.storedBytes) {
            readDirectly(place, block, into: target)
        }
        guard let detour = fetched, decode(digest, place, UnsafeRawBufferPointer(target), into: plain) else {
            if let stored { engine.chunkBuffers.give(stored) }
            return nil
        }
        return (detour, stored)
    }

    /// How many bytes were made from others, where the stored bytes are to be had as the index says. They are not checked.
    private func readDirectly(
        _ place: ChunkPlace, _ block: IndexedBlock, into target: UnsafeMutableRawBufferPointer
    ) -> Detour? {
        guard target.count == place.storedBytes else { return nil }
        var detour = Detour()
        let isThere = Self.allParts(of: place, in: block) { row, start, range in
            let part = UnsafeMutableRawBufferPointer(rebasing: target[range])
            guard let device = device(with: row, of: block) else {
                detour.rebuiltBytes += part.count
                return lostRows.make(row, of: block, from: start, into: part)
            }
            let shard = ShardName(block.name, row)
            if device.isRemote, let id = block.shards[row] {
                let isCheaper = self.isCheaper(than: device, row, of: block)
                let first = ShardLayout.payloadOffset + start
                if isCheaper
                    || !device.isAtHand(
                        shard, first..<(first + part.count), patience: engine.devices.patience(with: id)),
                    lostRows.make(row, of: block, from: start, into: part, isAhead: !isCheaper)
                {
                    detour.reroutedBytes += part.count
                    return true
                }
            }
            do throws(StoreError) {
                try device.read(shard, at: ShardLayout.payloadOffset + start, into: part, from: .cache)
            } catch {
                return false
            }
            return true
        }
        return isThere ? detour : nil
    }

    /// Whether `body` returns true for every part of a chunk's stored bytes: in which row, from where in its payload, and which
    /// bytes of the chunk.
    private static func allParts(
        of place: ChunkPlace, in block: IndexedBlock, _ body: (_ row: Row, _ start: Int, _ range: Range<Int>) -> Bool
    ) -> Bool {
        var done = 0
        while done < place.storedBytes {
            let position = place.offset + done
            let row = Row.data(column: block.firstColumn + position / block.shardPayloadBytes)
            let start = position % block.shardPayloadBytes
            let count = min(place.storedBytes - done, block.shardPayloadBytes - start)
            guard body(row, start, done..<(done + count)) else { return false }
            done += count
        }
        return true
    }

    /// The device with `row`, where it can be read and is not known to be damaged.
    private func device(with row: Row, of block: IndexedBlock) -> (any Device)? {
        guard !block.damaged.contains(row), let id = block.shards[row] else { return nil }
        return engine.devices.readable(id)
    }

    /// Whether `row` is had for less from other rows than from `device`.
    private func isCheaper(than device: any Device, _ row: Row, of block: IndexedBlock) -> Bool {
        guard engine.devices.hasDifferentCosts, device.readCost > 0 else { return false }
        return lostRows.isCheaper(than: device.readCost, row, of: block)
    }

    /// Lets devices far away know which chunks are going to be read, in order.
    func expect(_ chunks: some Sequence<[ChunkPlace]>) throws(StoreError) {
        guard engine.devices.hasRemote else { return }
        var reads: [DeviceID: [ExpectedRead]] = [:]
        for case let place? in chunks.lazy.map(\.first) {
            guard let block = try recentBlocks[place.block], Self.isPlausible(place, in: block) else { continue }
            _ = Self.allParts(of: place, in: block) { row, start, range in
                var rows = [row]
                if device(with: row, of: block).map({ isCheaper(than: $0, row, of: block) }) ?? true {
                    rows = lostRows.sources(for: row, of: block) ?? []
                }
                for row in rows {
                    guard let id = block.shards[row], device(with: row, of: block)?.isRemote == true else { continue }
                    reads[id, default: []].append(
                        ExpectedRead(payload: start..<(start + range.count), of: ShardName(block.name, row)))
                }
                return true
            }
        }
        for (id, reads) in reads { engine.devices.readable(id)?.expect(reads) }
    }

    /// Whether the stored bytes could be had from sound cells or rebuilt ones, and yield the chunk.
    private func rebuild(
        _ digest: Digest, _ place: ChunkPlace, _ block: IndexedBlock, into plain: UnsafeMutableRawBufferPointer,
        _ problems: inout [DamagedShard]
    ) throws(StoreError) -> Bool {
        guard place.storedBytes > 0, place.storedBytes <= Limits.plainChunkBytes else { return false }
        let stored = Buffer(byteCount: place.storedBytes)
        return try rebuild(place, block, into: stored.slice(0..<place.storedBytes), &problems) { bytes in
            decode(digest, place, bytes, into: plain)
        }
    }

    private func rebuild(
        _ place: ChunkPlace, _ block: IndexedBlock, into target: UnsafeMutableRawBufferPointer,
        _ problems: inout [DamagedShard], _ isRight: (UnsafeRawBufferPointer) -> Bool
    ) throws(StoreError) -> Bool {
        // The first attempt excludes nobody. When every checksum agrees and the digest does not,
        // somebody's checksums lie too: exclude each row in turn, then pairs, up to the tolerance.
        for excluded in Self.exclusions(of: block) {
            let (error, found) = attempt(place, block, excluding: excluded, into: target)
            if let error {
                guard error.code == .lost || error.code == .corrupt else { throw error }
                note(found, block, &problems)
                if excluded.isEmpty { return false }
                continue
            }
            if isRight(UnsafeRawBufferPointer(target)) {
                note(found, block, &problems)
                for row in excluded {
                    note([row: "its checksums agree with bytes that are wrong"], block, &problems)
                }
                return true
            }
        }
        return false
    }

    /// Why the bytes could not be had, if so, and what was found wrong on the way.
    private func attempt(
        _ place: ChunkPlace, _ block: IndexedBlock, excluding excluded: Set<Row>,
        into target: UnsafeMutableRawBufferPointer
    ) -> (error: StoreError?, problems: [Row: String]) {
        var reader = BlockReader(engine, block, excluding: excluded)
        do throws(StoreError) {
            try reader.read(at: place.offset, into: target)
            return (nil, reader.problems)
        } catch {
            return (error, reader.problems)
        }
    }

    private func decode(
        _ digest: Digest, _ place: ChunkPlace, _ stored: UnsafeRawBufferPointer,
        into plain: UnsafeMutableRawBufferPointer
    ) -> Bool {
        if place.codec == .stored {
            // The direct path reads stored chunks in place.
            if stored.baseAddress != UnsafeRawPointer(plain.baseAddress) {
                guard stored.count == plain.count else { return false }
                plain.copyMemory(from: stored)
            }
        } else {
            do throws(CodecError) {
                try engine.environment.timing(.decompress, bytes: plain.count) { () throws(CodecError) in
                    try decompress(stored, codec: place.codec, into: plain)
                }
            } catch {
                return false
            }
        }
        if Mutant.isActive(.digestSkipped) { return true }
        return engine.environment.timing(.digest, bytes: plain.count) {
            Workspaces.shared.with { $0.digest(of: UnsafeRawBufferPointer(plain)) } == digest
        }
    }

    /// Takes over what was found wrong. A shard on a device that is away is not damaged: it is away.
    private func note(_ found: [Row: String], _ block: IndexedBlock, _ problems: inout [DamagedShard]) {
        for (row, problem) in found.sorted(by: { $0.key < $1.key }) {
            guard let id = block.shards[row], engine.devices.isAskable(id) else { continue }
            problems.append(DamagedShard(block: block.ref, name: block.name, row: row, problem: problem))
        }
    }

    /// Nothing, then every row, then every pair, up to the tolerance; a few thousand at most.
    private static func exclusions(of block: IndexedBlock) -> [Set<Row>] {
        let rows = block.profile.rows
        var result: [Set<Row>] = [[]]
        var last: [[Int]] = [[]]
        for _ in 0..<block.profile.tolerance {
            var next: [[Int]] = []
            for combination in last {
                for row in ((combination.last ?? -1) + 1)..<rows.count { next.append(combination + [row]) }
            }
            guard result.count + next.count <= 2000 else { break }
            result += next.map { Set($0.map { rows[$0] }) }
            last = next
        }
        return result
    }
}

/// Blocks as the index had them a moment ago: one after the other is asked for by many chunks.
///
/// What has changed meanwhile shows when a shard is not where it was; then the index is asked anew. Any thread.
private final class RecentBlocks: Sendable {
    private static let maximum = 256
    private let engine: Engine
    private let blocks = Monitor<[BlockRef: IndexedBlock]>([:])

    init(_ engine: Engine) { self.engine = engine }

    subscript(ref: BlockRef) -> IndexedBlock? {
        get throws(StoreError) {
            if let known = blocks.withLock({ $0[ref] }) { return known }
            let block = try engine.index.block(ref)
            blocks.withLock { blocks in
                if blocks.count >= Self.maximum { blocks = [:] }
                blocks[ref] = block
            }
            return block
        }
    }

    /// What was found damaged is not read again, but made from other shards.
    func note(_ problems: [DamagedShard]) {
        blocks.withLock { blocks in
            for problem in problems { blocks[problem.block]?.damaged.insert(problem.row) }
        }
    }
}

/// Buffers for chunks: pooled up to the store's usual size, single beyond it.
final class ChunkBuffers: Sendable {
    private let pool: BufferPool

    init(usualBytes: Int, kept: Int) { pool = BufferPool(byteCount: usualBytes, kept: kept) }

    func take(_ byteCount: Int) -> Buffer {
        byteCount <= pool.byteCount ? pool.take() : Buffer(byteCount: byteCount)
    }

    func give(_ buffer: Buffer) { pool.give(buffer) }
}
