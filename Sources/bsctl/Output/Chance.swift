import Glibc

/// Probabilities for people who are no statisticians.
enum Chance {
    /// "1.3 %", "0.000021 %", two digits that matter; "1.4e-11 %" where there would be a row of zeros.
    static func percent(_ probability: Double) -> String {
        let percent = probability * 100
        guard percent > 0 else { return "0 %" }
        guard percent < 99.95 else { return probability >= 1 ? "100 %" : "over 99.9 %" }
        guard percent >= 1e-8 else { return "\(scientific(percent)) %" }
        return "\(Size.decimals(percent, max(0, digitsBehindPoint(percent)))) %"
    }

    /// "1.4e-8": two digits.
    static func scientific(_ value: Double) -> String {
        guard value > 0, value.isFinite else { return "0" }
        var exponent = Int(log10(value).rounded(.down))
        var mantissa = Size.decimals(value / pow(10, Double(exponent)), 1)
        if mantissa == "10.0" { (mantissa, exponent) = ("1.0", exponent + 1) }
        return "\(mantissa)e\(exponent)"
    }

    /// "once in 74 million years", for something that happens with this probability within one.
    static func onceIn(_ probability: Double) -> String {
        guard probability > 0 else { return "never, as far as this goes" }
        guard probability < 1 else { return "within the year" }
        let years = -1 / log1p(-probability)
        if years < 1.5 { return "more than once in two years" }
        let units: [(Double, String)] = [(1e9, " billion"), (1e6, " million"), (1e4, " thousand")]
        if years >= 1e12 { return "less than once in a trillion years" }
        // A unit for its rounded number: 999,999 is a million.
        let rounded = rounded(years)
        guard let unit = units.first(where: { rounded >= $0.0 }) else { return "once in \(grouped(rounded)) years" }
        let scale = unit.1 == " thousand" ? 1000 : unit.0
        return "once in \(grouped(rounded / scale))\(unit.1) years"
    }

    /// "12×", "1.4×", "3,100×": so many times less.
    static func factor(_ factor: Double) -> String {
        guard factor.isFinite else { return "–" }
        return factor < 9.95 ? "\(Size.decimals(factor, 1))×" : "\(grouped(rounded(factor)))×"
    }

    private static func digitsBehindPoint(_ value: Double) -> Int { 1 - Int(log10(value).rounded(.down)) }

    /// To two digits that matter.
    private static func rounded(_ value: Double) -> Double {
        let scale = pow(10, log10(value).rounded(.down) - 1)
        return (value / scale).rounded() * scale
    }

    /// "1,400", "74", "2.5".
    static func grouped(_ value: Double) -> String {
        if value < 9.95, value != value.rounded() { return Size.decimals(value, 1) }
        guard value < 1e15 else { return scientific(value) }
        var digits = String(Int(value.rounded()))
        var result = ""
        while digits.count > 3 {
            result = "," + digits.suffix(3) + result
            digits.removeLast(3)
        }
        return digits + result
    }
}
