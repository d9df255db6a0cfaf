import Foundation

/// The part of JSON Schema that docs/schema/bsctl.json uses. A word of it that is not known here is an error.
struct JSONSchema {
    private let definitions: [String: Any]

    init(_ text: String) throws {
        let document = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        definitions = document?["$defs"] as? [String: Any] ?? [:]
    }

    var names: Set<String> { Set(definitions.keys) }

    /// What is wrong with `value` as a `name`; nothing when it is one.
    func problems(of value: Any, as name: String) -> [String] {
        guard let schema = definitions[name] as? [String: Any] else { return ["there is no definition \(name)"] }
        return problems(value, schema, name)
    }

    private func problems(_ value: Any, _ schema: [String: Any], _ path: String) -> [String] {
        var result: [String] = []
        for (word, rule) in schema {
            switch (word, rule) {
            case ("description", _), ("required", _), ("properties", _): continue
            case ("$ref", let target as String):
                result += problems(of: value, as: String(target.dropFirst("#/$defs/".count))).map { "\(path) → \($0)" }
            case ("type", let name as String): result += isA(value, [name]) ? [] : ["\(path) is no \(name): \(value)"]
            case ("type", let names as [String]):
                result += isA(value, names) ? [] : ["\(path) is none of \(names): \(value)"]
            case ("enum", let values as [String]):
                result +=
                    (value as? String).map(values.contains) == true ? [] : ["\(path) is none of \(values): \(value)"]
            case ("pattern", let pattern as String):
                let isFound = (value as? String)?.range(of: pattern, options: .regularExpression) != nil
                result += isFound ? [] : ["\(path) does not match \(pattern): \(value)"]
            case ("anyOf", let schemas as [[String: Any]]):
                let all = schemas.map { problems(value, $0, path) }
                result += all.contains { $0.isEmpty } ? [] : all.flatMap(\.self)
            case ("items", let items as [String: Any]):
                for (index, item) in (value as? [Any] ?? []).enumerated() {
                    result += problems(item, items, "\(path)[\(index)]")
                }
            case ("additionalProperties", let isAllowed as Bool):
                let known = schema["properties"] as? [String: Any] ?? [:]
                guard !isAllowed, let fields = value as? [String: Any] else { continue }
                result += fields.keys.filter { known[$0] == nil }.map { "\(path).\($0) is not in the schema" }
            default: result.append("\(path): the schema says \(word), which is not understood")
            }
        }
        guard let fields = value as? [String: Any] else { return result }
        for name in schema["required"] as? [String] ?? [] where fields[name] == nil {
            result.append("\(path).\(name) is missing")
        }
        for (name, property) in schema["properties"] as? [String: Any] ?? [:] {
            guard let field = fields[name], let property = property as? [String: Any] else { continue }
            result += problems(field, property, "\(path).\(name)")
        }
        return result
    }

    private func isA(_ value: Any, _ types: [String]) -> Bool {
        types.contains { type in
            switch type {
            case "null": return value is NSNull
            case "string": return value is String
            case "array": return value is [Any]
            case "object": return value is [String: Any]
            default: break
            }
            guard let number = value as? NSNumber, !(value is String) else { return false }
            let isBool =
                number === NSNumber(value: true) || number === NSNumber(value: false)
                || String(cString: number.objCType) == "c"
            switch type {
            case "boolean": return isBool
            case "number": return !isBool
            case "integer": return !isBool && number.doubleValue.rounded() == number.doubleValue
            default: return false
            }
        }
    }
}
