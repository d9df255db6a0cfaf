import Chunker

/// Builds the manifest of one object while it streams: full nodes leave as chunks, what stays fits a
/// page or two. Use from one thread.
struct ManifestBuilder {
    /// Entries not yet in a node, by depth.
    private var levels: [[ManifestEntry]] = [[]]
    private(set) var byteCount: UInt64 = 0

    /// Adds the object's next chunk.
    ///
    /// - Parameter store: stores a node's bytes as a chunk and returns its digest.
    mutating func append(
        _ entry: ManifestEntry, store: ([UInt8]) throws(StoreError) -> Digest
    ) throws(StoreError) {
        byteCount += entry.byteCount
        try append(entry, at: 0, store)
    }

    private mutating func append(
        _ entry: ManifestEntry, at depth: Int, _ store: ([UInt8]) throws(StoreError) -> Digest
    ) throws(StoreError) {
        if levels.count == depth { levels.append([]) }
        levels[depth].append(entry)
        if levels[depth].count == ManifestNode.maximumEntries { try flush(depth, store) }
    }

    private mutating func flush(
        _ depth: Int, _ store: ([UInt8]) throws(StoreError) -> Digest
    ) throws(StoreError) {
        let entries = levels[depth]
        guard !entries.isEmpty else { return }
        levels[depth] = []
        let digest = try store(ManifestNode.encode(entries, depth: UInt8(depth)))
        let covered = entries.reduce(UInt64(0)) { $0 + $1.byteCount }
        try append(ManifestEntry(digest: digest, byteCount: covered), at: depth + 1, store)
    }

    /// The top of the manifest.
    mutating func finish(store: ([UInt8]) throws(StoreError) -> Digest) throws(StoreError) -> Manifest {
        var depth = 0
        while true {
            let isTop = levels.dropFirst(depth + 1).allSatisfy(\.isEmpty)
            if isTop, levels[depth].count <= Manifest.maximumEntries {
                return Manifest(depth: UInt8(depth), entries: levels[depth])
            }
            try flush(depth, store)
            depth += 1
        }
    }
}
