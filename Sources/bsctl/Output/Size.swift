import BlockStore

/// Numbers of bytes, in and out.
enum Size {
    /// Reads "4096", "64KiB", "10GB"; case does not matter. Nil for anything else, and beyond `Int`.
    static func parse(_ text: String) -> Int? { ByteSize.parse(text) }

    /// What may have been meant by a size that does not parse.
    static func suggestion(for text: String) -> String {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = String(text.dropFirst(digits.count))
        let spaceless = unit.filter { $0 != " " }
        guard !digits.isEmpty, spaceless.count <= 3 else { return "" }
        if spaceless != unit, parse(digits + spaceless) != nil { return "; did you mean \(digits)\(spaceless)?" }
        return Suggestion.text(spaceless, ByteSize.units.map(\.name).filter { $0.count == 3 }, prefix: String(digits))
    }

    /// "1.50 MiB"
    static func text(_ bytes: some BinaryInteger) -> String {
        var value = Double(bytes)
        var unit = "B"
        for next in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] where abs(value) >= 1024 {
            value /= 1024
            unit = next
        }
        return unit == "B" ? "\(Int(value)) B" : "\(decimals(value, value < 10 ? 2 : 1)) \(unit)"
    }

    /// "2.50×"; a dash where there is nothing to compare.
    static func ratio(_ larger: some BinaryInteger, _ smaller: some BinaryInteger) -> String {
        smaller > 0 ? "\(decimals(Double(larger) / Double(smaller), 2))×" : "–"
    }

    /// Millions of bytes a second.
    static func rate(_ bytes: some BinaryInteger, seconds: Double) -> String {
        "\(decimals(Double(bytes) / max(seconds, 1e-6) / 1e6, 0)) MB/s"
    }

    /// `value` with so many digits behind the point.
    static func decimals(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite else { return "–" }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = (value * scale).rounded()
        guard abs(scaled) < 9e15 else { return "\(value)" }
        let whole = Int(abs(scaled))
        let sign = scaled < 0 ? "-" : ""
        guard digits > 0 else { return "\(sign)\(whole)" }
        let fraction = String(whole % Int(scale))
        return "\(sign)\(whole / Int(scale))." + String(repeating: "0", count: digits - fraction.count) + fraction
    }
}
