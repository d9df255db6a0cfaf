import Erasure

/// One CRC32C for each 64 KiB cell of a shard's payload (docs/format.md §4), seeded with the block's id,
/// the row and the cell's number, so that a cell in the wrong place fails.
struct ChecksumTable: Sendable, Hashable {
    private let seed: CRC32C.Seed
    private(set) var cells: [UInt32]

    static func byteCount(payloadBytes: Int) -> Int { 4 * Limits.cellCount(payloadBytes: payloadBytes) + 4 }

    var cellCount: Int { cells.count }

    /// Computes the table of `payload`.
    init(of payload: UnsafeRawBufferPointer, block: BlockID, row: Row) {
        seed = CRC32C.Seed(block: block, row: row)
        cells = []
        cells.reserveCapacity(Limits.cellCount(payloadBytes: payload.count))
        var start = 0
        while start < payload.count {
            let end = min(start + Limits.cellBytes, payload.count)
            let bytes = UnsafeRawBufferPointer(rebasing: payload[start..<end])
            cells.append(seed.checksum(ofCell: cells.count, bytes))
            start = end
        }
    }

    /// - Parameter bytes: as many as the header's payload asks for.
    init(parsing bytes: [UInt8], for header: ShardHeader) throws(FormatError) {
        seed = CRC32C.Seed(block: header.block.id, row: header.row)
        let count = Limits.cellCount(payloadBytes: header.payloadBytes)
        let seed = self.seed
        cells = try bytes.withBytes { raw throws(FormatError) in
            var cursor = ByteCursor(raw)
            let table = try cursor.next(bytes: 4 * count, "checksum table")
            let checksum = try cursor.next(UInt32.self, "checksum table")
            try cursor.finish("checksum table")
            guard checksum == seed.checksum(ofTable: table) else { throw .wrongChecksum("checksum table") }
            var values = ByteCursor(table)
            var cells: [UInt32] = []
            for _ in 0..<count { cells.append(try values.next(UInt32.self, "checksum table")) }
            return cells
        }
    }

    func verify(_ bytes: UnsafeRawBufferPointer, cell: Int) -> Bool {
        cells.indices.contains(cell) && seed.checksum(ofCell: cell, bytes) == cells[cell]
    }

    func encode() -> [UInt8] {
        var writer = ByteWriter()
        for cell in cells { writer.append(cell) }
        let checksum = writer.bytes.withUnsafeBytes { seed.checksum(ofTable: $0) }
        writer.append(checksum)
        return writer.bytes
    }
}

extension CRC32C {
    /// What the checksums of one shard begin with: block id, then row.
    struct Seed: Sendable, Hashable {
        private let bytes: [UInt8]

        init(block: BlockID, row: Row) {
            var writer = ByteWriter()
            writer.append(block)
            writer.append(row.encoded)
            bytes = writer.bytes
        }

        func checksum(ofCell cell: Int, _ payload: UnsafeRawBufferPointer) -> UInt32 {
            var checksum = CRC32C()
            checksum.update(bytes)
            withUnsafeBytes(of: UInt32(cell).littleEndian) { checksum.update($0) }
            checksum.update(payload)
            return checksum.value
        }

        func checksum(ofTable table: UnsafeRawBufferPointer) -> UInt32 {
            var checksum = CRC32C()
            checksum.update(bytes)
            checksum.update(table)
            return checksum.value
        }
    }
}
