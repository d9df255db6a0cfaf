import Chunker

extension Index {
    /// Every place that holds the chunk `digest`, the newest first.
    func places(of digest: Digest) throws(StoreError) -> [ChunkPlace] {
        try read { connection throws(StoreError) in try Self.places(of: digest, connection) }
    }

    static func places(of digest: Digest, _ connection: Connection) throws(StoreError) -> [ChunkPlace] {
        let statement = try connection.statement("SELECT value FROM chunks WHERE tag = ? ORDER BY id DESC")
            .bind(1, tag(of: digest))
        var places: [ChunkPlace] = []
        while try statement.step() {
            let (found, place) = try chunk(statement, 0)
            if found == digest { places.append(place) }
        }
        return places
    }

    /// Where a chunk of many stands, with its number in this index.
    struct NumberedPlace {
        /// Which of the digests that were asked for.
        let position: Int
        let number: Int
        let place: ChunkPlace

        var block: BlockRef { place.block }
    }

    /// Every place of each of `digests`, ordered by their positions; of one digest the newest first.
    ///
    /// - Complexity: the index of tags and the rows are read in the order in which they lie, so that of a long list no page is
    ///   read twice; beside the result 24 bytes a digest.
    func numberedPlaces(of digests: some RandomAccessCollection<Digest>) throws(StoreError) -> [NumberedPlace] {
        try read { connection throws(StoreError) in
            // One view for all of them: to begin anew for each would cost more than the look.
            try connection.run("BEGIN")
            defer {
                connection.resetAll()
                try? connection.run("END")
            }
            let digests = Array(digests)
            var places: [NumberedPlace] = []
            let rows = try Self.rows(of: digests, connection)
            let statement = try connection.statement(
                "SELECT id, value FROM chunks WHERE id >= ? AND id <= ? ORDER BY id")
            var next = 0
            while next < rows.count {
                // Neighbours in one go.
                var last = next
                while last + 1 < rows.count, rows[last + 1].number - rows[last].number <= 1 { last += 1 }
                statement.bind(1, rows[next].number).bind(2, rows[last].number)
                while try statement.step() {
                    let number = Int(statement.integer(0))
                    let (digest, place) = try Self.chunk(statement, 1)
                    while next <= last, rows[next].number == number {
                        if digests[rows[next].position] == digest {
                            places.append(
                                NumberedPlace(position: rows[next].position, number: number, place: place))
                        }
                        next += 1
                    }
                }
                guard next > last else { throw Self.corrupt("a tag leads to no chunk") }
            }
            return places.sorted { ($0.position, $1.number) < ($1.position, $0.number) }
        }
    }

    /// The numbers of all rows with the tags of `digests`, ascending, each with the position of its digest.
    private static func rows(
        of digests: [Digest], _ connection: Connection
    ) throws(StoreError) -> [(number: Int, position: Int)] {
        let statement = try connection.statement("SELECT id FROM chunks WHERE tag = ?")
        var rows: [(number: Int, position: Int)] = []
        rows.reserveCapacity(digests.count)
        for (tag, position) in digests.enumerated().map({ (tag(of: $1), $0) }).sorted(by: { $0 < $1 }) {
            statement.bind(1, tag)
            while try statement.step() { rows.append((Int(statement.integer(0)), position)) }
        }
        rows.sort { $0 < $1 }
        return rows
    }

    /// The chunks of a block, in the order packed. Their numbers in this index ascend by one.
    func chunks(in ref: BlockRef) throws(StoreError) -> [(number: Int, digest: Digest, place: ChunkPlace)] {
        try read { connection throws(StoreError) in
            let statement = try connection.statement(
                """
                SELECT chunks.id, chunks.value FROM blocks JOIN chunks
                ON chunks.id >= first_chunk AND chunks.id < first_chunk + chunk_count
                WHERE ref = ? ORDER BY chunks.id
                """
            ).bind(1, ref.row)
            var result: [(number: Int, digest: Digest, place: ChunkPlace)] = []
            while try statement.step() {
                let (digest, place) = try Self.chunk(statement, 1)
                guard place.block == ref else { throw Self.corrupt("a block has chunks of another") }
                result.append((Int(statement.integer(0)), digest, place))
            }
            return result
        }
    }

