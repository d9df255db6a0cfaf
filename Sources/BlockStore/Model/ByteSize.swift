/// Numbers of bytes as people write them.
public enum ByteSize {
    public static let units: [(name: String, bytes: Int)] = [
        ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("KB", 1000), ("MB", 1_000_000),
        ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30),
        ("T", 1 << 40), ("B", 1),
    ]

    /// Reads "4096", "64KiB", "10GB"; case does not matter. Nil for anything else, and beyond `Int`.
    public static func parse(_ text: String) -> Int? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = text.dropFirst(digits.count).lowercased()
        guard let value = Int(digits) else { return nil }
        guard !unit.isEmpty else { return value }
        guard let factor = units.first(where: { $0.name.lowercased() == unit })?.bytes else { return nil }
        let (product, overflows) = value.multipliedReportingOverflow(by: factor)
        return overflows ? nil : product
    }
}
