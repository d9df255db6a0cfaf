/// Every maximum of format v1 and every default that bounds memory, in one place.
enum Limits {
    static let userMetadataBytes = 64 << 10
    static let plainChunkBytes = 16 << 20
    static let contentsBytes = 16 << 20
    static let shardPayloadBytes = 64 << 20
    static let blocksPerCommit = 1024
    static let devices = 1024
    static let labelBytes = 64
    static let documentBytes = 16 << 20
    /// A checksum covers so many bytes of a shard's payload.
    static let cellBytes = 64 << 10
    /// A block is sealed when its table of contents has grown to this.
    static let sealContentsBytes = 1 << 20
    /// A commit is closed when it has been open for so long: 10 s.
    static let commitNanoseconds: UInt64 = 10_000_000_000
    /// Maintenance holds the locks for so long at a time: 1 s.
    static let turnNanoseconds: UInt64 = 1_000_000_000
    /// And lets go of them for so long in between. Whoever waits looks every 50 ms.
    static let pauseNanoseconds: UInt64 = 120_000_000
    /// A collection copies so many bytes in one commit, of so many blocks.
    static let collectedBytes = 64 << 20
    static let collectedBlocks = 2048
    /// Whoever closes a store that has more small blocks than this merges some.
    static let smallBlocks = 1024
    /// Repaired side by side: some read while others are written.
    static let blocksInRepair = 4
    /// A repair that wrote less than this says nothing of how fast the next will be.
    static let leastMeasuredBytes = 16 << 20
    /// Recovery folds commits with so much of contents at a time, at least one.
    static let foldedContentsBytes = 8 << 20
    /// What SQLite may keep of the index in memory: the writer's connection, the same while an index is filled, which then
    /// sorts as much besides, and each reader's, the first eight that are open and any others. A few megabytes hold the inner pages of
    /// the trees of ten million chunks; for the leaves there is the page cache of the system.
    static let indexCacheBytes = 32 << 20
    static let fillingCacheBytes = 32 << 20
    static let readerCacheBytes = 4 << 20
    static let readersWithCache = 8
    static let furtherReaderCacheBytes = 1 << 20
    /// The database of known files grows to so much, of which SQLite may keep so much in memory.
    static let knownFilesBytes = 1 << 30
    static let knownFilesCacheBytes = 16 << 20
    /// So many files of a tree are looked up together, of so many directories, which are open until their files are read: twice as
    /// many at most.
    static let filesTogether = 256
    static let directoriesTogether = 32
    /// Files up to so many bytes are read ahead of their turn, and written behind it, so many by one job; written are those of so many
    /// directories at most, by so many jobs side by side.
    static let smallFileBytes = 32 << 10
    static let smallFilesTogether = 32
    static let smallFileDirectories = 8
    static let smallFileJobs = 8
    /// A batch that holds the ends of so many objects is full, however few bytes are in it.
    static let objectsTogether = 4096
    /// So many chunks are looked up together when marking what is needed: some 120 bytes each.
    static let markedTogether = 1 << 17
    /// And so many are deleted together from the index, at least those of one block.
    static let deletedTogether = 1 << 18
    /// A get looks up so many chunks together, and has twice as many under way; so many little ones are read by one job.
    static let chunksLookedUp = 16
    static let chunksReadTogether = 8
    /// A sync knows so many versions at a time that are to be copied, some 100 bytes and a key each, looks up so many of their
    /// chunks together, of so many bytes, and reads so many bytes ahead.
    static let versionsSyncedTogether = 1 << 17
    static let chunksSyncedTogether = 128
    static let syncedTogetherBytes: UInt64 = 4 << 20
    static let syncedAheadBytes: UInt64 = 32 << 20
    /// What is planned of a sync, chunks that need no reading included.
    static let syncStepsAhead = 1 << 14
    /// What a collection has in memory for each chunk that it copies, beside its bytes: an upper bound.
    static let copiedChunkBytes = 512
    /// Objects that come to be put by many at once (`GroupWriter`): up to so many bytes are gathered before the object joins a
    /// group; of a larger one so many are held ahead of its storing, and so many of these are stored side by side.
    static let gatheredBytes = 1 << 20
    static let piecesAheadBytes = 2 << 20
    static let objectsArriving = 8
    /// To digest, compress or encode so many bytes takes less than waking a thread for it.
    static let littleBytes = 64 << 10
    /// A source is read in pieces of so many bytes.
    static let pieceBytes = 256 << 10
    /// Those who have gathered their objects wait while so many bytes wait to be stored.
    static let queuedBytes = 64 << 20
    /// After a group of several its callers are waited for so long at most: 4 ms.
    static let gatheringNanoseconds: UInt64 = 4_000_000
    /// A store open for many writers that nobody writes to is given back after so long (1 s), or when somebody waits for it,
    /// which is looked for so often (50 ms).
    static let idleNanoseconds: UInt64 = 1_000_000_000
    static let lookNanoseconds: UInt64 = 50_000_000
    /// Where somebody waits for the store, an object is given up of which nothing came for so long: 10 s.
    static let silenceNanoseconds: UInt64 = 10_000_000_000
    /// An `ObjectStore` reads on so many threads, and sources that are files on so many others.
    static let readingThreads = 16
    static let sourceThreads = 4
    /// An object that is read piece by piece comes in pieces of so many bytes.
    static let deliveredBytes: UInt64 = 1 << 20
    /// An index that could only be made in memory is looked for anew after so long: 1 s.
    static let indexInMemoryNanoseconds: UInt64 = 1_000_000_000
    /// Intervals, or single blocks, in a retired record.
    static let intervals = 65536

