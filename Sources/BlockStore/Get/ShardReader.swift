import Chunker
import Erasure

/// A shard's header and table of contents, each checked against its own checksum and against the
/// name under which it was found.
struct ShardHead: Sendable {
    let header: ShardHeader
    let layout: ShardLayout
    let contents: TableOfContents
    let contentsBytes: [UInt8]
}

/// Reads parts of shards and checks every byte it hands on.
enum ShardReader {
    /// Reads and checks the header of `shard`, and that the file has the length the header implies.
    static func header(
        of shard: ShardName, on device: any Device, storeID: StoreID, from source: ReadSource = .cache
    ) throws(StoreError) -> (ShardHeader, ShardLayout) {
        let bytes = try bytes(of: shard, on: device, at: 0, count: ShardHeader.byteCount, from: source)
        let header: ShardHeader
        do throws(FormatError) {
            header = try bytes.withBytes { raw throws(FormatError) in try ShardHeader(parsing: raw) }
        } catch {
            throw failure(shard, device, error)
        }
        guard header.storeID == storeID else { throw corrupt(shard, device, "it belongs to store \(header.storeID)") }
        guard header.block.number == shard.number, header.block.id.prefix == shard.idPrefix, header.row == shard.row
        else { throw corrupt(shard, device, "it holds \(ShardName(header.block, header.row))") }
        let layout = ShardLayout(header)
        let found = try device.byteCount(of: shard)
        guard found == layout.byteCount || Mutant.isActive(.lengthUnchecked) else {
            throw corrupt(shard, device, "\(found ?? 0) bytes long, expected \(layout.byteCount)")
        }
        return (header, layout)
    }

    /// Reads and checks header and table of contents.
    static func head(
        of shard: ShardName, on device: any Device, storeID: StoreID, from source: ReadSource = .cache
    ) throws(StoreError) -> ShardHead {
        let (header, layout) = try header(of: shard, on: device, storeID: storeID, from: source)
        let bytes = try bytes(
            of: shard, on: device, at: layout.tableOfContents.lowerBound, count: layout.tableOfContents.count,
            from: source)
        let digest = Workspaces.shared.with { workspace in bytes.withUnsafeBytes { workspace.digest(of: $0) } }
        guard digest == header.tableOfContentsDigest || Mutant.isActive(.contentsUnchecked) else {
            throw corrupt(shard, device, "its table of contents fails its digest")
        }
        do throws(FormatError) {
            let contents = try TableOfContents(parsing: bytes, of: header.block)
            guard contents.payloadBytes <= UInt64(header.columnCount) * UInt64(header.payloadBytes) else {
                throw .invalid("table of contents: more payload than the block has")
            }
            return ShardHead(header: header, layout: layout, contents: contents, contentsBytes: bytes)
        } catch {
            throw failure(shard, device, error)
        }
    }

    /// Reads and checks the checksum table.
    static func checksums(
        of header: ShardHeader, _ layout: ShardLayout, _ shard: ShardName, on device: any Device,
        from source: ReadSource = .cache
    ) throws(StoreError) -> ChecksumTable {
        let bytes = try bytes(
            of: shard, on: device, at: layout.checksumTable.lowerBound, count: layout.checksumTable.count, from: source)
        do throws(FormatError) {
            return try ChecksumTable(parsing: bytes, for: header)
        } catch {
            throw failure(shard, device, error)
        }
    }

    /// Reads the cells `cells` of the payload into `buffer` and checks each one.
    static func cells(
        _ cells: Range<Int>, of header: ShardHeader, _ layout: ShardLayout, checkedBy table: ChecksumTable,
        _ shard: ShardName, on device: any Device, into buffer: UnsafeMutableRawBufferPointer,
        from source: ReadSource = .cache
    ) throws(StoreError) {
        let first = cells.lowerBound * Limits.cellBytes
        try device.read(shard, at: layout.payload.lowerBound + first, into: buffer, from: source)
        for cell in cells where !Mutant.isActive(.cellChecksumSkipped) && !Mutant.isActive(.repairUnproved) {
            let start = cell * Limits.cellBytes - first
            let end = min(start + Limits.cellBytes, header.payloadBytes - first)
            guard table.verify(UnsafeRawBufferPointer(rebasing: buffer[start..<end]), cell: cell) else {
                throw corrupt(shard, device, "64 KiB cell \(cell) of its payload fails its checksum")
            }
        }
    }