    /// The first 8 bytes, so that the B-tree of tags stays small; the row has the whole digest.
    static func tag(of digest: Digest) -> Int64 { Int64(bitPattern: digest.words.0) }

    /// The chunk in a column of a statement's row. Read by the million: nothing is copied or allocated.
    static func chunk(
        _ statement: Statement, _ column: Int32
    ) throws(StoreError) -> (digest: Digest, place: ChunkPlace) {
        try statement.withBytes(column) { row throws(StoreError) in
            guard row.count == ChunkRow.byteCount else { throw corrupt("a chunk's row has another length") }
            let body = UnsafeRawBufferPointer(rebasing: row[..<ChunkRow.bodyBytes])
            var checksum = CRC32C()
            checksum.update(body)
            let found = UInt32(littleEndian: row.loadUnaligned(fromByteOffset: ChunkRow.bodyBytes, as: UInt32.self))
            guard checksum.value == found else { throw corrupt("a chunk's row fails its checksum") }
            do throws(FormatError) {
                return try ChunkRow.parse(body)
            } catch {
                throw corrupt("a chunk's row: \(error.description)")
            }
        }
    }
}

/// A chunk's row: digest, block, offset, stored bytes, plain bytes, codec, checksum, and the CRC of all that.
///
/// Holds the bytes of one row at a time, to be bound where they are.
final class ChunkRow {
    static let bodyBytes = 57
    static let byteCount = bodyBytes + 4

    private let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 8)

    deinit { bytes.deallocate() }

    /// The row of `entry`; until the next call.
    func value(of entry: ChunkEntry, in block: BlockRef) -> UnsafeRawBufferPointer {
        entry.digest.write(to: bytes)
        bytes.storeBytes(of: block.row.littleEndian, toByteOffset: 32, as: Int64.self)
        bytes.storeBytes(of: entry.offset.littleEndian, toByteOffset: 40, as: UInt32.self)
        bytes.storeBytes(of: entry.storedBytes.littleEndian, toByteOffset: 44, as: UInt32.self)
        bytes.storeBytes(of: entry.plainBytes.littleEndian, toByteOffset: 48, as: UInt32.self)
        bytes.storeBytes(of: entry.codec.rawValue, toByteOffset: 52, as: UInt8.self)
        bytes.storeBytes(of: entry.storedChecksum.littleEndian, toByteOffset: 53, as: UInt32.self)
        var checksum = CRC32C()
        checksum.update(UnsafeRawBufferPointer(rebasing: bytes[..<Self.bodyBytes]))
        bytes.storeBytes(of: checksum.value.littleEndian, toByteOffset: Self.bodyBytes, as: UInt32.self)
        return UnsafeRawBufferPointer(bytes)
    }

    fileprivate static func parse(
        _ body: UnsafeRawBufferPointer
    ) throws(FormatError) -> (digest: Digest, place: ChunkPlace) {
        var cursor = ByteCursor(body)
        let digest = Digest(try cursor.next(bytes: Digest.byteCount, "digest"))
        let block = BlockRef(row: try cursor.next(Int64.self, "block"))
        let offset = Int(try cursor.next(UInt32.self, "offset"))
        let storedBytes = try cursor.nextCount("stored bytes", maximum: Limits.plainChunkBytes)
        let plainBytes = try cursor.nextCount("plain bytes", maximum: Limits.plainChunkBytes)
        let code = try cursor.next(UInt8.self, "codec")
        let checksum = try cursor.next(UInt32.self, "checksum")
        guard let codec = Codec(rawValue: code) else { throw .unsupported("codec \(code)") }
        return (
            digest,
            ChunkPlace(
                block: block, offset: offset, storedBytes: storedBytes, plainBytes: plainBytes, codec: codec,
                storedChecksum: checksum)
        )
    }
}
