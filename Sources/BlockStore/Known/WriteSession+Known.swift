import Chunker

// Files that were read before and are as they were: they cost a look-up for each chunk, and none of their bytes is read.
extension WriteSession {
    /// Stores a file like `put`, and does not read it where an earlier session, under whatever key, read the same file as it
    /// is now, and all its chunks are stored as well as this put must store them.
    ///
    /// - Parameter readingAll: reads it all the same.
    /// - Throws: as `put`.
    public func put(
        _ key: Key, file: FileSource, declaredBytes: UInt64? = nil, skippingUnchanged: Bool = false,
        condition: WriteCondition? = nil, readingAll: Bool = false
    ) throws(StoreError) {
        try put(
            key, stamped: file, file.attributes, declaredBytes: declaredBytes, skippingUnchanged: skippingUnchanged,
            condition: condition, readingAll: readingAll)
    }

    /// Like that, from anything with a stamp.
    func put(
        _ key: Key, stamped source: any StampedSource, _ attributes: ObjectAttributes = ObjectAttributes(),
        declaredBytes: UInt64? = nil, skippingUnchanged: Bool = false, condition: WriteCondition? = nil,
        readingAll: Bool = false
    ) throws(StoreError) {
        try requireUsable()
        if !readingAll, let stamp = source.stamp(), declaredBytes == nil || declaredBytes == stamp.byteCount,
            let known = try knownContents(of: [stamp])[0]
        {
            try require(condition, of: key)
            return try put(key, attributes, known: known, skippingUnchanged: skippingUnchanged)
        }
        try put(
            key, attributes: attributes, from: source, declaredBytes: declaredBytes,
            skippingUnchanged: skippingUnchanged, condition: condition)
    }

    /// What the files with these stamps hold; nil for each of which that is not known, or of which not every chunk and node
    /// counts as stored for this put. The writer lock pins them from here to the commit.
    ///
    /// - Throws: what ends the session.
    func knownContents(of stamps: [FileStamp]) throws(StoreError) -> [Manifest?] {
        let manifests = memory.manifests(of: stamps)
        if Mutant.isActive(.knownFileUnprotected) { return manifests }
        return try ending { () throws(StoreError) in
            var hits = try finder.areHits(manifests.flatMap { $0?.entries.map(\.digest) ?? [] })[...]
            let chunks = ChunkReader(engine: engine)
            var result: [Manifest?] = []
            for manifest in manifests {
                guard let manifest else {
                    result.append(nil)
                    continue
                }
                let isWhole = hits.prefix(manifest.entries.count).allSatisfy { $0 }
                hits = hits.dropFirst(manifest.entries.count)
                var counts = isWhole
                if isWhole { counts = try areHits(below: manifest.entries, depth: manifest.depth, chunks) }
                result.append(counts ? manifest : nil)
            }
            return result
        }
    }

    /// Whether every chunk below `entries` counts, nodes included.
    private func areHits(
        below entries: [ManifestEntry], depth: UInt8, _ chunks: ChunkReader
    ) throws(StoreError) -> Bool {
        guard depth > 0 else { return true }
        for entry in entries {
            // What cannot be read is made again from the file.
            guard let below = try? self.entries(below: entry, depth: depth, chunks, "look at a file's manifest"),
                try finder.areHits(below.map(\.digest)).allSatisfy({ $0 }),
                try areHits(below: below, depth: depth - 1, chunks)
            else { return false }
        }
        return true
    }
}
