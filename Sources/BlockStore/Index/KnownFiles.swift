import Chunker

/// Files that were read in full and what they held: a database beside the index (`files.db`), made anew when it is lost.
///
/// Each row is true for good, whatever becomes of the store: the file that had this stamp had this manifest. So it needs no
/// syncing, and rows that are old, missing or come back after a power cut do no harm. Each has a CRC over all its fields.
/// Whether the chunks are there still is for the reader of a row to find out.
///
/// Grows to 1 GiB at most, some seven million files: then no more are taken. What no put met for 90 days goes. Use from one
/// thread.
public final class KnownFiles {
    private let connection: Connection
    /// Rows that were met and say so of a time long ago.
    private var met: [FileStamp] = []
    private var isPruned = false
    /// Whether there is anything; nil until somebody asks.
    private var hasFiles: Bool?
    private static let keptDays: Int64 = 90
    /// To note each day of each file would be a write for each file and day.
    private static let notedDays: UInt64 = 7

    /// - Parameter path: of the database, made where there is none; nil for one in memory.
    /// - Throws: `.indexDamaged` for anything else.
    init(path: String?, maximumBytes: Int = Limits.knownFilesBytes) throws(StoreError) {
        connection = try Connection(path: path ?? ":memory:")
        if path != nil {
            // One process at a time has it, the holder of the writer lock: no memory is shared, nothing waits.
            try connection.run(
                "PRAGMA busy_timeout=0; PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF")
            try connection.setCache(Limits.knownFilesCacheBytes)
        }
        try connection.run("PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF")
        let version = try connection.statement("PRAGMA user_version")
        let found = try version.step() ? version.integer(0) : 0
        version.reset()
        if found == 0 { try connection.run(Self.creation) }
        guard found == 0 || found == Self.version else {
            throw Index.corrupt("the known files have version \(found), expected \(Self.version)")
        }
        try connection.run("PRAGMA max_page_count=\(maximumBytes / 4096)")
    }

    /// What the files held that had these stamps; nil where nothing is known of the file, or of it as it is now.
    ///
    /// - Parameter day: today.
    /// - Complexity: a look-up for each, in one view of the database.
    func manifests(of stamps: [FileStamp], day: Int64) throws(StoreError) -> [Manifest?] {
        guard try isOfUse() else { return [Manifest?](repeating: nil, count: stamps.count) }
        try connection.run("BEGIN")
        defer {
            connection.resetAll()
            try? connection.run("END")
        }
        let statement = try connection.statement(
            "SELECT value, seen FROM files WHERE device = ? AND inode = ?")
        var result: [Manifest?] = []
        result.reserveCapacity(stamps.count)
        for stamp in stamps {
            statement.bind(1, Int64(bitPattern: stamp.device)).bind(2, Int64(bitPattern: stamp.inode))
            guard try statement.step() else {
                result.append(nil)
                continue
            }
            let manifest = try statement.withBytes(0) { row throws(StoreError) in try Self.manifest(of: stamp, row) }
            if manifest != nil, (day &- statement.integer(1)).magnitude > Self.notedDays { met.append(stamp) }
            result.append(manifest)
            statement.reset()
        }
        return result
    }

    /// Most first puts of a store find nothing, and need not ask for each file.
    private func isOfUse() throws(StoreError) -> Bool {
        if let hasFiles { return hasFiles }
        let statement = try connection.statement("SELECT 1 FROM files LIMIT 1")
        defer { statement.reset() }
        let found = try statement.step()
        hasFiles = found
        return found
    }

    /// Enters files, each in place of what was known of it, all or none. Throws `.noSpace` where the database has its full size.
    func remember(_ files: [(stamp: FileStamp, manifest: Manifest)], day: Int64) throws(StoreError) {
        guard !files.isEmpty || !met.isEmpty else { return }
        // By itself: it makes the room that may be missing for the rest.
        try connection.transaction { () throws(StoreError) in
            if !isPruned {
                try connection.statement("DELETE FROM files WHERE seen < ?").bind(1, day &- Self.keptDays).run()
                isPruned = true
            }
            let renewal = try connection.statement("UPDATE files SET seen = ? WHERE device = ? AND inode = ?")
            for stamp in met {
                try renewal.bind(1, day).bind(2, Int64(bitPattern: stamp.device))
                    .bind(3, Int64(bitPattern: stamp.inode)).run()
            }
        }
        met = []
        hasFiles = nil
        try connection.transaction { () throws(StoreError) in
            var rows = RowInserter(
                connection, "files", ["device", "inode", "seen", "value"], onConflict: .replaces)
            // In the order in which they lie.
            let inOrder = files.sorted { ($0.stamp.device, $0.stamp.inode) < ($1.stamp.device, $1.stamp.inode) }
            for (stamp, manifest) in inOrder {
                rows.append(Int64(bitPattern: stamp.device))
                rows.append(Int64(bitPattern: stamp.inode))
                rows.append(day)
                rows.append { Self.encode(stamp, manifest, into: &$0) }
                try rows.endRow()
            }
            try rows.flush()
        }
    }

    /// Size, times, manifest, and the CRC over device, inode and these.
    private static func encode(_ stamp: FileStamp, _ manifest: Manifest, into writer: inout ByteWriter) {
        Index.encode(into: &writer, context: context(stamp)) { writer in
            writer.append(stamp.byteCount)
            writer.append(stamp.modifiedNanoseconds)
            writer.append(stamp.changedNanoseconds)
            manifest.encode(into: &writer)
        }
    }

    /// The manifest in the row of a file; nil when it was another then.
    private static func manifest(
        of stamp: FileStamp, _ row: UnsafeRawBufferPointer
    ) throws(StoreError) -> Manifest? {
        guard row.count >= 4 else { throw Index.corrupt("a known file's row is too short") }
        let body = UnsafeRawBufferPointer(rebasing: row[..<(row.count - 4)])
        let found = UInt32(littleEndian: row.loadUnaligned(fromByteOffset: body.count, as: UInt32.self))
        var checksum = context(stamp)
        checksum.update(body)
        guard checksum.value == found else { throw Index.corrupt("a known file's row fails its checksum") }
        do throws(FormatError) {
            var cursor = ByteCursor(body)
            let byteCount = try cursor.next(UInt64.self, "size")
            let modified = try cursor.next(Int64.self, "time")
            let changed = try cursor.next(Int64.self, "time")
            let isSame =
                byteCount == stamp.byteCount && modified == stamp.modifiedNanoseconds
                && changed == stamp.changedNanoseconds
            guard isSame else { return nil }
            let manifest = try Manifest(from: &cursor, covering: byteCount)
            try cursor.finish("known file")
            return manifest
        } catch {
            throw Index.corrupt("a known file's row: \(error.description)")
        }
    }

    /// What the CRC of a row covers beside its value.
    private static func context(_ stamp: FileStamp) -> CRC32C {
        var place = (stamp.device.littleEndian, stamp.inode.littleEndian)
        var checksum = CRC32C()
        withUnsafeBytes(of: &place) { checksum.update($0) }
        return checksum
    }

    private static let version: Int64 = 1

    /// `seen` is the day of a put that met the file, to within a week.
    private static let creation = """
        BEGIN;
        CREATE TABLE files (
            device INTEGER NOT NULL, inode INTEGER NOT NULL, seen INTEGER NOT NULL, value BLOB NOT NULL,
            PRIMARY KEY (device, inode)) WITHOUT ROWID;
        CREATE INDEX files_by_seen ON files (seen);
        PRAGMA user_version=\(version);
        COMMIT;
        """
}
