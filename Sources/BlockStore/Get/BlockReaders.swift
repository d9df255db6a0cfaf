/// The readers of blocks that something was rebuilt from lately: what they found out about a block's shards, and what they
/// rebuilt, is good for its next chunk.
///
/// Any thread; of one block one at a time, so that nothing is rebuilt twice.
final class BlockReaders: Sendable {
    private struct Entry: Sendable {
        let block: IndexedBlock
        let reader: Monitor<BlockReader>
    }

    /// More than one, for an object may alternate between blocks.
    private static let maximum = 4

    private let engine: Engine
    /// The one used last at the end.
    private let entries = Monitor<[Entry]>([])

    init(_ engine: Engine) { self.engine = engine }

    func withReader<Value>(
        of block: IndexedBlock, _ body: (inout BlockReader) throws(StoreError) -> Value
    ) throws(StoreError) -> Value {
        let reader = entries.withLock { entries in
            let known = entries.firstIndex { $0.block == block }.map { entries.remove(at: $0) }
            let entry = known ?? Entry(block: block, reader: Monitor(BlockReader(engine, block)))
            entries.append(entry)
            if entries.count > Self.maximum { entries.removeFirst() }
            return entry.reader
        }
        return try reader.withLock(body)
    }
}
