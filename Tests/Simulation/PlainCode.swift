import Erasure

/// The code once more, from docs/format.md §2 alone and in the plainest way: the oracle for what a loss leaves.
///
/// Nothing here is shared with `Sources/Erasure` but the names of rows.
enum PlainCode {
    /// Shift and add, modulo 0x11d.
    private static func product(_ left: Int, _ right: Int) -> Int {
        var (a, b, product) = (left, right, 0)
        while b > 0 {
            if b & 1 == 1 { product ^= a }
            a <<= 1
            if a & 0x100 != 0 { a ^= 0x11d }
            b >>= 1
        }
        return product
    }

    private static let products: [UInt8] = (0..<65_536).map { UInt8(product($0 >> 8, $0 & 255)) }

    static func times(_ left: UInt8, _ right: UInt8) -> UInt8 { products[Int(left) << 8 | Int(right)] }

    private static let inverses: [UInt8] = (0..<256).map { value in
        (0..<256).first { product(value, $0) == 1 }.map { UInt8($0) } ?? 0
    }

    static func inverse(_ value: UInt8) -> UInt8 { inverses[Int(value)] }

    private static let sigma = [0, 2, 15] + (0..<64).filter { ![0, 2, 15].contains($0) }

    /// The row of the matrix over the columns 0 ..< `columns`.
    static func vector(_ row: Row, columns: Int) -> [UInt8] {
        (0..<columns).map { column in
            switch row {
            case .data(let own): own == column ? 1 : 0
            case .parity(let index, let span):
                span.contains(column) ? inverse(UInt8(192 + sigma[index]) ^ UInt8(column)) : 0
            }
        }
    }
}

/// What some rows determine: Gaussian elimination, one row at a time.
struct PlainSpan {
    let columns: Int
    private var pivots: [(column: Int, vector: [UInt8])] = []

    init(columns: Int) { self.columns = columns }

    init(_ rows: some Sequence<Row>, columns: Int) {
        self.columns = columns
        for row in rows { add(PlainCode.vector(row, columns: columns)) }
    }

    var isWhole: Bool { pivots.count == columns }

    mutating func add(_ vector: [UInt8]) {
        if isWhole { return }
        let rest = reduced(vector)
        guard let column = rest.firstIndex(where: { $0 != 0 }) else { return }
        let scale = PlainCode.inverse(rest[column])
        pivots.append((column, rest.map { PlainCode.times($0, scale) }))
    }

    /// Whether data column `column` follows from the rows.
    func determines(column: Int) -> Bool {
        isWhole || reduced((0..<columns).map { $0 == column ? 1 : 0 }).allSatisfy { $0 == 0 }
    }

    private func reduced(_ vector: [UInt8]) -> [UInt8] {
        var rest = vector
        for pivot in pivots where rest[pivot.column] != 0 {
            let scale = rest[pivot.column]
            for index in rest.indices { rest[index] ^= PlainCode.times(pivot.vector[index], scale) }
        }
        return rest
    }
}
