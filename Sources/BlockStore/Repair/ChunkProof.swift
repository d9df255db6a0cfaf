import Erasure

/// Compares what is to be written with the checksums of the chunks in it (design law 6).
///
/// Law 6 asks for the cells' checksums of everything that is read and for the chunks' of everything that comes of it: cells say
/// that a device gave back what was written to it, chunks that it was the right thing.
struct ChunkProof {
    let block: IndexedBlock
    let contents: TableOfContents
    /// Cells of data rows in memory.
    let held: (_ row: Row, _ cell: Int) -> UnsafeRawBufferPointer?
    /// Whether that cell is to be proved, and with it each chunk that touches it.
    let isWanted: (_ row: Row, _ cell: Int) -> Bool
    /// Cells that are not in memory: a chunk may go on in a neighbour.
    var reader: BlockReader

    /// Whether every chunk with a byte in a wanted cell is as it should be, and what is behind the last one zero: a repaired shard is
    /// byte-identical.
    ///
    /// - Throws: where the rest of a chunk cannot be had.
    mutating func holds() throws(StoreError) -> Bool {
        if Mutant.isActive(.repairUnproved) { return true }
        let total = block.columnCount * block.shardPayloadBytes
        guard contents.payloadBytes <= UInt64(total) else { return false }
        for chunk in contents.chunks {
            let start = Int(chunk.offset)
            let end = start + Int(chunk.storedBytes)
            guard end <= total else { return false }
            guard pieces(start..<end).contains(where: { isWanted($0.row, $0.cell) }) else { continue }
            var checksum = CRC32C()
            for piece in pieces(start..<end) { try update(&checksum, piece) }
            if checksum.value != chunk.storedChecksum { return false }
        }
        for piece in pieces(Int(contents.payloadBytes)..<total) where isWanted(piece.row, piece.cell) {
            guard let bytes = held(piece.row, piece.cell), bytes[piece.bytes].allSatisfy({ $0 == 0 }) else {
                return false
            }
        }
        return true
    }

    private mutating func update(_ checksum: inout CRC32C, _ piece: Piece) throws(StoreError) {
        if let bytes = held(piece.row, piece.cell) {
            return checksum.update(UnsafeRawBufferPointer(rebasing: bytes[piece.bytes]))
        }
        let scratch = Buffer(byteCount: piece.bytes.count)
        try reader.read(at: piece.offset, into: scratch.bytes)
        checksum.update(UnsafeRawBufferPointer(scratch.bytes))
    }

    /// A stretch of payload that lies in one cell.
    private struct Piece {
        /// Where it begins in the payload.
        let offset: Int
        let row: Row
        let cell: Int
        /// Within the cell.
        let bytes: Range<Int>
    }

    private func pieces(_ range: Range<Int>) -> [Piece] {
        var pieces: [Piece] = []
        var offset = range.lowerBound
        while offset < range.upperBound {
            let inShard = offset % block.shardPayloadBytes
            let first = inShard % Limits.cellBytes
            let room = min(Limits.cellBytes - first, block.shardPayloadBytes - inShard)
            let count = min(room, range.upperBound - offset)
            pieces.append(
                Piece(
                    offset: offset, row: .data(column: block.firstColumn + offset / block.shardPayloadBytes),
                    cell: inShard / Limits.cellBytes, bytes: first..<(first + count)))
            offset += count
        }
        return pieces
    }
}