    /// Reads all of `shard` and tells what is wrong with it; nil when nothing is.
    ///
    /// - Throws: `.unsupported` alone: that is no damage.
    static func problem(
        with shard: ShardName, on device: any Device, storeID: StoreID, from source: ReadSource
    ) throws(StoreError) -> String? {
        do throws(StoreError) {
            let head = try head(of: shard, on: device, storeID: storeID, from: source)
            let table = try checksums(of: head.header, head.layout, shard, on: device, from: source)
            try footer(of: head.header, head.layout, shard, on: device, from: source)
            let stride = 64  // 4 MiB a read
            let buffer = Buffers.scratch.take()
            defer { Buffers.scratch.give(buffer) }
            let cellCount = table.cellCount
            var cell = 0
            while cell < cellCount {
                let end = min(cell + stride, cellCount)
                let bytes = min(end * Limits.cellBytes, head.header.payloadBytes) - cell * Limits.cellBytes
                try cells(
                    cell..<end, of: head.header, head.layout, checkedBy: table, shard, on: device,
                    into: buffer.slice(0..<bytes), from: source)
                cell = end
            }
            return nil
        } catch {
            if error.code == .unsupported { throw error }
            return error.code == .notFound ? "missing" : error.detail.isEmpty ? error.description : error.detail
        }
    }

    /// Whether every byte of `shard` on the medium is as this version would have written it.
    static func isSound(_ shard: ShardName, on device: any Device, storeID: StoreID) -> Bool {
        do throws(StoreError) {
            return try problem(with: shard, on: device, storeID: storeID, from: .medium) == nil
        } catch {
            return false
        }
    }

    static func footer(
        of header: ShardHeader, _ layout: ShardLayout, _ shard: ShardName, on device: any Device,
        from source: ReadSource
    ) throws(StoreError) {
        let bytes = try bytes(
            of: shard, on: device, at: layout.footer.lowerBound, count: layout.footer.count, from: source)
        do throws(FormatError) {
            try ShardFooter.check(bytes, for: header)
        } catch {
            throw failure(shard, device, error)
        }
    }

    private static func bytes(
        of shard: ShardName, on device: any Device, at offset: Int, count: Int, from source: ReadSource
    ) throws(StoreError) -> [UInt8] {
        let buffer = Buffer(byteCount: count)
        try device.read(shard, at: offset, into: buffer.bytes, from: source)
        return Array(buffer.bytes)
    }

    /// Damage, or something that a newer version wrote: its checksums hold, and it must not be taken for damage.
    private static func failure(_ shard: ShardName, _ device: any Device, _ error: FormatError) -> StoreError {
        guard case .unsupported = error, !Mutant.isActive(.newerFormatTakenForDamage) else {
            return corrupt(shard, device, error.description)
        }
        return StoreError(
            .unsupported, "read shard \(shard)", at: device.place, detail: error.description,
            advice: "use the version of bsctl that wrote it, or a later one")
    }

    private static func corrupt(_ shard: ShardName, _ device: any Device, _ detail: String) -> StoreError {
        StoreError(.corrupt, "read shard \(shard)", at: device.place, detail: detail)
    }
}

/// Buffers shared by everything that reads whole shards.
enum Buffers {
    /// 4 MiB.
    static let scratch = BufferPool(byteCount: 64 * Limits.cellBytes, kept: 8)
    /// As much, wherever it begins within a page; and two pages for the ends.
    static let direct = BufferPool(
        byteCount: 64 * Limits.cellBytes + 2 * DirectIO.pageBytes, kept: 8, isPageAligned: true)
    /// What was fetched from nodes ahead of who reads.
    static let stretches = BufferPool(byteCount: Limits.readAheadBytes, kept: 8)
    static let pages = BufferPool(byteCount: 2 * DirectIO.pageBytes, kept: 8, isPageAligned: true)
}

/// Hashing and compression states shared by the process.
enum Workspaces {
    static let shared = ResourcePool { ChunkWorkspace() }
}
