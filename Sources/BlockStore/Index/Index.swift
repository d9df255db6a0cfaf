/// The manifest index: where every chunk is and what every key names. A cache of the commits, which
/// can be rebuilt from the shards at any time (docs/decisions/0004-index-is-a-cache.md).
///
/// SQLite in WAL mode: one writer and several readers, from any thread. Rows that nothing else would
/// verify carry a CRC of their fields, which is checked at each read. All SQL of the project is in
/// this folder.
public final class Index: Sendable {
    /// `.file` has connections of its own for readers; in memory there is one for all.
    private let path: String?
    /// Nil once closed.
    private let writer: Monitor<Connection?>
    private let readers = Monitor(Readers())

    private struct Readers {
        /// Connections that no thread is using.
        var free: [Connection] = []
        /// Connections that there are.
        var count = 0
    }

    /// Given the last state of an index in memory when it closes.
    private let onClose: (@Sendable ([UInt8]) -> Void)?

    private init(path: String?, _ connection: Connection, onClose: (@Sendable ([UInt8]) -> Void)? = nil) {
        self.path = path
        self.onClose = onClose
        writer = Monitor(connection)
    }

    /// Opens the index at `path`, or makes an empty one. Throws `.indexDamaged` when what is there is
    /// not a sound index of this version.
    static func open(path: String) throws(StoreError) -> Index {
        let connection = try Connection(path: path)
        // The newest transactions may be lost with the power: they are caught up from the shards.
        try connection.run("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL")
        try connection.setCache(Limits.indexCacheBytes)
        let index = Index(path: path, connection)
        try index.prepare(connection)
        return index
    }

    /// An index in memory, as left by `snapshot`: for tests, and for readers that may not write.
    static func inMemory(
        _ snapshot: [UInt8]? = nil, onClose: (@Sendable ([UInt8]) -> Void)? = nil
    ) throws(StoreError) -> Index {
        let connection = try Connection(path: ":memory:")
        if let snapshot, !snapshot.isEmpty { try connection.deserialize(snapshot) }
        let index = Index(path: nil, connection, onClose: onClose)
        try index.prepare(connection)
        return index
    }

    /// Whether it is the home's, which follows what others write; otherwise it is as it was when it was made.
    var isFile: Bool { path != nil }

    /// The whole database.
    func snapshot() throws(StoreError) -> [UInt8] {
        try write { connection throws(StoreError) in try connection.serialize() }
    }

    /// Copies the whole database, as it is now, to a new file.
    func copy(to path: String) throws(StoreError) {
        try read { connection throws(StoreError) in try connection.copy(to: path) }
    }

    /// Closes every connection. The index must not be used afterwards.
    func close() {
        if let onClose, let last = try? snapshot() { onClose(last) }
        readers.withLock { readers in
            readers.count -= readers.free.count
            readers.free = []
        }
        writer.withLock { $0 = nil }
    }

    private func prepare(_ connection: Connection) throws(StoreError) {
        try connection.run("PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF; PRAGMA temp_store=MEMORY")
        let version = try connection.statement("PRAGMA user_version")
        guard try version.step() else { throw Self.corrupt("it has no version") }
        let found = version.integer(0)
        version.reset()
        if found == 0 {
            let tables = try connection.statement("SELECT count(*) FROM sqlite_master")
            guard try tables.step(), tables.integer(0) == 0 else { throw Self.corrupt("it is another database") }
            tables.reset()
            try connection.run(Schema.creation)
        } else if found != Schema.version {
            throw Self.corrupt("it has version \(found), expected \(Schema.version)")
        }
        guard try Schema.text(connection) == Schema.expected else {
            throw Self.corrupt("its tables are not as they should be")
        }
        _ = try Self.state(connection)
    }

    /// Runs `body` with the writer's connection.
    func write<Value>(_ body: (Connection) throws(StoreError) -> Value) throws(StoreError) -> Value {
        try writer.withLock { connection throws(StoreError) in
            guard let connection else { throw Self.closed }
            return try body(connection)
        }
    }

    /// Runs `body` with the writer's connection and without the index of tags, which is made again afterwards: sorting all
    /// tags once costs a fraction of looking for the place of each. For an empty index; all or nothing.
    ///
    /// Memory is bounded: what does not fit is sorted in files where the system keeps temporary ones, about 25 bytes a chunk.
    func fill<Value>(_ body: (Filling) throws(StoreError) -> Value) throws(StoreError) -> Value {
        try write { connection throws(StoreError) in
            connection.resetAll()
            if path != nil {
                try connection.run("PRAGMA temp_store=FILE")
                try connection.setCache(Limits.fillingCacheBytes)
            }
            defer {
                if path != nil {
                    try? connection.run("PRAGMA temp_store=MEMORY")
                    try? connection.setCache(Limits.indexCacheBytes)
                }
            }
            var result: Value?
            try connection.transaction { () throws(StoreError) in
                try connection.run("DROP INDEX chunks_by_tag")
                result = try body(Filling(connection: connection))
                connection.resetAll()
                try connection.run(Schema.chunksByTag)
            }
            guard let result else { preconditionFailure("a transaction that did not throw has run") }
            return result
        }
    }

