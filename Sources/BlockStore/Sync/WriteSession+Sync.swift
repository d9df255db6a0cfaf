import Chunker

/// A chunk of another store: checked against its digest there, and as it is stored here.
struct CarriedChunk: Sendable {
    let plain: PlainChunk
    /// Holds the stored bytes where they are not the plain ones.
    let compressed: Buffer?
    let storedBytes: Int
    let checksum: UInt32

    /// Reads the chunk and makes it ready to be packed. On a compute lane.
    ///
    /// Stored bytes that yielded the chunk do so anywhere: they are copied. What is stored as it is was not worth compressing.
    /// Only where the chunk had to be made from others it is compressed again.
    init(_ entry: ManifestEntry, at places: [ChunkPlace], _ chunks: ChunkReader) throws(StoreError) {
        let environment = chunks.engine.environment
        plain = try chunks.read(entry.digest, byteCount: Int(entry.byteCount), at: places, keepsCompressed: true)
        if let kept = plain.compressed, kept.byteCount <= plain.byteCount {
            (compressed, storedBytes) = (kept.buffer, kept.byteCount)
        } else if places.contains(where: { $0.codec != .stored }) {
            let room = chunks.engine.chunkBuffers.take(plain.byteCount)
            let bytes = plain.bytes
            let count = environment.timing(.compress, bytes: bytes.count) {
                Workspaces.shared.with { $0.compress(bytes, into: room.slice(0..<bytes.count)) }
            }
            if count == nil { chunks.engine.chunkBuffers.give(room) }
            (compressed, storedBytes) = (count == nil ? nil : room, count ?? bytes.count)
        } else {
            (compressed, storedBytes) = (nil, plain.byteCount)
        }
        let stored = UnsafeRawBufferPointer((compressed ?? plain.buffer).slice(0..<storedBytes))
        checksum = environment.timing(.checksum, bytes: stored.count) { CRC32C.of(stored) }
    }

    var codec: Codec { compressed == nil ? .stored : .lz4 }
    var stored: UnsafeRawBufferPointer { UnsafeRawBufferPointer((compressed ?? plain.buffer).slice(0..<storedBytes)) }

    /// Gives the buffers back, to the store that the chunk was read from.
    func release(_ engine: Engine) {
        engine.chunkBuffers.give(plain.buffer)
        if let compressed { engine.chunkBuffers.give(compressed) }
    }
}

// What a session is told of another store's versions. What fails here ends the session.
extension WriteSession {
    /// Which chunks need not be read: they are packed already, or stored well enough for a put to rest on them.
    func areStored(_ digests: [Digest]) throws(StoreError) -> [Bool] {
        try requireUsable()
        return try ending { () throws(StoreError) in
            let hits = try finder.areHits(digests)
            return zip(hits, digests).map { $0 || writer.contains($1) }
        }
    }

    /// Packs a chunk.
    func add(_ chunk: CarriedChunk, _ entry: ManifestEntry) throws(StoreError) {
        try ending { () throws(StoreError) in
            try engine.environment.timing(.pack, bytes: chunk.storedBytes) { () throws(StoreError) in
                try writer.add(
                    chunk.stored, digest: entry.digest, plainBytes: chunk.plain.byteCount, codec: chunk.codec,
                    checksum: chunk.checksum)
            }
        }
        report.newBytes += entry.byteCount
        report.storedBytes += UInt64(chunk.storedBytes)
        // Chunks alone: the records that need them follow.
        try commitIfDue()
    }

    /// Stores a manifest node.
    func add(node: UnsafeRawBufferPointer) throws(StoreError) {
        _ = try ending { () throws(StoreError) in try storeNode(Array(node)) }
    }

    /// Makes versions of another store versions of this one, in this order and in one commit: every chunk and node of theirs is
    /// stored. They keep everything but their identities. A delete marker that would hide nothing is left out.
    ///
    /// - Precondition: nothing else was begun in this session and is not ended yet.
    /// - Returns: how many delete markers there were to be written.
    func add(versionsOfOneCommit versions: [IndexedVersion]) throws(StoreError) -> Int {
        try requireUsable()
        // What the open commit holds must leave room for all of them.
        let size = versions.reduce(0) { $0 + Self.record(of: $1).encodedBytesBound }
        if size > Limits.sealContentsBytes { try commitNow() }
        var markers = 0
        for version in versions {
            switch version.content {
            case .put(let put):
                let identity = try ending { () throws(StoreError) in try writer.add(.put(put)) }
                touched[put.key] = IndexedVersion(identity: identity, content: .put(put))
                report.objects += 1
                report.logicalBytes &+= put.byteCount
            case .delete(let delete):
                guard let newest = try newest(delete.key), newest.put != nil else { continue }
                let record = DeleteRecord(
                    key: delete.key, killed: newest.identity, deleteNanoseconds: delete.deleteNanoseconds)
                let identity = try ending { () throws(StoreError) in try writer.add(.delete(record)) }
                touched[delete.key] = IndexedVersion(identity: identity, content: .delete(record))
                report.removed += 1
                markers += 1
            }
            if Mutant.isActive(.syncSplitsCommit) { try commitNow() }
        }
        try commitIfDue()
        return markers
    }

    private static func record(of version: IndexedVersion) -> IdentifiedRecord {
        let record: Record =
            switch version.content {
            case .put(let put): .put(put)
            case .delete(let delete): .delete(delete)
            }
        return IdentifiedRecord(identity: version.identity, record: record)
    }
}
