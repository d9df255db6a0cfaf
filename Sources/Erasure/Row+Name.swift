extension Row: Comparable {
    public var isParity: Bool {
        if case .parity = self { return true }
        return false
    }

    /// `{kind, index, first, end}`: kind 0 for data column `index` (first = end = 0), 1 for parity row
    /// `index` over the columns `first ..< end`.
    public var encoded: [UInt8] {
        switch self {
        case .data(let column): [0, UInt8(column), 0, 0]
        case .parity(let index, let columns):
            [1, UInt8(index), UInt8(columns.lowerBound), UInt8(columns.upperBound)]
        }
    }

    /// The row with these encoded fields; nil when there is no such row.
    public init?(kind: UInt8, index: UInt8, first: UInt8, end: UInt8) {
        switch kind {
        case 0:
            guard index < CodingMatrix.dataColumns, first == 0, end == 0 else { return nil }
            self = .data(column: Int(index))
        case 1:
            guard index < CodingMatrix.parityRows, first < end, end <= CodingMatrix.dataColumns else { return nil }
            self = .parity(index: Int(index), columns: Int(first)..<Int(end))
        default:
            return nil
        }
    }

    /// In a shard's file name: `d03`, or `p00-00-04` for parity row 0 over columns 0 to 3. Two
    /// lower-case hexadecimal digits each.
    public var name: String {
        func digits(_ value: Int) -> String { (value < 16 ? "0" : "") + String(value, radix: 16) }
        switch self {
        case .data(let column): return "d" + digits(column)
        case .parity(let index, let columns):
            return "p\(digits(index))-\(digits(columns.lowerBound))-\(digits(columns.upperBound))"
        }
    }

    /// The row whose `name` this is, exactly.
    public init?(name: some StringProtocol) {
        func value(_ text: Substring.UTF8View.SubSequence) -> UInt8? { UInt8(String(text) ?? "", radix: 16) }
        let bytes = Substring(name).utf8
        let parts = bytes.dropFirst().split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        let numbers = parts.compactMap { $0.count == 2 ? value($0) : nil }
        guard numbers.count == parts.count else { return nil }
        let row: Row?
        switch (bytes.first, numbers.count) {
        case (UInt8(ascii: "d"), 1): row = Row(kind: 0, index: numbers[0], first: 0, end: 0)
        case (UInt8(ascii: "p"), 3): row = Row(kind: 1, index: numbers[0], first: numbers[1], end: numbers[2])
        default: row = nil
        }
        guard let row, row.name == name else { return nil }
        self = row
    }

    private var order: (Int, Int, Int, Int) {
        switch self {
        case .data(let column): (0, column, 0, 0)
        case .parity(let index, let columns): (1, index, columns.lowerBound, columns.upperBound)
        }
    }

    /// Data before parity, each by number.
    public static func < (left: Row, right: Row) -> Bool { left.order < right.order }
}