    /// A node: it takes a connection within 5 s, something moves within every 10 s, and bytes come or go at 64 KiB/s at least.
    static let nodeConnectNanoseconds: UInt64 = 5_000_000_000
    static let nodeSilenceNanoseconds: UInt64 = 10_000_000_000
    static let nodeBytesPerSecond = 64 << 10
    /// What fails in passing is asked so many times, a connection that breaks fewer: after 0.1 s and twice as long each time, 2 s
    /// at most.
    static let nodeAttempts = 6
    static let nodeBrokenAttempts = 4
    static let nodePauseNanoseconds: UInt64 = 100_000_000
    static let nodeLongestPauseNanoseconds: UInt64 = 2_000_000_000
    /// A node that did not answer is not asked again for so long, 30 s, and twice as long each further time, five times.
    static let nodeSetAsideNanoseconds: UInt64 = 30_000_000_000
    static let nodeSetAsideDoublings: UInt64 = 5
    /// Connections to a node that are kept while nobody uses them.
    static let nodeIdleConnections = 8
    /// Who reads on on a node gets so much at once, from the least to the most, and what lies between two things that are read
    /// soon where it is no more than that; each device keeps so much, and fetches on so many threads.
    static let leastAheadBytes = 256 << 10
    static let readAheadBytes = 4 << 20
    static let passedAheadBytes = 32 << 10
    static let keptAheadBytes = 48 << 20
    /// What was not read within 10 s is not waited for any more.
    static let keptAheadNanoseconds: UInt64 = 10_000_000_000
    static let nodeReadThreads = 4
    /// A get from nodes looks up so many chunks together, and knows so many ahead of what it delivers.
    static let remoteChunksLookedUp = 64
    static let remoteChunksAhead = 4096
    /// Who waits for a node turns to others after so long, 50 ms, or after twice what almost all reads from these took lately; and
    /// after 1 s where that is not known.
    static let leastPatienceNanoseconds: UInt64 = 50_000_000
    static let usualPatienceNanoseconds: UInt64 = 1_000_000_000
    /// Shards up to so many bytes are kept in memory until they get their names, on each node so many together; longer ones
    /// are uploads in parts of at least 8 MiB.
    static let keptShardBytes = 1 << 20
    static let keptShardsBytes = 64 << 20
    static let uploadPartBytes = 8 << 20
    /// A writer's lease on a node ends so long after it was last renewed, which happens three times as often; others take a
    /// lock over when the server has seen no renewal for twice as long.
    static let leaseNanoseconds: UInt64 = 60_000_000_000
    static let leaseRenewalNanoseconds: UInt64 = 20_000_000_000
    static let leaseTakeoverSeconds: Int64 = 120
    /// Where a server has no conditional writes: from a write to when it must still stand, 1 s.
    static let settlingNanoseconds: UInt64 = 1_000_000_000
    /// What a bucket counts as where nobody said: 1 TiB.
    static let bucketBytes: UInt64 = 1 << 40

    static let largestShardBytes = 8 << 20
    /// No block's payload is longer, whatever its profile.
    static let blockPayloadBytes = 32 << 20

    static func cellCount(payloadBytes: Int) -> Int { (payloadBytes + cellBytes - 1) / cellBytes }

    /// How long `cells` of a shard's payload are together: the last of all may be short.
    static func bytes(ofCells cells: Range<Int>, payloadBytes: Int) -> Int {
        min(cells.upperBound * cellBytes, payloadBytes) - cells.lowerBound * cellBytes
    }

    /// Shard payload of a full block with `columns` data columns.
    static func fullShardBytes(columns: Int) -> Int {
        min(largestShardBytes, blockPayloadBytes / columns) / cellBytes * cellBytes
    }
}
