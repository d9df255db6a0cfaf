import BlockStore
import Glibc

extension ValueType<Moment> {
    /// A commit number, or a time: a date, a date and time (local unless it ends in Z or an offset), or @SECONDS since 1970.
    /// A time without a fraction means the end of its second, so that what a listing shows can be asked for as shown.
    static var moment: Self {
        ValueType { bytes throws(UsageError) in
            let text = try utf8(bytes)
            if let number = UInt64(text), !text.hasPrefix("+") {
                guard number <= CommitNumber.maximum else { throw UsageError(description: "there is no such commit") }
                return .commit(CommitNumber(number))
            }
            guard let nanoseconds = MomentText.nanoseconds(text) else {
                throw UsageError(
                    description: "expected a commit number such as 412, or a time such as 2026-03-01, "
                        + "2026-03-01T12:30:05, 2026-03-01T12:30:05Z or @1772368205")
            }
            return .time(nanoseconds: nanoseconds)
        }
    }
}

/// Reads times. Pure, but for the local time zone.
enum MomentText {
    private static let billion: Int64 = 1_000_000_000

    static func nanoseconds(_ text: String) -> Int64? {
        if text.hasPrefix("@") { return seconds(text.dropFirst()) }
        let characters = Substring(text)
        guard let date = fields(characters.prefix(10), [4, 2, 2], "-") else { return nil }
        var rest = characters.dropFirst(10)
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (date[0] - 1900, date[1] - 1, date[2])
        parts.tm_isdst = -1
        guard !rest.isEmpty else { return instant(parts, offsetSeconds: nil, fraction: 0) }
        guard let separator = rest.popFirst(), "Tt ".contains(separator) else { return nil }
        var offset: Int?
        if let last = rest.last, "Zz".contains(last) {
            offset = 0
            rest.removeLast()
        } else if let sign = rest.lastIndex(where: { "+-".contains($0) }) {
            let zone = rest[rest.index(after: sign)...]
            guard let found = fields(zone, [2, 2], ":") ?? fields(zone, [2], ":"), found[0] < 24 else { return nil }
            let minutes = Int(found[0]) * 60 + (found.count > 1 ? Int(found[1]) : 0)
            offset = (rest[sign] == "-" ? -1 : 1) * minutes * 60
            rest = rest[..<sign]
        }
        var fraction: Int64 = billion - 1
        if let point = rest.firstIndex(of: ".") {
            guard let found = Self.fraction(rest[rest.index(after: point)...]) else { return nil }
            fraction = found
            rest = rest[..<point]
        }
        guard let time = fields(rest, [2, 2, 2], ":") ?? fields(rest, [2, 2], ":"), time[0] < 24, time[1] < 60 else {
            return nil
        }
        (parts.tm_hour, parts.tm_min, parts.tm_sec) = (time[0], time[1], time.count > 2 ? time[2] : 0)
        guard parts.tm_sec < 61 else { return nil }
        return instant(parts, offsetSeconds: offset, fraction: fraction)
    }

    /// Numbers of so many digits each with `separator` between them.
    private static func fields(_ text: Substring, _ widths: [Int], _ separator: Character) -> [Int32]? {
        let parts = text.split(separator: separator, omittingEmptySubsequences: false)
        guard parts.count == widths.count else { return nil }
        var result: [Int32] = []
        for (part, width) in zip(parts, widths) {
            guard part.count == width, part.allSatisfy({ $0.isASCII && $0.isNumber }), let value = Int32(part) else {
                return nil
            }
            result.append(value)
        }
        return result
    }

    /// Nanoseconds of what stands behind a decimal point.
    private static func fraction(_ digits: Substring) -> Int64? {
        guard (1...9).contains(digits.count), digits.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        return Int64(digits + String(repeating: "0", count: 9 - digits.count))
    }

    private static func seconds(_ text: Substring) -> Int64? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), !parts[0].isEmpty, parts[0].allSatisfy({ $0.isASCII && $0.isNumber }),
            let whole = Int64(parts[0]), whole < Int64.max / billion - 1
        else { return nil }
        guard let part = parts.count == 2 ? fraction(parts[1]) : billion - 1 else { return nil }
        return whole * billion + part
    }

    private static func instant(_ parts: tm, offsetSeconds: Int?, fraction: Int64) -> Int64? {
        var given = parts
        let seconds = offsetSeconds == nil ? mktime(&given) : timegm(&given)
        // Both carry what overflows into the next field: there is no 31st of April.
        guard given.tm_mon == parts.tm_mon, given.tm_mday == parts.tm_mday,
            given.tm_year == parts.tm_year
        else { return nil }
        // Nanoseconds end in 2262, and who asks for later means everything.
        guard abs(Int64(seconds)) < Int64.max / billion - 100_000 else { return seconds < 0 ? .min : .max }
        return (Int64(seconds) - Int64(offsetSeconds ?? 0)) * billion + fraction
    }
}
