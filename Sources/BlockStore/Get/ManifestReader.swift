import Chunker

/// Walks a manifest's chunks in order, loading nodes as they are needed. Use from one thread.
struct ManifestReader {
    private struct Level {
        let depth: UInt8
        let entries: [ManifestEntry]
        var next = 0
    }

    private let chunks: ChunkReader
    private var levels: [Level]
    /// Object offset of the next chunk.
    private(set) var offset: UInt64 = 0
    /// What was rebuilt to read nodes.
    private(set) var damaged: [DamagedShard] = []

    init(_ manifest: Manifest, _ chunks: ChunkReader) {
        self.chunks = chunks
        levels = [Level(depth: manifest.depth, entries: manifest.entries)]
    }

    /// The next chunk that reaches beyond object offset `start`; nil at the end. Subtrees before `start`
    /// are stepped over unread.
    mutating func next(beyond start: UInt64 = 0) throws(StoreError) -> ManifestEntry? {
        while let level = levels.last {
            guard level.next < level.entries.count else {
                levels.removeLast()
                continue
            }
            levels[levels.count - 1].next += 1
            let entry = level.entries[level.next]
            if offset + entry.byteCount <= start {
                offset += entry.byteCount
                continue
            }
            if level.depth == 0 {
                offset += entry.byteCount
                return entry
            }
            levels.append(try node(entry, depth: level.depth - 1))
        }
        return nil
    }

    private mutating func node(_ entry: ManifestEntry, depth: UInt8) throws(StoreError) -> Level {
        let chunk = try chunks.readNode(entry.digest)
        damaged += chunk.damaged
        defer { chunks.engine.chunkBuffers.give(chunk.buffer) }
        do throws(FormatError) {
            return Level(
                depth: depth, entries: try ManifestNode.parse(chunk.bytes, depth: depth, covering: entry.byteCount))
        } catch {
            throw StoreError(.corrupt, "read manifest node \(entry.digest)", detail: error.description)
        }
    }
}
