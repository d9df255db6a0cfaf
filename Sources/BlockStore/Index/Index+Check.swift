import Erasure

extension Index {
    /// Looks at every page and every row.
    ///
    /// What is read from the index is checked row by row; what a damaged page hides is not missed by a reader. It
    /// is here: pages that do not add up, rows that fail their checksums, and fewer rows than were ever counted.
    /// - Throws: `.indexDamaged`.
    /// - Complexity: reads all of it; for scrub, not for opening a store.
    func check() throws(StoreError) {
        try read { connection throws(StoreError) in
            // One view of all tables: a writer may be at work beside.
            try connection.run("BEGIN")
            defer {
                connection.resetAll()
                try? connection.run("END")
            }
            // What the other tables' indexes must hold is looked up row by row; of chunks there are too many for that.
            for check in ["quick_check(1)"] + ["blocks", "versions", "purges"].map({ "integrity_check(\($0))" }) {
                let pages = try connection.statement("PRAGMA \(check)")
                let found = try pages.step() ? String(decoding: pages.bytes(0), as: UTF8.self) : ""
                pages.reset()
                guard found == "ok" else { throw Self.corrupt(found) }
            }
            try Self.compareTags(connection)
            try Self.compareCounts(connection)
        }
        var after: Key?
        repeat { after = try list(prefix: [], after: after, limit: 1000, all: true).last } while after != nil
        var noted = RecordIdentity(commit: .none, ordinal: 0)
        while let end = try changes(after: noted, limit: 1000).last { noted = end.identity }
        var last: BlockName?
        while true {
            let page = try blocks(after: last, limit: 1000)
            guard let end = page.last else { return }
            last = end.name
            for block in page { _ = try chunks(in: block.ref) }
        }
    }

    /// Every chunk can be found by its digest: its tag stands in the index of tags, and no other does. By sums over both in the
    /// order in which they lie.
    private static func compareTags(_ connection: Connection) throws(StoreError) {
        func mixed(_ number: Int64, _ tag: Int64) -> UInt64 {
            let product =
                (UInt64(bitPattern: number) &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(bitPattern: tag))
                &* 0xff51_afd7_ed55_8ccd
            return product ^ product >> 29
        }
        var expected: UInt64 = 0
        let chunks = try connection.statement("SELECT id, value FROM chunks NOT INDEXED")
        while try chunks.step() { expected &+= mixed(chunks.integer(0), tag(of: try chunk(chunks, 1).digest)) }
        var found: UInt64 = 0
        let tags = try connection.statement("SELECT id, tag FROM chunks INDEXED BY chunks_by_tag ORDER BY tag")
        while try tags.step() { found &+= mixed(tags.integer(0), tags.integer(1)) }
        guard found == expected else { throw corrupt("chunks are not where their digests are looked up") }
    }

    /// As many versions, blocks and chunks as the sums say.
    private static func compareCounts(_ connection: Connection) throws(StoreError) {
        let totals = try totals(connection)
        func count(_ rows: String) throws(StoreError) -> Int64 {
            let statement = try connection.statement("SELECT count(*) FROM \(rows)")
            defer { statement.reset() }
            return try statement.step() ? statement.integer(0) : 0
        }
        // Counted as they are looked for: bytes that became a text stand where nobody looks. A version's row begins with
        // the type of its record; deletions are not counted.
        for (what, found, counted) in [
            ("versions", try count("versions WHERE key >= x'' AND substr(value, 1, 2) = x'0100'"), totals.versions),
            ("blocks", try count("blocks NOT INDEXED WHERE typeof(id) = 'blob'"), totals.blocks),
            ("chunks", try count("chunks NOT INDEXED"), totals.chunks),
            (
                "chunks of blocks",
                try count("blocks JOIN chunks ON chunks.id >= first_chunk AND chunks.id < first_chunk + chunk_count"),
                totals.chunks
            ),
        ] where found != counted {
            throw corrupt("it holds \(found) \(what), and has counted \(counted)")
        }
        // A block's row begins with its commit and its profile.
        let profiles = try connection.statement("SELECT substr(value, 9, 4), count(*) FROM blocks GROUP BY 1")
        var found: [[UInt8]: Int64] = [:]
        while try profiles.step() { found[profiles.bytes(0)] = profiles.integer(1) }
        let counted = totals.blocksByProfile.map { ($0.key.encoded, $0.value) }
        guard found == Dictionary(counted, uniquingKeysWith: +) else {
            throw corrupt("it has counted the profiles of its blocks wrongly")
        }
    }
}
