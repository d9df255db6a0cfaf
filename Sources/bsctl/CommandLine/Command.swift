/// A command as data: the parser, the help, the manual and the completions read the same table.
struct Command: Sendable {
    /// "device replace"
    let name: String
    let summary: String
    let synopsis: [String]
    let options: [any AnyOption]
    /// How many operands.
    let operands: ClosedRange<Int>
    /// What each operand is; the last one stands for all behind it.
    let takes: [WordKind]
    /// With this option, everything behind `--` is a command to run.
    let commandOption: String?
    /// It works on a full disk: the reserve is for it.
    let freesRoom: Bool
    /// What a person should know who reads the manual, beyond the summary.
    let details: String
    /// What it leaves when it is interrupted; nil where that is how it always ends.
    let ending: Ending?
    let examples: [String]
    let run: @Sendable (Invocation) throws -> ExitCode

    init(
        _ name: String, _ summary: String, synopsis: [String], options: [any AnyOption] = [],
        operands: ClosedRange<Int>, takes: [WordKind] = [], commandOption: String? = nil, freesRoom: Bool = false,
        details: String, ending: Ending? = .nothingChanged, examples: [String],
        run: @escaping @Sendable (Invocation) throws -> ExitCode
    ) {
        self.name = name
        self.summary = summary
        self.synopsis = synopsis
        self.options = options
        self.operands = operands
        self.takes = takes
        self.commandOption = commandOption
        self.freesRoom = freesRoom
        self.details = details
        self.ending = ending
        self.examples = examples
        self.run = run
    }

    /// What operand number `index` is, from 0; nil when there can be none.
    func kind(ofOperand index: Int) -> WordKind? {
        guard index < operands.upperBound else { return nil }
        return index < takes.count ? takes[index] : takes.last
    }
}

/// What a word of the command line is, for whoever completes it.
enum WordKind: Sendable, Hashable {
    /// Anything: nothing can be proposed.
    case text
    case key
    /// The label of a device.
    case device
    case file
    case directory
    /// A file or a directory.
    case path
    case choice([String])
    /// A version of the key that is an operand before it.
    case version(of: Operand)

    /// Which operand.
    enum Operand: String, Sendable, Hashable {
        case first
        case last
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
