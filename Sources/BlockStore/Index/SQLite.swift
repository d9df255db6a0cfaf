import CSQLite

/// One connection to a database. One thread at a time: `Index` hands them out.
final class Connection {
    private let handle: OpaquePointer
    private var statements: [String: Statement] = [:]

    /// - Parameter path: a file, or ":memory:".
    init(path: String) throws(StoreError) {
        var handle: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE
        let status = sqlite3_open_v2(path, &handle, flags, nil)
        guard let handle, status == SQLITE_OK else {
            if let handle { sqlite3_close_v2(handle) }
            throw Self.error(status, "open the index", String(cString: sqlite3_errstr(status)))
        }
        self.handle = handle
        sqlite3_extended_result_codes(handle, 1)
        sqlite3_busy_timeout(handle, 60_000)
    }

    deinit {
        statements.removeAll()
        sqlite3_close_v2(handle)
    }

    /// Runs statements that return nothing of interest.
    func run(_ sql: String) throws(StoreError) {
        let status = sqlite3_exec(handle, sql, nil, nil, nil)
        if status != SQLITE_OK { throw failure(status) }
    }

    /// A statement ready to be bound and stepped; compiled once per connection.
    func statement(_ sql: String) throws(StoreError) -> Statement {
        if let statement = statements[sql] {
            statement.reset()
            return statement
        }
        var pointer: OpaquePointer?
        let status = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &pointer, nil)
        guard status == SQLITE_OK, let pointer else { throw failure(status) }
        let statement = Statement(pointer, self)
        statements[sql] = statement
        return statement
    }

    /// Runs `body` in one transaction: everything or nothing.
    func transaction(_ body: () throws(StoreError) -> Void) throws(StoreError) {
        try run("BEGIN IMMEDIATE")
        do throws(StoreError) {
            try body()
            try run("COMMIT")
        } catch {
            resetAll()
            try? run("ROLLBACK")
            throw error
        }
    }

    /// Every statement that was run here, in the order of their texts. For tests of what stays flat.
    var work: [StatementWork] {
        statements.sorted { $0.key < $1.key }.map { sql, statement in
            StatementWork(
                sql: sql, steps: statement.count(SQLITE_STMTSTATUS_VM_STEP),
                scannedRows: statement.count(SQLITE_STMTSTATUS_FULLSCAN_STEP),
                sorts: statement.count(SQLITE_STMTSTATUS_SORT))
        }
    }

    func resetAll() { for statement in statements.values { statement.reset() } }

    func setCache(_ byteCount: Int) throws(StoreError) { try run("PRAGMA cache_size=-\(byteCount >> 10)") }

    var lastRow: Int64 { sqlite3_last_insert_rowid(handle) }

    /// The whole database, as the file would be.
    func serialize() throws(StoreError) -> [UInt8] {
        var size: sqlite3_int64 = 0
        guard let bytes = sqlite3_serialize(handle, "main", &size, 0) else { return [] }
        defer { sqlite3_free(bytes) }
        return Array(UnsafeBufferPointer(start: bytes, count: Int(size)))
    }

    /// Copies the whole database into a new file at `path`.
    func copy(to path: String) throws(StoreError) {
        let target = try Connection(path: path)
        guard let backup = sqlite3_backup_init(target.handle, "main", handle, "main") else {
            throw target.failure(sqlite3_errcode(target.handle))
        }
        let status = sqlite3_backup_step(backup, -1)
        let end = sqlite3_backup_finish(backup)
        guard status == SQLITE_DONE, end == SQLITE_OK else {
            throw target.failure(status == SQLITE_DONE ? end : status)
        }
    }

    /// Replaces the (in-memory) database.
    func deserialize(_ bytes: [UInt8]) throws(StoreError) {
        guard let copy = sqlite3_malloc64(UInt64(max(1, bytes.count))) else {
            throw StoreError(.io, "load the index", detail: "out of memory")
        }
        bytes.withUnsafeBytes { raw in
            if let base = raw.baseAddress { copy.copyMemory(from: base, byteCount: raw.count) }
        }
        let flags = UInt32(SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE)
        let count = sqlite3_int64(bytes.count)
        let status = sqlite3_deserialize(
            handle, "main", copy.assumingMemoryBound(to: UInt8.self), count, count, flags)
        if status != SQLITE_OK { throw failure(status) }
    }

    func failure(_ status: Int32) -> StoreError {
        Self.error(status, "use the index", String(cString: sqlite3_errmsg(handle)))
    }

    private static func error(_ status: Int32, _ operation: String, _ message: String) -> StoreError {
        let code: StoreError.Code =
            switch status & 0xff {
            case SQLITE_FULL: .noSpace
            // The memory shared between its processes is a file beside the index.
            case SQLITE_IOERR where status == Self.sharedMemorySize: .noSpace
            // The statements are right: one that does not fit the tables has found other tables.
            case SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_FORMAT, SQLITE_ERROR, SQLITE_MISMATCH, SQLITE_CONSTRAINT:
                .indexDamaged
            case SQLITE_BUSY, SQLITE_LOCKED: .locked
            default: .io
            }
        let advice: String? =
            switch code {
            case .indexDamaged: "the shards hold everything: bsctl index rebuild"
            case .noSpace: "make room on the disk of the store's home"
            default: nil
            }
        return StoreError(
            code, operation, detail: code == .noSpace ? "no space left for it (\(message))" : message, advice: advice)
    }

    /// SQLITE_IOERR_SHMSIZE, a macro that Swift cannot see.
    private static let sharedMemorySize = SQLITE_IOERR | 19 << 8
}

