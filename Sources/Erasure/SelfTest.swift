/// ISA-L and the scalar field disagree on this machine: nothing may be coded here.
public struct ErasureSelfTestError: Error, Sendable, CustomStringConvertible {
    public let description: String
}

/// Compares the vectorised code with the scalar oracle: microseconds, once per process.
public enum ErasureSelfTest {
    /// - Throws: when a parity byte or a rebuilt byte is not what the scalar arithmetic says.
    public static func run() throws(ErasureSelfTestError) {
        let columns = 0..<5
        let parity = (0..<3).map { Row.parity(index: $0, columns: columns) }
        let byteCount = 131
        let rows = columns.count + parity.count
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: (rows + 2) * byteCount, alignment: 64)
        defer { memory.deallocate() }
        for index in memory.indices { memory[index] = UInt8(truncatingIfNeeded: index &* 167 &+ index >> 5) }
        func part(_ index: Int) -> UnsafeMutableRawBufferPointer {
            UnsafeMutableRawBufferPointer(rebasing: memory[(index * byteCount)..<((index + 1) * byteCount)])
        }
        Encoder(parity: parity, columns: columns).encode(
            columns.map(part), into: (5..<8).map(part), byteCount: byteCount)
        for (index, row) in parity.enumerated() {
            let factors = CodingMatrix.generatorRow(of: row, columns: columns)
            for position in 0..<byteCount {
                let expected = columns.reduce(UInt8(0)) {
                    $0 ^ GaloisField.multiply(factors[$1], part($1)[position])
                }
                guard part(5 + index)[position] == expected else {
                    throw ErasureSelfTestError(
                        description: "erasure coding is broken on this machine: parity row \(index), byte \(position) "
                            + "is \(part(5 + index)[position]), expected \(expected)")
                }
            }
        }
        let lost = [Row.data(column: 1), .data(column: 4)]
        let available = [0, 2, 3].map { Row.data(column: $0) } + parity
        guard let plan = RepairPlan.make(lost: lost, available: available, columns: columns) else {
            throw ErasureSelfTestError(description: "erasure coding is broken: no plan for two losses of eight")
        }
        let all = columns.map { Row.data(column: $0) } + parity
        let sources = plan.reads.compactMap { all.firstIndex(of: $0) }.map { UnsafeRawBufferPointer(part($0)) }
        Rebuilder(plan).rebuild(from: sources, into: [part(8), part(9)])
        guard part(8).elementsEqual(part(1)), part(9).elementsEqual(part(4)) else {
            throw ErasureSelfTestError(description: "erasure coding is broken on this machine: a rebuilt shard differs")
        }
    }
}