    /// Runs `body` with a reader's connection: it sees what was committed when it began.
    func read<Value>(_ body: (Connection) throws(StoreError) -> Value) throws(StoreError) -> Value {
        guard let path else { return try write(body) }
        guard writer.withLock({ $0 != nil }) else { throw Self.closed }
        let (free, number) = readers.withLock { readers in
            let free = readers.free.popLast()
            if free == nil { readers.count += 1 }
            return (free, readers.count)
        }
        var connection = free
        defer {
            connection?.resetAll()
            readers.withLock { readers in
                if let connection, readers.free.count < 16 {
                    readers.free.append(connection)
                } else {
                    readers.count -= 1
                }
            }
        }
        let opened: Connection
        if let free { opened = free } else { opened = try Self.reader(path, number) }
        connection = opened
        return try body(opened)
    }

    /// - Parameter number: how many readers there are with this one: on many threads at once, memory stays bounded.
    private static func reader(_ path: String, _ number: Int) throws(StoreError) -> Connection {
        let connection = try Connection(path: path)
        try connection.run("PRAGMA query_only=ON; PRAGMA cell_size_check=ON")
        try connection.setCache(
            number <= Limits.readersWithCache ? Limits.readerCacheBytes : Limits.furtherReaderCacheBytes)
        return connection
    }

    private static var closed: StoreError { StoreError(.io, "use the index", detail: "it is closed") }

    static func corrupt(_ detail: String) -> StoreError {
        StoreError(
            .indexDamaged, "read the index", detail: detail, advice: "the shards hold everything: bsctl index rebuild")
    }
}

/// The tables. A version's `block`, and a purge's, is the block that its record stands in now; a purge's `killed` the one in
/// which the record that it kills stands, null when that is in no block any more. Row 2 of `meta` is drawn anew whenever the
/// index is made anew: row ids are of this index alone. Row 3, where there is one, is the speed of the last repair.
enum Schema {
    static let version: Int64 = 3

    /// The tables as a new index has them.
    static let expected: String? = {
        guard let connection = try? Connection(path: ":memory:"), (try? connection.run(creation)) != nil else {
            return nil
        }
        return try? text(connection)
    }()

    /// What the database says its tables are.
    static func text(_ connection: Connection) throws(StoreError) -> String {
        let statement = try connection.statement(
            "SELECT type || name || coalesce(sql, '') FROM sqlite_master ORDER BY name")
        var text = ""
        while try statement.step() { text += String(decoding: statement.bytes(0), as: UTF8.self) + "\n" }
        return text
    }

    static let chunksByTag = "CREATE INDEX chunks_by_tag ON chunks (tag)"

    static let creation = """
        BEGIN;
        CREATE TABLE meta (id INTEGER PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE totals (id INTEGER PRIMARY KEY, value INTEGER NOT NULL);
        CREATE TABLE devices (ordinal INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE);
        CREATE TABLE commits (
            number INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, writer BLOB NOT NULL,
            block INTEGER NOT NULL, id BLOB NOT NULL);
        CREATE TABLE blocks (
            ref INTEGER PRIMARY KEY, number INTEGER NOT NULL, id BLOB NOT NULL, value BLOB NOT NULL,
            first_chunk INTEGER NOT NULL, chunk_count INTEGER NOT NULL, UNIQUE (number, id));
        CREATE TABLE chunks (id INTEGER PRIMARY KEY, tag INTEGER NOT NULL, value BLOB NOT NULL);
        \(chunksByTag);
        CREATE TABLE versions (
            key BLOB NOT NULL, number INTEGER NOT NULL, ordinal INTEGER NOT NULL, value BLOB NOT NULL,
            block INTEGER NOT NULL, PRIMARY KEY (key, number, ordinal)) WITHOUT ROWID;
        CREATE INDEX versions_by_block ON versions (block);
        CREATE TABLE purges (
            key BLOB NOT NULL, number INTEGER NOT NULL, ordinal INTEGER NOT NULL,
            block INTEGER NOT NULL, killed INTEGER, PRIMARY KEY (key, number, ordinal)) WITHOUT ROWID;
        CREATE INDEX purges_by_block ON purges (block);
        CREATE INDEX purges_by_killed ON purges (killed);
        CREATE TABLE changes (
            number INTEGER NOT NULL, ordinal INTEGER NOT NULL, value BLOB NOT NULL,
            PRIMARY KEY (number, ordinal)) WITHOUT ROWID;
        INSERT INTO meta (id, value) VALUES (2, randomblob(16));
        PRAGMA user_version=3;
        COMMIT;
        """
}
