/// Turns words into an invocation of a command from the table.
///
/// Options may stand anywhere, also before the command; `--` ends them. `--name=value` and `--name value`
/// are the same, `-rl` is `-r -l`, and `-sHOME` is `-s HOME`. What an option takes several of are the words up to the next one.
struct ArgumentParser {
    private let commands: [Command]
    private let everywhere: [any AnyOption]

    init(_ commands: [Command], everywhere: [any AnyOption]) {
        self.commands = commands
        self.everywhere = everywhere
    }

    /// - Throws: `UsageError`, or `HelpRequest` when help was asked for.
    func parse(_ arguments: [[UInt8]]) throws -> Invocation {
        let (command, rest) = try findCommand(arguments)
        var reader = WordReader(command, command.options + everywhere, rest)
        do {
            try reader.run()
        } catch let error as UsageError {
            throw UsageError(description: error.description, next: error.next ?? "bsctl \(command.name) --help")
        }
        guard command.operands.contains(reader.operands.count) else {
            let given = reader.operands.count
            throw UsageError(
                description: "\(command.name): "
                    + (given < command.operands.lowerBound ? "something is missing" : "too many operands (\(given))")
                    + "\nusage:\n" + command.synopsis.flatMap { Help.usage($0, indent: 2) }.joined(separator: "\n"),
                next: "bsctl \(command.name) --help")
        }
        return Invocation(
            command: command, values: reader.values, operands: reader.operands, trailing: reader.trailing)
    }

    /// The command that the first words name, and all the other words.
    private func findCommand(_ arguments: [[UInt8]]) throws -> (Command, [[UInt8]]) {
        let start = try leadingOptions(arguments)
        let leading = Array(arguments[..<start])
        let words = arguments[start...]
        let texts = words.prefix(2).map { String(decoding: $0, as: UTF8.self) }
        guard let first = texts.first else { throw UsageError(description: "no command\n\n" + Help.beginning + "\n") }
        if first == "help" { throw try help(words.dropFirst().map { String(decoding: $0, as: UTF8.self) }) }
        if texts.count == 2, let command = commands.first(where: { $0.name == texts.joined(separator: " ") }) {
            return (command, leading + words.dropFirst(2))
        }
        if let command = commands.first(where: { $0.name == first }) { return (command, leading + words.dropFirst()) }
        throw unknown(texts)
    }

    /// How many words come before the command: options that fit everywhere, with their values.
    private func leadingOptions(_ arguments: [[UInt8]]) throws -> Int {
        var index = 0
        while index < arguments.count {
            let text = String(decoding: arguments[index], as: UTF8.self)
            guard text.hasPrefix("-"), text != "-", text != "--" else { break }
            if text == "--version" { throw HelpRequest(text: "bsctl \(Program.version)") }
            if text == "--help" || text == "-h" { throw HelpRequest(text: overview) }
            index += 1
            let takesNext: Bool
            if text.hasPrefix("--") {
                takesNext = everywhere.contains { "--\($0.name)" == text && $0.valueName != nil }
            } else {
                let letters = Array(text.dropFirst())
                let taker = letters.firstIndex { letter in
                    everywhere.contains { $0.short == letter && $0.valueName != nil }
                }
                takesNext = taker == letters.count - 1
            }
            if takesNext { index += 1 }
        }
        return min(index, arguments.count)
    }

    private var overview: String { Help.overview(everywhere) }

    private func help(_ words: [String]) throws(UsageError) -> HelpRequest {
        guard let first = words.first else { return HelpRequest(text: overview) }
        let name = words.joined(separator: " ")
        if let command = commands.first(where: { $0.name == name }) {
            return HelpRequest(text: Help.page(command, everywhere))
        }
        let group = commands.filter { $0.name.hasPrefix(name + " ") }
        guard words.count == 1, !group.isEmpty else { throw unknown([first] + words.dropFirst()) }
        return HelpRequest(text: group.map { Help.page($0, everywhere) }.joined(separator: "\n\n"))
    }

