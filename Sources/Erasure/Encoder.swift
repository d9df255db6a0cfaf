import CISAL

/// Computes parity rows from data columns with ISA-L. Immutable: any thread, many at once.
public final class Encoder: Sendable {
    public let parity: [Row]
    public let columns: Range<Int>
    private let kernel: Kernel

    public init(parity: [Row], columns: Range<Int>) {
        self.parity = parity
        self.columns = columns
        kernel = Kernel(parity.map { CodingMatrix.generatorRow(of: $0, columns: columns) })
    }

    /// Fills `parity[i]` with row i of `data`, `byteCount` bytes each.
    ///
    /// - Precondition: one buffer per column and per parity row, each of at least `byteCount` bytes;
    ///   no parity buffer overlaps another buffer.
    /// - Complexity: `columns · rows · byteCount` field multiplications, in slices that stay in L2.
    public func encode(
        _ data: [UnsafeMutableRawBufferPointer], into parity: [UnsafeMutableRawBufferPointer], byteCount: Int
    ) {
        kernel.apply(data.map { UnsafeRawBufferPointer($0) }, parity, byteCount)
    }
}

/// A matrix over GF(2⁸) in the form ISA-L wants, applied to buffers.
///
/// The expanded tables are of this process alone: their layout changes between ISA-L's versions.
final class Kernel: Sendable {
    private let sources: Int
    private let results: Int
    private let tables: [UInt8]
    private let sliceBytes: Int

    /// - Parameter matrix: one row per result, one coefficient per source.
    init(_ matrix: [[UInt8]]) {
        results = matrix.count
        sources = matrix.first?.count ?? 0
        var flat = matrix.flatMap(\.self)
        var tables = [UInt8](repeating: 0, count: 32 * max(1, flat.count))
        if !flat.isEmpty { ec_init_tables(Int32(sources), Int32(results), &flat, &tables) }
        self.tables = tables
        sliceBytes = Self.sliceBytes(buffers: sources + results)
    }

    /// Sources and results of one slice together fill about half of a 1 MiB L2 cache.
    private static func sliceBytes(buffers: Int) -> Int {
        let share = (512 << 10) / max(1, buffers)
        return min(128 << 10, max(16 << 10, share / 4096 * 4096))
    }

    func apply(_ data: [UnsafeRawBufferPointer], _ output: [UnsafeMutableRawBufferPointer], _ byteCount: Int) {
        precondition(data.count == sources && output.count == results)
        precondition(data.allSatisfy { $0.count >= byteCount } && output.allSatisfy { $0.count >= byteCount })
        guard byteCount > 0, results > 0 else { return }
        tables.withUnsafeBufferPointer { tables in
            withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<UInt8>?.self, capacity: sources + results) {
                pointers in
                var start = 0
                while start < byteCount {
                    let count = min(sliceBytes, byteCount - start)
                    for (index, buffer) in data.enumerated() {
                        // ISA-L reads sources only; its signature lacks the const.
                        let base = buffer.baseAddress.map { UnsafeMutableRawPointer(mutating: $0 + start) }
                        pointers[index] = base?.assumingMemoryBound(to: UInt8.self)
                    }
                    for (index, buffer) in output.enumerated() {
                        pointers[sources + index] = (buffer.baseAddress.map { $0 + start })?
                            .assumingMemoryBound(to: UInt8.self)
                    }
                    guard let base = pointers.baseAddress, let table = tables.baseAddress else { return }
                    ec_encode_data(
                        Int32(count), Int32(sources), Int32(results), UnsafeMutablePointer(mutating: table), base,
                        base + sources)
                    start += count
                }
            }
        }
    }
}