/// What a statement has done so far.
struct StatementWork {
    let sql: String
    /// Instructions of SQLite's machine: a look-up takes as many in a large table as in a small one.
    let steps: Int
    /// Rows that a whole table was walked over for.
    let scannedRows: Int
    let sorts: Int
}

/// A compiled statement. Bind from 1, step, read columns from 0.
final class Statement {
    private let pointer: OpaquePointer
    private unowned let connection: Connection

    init(_ pointer: OpaquePointer, _ connection: Connection) {
        self.pointer = pointer
        self.connection = connection
    }

    deinit { sqlite3_finalize(pointer) }

    func reset() { sqlite3_reset(pointer) }

    fileprivate func count(_ counter: Int32) -> Int { Int(sqlite3_stmt_status(pointer, counter, 0)) }

    @discardableResult
    func bind(_ index: Int32, _ value: Int64) -> Statement {
        sqlite3_bind_int64(pointer, index, value)
        return self
    }

    @discardableResult
    func bind(_ index: Int32, _ value: Int) -> Statement { bind(index, Int64(value)) }

    /// Copies the bytes.
    @discardableResult
    func bind(_ index: Int32, _ bytes: [UInt8]) -> Statement {
        let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        bytes.withUnsafeBytes { raw in
            // An empty blob must not become NULL.
            if let base = raw.baseAddress, raw.count > 0 {
                _ = sqlite3_bind_blob64(pointer, index, base, UInt64(raw.count), transient)
            } else {
                _ = sqlite3_bind_zeroblob(pointer, index, 0)
            }
        }
        return self
    }

    /// Binds bytes where they are: they must stay until the statement is reset or bound anew.
    @discardableResult
    func bind(_ index: Int32, lasting bytes: UnsafeRawBufferPointer) -> Statement {
        // A null destructor: SQLITE_STATIC.
        sqlite3_bind_blob64(pointer, index, bytes.baseAddress, UInt64(bytes.count), nil)
        return self
    }

    /// Goes to the next row; false at the end, when the statement is ready to be used again.
    func step() throws(StoreError) -> Bool {
        let status = sqlite3_step(pointer)
        switch status {
        case SQLITE_ROW: return true
        case SQLITE_DONE:
            sqlite3_reset(pointer)
            return false
        default:
            let error = connection.failure(status)
            sqlite3_reset(pointer)
            throw error
        }
    }

    /// Runs a statement that returns no rows.
    func run() throws(StoreError) {
        while try step() {}
    }

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(pointer, column) }

    /// The bytes of a column where they are. `body` must not step or reset the statement.
    func withBytes<Value>(
        _ column: Int32, _ body: (UnsafeRawBufferPointer) throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        // The count after the bytes: these may be converted.
        let base = sqlite3_column_blob(pointer, column)
        let count = base == nil ? 0 : Int(sqlite3_column_bytes(pointer, column))
        return try body(UnsafeRawBufferPointer(start: base, count: count))
    }

    func bytes(_ column: Int32) -> [UInt8] {
        let count = Int(sqlite3_column_bytes(pointer, column))
        guard count > 0, let base = sqlite3_column_blob(pointer, column) else { return [] }
        return Array(UnsafeRawBufferPointer(start: base, count: count))
    }
}

extension Index {
    /// Lets SQLite do without an account of its memory, for which all threads of a process take turns at each piece of it. For
    /// programs, before they open anything: a library must not decide that for others who use SQLite.
    public static func prepareProcess() { _ = bs_sqlite_without_statistics() }
}
