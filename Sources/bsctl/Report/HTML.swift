/// A piece of HTML. Text comes in through `text` alone, which makes it harmless; what is not a literal cannot become markup
/// by mistake.
struct HTML: ExpressibleByStringInterpolation {
    let markup: String

    init(stringLiteral markup: String) { self.markup = markup }

    init(stringInterpolation: Interpolation) { markup = stringInterpolation.markup }

    private init(safe markup: String) { self.markup = markup }

    /// `text` as it is to be read: what would be markup, or control the direction of writing, is escaped.
    static func text(_ text: String) -> HTML {
        var markup = ""
        for scalar in Printable.text(text).unicodeScalars {
            switch scalar {
            case "&": markup += "&amp;"
            case "<": markup += "&lt;"
            case ">": markup += "&gt;"
            case "\"": markup += "&quot;"
            case "'": markup += "&#39;"
            default: markup.unicodeScalars.append(scalar)
            }
        }
        return HTML(safe: markup)
    }

    static func joined(_ parts: [HTML], separator: String = "\n") -> HTML {
        HTML(safe: parts.map(\.markup).joined(separator: separator))
    }

    /// In a literal, a string is text, a number is a number, and a piece of HTML is itself.
    struct Interpolation: StringInterpolationProtocol {
        fileprivate var markup = ""

        init(literalCapacity: Int, interpolationCount: Int) { markup.reserveCapacity(literalCapacity * 2) }

        mutating func appendLiteral(_ literal: String) { markup += literal }
        mutating func appendInterpolation(_ text: String) { markup += HTML.text(text).markup }
        mutating func appendInterpolation(_ html: HTML) { markup += html.markup }
        mutating func appendInterpolation(_ number: Int) { markup += "\(number)" }
        /// A length or a share in a drawing, to two digits behind the point.
        mutating func appendInterpolation(_ number: Double) { markup += Size.decimals(number, 2) }
    }
}
