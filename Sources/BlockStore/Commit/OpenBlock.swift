import Chunker
import Erasure

/// A block that is being filled: chunks packed end to end, and records.
///
/// Use from one thread.
struct OpenBlock {
    let name: BlockName
    let profile: Profile
    /// Payload bytes of each shard when the block is full; fixed when it opens. A block that opens for a chunk larger than
    /// usual blocks are has room for that.
    let fullShardBytes: Int
    private(set) var payload: Buffer?
    private(set) var usedBytes = 0
    private(set) var chunks: [ChunkEntry] = []
    private(set) var records: [IdentifiedRecord] = []
    private var contentsBytes = 0

    /// - Parameters:
    ///   - fullShardBytes: of a usual block.
    ///   - firstBytes: of the chunk that it opens for; 0 for none. With one data column it may be larger than a usual block.
    init(name: BlockName, profile: Profile, fullShardBytes: Int, firstBytes: Int) {
        self.name = name
        self.profile = profile
        let share = (firstBytes + profile.dataShards - 1) / profile.dataShards
        let cells = (share + Limits.cellBytes - 1) / Limits.cellBytes
        self.fullShardBytes = share <= fullShardBytes ? fullShardBytes : cells * Limits.cellBytes
    }

    var capacityBytes: Int { fullShardBytes * profile.dataShards }

    var isEmpty: Bool { chunks.isEmpty && records.isEmpty }

    /// Whether the table of contents has reached the size at which a block is sealed.
    var isContentsFull: Bool { contentsBytes >= Limits.sealContentsBytes }

    func hasRoom(forBytes byteCount: Int) -> Bool { usedBytes + byteCount <= capacityBytes }

    /// Packs a chunk's stored bytes behind the others.
    ///
    /// - Precondition: `hasRoom(forBytes: stored.count)`.
    mutating func append(
        _ stored: UnsafeRawBufferPointer, digest: Digest, plainBytes: Int, codec: Codec, checksum: UInt32,
        buffers: BufferPool
    ) {
        precondition(hasRoom(forBytes: stored.count))
        let payload = self.payload ?? buffers.take()
        self.payload = payload
        payload.slice(usedBytes..<(usedBytes + stored.count)).copyMemory(from: stored)
        chunks.append(
            ChunkEntry(
                digest: digest, offset: UInt32(usedBytes), storedBytes: UInt32(stored.count),
                plainBytes: UInt32(plainBytes), codec: codec, storedChecksum: checksum))
        usedBytes += stored.count
        contentsBytes += TableOfContents.chunkEntryBytes
    }

    mutating func append(_ record: IdentifiedRecord) {
        records.append(record)
        contentsBytes += record.encodedBytesBound
    }

    /// Payload bytes of each shard once sealed: the full size for a block that was filled, the least
    /// that holds the data (a multiple of 64) for one that is sealed early.
    func shardPayloadBytes(isFull: Bool) -> Int {
        // Full may also be one without a byte, where the next chunk is larger than all of it.
        if isFull, usedBytes > 0 { return fullShardBytes }
        let share = (usedBytes + profile.dataShards - 1) / profile.dataShards
        return (share + 63) / 64 * 64
    }
}
