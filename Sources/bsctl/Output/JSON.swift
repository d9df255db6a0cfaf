import BlockStore
import FoundationEssentials

/// A JSON value with fields in the order given.
enum JSON {
    case string(String)
    case integer(Int)
    case unsigned(UInt64)
    case number(Double)
    case bool(Bool)
    case null
    case array([JSON])
    case fields([(String, JSON)])

    static func object(_ fields: [(String, JSON)]) -> String { JSON.fields(fields).text }

    static func optional(_ text: String?) -> JSON { text.map { .string($0) } ?? .null }

    /// Field `name` for UTF-8, `nameBase64` for anything else.
    static func bytes(_ name: String, _ bytes: [UInt8]) -> (String, JSON) {
        if let text = String(validating: bytes, as: UTF8.self) { return (name, .string(text)) }
        return ("\(name)Base64", .string(Data(bytes).base64EncodedString()))
    }

    static func key(_ key: Key) -> (String, JSON) { bytes("key", key.bytes) }

    static func keys(_ keys: [Key]) -> JSON { .array(keys.map { .fields([key($0)]) }) }

    /// What became of a file or a key.
    static func failure(_ subject: (String, JSON), _ error: StoreError) -> JSON {
        .fields([subject] + Complaint(error).fields)
    }

    var text: String {
        var result = ""
        write(to: &result)
        return result
    }

    private func write(to result: inout String) {
        switch self {
        case .string(let value): Self.quote(value, to: &result)
        case .integer(let value): result += "\(value)"
        case .unsigned(let value): result += "\(value)"
        case .number(let value): result += value.isFinite ? "\(value)" : "null"
        case .bool(let value): result += value ? "true" : "false"
        case .null: result += "null"
        case .array(let values):
            result += "["
            for (index, value) in values.enumerated() {
                if index > 0 { result += "," }
                value.write(to: &result)
            }
            result += "]"
        case .fields(let fields):
            result += "{"
            for (index, (name, value)) in fields.enumerated() {
                if index > 0 { result += "," }
                Self.quote(name, to: &result)
                result += ":"
                value.write(to: &result)
            }
            result += "}"
        }
    }

    private static func quote(_ text: String, to result: inout String) {
        result += "\""
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
        result += "\""
    }
}
