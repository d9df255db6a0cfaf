/// Lengths of time as people write them.
enum Age {
    static let units: [(name: String, meaning: String, seconds: Int64)] = [
        ("s", "seconds", 1), ("min", "minutes", 60), ("h", "hours", 3600), ("d", "days", 86400),
        ("w", "weeks", 604_800),
    ]

    /// Reads "45s", "90min", "12h", "30d", "2w"; nil for anything else, and for more than ten thousand years.
    static func parse(_ text: String) -> Duration? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let value = Int64(digits), let unit = units.first(where: { $0.name == text.dropFirst(digits.count) })
        else { return nil }
        let (seconds, overflows) = value.multipliedReportingOverflow(by: unit.seconds)
        return overflows || seconds > 315_360_000_000 ? nil : .seconds(seconds)
    }
}
