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
            let (found, place) = try chunk(statement.bytes(0))
            if found == digest { places.append(place) }
        }
        return places
    }

    /// Every place that holds the chunk `digest`, the newest first, each with the chunk's number in this index.
    func numberedPlaces(of digest: Digest) throws(StoreError) -> [(number: Int, place: ChunkPlace)] {
        try read { connection throws(StoreError) in
            let statement = try connection.statement("SELECT id, value FROM chunks WHERE tag = ? ORDER BY id DESC")
                .bind(1, Self.tag(of: digest))
            defer { statement.reset() }
            var places: [(number: Int, place: ChunkPlace)] = []
            while try statement.step() {
                let (found, place) = try Self.chunk(statement.bytes(1))
                if found == digest { places.append((Int(statement.integer(0)), place)) }
            }
            return places
        }
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
                let (digest, place) = try Self.chunk(statement.bytes(1))
                guard place.block == ref else { throw Self.corrupt("a block has chunks of another") }
                result.append((Int(statement.integer(0)), digest, place))
            }
            return result
        }
    }

    /// The first 8 bytes, so that the B-tree of tags stays small; the row has the whole digest.
    static func tag(of digest: Digest) -> Int64 { Int64(bitPattern: digest.words.0) }

    static func value(of entry: ChunkEntry, in block: BlockRef) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(entry.digest.bytes)
        writer.append(block.row)
        writer.append(entry.offset)
        writer.append(entry.storedBytes)
        writer.append(entry.plainBytes)
        writer.append(entry.codec.rawValue)
        writer.append(entry.storedChecksum)
        return encode(writer.bytes)
    }

    static func chunk(_ bytes: [UInt8]) throws(StoreError) -> (Digest, ChunkPlace) {
        try decode(bytes, "a chunk's row") { cursor throws(FormatError) in
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
}
