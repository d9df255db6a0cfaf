import Erasure

extension Index {
    /// Folds accepted commits, in order, and takes over `state`: all or nothing.
    ///
    /// The fold is idempotent: a record's identity decides whether it is new; the same identity with
    /// other contents is corruption.
    func apply(_ commits: [AcceptedCommit], state: IndexState) throws(StoreError) {
        try write { connection throws(StoreError) in
            try connection.transaction { () throws(StoreError) in
                try Filling(connection: connection).apply(commits, state: state)
            }
        }
    }

    /// An open transaction that commits are folded into.
    struct Filling {
        let connection: Connection

        func apply(_ commits: [AcceptedCommit], state: IndexState) throws(StoreError) {
            var fold = Fold(connection: connection, totals: try Index.totals(connection))
            for commit in commits { try fold.apply(commit) }
            try fold.flush()
            try Index.setTotals(fold.totals, connection)
            try Index.setState(state, connection)
        }
    }

    /// Takes over `state` alone.
    func setState(_ state: IndexState) throws(StoreError) { try apply([], state: state) }
}

/// One transaction's worth of folding.
private struct Fold {
    let connection: Connection
    var totals: IndexTotals
    /// Whether there is any purge; nil until asked.
    private var knownPurges: Bool?
    /// Rows that are not in their tables before the next flush. Whoever looks at one of these, or changes it otherwise, flushes first.
    private var newChunks, newVersions, newChanges: RowInserter
    private var gap = KeyGap.none

    init(connection: Connection, totals: IndexTotals) {
        self.connection = connection
        self.totals = totals
        newChunks = RowInserter(connection, "chunks", ["id", "tag", "value"])
        newVersions = RowInserter(connection, "versions", ["key", "number", "ordinal", "value", "block"])
        // The same change again is told once.
        newChanges = RowInserter(connection, "changes", ["number", "ordinal", "value"], onConflict: .isPassedOver)
    }

    /// Makes everything that was folded stand in the tables.
    mutating func flush() throws(StoreError) {
        try newChunks.flush()
        try newVersions.flush()
        try newChanges.flush()
    }

    mutating func apply(_ commit: AcceptedCommit) throws(StoreError) {
        guard let last = commit.record.blocks.last else { throw Index.corrupt("a commit without blocks") }
        try connection.statement(
            "INSERT OR REPLACE INTO commits (number, epoch, writer, block, id) VALUES (?, ?, ?, ?, ?)"
        )
        .bind(1, Int64(clamping: commit.record.number.value)).bind(2, Int64(clamping: commit.record.epoch.counter))
        .bind(3, Index.bytes(of: commit.record.epoch.writer)).bind(4, Int64(clamping: last.name.number.value))
        .bind(5, Index.bytes(of: last.name.id)).run()
        if commit.blocks.count < commit.record.blocks.count || commit.blocks.contains(where: { $0.contents == nil }) {
            totals.incompleteCommit = max(totals.incompleteCommit, Int64(clamping: commit.record.number.value))
        }
        var refs: [BlockRef] = []
        for block in commit.blocks { refs.append(try apply(block, of: commit.record.number)) }
        // Facts about keys after all blocks: a record may speak of another block of its commit. And what is retired after
        // all facts: they may have been copied from there.
        for (block, ref) in zip(commit.blocks, refs) {
            for record in block.contents?.records ?? [] { try apply(record, in: ref) }
        }
        for block in commit.blocks {
            for record in block.contents?.records ?? [] {
                if case .retired(let retired) = record.record { try apply(retired) }
            }
        }
    }

