extension Index {
    /// The newest version of `key`, a put or a delete marker; nil when there is none.
    func newestVersion(of key: Key) throws(StoreError) -> IndexedVersion? {
        try read { connection throws(StoreError) in try Self.newestVersion(of: key, connection) }
    }

    /// The newest versions of `keys`, in their order: `newestVersion` for many, in one view of the index.
    func newestVersions(of keys: [Key]) throws(StoreError) -> [IndexedVersion?] {
        try read { connection throws(StoreError) in
            try connection.run("BEGIN")
            defer {
                connection.resetAll()
                try? connection.run("END")
            }
            var versions: [IndexedVersion?] = []
            versions.reserveCapacity(keys.count)
            for key in keys { versions.append(try Self.newestVersion(of: key, connection)) }
            return versions
        }
    }

    static func newestVersion(of key: Key, _ connection: Connection) throws(StoreError) -> IndexedVersion? {
        let statement = try connection.statement(
            "SELECT key, number, ordinal, value FROM versions WHERE key = ? ORDER BY number DESC, ordinal DESC LIMIT 1"
        ).bind(1, key.bytes)
        guard try statement.step() else { return nil }
        defer { statement.reset() }
        return try version(statement)
    }

    func version(of key: Key, _ identity: RecordIdentity) throws(StoreError) -> IndexedVersion? {
        try read { connection throws(StoreError) in try Self.version(of: key, identity, connection) }
    }

    static func version(
        of key: Key, _ identity: RecordIdentity, _ connection: Connection
    ) throws(StoreError) -> IndexedVersion? {
        let statement = try connection.statement(
            "SELECT key, number, ordinal, value FROM versions WHERE key = ? AND number = ? AND ordinal = ?"
        ).bind(1, key.bytes).bind(2, Int64(clamping: identity.commit.value)).bind(3, Int64(identity.ordinal))
        guard try statement.step() else { return nil }
        defer { statement.reset() }
        return try version(statement)
    }

    /// The block that the version's record stands in now; nil when there is no such version.
    static func block(
        ofVersion key: Key, _ identity: RecordIdentity, _ connection: Connection
    ) throws(StoreError) -> BlockRef? {
        let statement = try connection.statement(
            "SELECT block FROM versions WHERE key = ? AND number = ? AND ordinal = ?"
        ).bind(1, key.bytes).bind(2, Int64(clamping: identity.commit.value)).bind(3, Int64(identity.ordinal))
        defer { statement.reset() }
        return try statement.step() ? BlockRef(row: statement.integer(0)) : nil
    }

    func block(ofVersion key: Key, _ identity: RecordIdentity) throws(StoreError) -> BlockRef? {
        try read { connection throws(StoreError) in try Self.block(ofVersion: key, identity, connection) }
    }

    /// Where the record that purges a version of `key` stands now, and where the record that it kills does: in no block any
    /// more when nil. Nil when nothing purges that version.
    static func purge(
        of key: Key, _ killed: RecordIdentity, _ connection: Connection
    ) throws(StoreError) -> (block: BlockRef, killed: BlockRef?)? {
        let statement = try connection.statement(
            "SELECT block, coalesce(killed, 0) FROM purges WHERE key = ? AND number = ? AND ordinal = ?"
        ).bind(1, key.bytes).bind(2, Int64(clamping: killed.commit.value)).bind(3, Int64(killed.ordinal))
        defer { statement.reset() }
        guard try statement.step() else { return nil }
        let block = statement.integer(1)
        return (BlockRef(row: statement.integer(0)), block == 0 ? nil : BlockRef(row: block))
    }

    func purge(
        of key: Key, _ killed: RecordIdentity
    ) throws(StoreError) -> (block: BlockRef, killed: BlockRef?)? {
        try read { connection throws(StoreError) in try Self.purge(of: key, killed, connection) }
    }

    /// All versions of `key`, the newest first.
    func versions(of key: Key) throws(StoreError) -> [IndexedVersion] {
        try read { connection throws(StoreError) in
            let statement = try connection.statement(
                "SELECT key, number, ordinal, value FROM versions WHERE key = ? ORDER BY number DESC, ordinal DESC"
            ).bind(1, key.bytes)
            var result: [IndexedVersion] = []
            while try statement.step() { result.append(try Self.version(statement)) }
            return result
        }
    }

