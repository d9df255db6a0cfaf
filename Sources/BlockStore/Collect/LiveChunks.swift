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
    private var survived: [BlockRef: Int] = [:]
    private var survival = SurvivalTable()

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
                try mark(put.manifest.entries, depth: put.manifest.depth, engine)
                done += 1
            }
            progress?(Progress(phase: "marking what is needed", doneItems: done, totalItems: total))
            after = page.last
        } while after != nil
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
                try mark(put.manifest.entries, depth: put.manifest.depth, engine)
            }
        }
        marked = head
        survived = [:]
        return true
    }

    private static func head(_ engine: Engine) throws(StoreError) -> CommitNumber {
        guard let state = try engine.index.state() else { throw Index.corrupt("it is empty") }
        return state.head.number
    }

    private mutating func mark(_ entries: [ManifestEntry], depth: UInt8, _ engine: Engine) throws(StoreError) {
        let found = try engine.index.numberedPlaces(of: entries.lazy.map(\.digest))
        for (entry, places) in zip(entries, found) {
            // A chunk that is nowhere is lost: nothing here to keep.
            guard let newest = places.first else { continue }
            if !live[newest.number] { try mark(places, engine) }
            guard depth > 0, !walked[newest.number] else { continue }
            walked[newest.number] = true
            let node = try ChunkReader(engine: engine).readNode(entry.digest)
            let below: [ManifestEntry]
            do throws(FormatError) {
                defer { engine.chunkBuffers.give(node.buffer) }
                below = try ManifestNode.parse(node.bytes, depth: depth - 1, covering: entry.byteCount)
            } catch {
                throw StoreError(.corrupt, "read manifest node \(entry.digest)", detail: error.description)
            }
            try mark(below, depth: depth - 1, engine)
        }
    }

    private mutating func mark(
        _ places: [(number: Int, place: ChunkPlace)], _ engine: Engine
    ) throws(StoreError) {
        for (number, _) in places { live[number] = true }
        guard places.count > 1 else { return needed[places[0].number] = true }
        var best = (number: places[0].number, losses: -2)
        for (number, place) in places {
            let losses = try lossesSurvived(place.block, engine)
            if losses > best.losses { best = (number, losses) }
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