    private mutating func apply(
        _ block: AcceptedBlock, of commit: CommitNumber
    ) throws(StoreError) -> BlockRef {
        if let known = try Index.block(named: block.name, connection), !known.isUnknown { return known.ref }
        var retired: [RetiredChunk] = []
        try remove(block: block.name, &retired)
        try delete(&retired)
        let chunks = block.contents?.chunks ?? []
        let first = totals.highestChunk + 1
        totals.highestChunk += Int64(chunks.count)
        try connection.statement(
            "INSERT INTO blocks (number, id, value, first_chunk, chunk_count) VALUES (?, ?, x'', ?, ?)"
        )
        .bind(1, Int64(clamping: block.name.number.value)).bind(2, Index.bytes(of: block.name.id)).bind(3, first)
        .bind(4, chunks.count).run()
        let ref = BlockRef(row: connection.lastRow)
        try Index.update(
            IndexedBlock(
                ref: ref, name: block.name, commit: commit, profile: block.profile, columnCount: block.columnCount,
                firstColumn: block.firstColumn, shardPayloadBytes: block.shardPayloadBytes,
                payloadBytes: block.payloadBytes, leastShards: block.leastShards, isUnknown: block.contents == nil,
                shards: block.shards, damaged: []), connection)
        totals.blocks += 1
        totals.blocksByProfile[block.profile, default: 0] += 1
        totals.shardBytes += Int64(block.shards.count) * Int64(block.shardPayloadBytes)
        if IndexedBlock.isSmall(block.shardPayloadBytes, block.columnCount) { totals.smallBlocks += 1 }
        let row = ChunkRow()
        for (offset, chunk) in chunks.enumerated() {
            newChunks.append(first + Int64(offset))
            newChunks.append(Index.tag(of: chunk.digest))
            newChunks.append { $0.append(row.value(of: chunk, in: ref)) }
            try newChunks.endRow()
            totals.chunks += 1
            totals.uniquePlainBytes += Int64(chunk.plainBytes)
            totals.chunkStoredBytes += Int64(chunk.storedBytes)
        }
        return ref
    }

    private mutating func apply(_ record: IdentifiedRecord, in ref: BlockRef) throws(StoreError) {
        if let change = ObjectChange(record) {
            newChanges.append(Int64(clamping: change.identity.commit.value))
            newChanges.append(Int64(change.identity.ordinal))
            newChanges.append { Index.encode(change, into: &$0) }
            try newChanges.endRow()
        }
        switch record.record {
        case .put(let put): try insert(record.identity, put.key, .put(put), in: ref)
        case .delete where Mutant.isActive(.deleteNotFolded): break
        case .delete(let delete): try insert(record.identity, delete.key, .delete(delete), in: ref)
        case .purge(let purge): try apply(purge, in: ref)
        case .profile(let profile): try apply(profile, record.identity)
        case .configuration, .commit, .retired: break
        }
    }

    private mutating func insert(
        _ identity: RecordIdentity, _ key: Key, _ content: IndexedVersion.Content, in ref: BlockRef
    ) throws(StoreError) {
        let newest = try newestVersion(of: key)
        // What is newer than all that is there is not there yet.
        let isNewest = newest.map { $0.identity < identity } ?? true
        if !isNewest, let known = try Index.version(of: key, identity, connection) {
            guard known.content == content else {
                throw Index.corrupt("record \(identity) stands in two blocks with different contents")
            }
            let move = try connection.statement(
                "UPDATE versions SET block = ?4 WHERE key = ?1 AND number = ?2 AND ordinal = ?3")
            bind(key, identity, move)
            try move.bind(4, ref.row).run()
            return
        }
        if try hasPurges(), try Index.purge(of: key, identity, connection) != nil {
            try set(killed: ref, ofPurge: key, identity)
            return
        }
        newVersions.append { $0.append(key.bytes) }
        newVersions.append(Int64(clamping: identity.commit.value))
        newVersions.append(Int64(identity.ordinal))
        newVersions.append { Index.encode(identity, content, into: &$0) }
        newVersions.append(ref.row)
        try newVersions.endRow()
        if case .put(let put) = content {
            totals.versions += 1
            totals.allVersionsBytes += Int64(clamping: put.byteCount)
        }
        if isNewest { replaceNewest(newest, by: IndexedVersion(identity: identity, content: content)) }
    }

