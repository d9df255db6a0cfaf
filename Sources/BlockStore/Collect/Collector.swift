import Chunker
import Erasure

/// Writes what is needed of some blocks into new ones and retires the old ones, all in one commit (docs/architecture.md,
/// "Collection").
///
/// Use from one thread, under the writer lock, for one batch of blocks whose live bytes fit into memory.
struct Collector {
    /// What a batch did.
    struct Outcome {
        var retired: [IndexedBlock] = []
        var copiedBytes: UInt64 = 0
        var writtenBytes: UInt64 = 0
        /// Blocks that must stay, and why.
        var kept: [(block: BlockName, reason: String)] = []
    }

    let engine: Engine
    let tenure: WriterTenure
    /// Nil when everything counts as needed.
    let live: LiveChunks?
    /// Some block is unreadable: a purge of a version that was never seen may be of one in there.
    let hasUnknown: Bool
    /// How the new blocks are coded.
    let profile: Profile

    /// A block that is to go.
    private struct Source {
        let block: IndexedBlock
        /// Without those that nobody will ask for again: of many blocks all records would be too many.
        let records: [IdentifiedRecord]
        var chunks = StoredChunks()
    }

    /// What is to be copied of one block: the bytes of its chunks, end to end.
    private struct StoredChunks: Sendable {
        var list: [(digest: Digest, place: ChunkPlace)] = []
        var bytes = Buffer(byteCount: 0)
    }

    /// Collects as many of `names` as can be.
    ///
    /// - Throws: when the commit was refused: then nothing has changed.
    func collect(_ names: [BlockName]) throws(StoreError) -> Outcome {
        var outcome = Outcome()
        var sources = try readHeads(names, &outcome)
        let losses = requiredLosses(sources)
        // What one cannot give changes what must be taken from the others.
        var isRead = false
        while !isRead {
            try keepEndsWithSiblings(&sources, &outcome)
            isRead = try readChunks(&sources, losses, &outcome)
        }
        guard !sources.isEmpty else { return outcome }
        let going = Set(sources.map(\.block.ref))
        let writer = CommitWriter(tenure, minimumShards: nil, leastLosses: losses, profile: profile)
        do throws(StoreError) {
            for source in sources {
                var offset = 0
                for (digest, place) in source.chunks.list {
                    let bytes = source.chunks.bytes.slice(offset..<(offset + place.storedBytes))
                    offset += place.storedBytes
                    if writer.contains(digest) { continue }
                    try writer.add(
                        UnsafeRawBufferPointer(bytes), digest: digest, plainBytes: place.plainBytes, codec: place.codec,
                        checksum: place.storedChecksum)
                    outcome.copiedBytes += UInt64(place.storedBytes)
                }
                try copyRecords(of: source, going, to: writer)
            }
            try writer.add(.retired(try retiredSet(sources.map(\.block))))
            outcome.writtenBytes = try writer.commit().shardBytes
        } catch {
            writer.cancel()
            throw error
        }
        outcome.retired = sources.map(\.block)
        return outcome
    }

    /// Looks up the blocks and reads what they contain.
    private func readHeads(_ names: [BlockName], _ outcome: inout Outcome) throws(StoreError) -> [Source] {
        var sources: [Source] = []
        for name in names {
            // Somebody else may have collected it.
            guard let block = try engine.index.block(named: name), !block.isUnknown else { continue }
            do throws(StoreError) {
                let records = try engine.head(of: block, to: "collect").contents.records
                sources.append(Source(block: block, records: try remaining(records, in: block.ref)))
            } catch {
                guard error.code == .lost else { throw error }
                outcome.kept.append((name, error.detail))
            }
        }
        let attainable = attainableLosses
        sources.removeAll { source in
            // Only by what survives as much as it does may a block be replaced.
            guard needed(source.block) > attainable else { return false }
            outcome.kept.append((source.block.name, "what replaces it would survive fewer losses; bring devices back"))
            return true
        }
        return sources
    }

