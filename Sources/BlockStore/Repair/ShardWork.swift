import Chunker
import Erasure

/// Where the cells of a block are in memory, for those that are.
struct CellMap {
    private let cellCount: Int
    private var places: [Row: [UnsafeMutableRawBufferPointer?]] = [:]

    init(_ cellCount: Int) { self.cellCount = cellCount }

    subscript(row: Row, cell: Int) -> UnsafeMutableRawBufferPointer? {
        get { places[row]?[cell] }
        set { places[row, default: Array(repeating: nil, count: cellCount)][cell] = newValue }
    }
}

/// What is left of a shard that is to be repaired. Made on its device's lane.
struct OldShard: Sendable {
    let row: Row
    let device: DeviceID
    /// Cells that fail their checksums; all of them where there is nothing to check them by.
    private(set) var bad: Set<Int>
    /// Whether all of it was read from the medium and passes every check.
    private(set) var isWhole = false
    /// A newer version wrote it: it must not be replaced.
    private(set) var unsupported: StoreError?
    private(set) var readBytes: UInt64 = 0
    private var checksums: ChecksumTable?
    private var contentsDigest: Digest?

    /// Reads what is there, the sound cells into `buffer`.
    init(
        _ row: Row, of block: IndexedBlock, on id: DeviceID, _ engine: Engine,
        into buffer: UnsafeMutableRawBufferPointer
    ) {
        self.row = row
        device = id
        let all = 0..<Limits.cellCount(payloadBytes: block.shardPayloadBytes)
        bad = Set(all)
        guard let device = engine.devices.readable(id) else { return }
        do throws(StoreError) {
            let shard = try OpenShard(row, of: block, on: device, storeID: engine.storeID, from: .medium)
            checksums = shard.table
            readBytes = UInt64(block.shardPayloadBytes)
            bad = shard.readSound(all, into: buffer).bad
            let head = try ShardReader.head(of: shard.name, on: device, storeID: engine.storeID, from: .medium)
            contentsDigest = head.header.tableOfContentsDigest
            try ShardReader.footer(of: shard.header, shard.layout, shard.name, on: device, from: .medium)
            isWhole = bad.isEmpty
            if Mutant.isActive(.damagedCellCopied) { bad = [] }
        } catch {
            if error.code == .unsupported { unsupported = error }
        }
    }

    /// Whether it is, byte for byte, what would be written.
    func `is`(_ file: ShardFile, _ header: ShardHeader) -> Bool {
        isWhole && checksums == file.checksums && contentsDigest == header.tableOfContentsDigest
    }
}

/// Why some cells of a source cannot be used, and which. Made on its device's lane.
struct SourceProblem: Sendable {
    let cells: Set<Int>
    let error: StoreError

    /// Reads cells of a shard into `buffer`, each stretch to where it should be; nil when every one passes its check.
    init?(
        reading parts: [(cells: Range<Int>, offset: Int)], of row: Row, _ block: IndexedBlock, on id: DeviceID,
        _ engine: Engine, into buffer: Buffer
    ) {
        var bad: Set<Int> = []
        var problem: StoreError?
        do throws(StoreError) {
            guard let device = engine.devices.readable(id) else {
                throw StoreError(.notFound, "read shard \(ShardName(block.name, row))", detail: "its device is away")
            }
            let shard = try OpenShard(row, of: block, on: device, storeID: engine.storeID, from: .passing)
            for part in parts {
                let count = Limits.bytes(ofCells: part.cells, payloadBytes: block.shardPayloadBytes)
                let found = shard.readSound(part.cells, into: buffer.slice(part.offset..<(part.offset + count)))
                bad.formUnion(found.bad)
                problem = problem ?? (found.bad.isEmpty ? nil : found.problem)
            }
        } catch {
            bad = Set(0..<Limits.cellCount(payloadBytes: block.shardPayloadBytes))
            problem = error
        }
        guard let problem else { return nil }
        cells = bad
        error = problem
    }
}

/// How writing a shard went, and reading it back from the medium: a separate pass, after which alone it counts. Made on its
/// device's lane.
struct ShardWrite: Sendable {
    /// 0 where it was not named.
    private(set) var writtenBytes = 0
    private(set) var error: StoreError?

    init(_ file: ShardFile, as name: ShardName, on id: DeviceID, _ engine: Engine) {
        error = engine.write(file, as: name, on: id, isReadBack: false)
        guard error == nil, let device = engine.devices.device(id) else { return }
        writtenBytes = file.byteCount
        if Mutant.isActive(.repairNotReadBack) { return }
        do throws(StoreError) {
            try engine.requireSound(name, on: device)
        } catch {
            engine.devices.fail(id, error)
            self.error = error
        }
    }
}