    private func unknown(_ words: [String]) -> UsageError {
        let first = words[0]
        let group = commands.filter { $0.name.hasPrefix(first + " ") }.map(\.name)
        if !group.isEmpty {
            let second = words.count > 1 ? words[1] : ""
            let names = group.map { String($0.dropFirst(first.count + 1)) }
            return UsageError(
                description: "bsctl \(first): expected " + names.joined(separator: " or ")
                    + (second.isEmpty ? "" : ", not \(second)")
                    + Suggestion.text(second, names, prefix: "bsctl \(first) "))
        }
        return UsageError(
            description: "unknown command \(first)" + Suggestion.text(first, commands.map(\.name), prefix: "bsctl "),
            next: "bsctl help lists the commands")
    }
}

/// Reads the words behind a command.
private struct WordReader {
    private let command: Command
    private let known: [any AnyOption]
    private let words: [[UInt8]]
    private var next = 0
    private(set) var values: [String: [any Sendable]] = [:]
    private(set) var operands: [[UInt8]] = []
    private(set) var trailing: [[UInt8]] = []

    init(_ command: Command, _ known: [any AnyOption], _ words: [[UInt8]]) {
        self.command = command
        self.known = known
        self.words = words
    }

    mutating func run() throws {
        let dash = UInt8(ascii: "-")
        while next < words.count {
            let word = words[next]
            next += 1
            if word == [dash, dash] {
                let rest = Array(words[next...])
                if let option = command.commandOption, values[option] != nil {
                    trailing = rest
                } else {
                    operands += rest
                }
                return
            }
            if word.starts(with: [dash, dash]) {
                try readLong(word)
            } else if word.first == dash, word.count > 1 {
                try readCluster(word)
            } else {
                operands.append(word)
            }
        }
    }

    private mutating func readLong(_ word: [UInt8]) throws {
        let equals = word.firstIndex(of: UInt8(ascii: "="))
        let name = String(decoding: word[2..<(equals ?? word.count)], as: UTF8.self)
        if name == "help" { throw HelpRequest(text: Help.page(command, Options.everywhere)) }
        guard let option = known.first(where: { $0.name == name }) else {
            throw UsageError(
                description: "unknown option --\(name) for bsctl \(command.name)"
                    + Suggestion.text(name, known.map(\.name), prefix: "--"))
        }
        try set(option, inline: equals.map { Array(word[($0 + 1)...]) })
    }

    private mutating func readCluster(_ word: [UInt8]) throws {
        for index in 1..<word.count {
            let letter = Character(Unicode.Scalar(word[index]))
            if letter == "h" { throw HelpRequest(text: Help.page(command, Options.everywhere)) }
            guard let option = known.first(where: { $0.short == letter }) else {
                throw UsageError(
                    description: "unknown option -\(letter) for bsctl \(command.name); put -- before a name that "
                        + "begins with -")
            }
            if option.valueName == nil {
                try set(option, inline: nil)
            } else {
                return try set(option, inline: index + 1 < word.count ? Array(word[(index + 1)...]) : nil)
            }
        }
    }

    private mutating func set(_ option: any AnyOption, inline: [UInt8]?) throws(UsageError) {
        guard let valueName = option.valueName else {
            guard inline == nil else { throw UsageError(description: "--\(option.name) takes no value") }
            values[option.name] = [try option.read([])]
            return
        }
        guard values[option.name] == nil || option.isRepeatable else {
            throw UsageError(description: "--\(option.name) is given twice")
        }
        var bytes = inline
        if bytes == nil, next < words.count {
            bytes = words[next]
            next += 1
        }
        guard let bytes else {
            throw UsageError(description: "--\(option.name) needs a value: --\(option.name) \(valueName)")
        }
        values[option.name, default: []].append(try option.read(bytes))
        guard option.takesSeveral, inline == nil else { return }
        while next < words.count, words[next].first != UInt8(ascii: "-") {
            values[option.name, default: []].append(try option.read(words[next]))
            next += 1
        }
    }
}