    /// The records of a block that may have to be copied: of keys those that stand in no other block now.
    private func remaining(
        _ records: [IdentifiedRecord], in ref: BlockRef
    ) throws(StoreError) -> [IdentifiedRecord] {
        var result: [IdentifiedRecord] = []
        for record in records {
            let holder: BlockRef?
            switch record.record {
            case .put(let put): holder = try engine.index.block(ofVersion: put.key, record.identity)
            case .delete(let delete): holder = try engine.index.block(ofVersion: delete.key, record.identity)
            case .purge(let purge): holder = try engine.index.purge(of: purge.key, purge.killed)?.block
            case .configuration, .profile: holder = ref
            case .retired, .commit: holder = nil
            }
            if holder == ref { result.append(record) }
        }
        return result
    }

    /// Losses that what replaces a block must survive: as many as it does, up to the smaller tolerance of its profile and the new
    /// one.
    private func needed(_ block: IndexedBlock) -> Int {
        let survived = Protection.lossesSurvived(
            engine.soundRows(of: block), columns: block.columns, payloadBytes: block.shardPayloadBytes)
        return min(survived, block.profile.tolerance, profile.tolerance)
    }

    private func requiredLosses(_ sources: [Source]) -> Int {
        max(1, sources.map { needed($0.block) }.max() ?? 1)
    }

    /// What a block that is written now survives.
    private var attainableLosses: Int {
        Erasure.lossesSurvived(profile.rows.prefix(engine.devices.candidates.count), columns: profile.columns)
    }

    /// The block with a commit's record makes its siblings real: it goes with the last of them.
    private func keepEndsWithSiblings(_ sources: inout [Source], _ outcome: inout Outcome) throws(StoreError) {
        if Mutant.isActive(.siblingsOrphaned) { return }
        while true {
            let going = Set(sources.map(\.block.name))
            var staying: Int?
            for (place, source) in sources.enumerated() {
                let block = source.block
                guard try engine.index.commitBlock(block.commit) == block.name else { continue }
                let hasSibling = try engine.index.hasSibling(of: block, outside: going)
                let isBelowKnown = try isBelowKnown(block.commit)
                if hasSibling || !isBelowKnown {
                    staying = place
                    break
                }
            }
            guard let staying else { return }
            outcome.kept.append((sources[staying].block.name, "other blocks of its commit are in use"))
            sources.remove(at: staying)
        }
    }

    /// Whether it is known what stands below a commit, so that others can step over it.
    private func isBelowKnown(_ commit: CommitNumber) throws(StoreError) -> Bool {
        let below = CommitNumber(commit.value - 1)
        if below == .none || tenure.state.retired.redundancy(of: below) != nil { return true }
        return try engine.index.commitBlock(below) != nil
    }

    /// Reads every chunk that must be copied; false when a block could not give one, and was left out.
    private func readChunks(
        _ sources: inout [Source], _ losses: Int, _ outcome: inout Outcome
    ) throws(StoreError) -> Bool {
        let going = Set(sources.map(\.block.ref))
        var taken: Set<Digest> = []
        var jobs: [Job<StoredChunks>] = []
        for source in sources {
            var wanted: [(digest: Digest, place: ChunkPlace)] = []
            for (number, digest, place) in try engine.index.chunks(in: source.block.ref) where !taken.contains(digest) {
                guard try mustCopy(number, digest, going, losses) else { continue }
                taken.insert(digest)
                wanted.append((digest, place))
            }
            let (engine, block, chunks) = (engine, source.block, wanted)
            jobs.append(
                Job(engine.environment.executor, on: .compute) { () throws(StoreError) in
                    let reader = ChunkReader(engine: engine)
                    try reader.expect(chunks.lazy.map { [$0.place] })
                    let bytes = Buffer(byteCount: chunks.reduce(0) { $0 + $1.place.storedBytes })
                    var offset = 0
                    for (digest, place) in chunks {
                        let target = bytes.slice(offset..<(offset + place.storedBytes))
                        try reader.readStored(digest, place, block, into: target)
                        offset += place.storedBytes
                    }
                    return StoredChunks(list: chunks, bytes: bytes)
                })
        }
        var failed: Int?
        for (place, job) in jobs.enumerated() {
            switch job.outcome() {
            case .success(let chunks): sources[place].chunks = chunks
            case .failure(let error):
                guard error.code == .lost || error.code == .corrupt else { throw error }
                outcome.kept.append((sources[place].block.name, error.description))
                failed = failed ?? place
            }
        }
        guard let failed else { return true }
        sources.remove(at: failed)
        return false
    }

