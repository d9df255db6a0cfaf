/// Help pages, from the table of commands.
enum Help {
    static func overview(_ commands: [Command], _ everywhere: [any AnyOption]) -> String {
        var lines = [
            "bsctl: content-addressed, erasure-coded block storage", "",
            "usage: bsctl [--store HOME] COMMAND …", "",
        ]
        lines += Table.lines(commands.map { ["  " + $0.name, $0.summary] })
        lines += ["", "everywhere:"] + options(everywhere, ["  --version", "tell the version"])
        lines += ["", "exit codes:"]
        lines += Table.lines(ExitCode.meanings.map { ["  \($0.code.rawValue)", $0.meaning] })
        lines += [
            "  ended by a signal: 128 + its number", "",
            "bsctl COMMAND --help tells more.",
        ]
        return lines.joined(separator: "\n")
    }

    static func page(_ command: Command, _ everywhere: [any AnyOption]) -> String {
        var lines = ["bsctl \(command.name): \(command.summary)", "", "usage:"]
        lines += command.synopsis.map { "  \($0)" }
        lines += [""] + Text.wrapped(command.details, columns: 100)
        if !command.options.isEmpty { lines += ["", "options:"] + Table.lines(rows(command.options)) }
        lines += ["", "everywhere:"] + options(everywhere, [])
        if !command.examples.isEmpty { lines += ["", "examples:"] + command.examples.map { "  \($0)" } }
        return lines.joined(separator: "\n")
    }

    /// What every command has, with -h, which the parser knows by itself, and `more`.
    private static func options(_ options: [any AnyOption], _ more: [String]) -> [String] {
        Table.lines(
            rows(options) + [["  -h, --help", "explain the command"]] + (more.isEmpty ? [] : [more]))
    }

    private static func rows(_ options: [any AnyOption]) -> [[String]] {
        options.map { option in
            let short = option.short.map { "-\($0), " } ?? ""
            return ["  \(short)--\(option.name)" + (option.valueName.map { " \($0)" } ?? ""), option.help]
        }
    }
}
