import Chunker
import Erasure

/// What every shard says about itself, under its own checksum (docs/format.md §3).
///
/// No field depends on device, path, time or attempt, so that a repaired shard is byte-identical.
struct ShardHeader: Sendable, Hashable {
    static let byteCount = 256
    static let magic: [UInt8] = Array("BSSHARD1".utf8)
    static let version: UInt16 = 1
    /// SHA-256.
    static let digestIdentifier: UInt8 = 1

    let storeID: StoreID
    let block: BlockName
    /// Data columns of the block: `firstColumn ..< firstColumn + columnCount`.
    let columnCount: Int
    let firstColumn: Int
    let row: Row
    /// Bytes of payload in this and every other shard of the block; a multiple of 64.
    let payloadBytes: Int
    let tableOfContentsBytes: Int
    /// SHA-256 of the table of contents.
    let tableOfContentsDigest: Digest

    func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.append(Self.magic)
        writer.append(Self.version)
        writer.append(UInt16(Self.byteCount))
        writer.zeros(12)  // compatible, read-only and incompatible features
        writer.append(storeID)
        writer.append(block)
        writer.append(UInt8(columnCount))
        writer.append(UInt8(firstColumn))
        writer.append(row.encoded)
        writer.append(CodingMatrix.identifier)
        writer.append(Self.digestIdentifier)
        writer.append(UInt32(payloadBytes))
        writer.zeros(4)  // payload offset
        writer.append(UInt32(Limits.cellBytes))
        writer.append(UInt32(tableOfContentsBytes))
        writer.zeros(8)  // codec of the contents, cipher, key
        writer.append(tableOfContentsDigest.bytes)
        writer.zeros(Self.byteCount - 4 - writer.bytes.count)
        writer.appendChecksum()
        return writer.bytes
    }

    init(
        storeID: StoreID, block: BlockName, columnCount: Int, firstColumn: Int, row: Row, payloadBytes: Int,
        tableOfContentsBytes: Int, tableOfContentsDigest: Digest
    ) {
        self.storeID = storeID
        self.block = block
        self.columnCount = columnCount
        self.firstColumn = firstColumn
        self.row = row
        self.payloadBytes = payloadBytes
        self.tableOfContentsBytes = tableOfContentsBytes
        self.tableOfContentsDigest = tableOfContentsDigest
    }

    /// - Parameter bytes: exactly 256.
    init(parsing bytes: UnsafeRawBufferPointer) throws(FormatError) {
        var cursor = ByteCursor(bytes)
        guard try cursor.next(bytes: 8, "header").elementsEqual(Self.magic) else { throw .wrongMagic("shard") }
        guard bytes.count == Self.byteCount else { throw .invalid("header length") }
        // The checksum first: it stands there in every version, so that a newer one is told from damage.
        let covered = UnsafeRawBufferPointer(rebasing: bytes[..<(Self.byteCount - 4)])
        var end = ByteCursor(UnsafeRawBufferPointer(rebasing: bytes[(Self.byteCount - 4)...]))
        guard try end.next(UInt32.self, "header") == CRC32C.of(covered) else { throw .wrongChecksum("header") }
        let version = try cursor.next(UInt16.self, "header")
        guard version == Self.version else { throw .unsupported("shard version \(version)") }
        guard try cursor.next(UInt16.self, "header") == UInt16(Self.byteCount) else { throw .invalid("header length") }
        // A compatible feature is one that an older reader may pass over; the read-only mask matters
        // to writers alone, and a shard is never written twice.
        _ = try cursor.next(UInt64.self, "header")
        let features = try cursor.next(UInt32.self, "header")
        guard features == 0 else { throw .unsupported("features \(features)") }
        storeID = try cursor.next(StoreID.self, "header")
        block = try cursor.nextBlockName("header")
        columnCount = Int(try cursor.next(UInt8.self, "header"))
        firstColumn = Int(try cursor.next(UInt8.self, "header"))
        let row = try cursor.next(bytes: 4, "header")
        let matrix = try cursor.next(UInt8.self, "header")
        guard matrix == CodingMatrix.identifier else { throw .unsupported("coding matrix \(matrix)") }
        let digest = try cursor.next(UInt8.self, "header")
        guard digest == Self.digestIdentifier else { throw .unsupported("digest \(digest)") }
        payloadBytes = try cursor.nextCount("shard payload", maximum: Limits.shardPayloadBytes)
        try cursor.zeros(4, "payload offset")
        let cellBytes = try cursor.next(UInt32.self, "header")
        guard cellBytes == UInt32(Limits.cellBytes) else { throw .unsupported("cells of \(cellBytes) bytes") }
        tableOfContentsBytes = try cursor.nextCount("table of contents", maximum: Limits.contentsBytes)
        try cursor.zeros(8, "codec or cipher")
        tableOfContentsDigest = Digest(try cursor.next(bytes: Digest.byteCount, "header"))
        try cursor.zeros(Self.byteCount - 4 - cursor.offset, "reserved room")
        guard columnCount >= 1, firstColumn + columnCount <= CodingMatrix.dataColumns else {
            throw .invalid("data columns")
        }
        guard let row = Row(kind: row[0], index: row[1], first: row[2], end: row[3]) else { throw .invalid("row") }
        self.row = row
        let columns = firstColumn..<(firstColumn + columnCount)
        switch row {
        case .data(let column):
            guard columns.contains(column) else { throw .invalid("row: column \(column) of \(columns)") }
        case .parity(_, let span):
            guard columns.contains(span.lowerBound), columns.upperBound >= span.upperBound else {
                throw .invalid("row: parity over \(span) of \(columns)")
            }
        }
        guard payloadBytes % 64 == 0 else { throw .invalid("shard payload of \(payloadBytes) bytes") }
        guard block.number != .none else { throw .invalid("block number 0") }
    }

    var columns: Range<Int> { firstColumn..<(firstColumn + columnCount) }
}
