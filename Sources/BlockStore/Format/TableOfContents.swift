public import Chunker

/// One chunk's place in its block (docs/format.md, "Table of contents").
struct ChunkEntry: Sendable, Hashable {
    let digest: Digest
    /// Where its stored bytes begin in the block's payload.
    let offset: UInt32
    let storedBytes: UInt32
    let plainBytes: UInt32
    let codec: Codec
    /// CRC32C of the stored bytes.
    let storedChecksum: UInt32
}

/// What a block contains: every shard carries the same copy.
struct TableOfContents: Sendable, Hashable {
    let block: BlockName
    /// Payload bytes in use, before the padding of each shard.
    let payloadBytes: UInt64
    let chunks: [ChunkEntry]
    let records: [IdentifiedRecord]
}
