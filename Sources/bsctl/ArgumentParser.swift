import BlockStore

/// An option of a command. Options may stand anywhere; `--` ends them.
struct Option {
    let name: String
    var short: Character?
    /// What the value is called in help; nil for a switch.
    var value: String?
    let help: String
    var isRepeatable = false
}

/// A command as data: the parser, the help and the completions read the same table.
struct Command: Sendable {
    /// "device replace"
    let name: String
    let summary: String
    let synopsis: [String]
    let options: [Option]
    /// How many operands.
    let operands: ClosedRange<Int>
    /// Whether everything behind `--` is a command to run.
    var takesCommand = false
    var examples: [String] = []
    let run: @Sendable (Invocation) throws -> ExitCode
}

/// A command with its options and operands, not yet interpreted.
struct Invocation {
    let command: Command
    private let options: [String: [[UInt8]]]
    let operands: [[UInt8]]
    /// What came behind `--` of a command that runs another.
    let trailing: [[UInt8]]

    init(command: Command, options: [String: [[UInt8]]], operands: [[UInt8]], trailing: [[UInt8]]) {
        self.command = command
        self.options = options
        self.operands = operands
        self.trailing = trailing
    }

    func has(_ name: String) -> Bool { options[name] != nil }

    func bytes(_ name: String) -> [UInt8]? { options[name]?.last }

    func all(_ name: String) -> [[UInt8]] { options[name] ?? [] }

