import BlockStore
import Glibc

/// Drawings of the report, as inline SVG.
enum Plot {
    /// Growth: the bytes of all versions and the bytes on the devices, from zero, by the time at which they were written.
    static func growth(_ points: [StoreHistory.Point], now: Int64, isNarrow: Bool) -> HTML {
        guard let first = points.first, let last = points.last else { return "" }
        let (width, height) = (isNarrow ? 360.0 : 800.0, isNarrow ? 220.0 : 250.0)
        let (left, right, top, bottom) = (64.0, 10.0, 12.0, 26.0)
        let end = max(now, last.seconds)
        let span = Double(max(1, end - first.seconds))
        let most = Double(max(1, max(last.versionBytes, last.shardBytes)))
        let step = byteStep(most)
        let ceiling = max(step, (most / step).rounded(.up) * step)
        func x(_ seconds: Int64) -> Double { left + Double(seconds - first.seconds) / span * (width - left - right) }
        func y(_ bytes: Double) -> Double { height - bottom - bytes / ceiling * (height - top - bottom) }
        func line(_ bytes: (StoreHistory.Point) -> UInt64) -> String {
            var path = "M\(short(x(first.seconds))) \(short(y(0)))"
            for point in points { path += "H\(short(x(point.seconds)))V\(short(y(Double(bytes(point)))))" }
            return path + "H\(short(x(end)))"
        }
        let marks: [HTML] = stride(from: 0, through: ceiling, by: step).map { bytes in
            """
            <path class="axis" d="M\(left) \(y(bytes))H\(width - right)"/>\
            <text x="\(left - 8)" y="\(y(bytes) + 4)" text-anchor="end">\(Size.text(Int(bytes)))</text>
            """
        }
        let versions = line(\.versionBytes)
        // Within a day the date says nothing.
        let isOneDay = day(first.seconds) == day(end)
        let ends = [first.seconds, end].map { isOneDay ? minute($0) : day($0) }
        return """
            <svg class="plot \(isNarrow ? "narrow" : "wide")" viewBox="0 0 \(width) \(height)" role="img">
            <title>Growth over time</title>
            \(HTML.joined(marks))
            <path class="under" d="\(versions)V\(y(0))Z"/>
            <path class="second" d="\(line(\.shardBytes))"/>
            <path class="first" d="\(versions)"/>
            <text x="\(left)" y="\(height - 6)">\(ends[0])</text>
            <text x="\(width - right)" y="\(height - 6)" text-anchor="end">\(ends[1])</text>
            </svg>
            """
    }

    /// Chances on a logarithmic scale, one line each: further to the left is better.
    static func chances(_ rows: [(name: String, probability: Double, isNow: Bool)], isNarrow: Bool) -> HTML {
        let shown = rows.filter { $0.probability > 0 }
        guard let low = shown.map(\.probability).min(), let high = shown.map(\.probability).max() else { return "" }
        let bottomExponent = log10(low).rounded(.down)
        let topExponent = max(bottomExponent + 2, log10(high).rounded(.up))
        let width = isNarrow ? 360.0 : 800.0
        let rowHeight = isNarrow ? 42.0 : 30.0
        let left = isNarrow ? 8.0 : 250.0
        let right = isNarrow ? 8.0 : 90.0
        let top = 6.0
        let bottom = top + rowHeight * Double(shown.count)
        func x(_ probability: Double) -> Double {
            left + (log10(probability) - bottomExponent) / (topExponent - bottomExponent) * (width - left - right)
        }
        // As many marks as have room for their words.
        let step = max(1, ((topExponent - bottomExponent) / (isNarrow ? 3 : 5)).rounded(.up))
        let marks: [HTML] = stride(from: topExponent, through: bottomExponent, by: -step).map { exponent in
            let place = x(pow(10, exponent))
            let anchor = !isNarrow ? "middle" : exponent == topExponent ? "end" : place < left + 40 ? "start" : "middle"
            return """
                <path class="axis" d="M\(place) \(top)V\(bottom)"/>\
                <text x="\(place)" y="\(bottom + 18)" text-anchor="\(anchor)">\(years(-exponent))</text>
                """
        }
        let lines: [HTML] = shown.enumerated().map { index, row in
            let middle = top + rowHeight * (Double(index) + (isNarrow ? 0.72 : 0.5))
            let place = x(row.probability)
            let weight = row.isNow ? " strong" : ""
            let name: HTML =
                isNarrow
                ? """
                <text class="said\(weight)" x="\(left)" y="\(middle - 12)">\(row.name), \(Chance.percent(row.probability))</text>
                """
                : """
                <text class="said\(weight)" x="\(left - 16)" y="\(middle + 4)" text-anchor="end">\(row.name)</text>\
                <text class="said\(weight)" x="\(place + 12)" y="\(middle + 4)">\(Chance.percent(row.probability))</text>
                """
            return """
                <path class="stem" d="M\(left) \(middle)H\(place)"/>\
                <circle class="dot\(row.isNow ? " now" : "")" cx="\(place)" cy="\(middle)" r="\(isNarrow ? 5.0 : 6.0)"/>\(name)
                """
        }
        return """
            <svg class="plot \(isNarrow ? "narrow" : "wide")" viewBox="0 0 \(width) \(bottom + 26)" role="img">
            <title>The chance to lose data within a year, now and after changes</title>
            \(HTML.joined(marks))
            \(HTML.joined(lines))
            </svg>
            """
    }

    /// "1 in a million years" for six.
    private static func years(_ exponent: Double) -> String {
        let words = [
            "every year", "1 in 10 years", "1 in 100 years", "1 in 1,000 years", "1 in 10,000 years",
            "1 in 100,000 years",
            "1 in a million", "1 in 10 million", "1 in 100 million", "1 in a billion",
        ]
        let number = max(0, Int(exponent))
        if number < words.count { return words[number] }
        return "1 in 10" + String(number).compactMap { raised[$0] }.joined()
    }

    private static let raised: [Character: String] = Dictionary(
        uniqueKeysWithValues: zip("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹").map { ($0, String($1)) })

    /// A round number of bytes, of which three to six fit below `most`.
    private static func byteStep(_ most: Double) -> Double {
        var unit = 1.0
        while unit * 1024 <= most { unit *= 1024 }
        for factor in [1.0, 2, 5, 10, 20, 50, 100, 200] where most / (unit * factor) <= 5 { return unit * factor }
        return unit * 256
    }

    private static func short(_ value: Double) -> String { Size.decimals(value, 1) }

    private static func minute(_ seconds: Int64) -> String {
        String(Time.text(seconds * 1_000_000_000).prefix(16))
    }

    static func day(_ seconds: Int64) -> String { String(Time.text(seconds * 1_000_000_000).prefix(10)) }
}
