import Erasure

/// Which blocks are worth writing anew. A look at the index alone: nothing is read from the devices.
struct CollectionPlan {
    /// A block whose live part is to be written elsewhere, so that it can go.
    struct Candidate: Sendable {
        let block: BlockName
        let profile: Profile
        /// Stored bytes that some version needs.
        let liveBytes: Int
        let liveChunks: Int
        /// On all devices, parity included.
        let shardBytes: Int

        /// What copying it takes, at most.
        var memoryBytes: Int { liveBytes + liveChunks * Limits.copiedChunkBytes }
    }

    /// Blocks that may go at any time, the emptiest first.
    private(set) var candidates: [Candidate] = []
    /// Blocks with a commit's record: they go when no other block of their commit is left. After the others.
    private(set) var ends: [Candidate] = []
    private(set) var checkedBlocks = 0
    /// Of some block nothing could ever be read: what it held of purges and versions is not known.
    private(set) var hasUnknown = false
    let movesOtherShapes: Bool

    /// A live share below this is not worth keeping, in percent of what the block takes.
    static let thresholdPercent = 50
    /// The same for `--full`.
    static let fullThresholdPercent = 95
    /// So many small blocks are worth merging.
    static let smallBlocks = 64

    /// - Parameters:
    ///   - live: nil to merge small blocks alone, with everything in them.
    ///   - options: which to choose.
    /// - Complexity: a walk over all blocks and chunks of the index.
    init(
        _ engine: Engine, _ live: LiveChunks?, _ options: CollectOptions, progress: ProgressHandler? = nil
    ) throws(StoreError) {
        let isFull = options.isFull
        movesOtherShapes = options.movesOtherShapes
        let total = Int(try engine.index.totals().blocks)
        let threshold = isFull ? Self.fullThresholdPercent : Self.thresholdPercent
        var small: [(candidate: Candidate, isEnd: Bool)] = []
        var chosen: [(percent: Int, candidate: Candidate, isEnd: Bool)] = []
        var last: BlockName?
        while true {
            let page = try engine.index.blocks(after: last, limit: 1000)
            guard let end = page.last else { break }
            last = end.name
            checkedBlocks += page.count
            for block in page {
                if block.isUnknown {
                    hasUnknown = true
                    continue
                }
                let isSmall =
                    block.shardPayloadBytes < engine.environment.fullShardBytes(columns: block.columnCount) / 4
                if live == nil, !isSmall { continue }
                if movesOtherShapes, block.columnCount == engine.configuration.profile.dataShards { continue }
                var (liveBytes, liveChunks) = (0, 0)
                for (number, _, place) in try engine.index.chunks(in: block.ref)
                where live.map({ $0.needed[number] }) ?? true {
                    liveBytes += place.storedBytes
                    liveChunks += 1
                }
                let candidate = Candidate(
                    block: block.name, profile: block.profile, liveBytes: liveBytes, liveChunks: liveChunks,
                    shardBytes: block.shardPayloadBytes * block.profile.shardCount)
                let isEnd = try engine.index.commitBlock(block.commit) == block.name
                let room = block.columnCount * block.shardPayloadBytes
                // Rounded up to the next cache line, the last block of a commit is never quite full.
                let percent = room == 0 ? 100 : min(100, (liveBytes + 64 * block.columnCount) * 100 / room)
                if movesOtherShapes {
                    chosen.append((0, candidate, isEnd))
                } else if isSmall {
                    small.append((candidate, isEnd))
                    if live != nil, liveBytes == 0, room > 0 { chosen.append((0, candidate, isEnd)) }
                } else if percent < threshold {
                    chosen.append((percent, candidate, isEnd))
                }
            }
            try engine.environment.checkStop("look at blocks")
            progress?(Progress(phase: "looking at blocks", doneItems: checkedBlocks, totalItems: total))
        }
        if small.count >= (isFull ? 2 : Self.smallBlocks) {
            let names = Set(chosen.map(\.candidate.block))
            chosen += small.filter { !names.contains($0.candidate.block) }.map { (0, $0.candidate, $0.isEnd) }
        }
        // The emptiest of each profile first, in steps, so that neighbours stay neighbours.
        let ordered = chosen.sorted {
            ($0.candidate.profile.description, $0.percent / 10, $0.candidate.block)
                < ($1.candidate.profile.description, $1.percent / 10, $1.candidate.block)
        }
        candidates = ordered.filter { !$0.isEnd }.map(\.candidate)
        ends = ordered.filter(\.isEnd).map(\.candidate)
    }

    var blocks: [Candidate] { candidates + ends }
    var liveBytes: Int { blocks.reduce(0) { $0 + $1.liveBytes } }
    var shardBytes: Int { blocks.reduce(0) { $0 + $1.shardBytes } }
}
