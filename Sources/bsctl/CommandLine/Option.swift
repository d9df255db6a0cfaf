/// An option as the parser and the help see it.
protocol AnyOption: Sendable {
    /// Without the dashes.
    var name: String { get }
    var short: Character? { get }
    /// What the value is called in help; nil for a switch.
    var valueName: String? { get }
    var help: String { get }
    var isRepeatable: Bool { get }
    /// All words behind it are its values, up to the next option.
    var takesSeveral: Bool { get }
    /// What the value is, for completions.
    var kind: WordKind { get }

    /// Reads the value; `true` for a switch. Throws a `UsageError` that says what was expected.
    func read(_ bytes: [UInt8]) throws(UsageError) -> any Sendable
}

/// An option with a value of one type: what the parser has accepted needs no second look.
struct Option<Value: Sendable>: AnyOption {
    let name: String
    let short: Character?
    let valueName: String?
    let help: String
    let isRepeatable: Bool
    let takesSeveral: Bool
    private let type: ValueType<Value>

    var kind: WordKind { type.kind }

    init(
        _ name: String, short: Character? = nil, _ valueName: String, _ type: ValueType<Value>,
        isRepeatable: Bool = false, takesSeveral: Bool = false, _ help: String
    ) {
        self.name = name
        self.short = short
        self.valueName = valueName
        self.help = help
        self.isRepeatable = isRepeatable || takesSeveral
        self.takesSeveral = takesSeveral
        self.type = type
    }

    func read(_ bytes: [UInt8]) throws(UsageError) -> any Sendable {
        do throws(UsageError) {
            return try type.read(bytes)
        } catch {
            let text = String(decoding: bytes, as: UTF8.self)
            throw UsageError(description: "--\(name) \(text): \(error.description)")
        }
    }
}

extension Option<Bool> {
    /// A switch.
    init(_ name: String, short: Character? = nil, _ help: String) {
        self.name = name
        self.short = short
        valueName = nil
        self.help = help
        isRepeatable = true
        takesSeveral = false
        type = ValueType { _ in true }
    }
}