    /// Versions of up to `limit` keys that begin with `prefix` and come after `key`, in key order, the
    /// newest of each key first. Without `all` the newest alone, and only where it is a put.
    ///
    /// - Parameter moment: as if nothing had been written since then.
    /// - Returns: the versions, and the last key looked at; nil when there are no more.
    func list(
        prefix: [UInt8], after key: Key?, limit: Int, all: Bool, at moment: Moment? = nil
    ) throws(StoreError) -> (versions: [IndexedVersion], last: Key?) {
        try read { connection throws(StoreError) in
            let statement = try Self.versions(prefix: prefix, after: key, connection)
            defer { statement.reset() }
            var result: [IndexedVersion] = []
            var last: Key?
            var keys = 0
            /// The version of the current key that counts has been seen.
            var isFound = false
            while try statement.step() {
                let bytes = statement.bytes(0)
                if last?.bytes != bytes {
                    guard bytes.starts(with: prefix) else { return (result, nil) }
                    if keys == limit { return (result, last) }
                    keys += 1
                    isFound = false
                } else if isFound, !all {
                    continue
                }
                let version = try Self.version(statement)
                last = version.key
                if let moment, !moment.includes(version) { continue }
                isFound = true
                if all || version.put != nil { result.append(version) }
            }
            return (result, nil)
        }
    }

    /// All versions of keys that begin with `prefix` and come after `key`, in key order, the newest of each first: of as many
    /// keys as it takes to have `limit` versions.
    ///
    /// - Returns: the versions key by key, and the last key; nil when there are no more.
    func outlines(
        prefix: [UInt8], after key: Key?, limit: Int
    ) throws(StoreError) -> (keys: [[VersionOutline]], last: Key?) {
        try read { connection throws(StoreError) in
            let statement = try Self.versions(prefix: prefix, after: key, connection)
            defer { statement.reset() }
            var keys: [[VersionOutline]] = []
            var count = 0
            while try statement.step() {
                let bytes = statement.bytes(0)
                guard bytes.starts(with: prefix) else { return (keys, nil) }
                let isOfLast = keys.last?.last?.key.bytes == bytes
                if !isOfLast, count >= limit { return (keys, keys.last?.last?.key) }
                let outline = VersionOutline(try Self.version(statement))
                count += 1
                if isOfLast { keys[keys.count - 1].append(outline) } else { keys.append([outline]) }
            }
            return (keys, nil)
        }
    }

    /// Walks over the versions of the keys after `key`, or from `prefix` on.
    private static func versions(
        prefix: [UInt8], after key: Key?, _ connection: Connection
    ) throws(StoreError) -> Statement {
        // One lower bound, so that each page begins where the last one ended instead of at the prefix.
        let after = key.flatMap {
            prefix.lexicographicallyPrecedes($0.bytes) || prefix == $0.bytes ? $0.bytes : nil
        }
        return try connection.statement(
            """
            SELECT key, number, ordinal, value FROM versions WHERE key \(after == nil ? ">=" : ">") ?
            ORDER BY key, number DESC, ordinal DESC
            """
        ).bind(1, after ?? prefix)
    }

    static func context(_ identity: RecordIdentity) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(identity)
        return writer.bytes
    }

    static func value(_ identity: RecordIdentity, _ content: IndexedVersion.Content) -> [UInt8] {
        let record: Record =
            switch content {
            case .put(let put): .put(put)
            case .delete(let delete): .delete(delete)
            }
        var writer = ByteWriter()
        writer.append(record.type)
        writer.append(record.encodeBody())
        return encode(writer.bytes, context: context(identity))
    }

    private static func version(_ statement: Statement) throws(StoreError) -> IndexedVersion {
        guard let commit = UInt64(exactly: statement.integer(1)), commit <= CommitNumber.maximum,
            let ordinal = UInt32(exactly: statement.integer(2))
        else { throw corrupt("a version's identity") }
        let identity = RecordIdentity(commit: CommitNumber(commit), ordinal: ordinal)
        let record = try decode(statement.bytes(3), context: context(identity), "a version's row") {
            cursor throws(FormatError) in
            let type = try cursor.next(UInt16.self, "type")
            guard let record = try Record(type: type, body: &cursor) else { throw .unsupported("record type \(type)") }
            return record
        }
        let version: IndexedVersion
        switch record {
        case .put(let put): version = IndexedVersion(identity: identity, content: .put(put))
        case .delete(let delete): version = IndexedVersion(identity: identity, content: .delete(delete))
        default: throw corrupt("a version's row holds another record")
        }
        guard version.key.bytes == statement.bytes(0) else { throw corrupt("a version's row has another key") }
        return version
    }
}