    /// Whether a chunk of a block that is going must be copied: some version needs it, and no other block that stays has it as
    /// safe.
    private func mustCopy(
        _ number: Int, _ digest: Digest, _ going: Set<BlockRef>, _ losses: Int
    ) throws(StoreError) -> Bool {
        guard let live else { return true }
        if live.needed[number] { return true }
        guard live.live[number] else { return false }
        for place in try engine.index.places(of: digest) where !going.contains(place.block) {
            if let block = try engine.index.block(place.block), needed(block) >= losses { return false }
        }
        return true
    }

    private func copyRecords(
        of source: Source, _ going: Set<BlockRef>, to writer: CommitWriter
    ) throws(StoreError) {
        let ref = source.block.ref
        for record in source.records {
            switch record.record {
            case .delete where Mutant.isActive(.deleteNotCopied): break
            case .put, .delete: try writer.add(copyOf: record)
            case .purge(let purge):
                if try isNeeded(purge, in: ref, going) { try writer.add(copyOf: record) }
            case .configuration(let configuration):
                // Said anew: the newest is the one of the newest commit.
                if configuration.number == tenure.state.configuration.number {
                    try writer.add(.configuration(tenure.state.configuration))
                }
            case .profile(let profile):
                try copy(profile, going, to: writer)
            case .retired, .commit: break
            }
        }
    }

    /// A purge is needed while some block holds the record that it kills.
    private func isNeeded(
        _ purge: PurgeRecord, in ref: BlockRef, _ going: Set<BlockRef>
    ) throws(StoreError) -> Bool {
        guard let known = try engine.index.purge(of: purge.key, purge.killed), known.block == ref else { return false }
        if Mutant.isActive(.purgeDroppedTooSoon) { return false }
        guard let killed = known.killed else { return hasUnknown }
        return !going.contains(killed)
    }

    /// Says anew what profile the blocks have that are left of those a record speaks of.
    private func copy(
        _ record: ProfileRecord, _ going: Set<BlockRef>, to writer: CommitWriter
    ) throws(StoreError) {
        var run: ProfileRecord?
        for block in try engine.index.blocks(from: record.first, to: record.last) where !going.contains(block.ref) {
            let number = block.name.number
            if let open = run, open.profile == block.profile {
                run = ProfileRecord(first: open.first, last: number, profile: open.profile)
            } else {
                if let run { try writer.add(.profile(run)) }
                run = ProfileRecord(first: number, last: number, profile: block.profile)
            }
        }
        if let run { try writer.add(.profile(run)) }
    }

    /// What is retired from now on: all that was, and these.
    private func retiredSet(_ blocks: [IndexedBlock]) throws(StoreError) -> RetiredRecord {
        let known = Mutant.isActive(.retiredSetForgotten) ? .none : tenure.state.retired
        let going = Set(blocks.map(\.ref))
        var redundant: [RedundantCommits] = []
        for block in blocks.sorted(by: { $0.name < $1.name }) {
            guard try engine.index.commitBlock(block.commit) == block.name else { continue }
            let below = CommitNumber(block.commit.value - 1)
            redundant.append(
                RedundantCommits(
                    first: block.commit, last: block.commit,
                    below: try engine.index.commitBlock(below) ?? CommitHead.none.block))
        }
        return try known.adding(numbers: blocks.map(\.name.number), commits: redundant) { range throws(StoreError) in
            try engine.index.blocks(from: range.lowerBound, to: range.upperBound).allSatisfy { going.contains($0.ref) }
        }
    }
}
