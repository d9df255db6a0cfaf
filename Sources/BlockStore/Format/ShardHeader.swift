public import Chunker
public import Erasure

/// What every shard says about itself, under its own checksum (docs/format.md, "Header").
///
/// No field depends on device, path, time or attempt, so that a repaired shard is byte-identical.
struct ShardHeader: Sendable, Hashable {
    let storeID: StoreID
    let block: BlockName
    /// Data columns of the block: `firstColumn ..< firstColumn + columnCount`.
    let columnCount: Int
    let firstColumn: Int
    let row: Row
    /// Bytes of payload in this and every other shard of the block; a multiple of 64.
    let payloadBytes: Int
    let tableOfContentsBytes: Int
    /// SHA-256 of the table of contents.
    let tableOfContentsDigest: Digest
}