    /// The newest version of `key`, which is about to get one.
    private mutating func newestVersion(of key: Key) throws(StoreError) -> IndexedVersion? {
        if gap.contains(key) {
            gap.begin(behind: key)
            return nil
        }
        try newVersions.flush()
        let newest = try Index.newestVersion(of: key, connection)
        if newest == nil { gap = try KeyGap(behind: key, connection) }
        return newest
    }

    /// Most indexes have none, and need not be asked for each version.
    private mutating func hasPurges() throws(StoreError) -> Bool {
        if let known = knownPurges { return known }
        let statement = try connection.statement("SELECT 1 FROM purges LIMIT 1")
        defer { statement.reset() }
        let found = try statement.step()
        knownPurges = found
        return found
    }

    private mutating func apply(_ purge: PurgeRecord, in ref: BlockRef) throws(StoreError) {
        knownPurges = true
        let note = try connection.statement(
            """
            INSERT INTO purges (key, number, ordinal, block, killed) VALUES (?, ?, ?, ?, NULL)
            ON CONFLICT DO UPDATE SET block = excluded.block
            """)
        bind(purge.key, purge.killed, note)
        try note.bind(4, ref.row).run()
        try newVersions.flush()
        guard let block = try Index.block(ofVersion: purge.key, purge.killed, connection) else { return }
        try set(killed: block, ofPurge: purge.key, purge.killed)
        try delete(purge.key, purge.killed)
    }

    private func set(killed ref: BlockRef, ofPurge key: Key, _ identity: RecordIdentity) throws(StoreError) {
        let update = try connection.statement(
            "UPDATE purges SET killed = ?4 WHERE key = ?1 AND number = ?2 AND ordinal = ?3")
        bind(key, identity, update)
        try update.bind(4, ref.row).run()
    }

    /// Removes one version.
    private mutating func delete(_ key: Key, _ identity: RecordIdentity) throws(StoreError) {
        guard let known = try Index.version(of: key, identity, connection) else { return }
        let newest = try Index.newestVersion(of: key, connection)
        let delete = try connection.statement("DELETE FROM versions WHERE key = ? AND number = ? AND ordinal = ?")
        bind(key, identity, delete)
        try delete.run()
        if let put = known.put {
            totals.versions -= 1
            totals.allVersionsBytes -= Int64(clamping: put.byteCount)
        }
        if newest?.identity == identity { replaceNewest(known, by: try Index.newestVersion(of: key, connection)) }
    }

    /// Keeps the sums over newest versions right when that of one key changes.
    private mutating func replaceNewest(_ old: IndexedVersion?, by new: IndexedVersion?) {
        if let put = old?.put {
            totals.objects -= 1
            totals.logicalBytes -= Int64(clamping: put.byteCount)
        }
        if let put = new?.put {
            totals.objects += 1
            totals.logicalBytes += Int64(clamping: put.byteCount)
        }
    }

    /// A record means blocks of the commits before it with as many columns as its profile. Of several, copies included, the one
    /// with the highest identity counts.
    private mutating func apply(_ record: ProfileRecord, _ identity: RecordIdentity) throws(StoreError) {
        for ref in try refs(from: record.first, to: record.last) {
            guard var block = try Index.block(ref, connection), block.commit < identity.commit,
                block.profileRecord < identity,
                block.columnCount == record.profile.dataShards
            else { continue }
            totals.blocksByProfile[block.profile, default: 0] -= 1
            totals.blocksByProfile[record.profile, default: 0] += 1
            block.profile = record.profile
            block.profileRecord = identity
            try Index.update(block, connection)
        }
    }

    private mutating func apply(_ retired: RetiredRecord) throws(StoreError) {
        var chunks: [RetiredChunk] = []
        for interval in retired.intervals {
            for ref in try refs(from: interval.lowerBound, to: interval.upperBound) {
                if let block = try Index.block(ref, connection) { try remove(block: block.name, &chunks) }
            }
        }
        for block in retired.blocks { try remove(block: block, &chunks) }
        try delete(&chunks)
        // What their commits said is told by copies alone now, and not all of it.
        try newChanges.flush()
        for interval in retired.commits {
            try connection.statement("DELETE FROM changes WHERE number >= ? AND number <= ?")
                .bind(1, Int64(clamping: interval.first.value)).bind(2, Int64(clamping: interval.last.value)).run()
        }
    }

