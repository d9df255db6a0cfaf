/// Completion scripts, from the table of commands.
///
/// What cannot be known here, keys, their versions and devices, the scripts ask for: `bsctl completions keys PREFIX`.
enum Completions {
    static let shells = ["bash", "zsh", "fish"]

    static func script(for shell: String, _ commands: [Command], _ everywhere: [any AnyOption]) -> String? {
        switch shell {
        case "bash": BashCompletions.script(commands, everywhere)
        case "zsh": ZshCompletions.script(commands, everywhere)
        case "fish": FishCompletions.script(commands, everywhere)
        default: nil
        }
    }

    /// A word that begins a command: "put", or "device" for a group.
    struct First {
        let word: String
        let summary: String
        /// The second words of a group; empty for a command of one word.
        let seconds: [(word: String, command: Command)]
        /// Nil for a group.
        let command: Command?
    }

    /// In the order of the table.
    static func firsts(_ commands: [Command]) -> [First] {
        var names: [String] = []
        for command in commands {
            let word = String(command.name.prefix { $0 != " " })
            if !names.contains(word) { names.append(word) }
        }
        return names.map { word in
            let seconds = commands.filter { $0.name.hasPrefix(word + " ") }.map {
                (word: String($0.name.dropFirst(word.count + 1)), command: $0)
            }
            let command = commands.first { $0.name == word }
            let summary = command?.summary ?? seconds.map(\.word).joined(separator: ", ")
            return First(word: word, summary: summary, seconds: seconds, command: command)
        }
    }

    /// `text` between single quotes for a POSIX shell.
    static func quoted(_ text: String) -> String { "'" + text.replacing("'", with: "'\\''") + "'" }
}
