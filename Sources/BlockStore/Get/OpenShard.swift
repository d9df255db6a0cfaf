import Erasure

/// A shard whose header and checksum table were found sound: its cells can be read and checked.
struct OpenShard {
    let name: ShardName
    let device: any Device
    let header: ShardHeader
    let layout: ShardLayout
    let table: ChecksumTable
    private let source: ReadSource

    /// Reads and checks the header and the checksum table of the shard of `row`.
    init(
        _ row: Row, of block: IndexedBlock, on device: any Device, storeID: StoreID, from source: ReadSource
    ) throws(StoreError) {
        name = ShardName(block.name, row)
        self.device = device
        self.source = source
        (header, layout) = try ShardReader.header(of: name, on: device, storeID: storeID, from: source)
        guard header.block == block.name, header.columnCount == block.columnCount,
            header.firstColumn == block.firstColumn, header.payloadBytes == block.shardPayloadBytes
        else {
            throw StoreError(
                .corrupt, "read shard \(name)", at: device.place, detail: "its header is of another block")
        }
        table = try ShardReader.checksums(of: header, layout, name, on: device, from: source)
    }

    /// Reads `cells` into `buffer` and checks each one.
    func read(_ cells: Range<Int>, into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) {
        try ShardReader.cells(
            cells, of: header, layout, checkedBy: table, name, on: device, into: buffer, from: source)
    }

    /// Reads `cells` into `buffer`, each in its place, and goes on past those that fail: which did, and how the first of them.
    func readSound(
        _ cells: Range<Int>, into buffer: UnsafeMutableRawBufferPointer
    ) -> (bad: Set<Int>, problem: StoreError?) {
        let stride = 16  // 1 MiB: checked while it is in the cache.
        var bad: Set<Int> = []
        var problem: StoreError?
        func part(_ some: Range<Int>) -> UnsafeMutableRawBufferPointer {
            let start = (some.lowerBound - cells.lowerBound) * Limits.cellBytes
            let bytes = Limits.bytes(ofCells: some, payloadBytes: header.payloadBytes)
            return UnsafeMutableRawBufferPointer(rebasing: buffer[start..<(start + bytes)])
        }
        for first in Swift.stride(from: cells.lowerBound, to: cells.upperBound, by: stride) {
            let some = first..<min(first + stride, cells.upperBound)
            do throws(StoreError) {
                try read(some, into: part(some))
            } catch {
                problem = problem ?? error
                for cell in some where (try? read(cell..<(cell + 1), into: part(cell..<(cell + 1)))) == nil {
                    bad.insert(cell)
                }
            }
        }
        return (bad, problem)
    }
}
