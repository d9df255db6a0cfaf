/// A command as data: the parser and the help read the same table.
struct Command: Sendable {
    /// "device replace"
    let name: String
    let summary: String
    let synopsis: [String]
    let options: [any AnyOption]
    /// How many operands.
    let operands: ClosedRange<Int>
    /// With this option, everything behind `--` is a command to run.
    let commandOption: String?
    /// It works on a full disk: the reserve is for it.
    let freesRoom: Bool
    let examples: [String]
    let run: @Sendable (Invocation) throws -> ExitCode

    init(
        _ name: String, _ summary: String, synopsis: [String], options: [any AnyOption] = [],
        operands: ClosedRange<Int>, commandOption: String? = nil, freesRoom: Bool = false, examples: [String] = [],
        run: @escaping @Sendable (Invocation) throws -> ExitCode
    ) {
        self.name = name
        self.summary = summary
        self.synopsis = synopsis
        self.options = options
        self.operands = operands
        self.commandOption = commandOption
        self.freesRoom = freesRoom
        self.examples = examples
        self.run = run
    }
}

/// A command with its options and operands, read but not yet carried out.
struct Invocation {
    let command: Command
    let operands: [[UInt8]]
    /// The words behind `--` that are a command to run.
    let trailing: [[UInt8]]
    private let values: [String: [any Sendable]]

    init(command: Command, values: [String: [any Sendable]], operands: [[UInt8]], trailing: [[UInt8]]) {
        self.command = command
        self.values = values
        self.operands = operands
        self.trailing = trailing
    }

    /// Whether a switch is set.
    func has(_ option: Option<Bool>) -> Bool { values[option.name] != nil }

    /// The value of an option; nil when it was not given.
    subscript<Value>(_ option: Option<Value>) -> Value? { values[option.name]?.last as? Value }

    /// All values of an option that may be given several times.
    func all<Value>(_ option: Option<Value>) -> [Value] { values[option.name]?.compactMap { $0 as? Value } ?? [] }

    /// Refuses switches and options that make no sense together.
    func refuse(_ options: (any AnyOption)..., with reason: String) throws(UsageError) {
        for option in options where values[option.name] != nil {
            throw UsageError(description: "--\(option.name) \(reason)")
        }
    }
}
