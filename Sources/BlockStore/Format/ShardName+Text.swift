import Erasure

extension ShardName {
    /// Shards of so many consecutive block numbers share a directory.
    static let numbersPerDirectory: UInt64 = 4096

    /// The directory under `blocks/`: `number / 4096` as 13 hexadecimal digits.
    public var directoryName: String { Self.directoryName(of: number) }

    static func directoryName(of number: BlockNumber) -> String {
        hexadecimal(number.value / numbersPerDirectory, digits: 13)
    }

    /// `<number>-<first 8 bytes of block id>.<row>`, in hexadecimal digits of fixed width, so that names
    /// sort in the order written.
    public var fileName: String {
        "\(Self.beginning(of: number))\(hexadecimal(idPrefix, digits: 16)).\(row.name)"
    }

    /// How the file names of shards with this number begin; those of lower numbers come before it.
    static func beginning(of number: BlockNumber) -> String { "\(hexadecimal(number.value, digits: 16))-" }

    public var description: String { fileName }

    /// The shard whose `fileName` this is, exactly; nil for any other file.
    public init?(fileName: String) {
        let parts = fileName.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        let numbers = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard numbers.count == 2, let number = UInt64(numbers[0], radix: 16), number >= 1,
            number <= BlockNumber.maximum, let prefix = UInt64(numbers[1], radix: 16), let row = Row(name: parts[1])
        else { return nil }
        self.init(number: BlockNumber(number), idPrefix: prefix, row: row)
        guard self.fileName == fileName else { return nil }
    }

    public static func < (left: ShardName, right: ShardName) -> Bool {
        (left.number, left.idPrefix, left.row) < (right.number, right.idPrefix, right.row)
    }
}
