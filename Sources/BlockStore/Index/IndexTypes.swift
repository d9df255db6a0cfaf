import Chunker
import Erasure

/// The newest accepted commit.
struct CommitHead: Sendable, Hashable {
    let number: CommitNumber
    /// The block its commit record stands in.
    let block: BlockName

    /// Below commit 1.
    static let none = CommitHead(number: .none, block: BlockName(number: .none, id: BlockID(high: 0, low: 0)))
}

/// What the index says of the store as a whole.
struct IndexState: Sendable, Hashable {
    var head: CommitHead
    /// The epoch this home last wrote in, or the head's.
    var epoch: Epoch
    var configuration: Configuration
    var retired: RetiredRecord
    /// In an accepted commit.
    var highestBlock: BlockNumber
    /// For each device the highest block number at a time when it was in service: from there on it must
    /// be listed when it returns.
    var lastInService: [DeviceID: BlockNumber]
}

/// A commit that is real, as it is folded into the index.
struct AcceptedCommit: Sendable, Hashable {
    let record: CommitRecord
    let blocks: [AcceptedBlock]
}

/// One block of an accepted commit.
struct AcceptedBlock: Sendable, Hashable {
    let name: BlockName
    let profile: Profile
    let columnCount: Int
    let firstColumn: Int
    let shardPayloadBytes: Int
    let payloadBytes: UInt64
    let leastShards: Int
    let shards: [Row: DeviceID]
    /// Nil when no shard of it can be read: it is only named by its commit.
    let contents: TableOfContents?
}

/// A block's row in the index; stable as long as the index is.
struct BlockRef: Sendable, Hashable, Comparable {
    let row: Int64

    static func < (left: BlockRef, right: BlockRef) -> Bool { left.row < right.row }
}

struct IndexedBlock: Sendable, Hashable {
    let ref: BlockRef
    let name: BlockName
    let commit: CommitNumber
    /// What it should have now.
    var profile: Profile
    /// The profile record that said so; below every record where the block still has the profile of its commit.
    var profileRecord = RecordIdentity(commit: .none, ordinal: 0)
    let columnCount: Int
    let firstColumn: Int
    let shardPayloadBytes: Int
    let payloadBytes: UInt64
    let leastShards: Int
    /// No shard could be read when the commit was folded.
    let isUnknown: Bool
    /// Where each row is, or was last.
    var shards: [Row: DeviceID]
    /// Rows known to be damaged or missing where they should be.
    var damaged: Set<Row>
    /// When all shards of it were last read from the medium, in seconds since 1970 by the clock of who did; 0 for never.
    /// Of this index alone: a new one knows of no time.
    var verifiedSeconds: UInt64 = 0

    var columns: Range<Int> { firstColumn..<(firstColumn + columnCount) }

    /// Sealed early, with less than a quarter of what it could hold: fit to be merged with others.
    var isSmall: Bool { Self.isSmall(shardPayloadBytes, columnCount) }

    static func isSmall(_ shardPayloadBytes: Int, _ columnCount: Int) -> Bool {
        shardPayloadBytes < Limits.fullShardBytes(columns: columnCount) / 4
    }

    /// Rows that stand somewhere and are not of its profile: made for another one that is not said yet, or left over from one
    /// that it had. A reshape makes use of them or removes them.
    var rowsBeyondProfile: [Row] {
        let wanted = Set(profile.rows)
        return shards.keys.filter { !wanted.contains($0) }.sorted()
    }
}

/// Where a chunk's stored bytes are.
struct ChunkPlace: Sendable, Hashable {
    let block: BlockRef
    let offset: Int
    let storedBytes: Int
    let plainBytes: Int
    let codec: Codec
    let storedChecksum: UInt32
}

/// One version of a key: a put, or a delete marker.
struct IndexedVersion: Sendable, Hashable {
    enum Content: Sendable, Hashable {
        case put(PutRecord)
        case delete(DeleteRecord)
    }

    let identity: RecordIdentity
    let content: Content

    var key: Key {
        switch content {
        case .put(let record): record.key
        case .delete(let record): record.key
        }
    }

    var put: PutRecord? {
        if case .put(let record) = content { return record }
        return nil
    }
}

/// Sums over the whole store, kept up to date with each commit.
struct IndexTotals: Sendable, Hashable {
    /// Keys whose newest version is a put.
    var objects: Int64 = 0
    /// Puts, old ones included.
    var versions: Int64 = 0
    /// Bytes of the newest versions.
    var logicalBytes: Int64 = 0
    /// Bytes of all versions.
    var allVersionsBytes: Int64 = 0
    var chunks: Int64 = 0
    var uniquePlainBytes: Int64 = 0
    var chunkStoredBytes: Int64 = 0
    var blocks: Int64 = 0
    /// Payload of all shards that are somewhere.
    var shardBytes: Int64 = 0
    /// Blocks that were sealed early, with little in them.
    var smallBlocks: Int64 = 0
    /// The highest number that any chunk's row ever had: none is given twice, since marks are kept by numbers (`LiveChunks`)
    /// while rows come and go.
    var highestChunk: Int64 = 0
    /// The newest commit that was folded without all its blocks: what was purged of them is told by nobody any more. 0 for none.
    var incompleteCommit: Int64 = 0
    /// How many blocks should have which profile.
    var blocksByProfile: [Profile: Int64] = [:]

    static let fields: [any WritableKeyPath<IndexTotals, Int64> & Sendable] = [
        \.objects, \.versions, \.logicalBytes, \.allVersionsBytes, \.chunks, \.uniquePlainBytes, \.chunkStoredBytes,
        \.blocks, \.shardBytes, \.smallBlocks, \.highestChunk, \.incompleteCommit,
    ]
}