    func text(_ name: String) throws -> String? {
        guard let bytes = bytes(name) else { return nil }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw UsageError(description: "--\(name): the value is not UTF-8")
        }
        return text
    }

    /// A whole number within `range`.
    func number(_ name: String, in range: ClosedRange<UInt64>) throws -> UInt64? {
        guard let text = try text(name) else { return nil }
        guard let value = UInt64(text), range.contains(value) else {
            throw UsageError(
                description:
                    "--\(name) \(text): expected a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// A number of bytes: "4096", "64KiB", "10GB".
    func size(_ name: String) throws -> Int? {
        guard let text = try text(name) else { return nil }
        guard let value = Size.parse(text) else {
            throw UsageError(description: "--\(name) \(text): expected a size such as 4096, 64KiB, 1MiB or 10GB")
        }
        return value
    }
}

struct ArgumentParser {
    private let commands: [Command]

    init(_ commands: [Command]) { self.commands = commands }

    func parse(_ arguments: [[UInt8]]) throws -> Invocation {
        let (command, rest) = try findCommand(arguments)
        let known = command.options + CommandTable.globalOptions
        var options: [String: [[UInt8]]] = [:]
        var operands: [[UInt8]] = []
        var trailing: [[UInt8]] = []
        var index = 0
        func value(of option: Option, inline: [UInt8]?) throws -> [UInt8] {
            if let inline { return inline }
            guard index < rest.count else {
                throw UsageError(description: "--\(option.name) needs a value: --\(option.name) \(option.value ?? "")")
            }
            defer { index += 1 }
            return rest[index]
        }
        func set(_ option: Option, inline: [UInt8]?) throws {
            if option.value == nil, inline != nil {
                throw UsageError(description: "--\(option.name) takes no value")
            }
            let value = option.value == nil ? [] : try value(of: option, inline: inline)
            if options[option.name] != nil, option.value != nil, !option.isRepeatable {
                throw UsageError(description: "--\(option.name) is given twice")
            }
            options[option.name, default: []].append(value)
        }
        while index < rest.count {
            let argument = rest[index]
            index += 1
            if argument == Array("--".utf8) {
                if command.takesCommand {
                    trailing = Array(rest[index...])
                } else {
                    operands += rest[index...]
                }
                break
            }
            let text = String(decoding: argument, as: UTF8.self)
            if text.hasPrefix("--") {
                let equals = argument.firstIndex(of: UInt8(ascii: "="))
                let name = String(decoding: argument[2..<(equals ?? argument.count)], as: UTF8.self)
                if name == "help" { throw HelpRequest(text: Help.page(command)) }
                guard let option = known.first(where: { $0.name == name }) else {
                    throw UsageError(
                        description: "unknown option --\(name) for bsctl \(command.name)"
                            + Suggestion.text(name, known.map(\.name), prefix: "--"))
                }
                try set(option, inline: equals.map { Array(argument[($0 + 1)...]) })
            } else if text.hasPrefix("-"), text != "-" {
                for (position, letter) in text.dropFirst().enumerated() {
                    if letter == "h" { throw HelpRequest(text: Help.page(command)) }
                    guard let option = known.first(where: { $0.short == letter }) else {
                        throw UsageError(description: "unknown option -\(letter) for bsctl \(command.name)")
                    }
                    let rest = Array(argument.dropFirst(position + 2))
                    try set(option, inline: option.value != nil && !rest.isEmpty ? rest : nil)
                    if option.value != nil { break }
                }
            } else {
                operands.append(argument)
            }
        }
        guard command.operands.contains(operands.count) else {
            throw UsageError(
                description: "bsctl \(command.name): \(operands.count) operands do not fit\nusage: "
                    + command.synopsis.joined(separator: "\n       "))
        }
        return Invocation(command: command, options: options, operands: operands, trailing: trailing)
    }

    /// The command the first words name; global options may stand before it.
    private func findCommand(_ arguments: [[UInt8]]) throws -> (Command, [[UInt8]]) {
        var leading: [[UInt8]] = []
        var words = arguments[...]
        while let first = words.first, first.first == UInt8(ascii: "-"), first.count > 1 {
            let text = String(decoding: first, as: UTF8.self)
            if text == "--version" { throw HelpRequest(text: "bsctl \(Program.version)") }
            if text == "--help" || text == "-h" { throw HelpRequest(text: Help.overview) }
            leading.append(first)
            words = words.dropFirst()
            let option = CommandTable.globalOptions.first {
                "--\($0.name)" == text || $0.short.map { "-\($0)" == text } ?? false
            }
            if option?.value != nil, let value = words.first {
                leading.append(value)
                words = words.dropFirst()
            }
        }
        let texts = words.prefix(2).map { String(decoding: $0, as: UTF8.self) }
        guard let first = texts.first else { throw HelpRequest(text: Help.overview) }
        if first == "help" {
            let name = words.dropFirst().map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
            guard let command = commands.first(where: { $0.name == name }) else {
                throw HelpRequest(text: Help.overview)
            }
            throw HelpRequest(text: Help.page(command))
        }
        if texts.count == 2, let command = commands.first(where: { $0.name == texts.joined(separator: " ") }) {
            return (command, leading + words.dropFirst(2))
        }
        if let command = commands.first(where: { $0.name == first }) { return (command, leading + words.dropFirst()) }
        let group = commands.filter { $0.name.hasPrefix(first + " ") }.map(\.name)
        guard group.isEmpty else {
            throw UsageError(description: "bsctl \(first): which one? " + group.joined(separator: ", "))
        }
        throw UsageError(
            description: "unknown command \(first)" + Suggestion.text(first, commands.map(\.name), prefix: "bsctl ")
                + "\nbsctl help lists the commands")
    }
}

/// "did you mean"
enum Suggestion {
    static func text(_ word: String, _ known: [String], prefix: String) -> String {
        let near = known.map { ($0, distance(Array(word), Array($0))) }.min { $0.1 < $1.1 }
        guard let near, near.1 <= max(1, word.count / 3) else { return "" }
        return "; did you mean \(prefix)\(near.0)?"
    }

    /// Levenshtein's.
    private static func distance(_ left: [Character], _ right: [Character]) -> Int {
        var row = Array(0...right.count)
        for (i, a) in left.enumerated() {
            var previous = row[0]
            row[0] = i + 1
            for (j, b) in right.enumerated() {
                let current = row[j + 1]
                row[j + 1] = min(row[j] + 1, current + 1, previous + (a == b ? 0 : 1))
                previous = current
            }
        }
        return row[right.count]
    }
}

/// Numbers of bytes, in and out.
enum Size {
    private static let units: [(String, Int)] = [
        ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("KB", 1000), ("MB", 1_000_000),
        ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("B", 1),
    ]

    static func parse(_ text: String) -> Int? {
        for (unit, factor) in units where text.lowercased().hasSuffix(unit.lowercased()) {
            guard let value = Int(text.dropLast(unit.count)), value >= 0 else { continue }
            let (product, overflows) = value.multipliedReportingOverflow(by: factor)
            return overflows ? nil : product
        }
        guard let value = Int(text), value >= 0 else { return nil }
        return value
    }

    /// "1.5 MiB"
    static func text(_ bytes: some BinaryInteger) -> String {
        var value = Double(bytes)
        var unit = "B"
        for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] where abs(value) >= 1024 {
            value /= 1024
            unit = next
        }
        return unit == "B" ? "\(Int(value)) B" : "\(decimals(value, value < 10 ? 2 : 1)) \(unit)"
    }

    static func decimals(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite else { return "–" }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let scaled = (value * scale).rounded()
        guard abs(scaled) < 9e15 else { return "\(value)" }
        let whole = Int(abs(scaled))
        let sign = scaled < 0 ? "-" : ""
        guard digits > 0 else { return "\(sign)\(whole)" }
        let fraction = String(whole % Int(scale))
        return "\(sign)\(whole / Int(scale))." + String(repeating: "0", count: digits - fraction.count) + fraction
    }
}
