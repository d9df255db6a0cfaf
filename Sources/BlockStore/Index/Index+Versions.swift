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
            var gap = KeyGap.none
            for key in keys {
                var newest: IndexedVersion?
                if !gap.contains(key) {
                    newest = try Self.newestVersion(of: key, connection)
                    if newest == nil { gap = try KeyGap(behind: key, connection) }
                }
                versions.append(newest)
            }
            return versions
        }
    }

    static func newestVersion(of key: Key, _ connection: Connection) throws(StoreError) -> IndexedVersion? {
        let statement = try connection.statement(newest).bind(1, key.bytes)
        guard try statement.step() else { return nil }
        defer { statement.reset() }
        return try VersionRow(statement).version()
    }

    private static let newest = newestFirst + " LIMIT 1"
    private static let newestFirst =
        "SELECT key, number, ordinal, value FROM versions WHERE key = ? ORDER BY number DESC, ordinal DESC"

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
        return try VersionRow(statement).version()
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
            let statement = try connection.statement(Self.newestFirst).bind(1, key.bytes)
            var result: [IndexedVersion] = []
            while try statement.step() { result.append(try VersionRow(statement).version()) }
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
            var statement = try Self.versions(prefix: prefix, after: key, connection)
            defer { statement.reset() }
            var result: [IndexedVersion] = []
            var keys = 0
            /// Of the current key, what may count of it, ascending: all that is asked for, or the newest so far.
            var current: (key: [UInt8], rows: [VersionRow], seen: Int)?
            func take() throws(StoreError) {
                for row in current?.rows.reversed() ?? [] {
                    let version = try row.version()
                    if all || version.put != nil { result.append(version) }
                }
            }
            while try statement.step() {
                let row = VersionRow(statement)
                if current?.key != row.key {
                    try take()
                    guard row.key.starts(with: prefix) else { return (result, nil) }
                    if keys == limit {
                        return (result, try current.map { last throws(StoreError) in try Self.key(last.key) })
                    }
                    keys += 1
                    current = (row.key, [], 0)
                }
                current?.seen += 1
                if let moment, try !moment.includes(row.version()) { continue }
                if !all { current?.rows.removeAll(keepingCapacity: true) }
                current?.rows.append(row)
                // A key with many versions: the newest is found faster from the other end.
                guard !all, moment == nil, let seen = current?.seen, seen == Self.versionsPassedOver else { continue }
                let newest = try connection.statement(Self.newest).bind(1, row.key)
                if try newest.step() { current?.rows = [VersionRow(newest)] }
                newest.reset()
                statement.reset()
                statement = try Self.versions(prefix: prefix, after: Self.key(row.key), connection)
            }
            try take()
            return (result, nil)
        }
    }

    /// So many old versions of a key are read in a listing before its newest one is looked up.
    private static let versionsPassedOver = 16

    /// All versions of keys that begin with `prefix` and come after `key`, in key order, the newest of each first: of as many
    /// keys as it takes to have `limit` versions.
    ///
    /// - Returns: the versions key by key, and the last key; nil when there are no more.
    func outlines(
        prefix: [UInt8], after key: Key?, limit: Int
    ) throws(StoreError) -> (keys: [[VersionOutline]], last: Key?) {
        let page = try versions(prefix: prefix, after: key, limit: limit, as: VersionOutline.init)
        return (page.keys.map { $0.versions.reversed() }, page.last)
    }

    /// The same with what `make` makes of each version, of each key the oldest first.
    func versions<Value>(
        prefix: [UInt8], after key: Key?, limit: Int, as make: (IndexedVersion) -> Value
    ) throws(StoreError) -> (keys: [(key: Key, versions: [Value])], last: Key?) {
        try read { connection throws(StoreError) in
            let statement = try Self.versions(prefix: prefix, after: key, connection)
            defer { statement.reset() }
            var keys: [(key: Key, versions: [Value])] = []
            var count = 0
            while try statement.step() {
                let row = VersionRow(statement)
                let isFirst = keys.last?.key.bytes != row.key
                if isFirst {
                    guard row.key.starts(with: prefix) else { return (keys, nil) }
                    if count >= limit { return (keys, keys.last?.key) }
                }
                let version = try row.version()
                if isFirst { keys.append((version.key, [])) }
                keys[keys.count - 1].versions.append(make(version))
                count += 1
            }
            return (keys, nil)
        }
    }

    /// Walks over the versions of the keys after `key`, or from `prefix` on, of each key the oldest first: as they lie, or all of
    /// them would go through a sorter.
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
            ORDER BY key, number, ordinal
            """
        ).bind(1, after ?? prefix)
    }

    /// What the CRC of a row covers beside its value.
    static func context(_ identity: RecordIdentity) -> CRC32C {
        // As records are written, without the memory for that: each row has one.
        var fields = (identity.commit.value.littleEndian, identity.ordinal.littleEndian)
        var checksum = CRC32C()
        withUnsafeBytes(of: &fields) { checksum.update($0) }
        return checksum
    }

    /// Writes the value of a version's row.
    static func encode(_ identity: RecordIdentity, _ content: IndexedVersion.Content, into writer: inout ByteWriter) {
        let record: Record =
            switch content {
            case .put(let put): .put(put)
            case .delete(let delete): .delete(delete)
            }
        encode(into: &writer, context: context(identity)) { writer in
            writer.append(record.type)
            record.encodeBody(into: &writer)
        }
    }

    private static func key(_ bytes: [UInt8]) throws(StoreError) -> Key {
        guard let key = try? Key(bytes) else { throw corrupt("a version's key") }
        return key
    }
}

/// A range of keys that have no version, its ends excluded: where keys come in order, as those of a tree do, two looks tell of many
/// that they are new.
struct KeyGap {
    private var after: [UInt8]
    /// Nil where no key follows.
    private let before: [UInt8]?

    /// Contains nothing.
    static let none = KeyGap(after: [], before: [])

    private init(after: [UInt8], before: [UInt8]?) {
        self.after = after
        self.before = before
    }

    /// From `key` to the next one that has versions.
    init(behind key: Key, _ connection: Connection) throws(StoreError) {
        let statement = try connection.statement("SELECT key FROM versions WHERE key > ? ORDER BY key LIMIT 1")
            .bind(1, key.bytes)
        defer { statement.reset() }
        self.init(after: key.bytes, before: try statement.step() ? statement.bytes(0) : nil)
    }

    func contains(_ key: Key) -> Bool {
        guard after.lexicographicallyPrecedes(key.bytes) else { return false }
        return before.map { key.bytes.lexicographicallyPrecedes($0) } ?? true
    }

    /// From now on only what is behind `key`, which lies in it and is to have a version.
    mutating func begin(behind key: Key) { after = key.bytes }
}

/// A row of the versions, as it lies: parsed and checked when it is needed.
private struct VersionRow {
    let key: [UInt8]
    private let number: Int64
    private let ordinal: Int64
    private let value: [UInt8]

    /// Of the row that a statement for key, number, ordinal and value stands on.
    init(_ statement: Statement) {
        key = statement.bytes(0)
        number = statement.integer(1)
        ordinal = statement.integer(2)
        value = statement.bytes(3)
    }

    func version() throws(StoreError) -> IndexedVersion {
        guard let commit = UInt64(exactly: number), commit <= CommitNumber.maximum,
            let ordinal = UInt32(exactly: ordinal)
        else { throw Index.corrupt("a version's identity") }
        let identity = RecordIdentity(commit: CommitNumber(commit), ordinal: ordinal)
        let record = try Index.decode(value, context: Index.context(identity), "a version's row") {
            cursor throws(FormatError) in
            let type = try cursor.next(UInt16.self, "type")
            guard let record = try Record(type: type, body: &cursor) else { throw .unsupported("record type \(type)") }
            return record
        }
        let version: IndexedVersion
        switch record {
        case .put(let put): version = IndexedVersion(identity: identity, content: .put(put))
        case .delete(let delete): version = IndexedVersion(identity: identity, content: .delete(delete))
        default: throw Index.corrupt("a version's row holds another record")
        }
        guard version.key.bytes == key else { throw Index.corrupt("a version's row has another key") }
        return version
    }
}
