/// Help pages, from the table of commands.
enum Help {
    static var overview: String {
        var lines = [
            "bsctl: content-addressed, erasure-coded block storage", "",
            "usage: bsctl [--store HOME] COMMAND …", "",
        ]
        let width = CommandTable.all.map(\.name.count).max() ?? 0
        for command in CommandTable.all {
            lines.append("  " + pad(command.name, width + 2) + command.summary)
        }
        lines += ["", "Everywhere:"] + options(CommandTable.globalOptions)
        lines += [
            "", "Exit codes: 0 done; 1 failed; 2 wrong usage; 3 no such key, version, device or store; 4 data lost;",
            "5 store busy; 6 done, but damage was found or redundancy is owed.", "",
            "bsctl COMMAND --help tells more.",
        ]
        return lines.joined(separator: "\n")
    }

    static func page(_ command: Command) -> String {
        var lines = ["bsctl \(command.name): \(command.summary)", "", "usage:"]
        lines += command.synopsis.map { "  \($0)" }
        if !command.options.isEmpty { lines += ["", "options:"] + options(command.options) }
        lines += ["", "everywhere:"] + options(CommandTable.globalOptions)
        if !command.examples.isEmpty { lines += ["", "examples:"] + command.examples.map { "  \($0)" } }
        return lines.joined(separator: "\n")
    }

    private static func options(_ options: [Option]) -> [String] {
        let names = options.map { option in
            (option.short.map { "-\($0), " } ?? "") + "--\(option.name)" + (option.value.map { " \($0)" } ?? "")
        }
        let width = names.map(\.count).max() ?? 0
        return zip(names, options).map { "  " + pad($0, width + 2) + $1.help }
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
