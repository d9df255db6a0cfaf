import BlockStore

/// Text from outside made harmless for a terminal: what would move the cursor, change colours or turn the
/// direction of writing is shown as an escape.
enum Printable {
    static func bytes(_ key: Key) -> [UInt8] { Array(text(key.bytes, lineEndsAreHarmless: false).utf8) }

    static func text(_ text: String) -> String { self.text(Array(text.utf8)) }

    /// `bytes` as UTF-8, with escapes for control characters and for what is not UTF-8.
    static func text(_ bytes: [UInt8], lineEndsAreHarmless: Bool = true) -> String {
        var result = ""
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var position = 0
        while true {
            switch decoder.decode(&iterator) {
            case .emptyInput: return result
            case .scalarValue(let scalar):
                position += UTF8.width(scalar)
                if isHarmless(scalar) || lineEndsAreHarmless && scalar == "\n" {
                    result.unicodeScalars.append(scalar)
                } else {
                    for byte in String(scalar).utf8 { result += escape(byte) }
                }
            case .error:
                // Each byte by itself from here to where UTF-8 goes on.
                result += escape(bytes[position])
                position += 1
                decoder = UTF8()
                iterator = Array(bytes[position...]).makeIterator()
            }
        }
    }

    private static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: false
        default: true
        }
    }

    private static func escape(_ byte: UInt8) -> String {
        "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
}
