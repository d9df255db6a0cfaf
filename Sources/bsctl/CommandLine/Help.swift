/// Help pages, from the table of commands.
enum Help {
    static func overview(_ commands: [Command], _ everywhere: [any AnyOption]) -> String {
        var lines = [
            "bsctl: content-addressed, erasure-coded block storage", "",
            "usage: bsctl [--store HOME] COMMAND …", "",
        ]
        lines += Table.lines(commands.map { ["  " + $0.name, $0.summary] })
        lines += ["", "everywhere:"] + options(everywhere)
        lines += [
            "", "exit codes: 0 done; 1 failed; 2 wrong usage; 3 no such key, version, device or store; 4 data lost;",
            "5 store busy; 6 done, but damage was found or redundancy is owed; 7 refused by --if-absent or --if-version.",
            "",
            "bsctl COMMAND --help tells more.",
        ]
        return lines.joined(separator: "\n")
    }

    static func page(_ command: Command, _ everywhere: [any AnyOption]) -> String {
        var lines = ["bsctl \(command.name): \(command.summary)", "", "usage:"]
        lines += command.synopsis.map { "  \($0)" }
        if !command.options.isEmpty { lines += ["", "options:"] + options(command.options) }
        lines += ["", "everywhere:"] + options(everywhere)
        if !command.examples.isEmpty { lines += ["", "examples:"] + command.examples.map { "  \($0)" } }
        return lines.joined(separator: "\n")
    }

    private static func options(_ options: [any AnyOption]) -> [String] {
        Table.lines(
            options.map { option in
                let short = option.short.map { "-\($0), " } ?? ""
                return ["  \(short)--\(option.name)" + (option.valueName.map { " \($0)" } ?? ""), option.help]
            })
    }
}
