import Chunker

/// Which chunks some version needs, two bits a chunk of the index.
///
/// Every version counts, deleted ones too: they can be restored until they are purged. A chunk that stands in several
/// blocks is *needed* in one of them, the one that survives the most losses.
///
/// Use from one thread. Marks are of one generation of the index, and grow with what is committed since (`update`).
struct LiveChunks {
    private let generation: [UInt8]
    /// In some version's manifest, wherever it stands.
    private(set) var live = Bitmap()
    /// Where a live chunk is to stay, or to be copied from.
    private(set) var needed = Bitmap()
    /// Manifest nodes that were walked already: versions share them.
    private var walked = Bitmap()
    /// Everything up to here is marked.
    private var marked: CommitNumber
    /// Chunks and nodes that are to be looked up, many at a time: in the order of the index each page of it is read once.
    private var pending: [Pending] = []
    private var survived: [BlockRef: Int] = [:]
    private var survival = SurvivalTable()

    /// An entry of a manifest or of one of its nodes. `depth` 0 is a chunk, more a node above so many levels.
    private struct Pending {
        let digest: Digest
        let depth: UInt8
        let byteCount: UInt64
    }

    /// Marks what every version needs.
    ///
    /// - Complexity: a walk over all versions and manifests; two or three bits for each chunk.
    init(_ engine: Engine, progress: ProgressHandler? = nil) throws(StoreError) {
        generation = try engine.index.generation()
        marked = try Self.head(engine)
        let total = Int(try engine.index.totals().versions)
        var after: Key?
        var done = 0
        repeat {
            let page = try engine.index.list(prefix: [], after: after, limit: 1000, all: true)
            for version in page.versions {
                guard let put = version.put else { continue }
                try add(put.manifest.entries, depth: put.manifest.depth, engine)
                done += 1
            }
            try engine.environment.checkStop("mark what is needed")
            progress?(Progress(phase: "marking what is needed", doneItems: done, totalItems: total))
            after = page.last
        } while after != nil
        try markPending(engine)
        survived = [:]
    }

    /// Marks what was committed since, by whoever came between. False when the marks are of another index: start anew.
    mutating func update(_ engine: Engine) throws(StoreError) -> Bool {
        guard try engine.index.generation() == generation else { return false }
        let head = try Self.head(engine)
        var last = RecordIdentity(commit: marked, ordinal: .max)
        while true {
            let page = try engine.index.changes(after: last, limit: 1000)
            guard let end = page.last else { break }
            last = end.identity
            for change in page {
                guard case .put = change.what, let put = try engine.index.version(of: change.key, change.identity)?.put
                else { continue }
                try add(put.manifest.entries, depth: put.manifest.depth, engine)
            }
        }
        try markPending(engine)
        marked = head
        survived = [:]
        return true
    }

    private static func head(_ engine: Engine) throws(StoreError) -> CommitNumber {
        guard let state = try engine.index.state() else { throw Index.corrupt("it is empty") }
        return state.head.number
    }

    private mutating func add(
        _ entries: [ManifestEntry], depth: UInt8, _ engine: Engine
    ) throws(StoreError) {
        for entry in entries {
            pending.append(Pending(digest: entry.digest, depth: depth, byteCount: entry.byteCount))
        }
        if pending.count >= Limits.markedTogether { try markPending(engine) }
    }

    /// Marks what is pending, and what stands below it: each level down is a call of its own.
    private mutating func markPending(_ engine: Engine) throws(StoreError) {
        let batch = pending
        guard !batch.isEmpty else { return }
        pending = []
        var nodes: [Pending] = []
        // A chunk that is nowhere is lost: nothing here to keep.
        var places = try engine.index.numberedPlaces(of: batch.lazy.map(\.digest))[...]
        while let newest = places.first {
            let all = places.prefix { $0.position == newest.position }
            places = places.dropFirst(all.count)
            if !live[newest.number] { try mark(all, engine) }
            guard batch[newest.position].depth > 0, !walked[newest.number] else { continue }
            walked[newest.number] = true
            nodes.append(batch[newest.position])
        }
        for node in nodes {
            let plain = try ChunkReader(engine: engine).readNode(node.digest)
            let below: [ManifestEntry]
            do throws(FormatError) {
                defer { engine.chunkBuffers.give(plain.buffer) }
                below = try ManifestNode.parse(plain.bytes, depth: node.depth - 1, covering: node.byteCount)
            } catch {
                throw StoreError(.corrupt, "read manifest node \(node.digest)", detail: error.description)
            }
            try add(below, depth: node.depth - 1, engine)
        }
        try markPending(engine)
    }

    /// - Parameter places: all of one chunk.
    private mutating func mark(
        _ places: ArraySlice<Index.NumberedPlace>, _ engine: Engine
    ) throws(StoreError) {
        for place in places { live[place.number] = true }
        var best = (number: -1, losses: Int.min)
        for place in places {
            let losses = places.count == 1 ? 0 : try lossesSurvived(place.block, engine)
            if losses > best.losses { best = (place.number, losses) }
        }
        needed[best.number] = true
    }

    private mutating func lossesSurvived(_ ref: BlockRef, _ engine: Engine) throws(StoreError) -> Int {
        if let known = survived[ref] { return known }
        guard let block = try engine.index.block(ref) else { return -2 }
        let losses = survival.lossesSurvived(
            engine.soundRows(of: block), columns: block.columns, payloadBytes: block.shardPayloadBytes)
        survived[ref] = losses
        return losses
    }
}
