import BlockStore
import FoundationEssentials

/// A JSON value with fields in the order given.
enum JSON {
    case string(String)
    case integer(Int)
    case number(Double)
    case bool(Bool)
    case null
    case array([JSON])
    case fields([(String, JSON)])

    static func object(_ fields: [(String, JSON)]) -> String { JSON.fields(fields).text }

    static func bytes(_ value: UInt64) -> JSON { .integer(Int(clamping: value)) }

    static func optional(_ text: String?) -> JSON { text.map { .string($0) } ?? .null }

    /// `key` for UTF-8, `keyBase64` for anything else.
    static func key(_ key: Key) -> (String, JSON) {
        if let text = String(validating: key.bytes, as: UTF8.self) { return ("key", .string(text)) }
        return ("keyBase64", .string(Data(key.bytes).base64EncodedString()))
    }

    static func keys(_ keys: [Key]) -> JSON { .array(keys.map { .fields([key($0)]) }) }

    var text: String {
        switch self {
        case .string(let value): Self.quote(value)
        case .integer(let value): "\(value)"
        case .number(let value): value.isFinite ? "\(value)" : "null"
        case .bool(let value): value ? "true" : "false"
        case .null: "null"
        case .array(let values): "[" + values.map(\.text).joined(separator: ",") + "]"
        case .fields(let fields):
            "{" + fields.map { Self.quote($0) + ":" + $1.text }.joined(separator: ",") + "}"
        }
    }

    private static func quote(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