    /// A chunk whose row is to go.
    private struct RetiredChunk {
        let tag: Int64
        let number: Int64
    }

    /// Deletes rows by their tags in order: the index of tags is much longer than what is in memory of it.
    private func delete(_ chunks: inout [RetiredChunk]) throws(StoreError) {
        chunks.sort { ($0.tag, $0.number) < ($1.tag, $1.number) }
        let statement = try connection.statement("DELETE FROM chunks WHERE id = ?")
        for chunk in chunks { try statement.bind(1, chunk.number).run() }
        chunks.removeAll(keepingCapacity: true)
    }

    /// Its chunks' rows may stay until `chunks` are deleted.
    private mutating func remove(block name: BlockName, _ chunks: inout [RetiredChunk]) throws(StoreError) {
        guard let block = try Index.block(named: name, connection) else { return }
        try flush()
        let bounds = try connection.statement("SELECT first_chunk, chunk_count FROM blocks WHERE ref = ?")
            .bind(1, block.ref.row)
        _ = try bounds.step()
        let (first, count) = (bounds.integer(0), bounds.integer(1))
        bounds.reset()
        let rows = try connection.statement("SELECT id, value FROM chunks WHERE id >= ? AND id < ? + ?")
            .bind(1, first).bind(2, first).bind(3, count)
        while try rows.step() {
            let (digest, place) = try Index.chunk(rows, 1)
            chunks.append(RetiredChunk(tag: Index.tag(of: digest), number: rows.integer(0)))
            totals.chunks -= 1
            totals.uniquePlainBytes -= Int64(place.plainBytes)
            totals.chunkStoredBytes -= Int64(place.storedBytes)
        }
        if chunks.count >= Limits.deletedTogether { try delete(&chunks) }
        try removeRecords(in: block.ref)
        try connection.statement("DELETE FROM blocks WHERE ref = ?").bind(1, block.ref.row).run()
        totals.blocks -= 1
        if block.isSmall { totals.smallBlocks -= 1 }
        totals.blocksByProfile[block.profile, default: 0] -= 1
        totals.shardBytes -= Int64(block.shards.count) * Int64(block.shardPayloadBytes)
    }

    /// A record is real while a block holds it. What was not copied from here is not needed any more: purges whose
    /// versions are gone, and versions whose purges this index has not seen.
    private mutating func removeRecords(in ref: BlockRef) throws(StoreError) {
        let held = try connection.statement("SELECT key, number, ordinal FROM versions WHERE block = ?")
            .bind(1, ref.row)
        var versions: [(Key, RecordIdentity)] = []
        while try held.step() {
            guard let key = try? Key(held.bytes(0)), let commit = UInt64(exactly: held.integer(1)),
                let ordinal = UInt32(exactly: held.integer(2))
            else { throw Index.corrupt("a version's key") }
            versions.append((key, RecordIdentity(commit: CommitNumber(commit), ordinal: ordinal)))
        }
        for (key, identity) in versions { try delete(key, identity) }
        try connection.statement("DELETE FROM purges WHERE block = ?").bind(1, ref.row).run()
        try connection.statement("UPDATE purges SET killed = NULL WHERE killed = ?").bind(1, ref.row).run()
    }

    private func refs(from first: BlockNumber, to last: BlockNumber) throws(StoreError) -> [BlockRef] {
        let statement = try connection.statement("SELECT ref FROM blocks WHERE number >= ? AND number <= ?")
            .bind(1, Int64(clamping: first.value)).bind(2, Int64(clamping: last.value))
        var refs: [BlockRef] = []
        while try statement.step() { refs.append(BlockRef(row: statement.integer(0))) }
        return refs
    }

    private func bind(_ key: Key, _ identity: RecordIdentity, _ statement: Statement) {
        statement.bind(1, key.bytes).bind(2, Int64(clamping: identity.commit.value))
            .bind(3, Int64(identity.ordinal))
    }
}
