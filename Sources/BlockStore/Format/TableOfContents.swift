import Chunker

/// One chunk's place in its block (docs/format.md §5).
struct ChunkEntry: Sendable, Hashable {
    let digest: Digest
    /// Where its stored bytes begin in the block's payload.
    let offset: UInt32
    let storedBytes: UInt32
    let plainBytes: UInt32
    let codec: Codec
    /// CRC32C of the stored bytes.
    let storedChecksum: UInt32
}

/// What a block contains: every shard carries the same copy (docs/format.md §5).
struct TableOfContents: Sendable, Hashable {
    static let magic: [UInt8] = Array("BSCONTS1".utf8)
    static let headBytes = 48
    static let chunkEntryBytes = 52

    let block: BlockName
    /// Payload bytes in use, before the padding of each shard.
    let payloadBytes: UInt64
    let chunks: [ChunkEntry]
    let records: [IdentifiedRecord]

    func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.append(Self.magic)
        writer.append(block)
        writer.append(payloadBytes)
        writer.append(UInt32(chunks.count))
        writer.append(UInt32(records.count))
        for chunk in chunks {
            writer.append(chunk.digest.bytes)
            writer.append(chunk.offset)
            writer.append(chunk.storedBytes)
            writer.append(chunk.plainBytes)
            writer.append(chunk.codec.rawValue)
            writer.zeros(3)
            writer.append(chunk.storedChecksum)
        }
        for record in records { record.encode(into: &writer) }
        return writer.bytes
    }

    init(block: BlockName, payloadBytes: UInt64, chunks: [ChunkEntry], records: [IdentifiedRecord]) {
        self.block = block
        self.payloadBytes = payloadBytes
        self.chunks = chunks
        self.records = records
    }

    /// - Parameter block: what the header of the shard says it is.
    init(parsing bytes: [UInt8], of block: BlockName) throws(FormatError) {
        self = try bytes.withBytes { raw throws(FormatError) in
            var cursor = ByteCursor(raw)
            return try TableOfContents(from: &cursor, of: block)
        }
    }

    private init(from cursor: inout ByteCursor, of block: BlockName) throws(FormatError) {
        let what = "table of contents"
        guard try cursor.next(bytes: 8, what).elementsEqual(Self.magic) else { throw .wrongMagic(what) }
        guard try cursor.nextBlockName(what) == block else { throw .invalid("\(what): it is of another block") }
        self.block = block
        payloadBytes = try cursor.next(UInt64.self, what)
        let chunkCount = try cursor.nextCount(what, maximum: Limits.contentsBytes / Self.chunkEntryBytes)
        let recordCount = try cursor.nextCount(what, maximum: Limits.contentsBytes / IdentifiedRecord.frameBytes)
        // Not more than the bytes that are there can hold: nothing is allocated by a false count.
        guard chunkCount * Self.chunkEntryBytes <= cursor.remaining else { throw .tooShort(what) }
        var chunks: [ChunkEntry] = []
        chunks.reserveCapacity(chunkCount)
        for _ in 0..<chunkCount { chunks.append(try Self.chunk(from: &cursor, within: payloadBytes)) }
        var records: [IdentifiedRecord] = []
        for _ in 0..<recordCount {
            if let record = try IdentifiedRecord(from: &cursor) { records.append(record) }
        }
        try cursor.finish(what)
        self.chunks = chunks
        self.records = records
    }

    private static func chunk(
        from cursor: inout ByteCursor, within payloadBytes: UInt64
    ) throws(FormatError) -> ChunkEntry {
        let what = "chunk entry"
        let digest = Digest(try cursor.next(bytes: Digest.byteCount, what))
        let offset = try cursor.next(UInt32.self, what)
        let storedBytes = try cursor.next(UInt32.self, what)
        let plainBytes = try cursor.next(UInt32.self, what)
        let code = try cursor.next(UInt8.self, what)
        try cursor.zeros(3, "\(what)'s flags")
        let checksum = try cursor.next(UInt32.self, what)
        guard let codec = Codec(rawValue: code) else { throw .unsupported("codec \(code)") }
        guard plainBytes >= 1, plainBytes <= UInt32(Limits.plainChunkBytes), storedBytes >= 1,
            storedBytes <= plainBytes, codec != .stored || storedBytes == plainBytes,
            UInt64(offset) + UInt64(storedBytes) <= payloadBytes
        else { throw .invalid(what) }
        return ChunkEntry(
            digest: digest, offset: offset, storedBytes: storedBytes, plainBytes: plainBytes, codec: codec,
            storedChecksum: checksum)
    }
}
