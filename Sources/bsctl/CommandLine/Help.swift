/// Help pages, from the table of commands, for a terminal of 80 columns.
enum Help {
    private static let columns = 80
    /// The parser knows it by itself.
    private static let help = ("-h, --help", "explain the command")

    /// For whoever says nothing.
    static let beginning = """
        usage: bsctl [--store HOME] COMMAND …

        to begin, with six disks, or on trial with --disks 6 in place of --device:
          bsctl init ~/store --device /mnt/a/bs /mnt/b/bs …
          export BSCTL_STORE=~/store
          bsctl put -r ~/photos photos
          bsctl status
        """

    static func overview(_ everywhere: [any AnyOption]) -> String {
        var lines = ["bsctl: content-addressed, erasure-coded block storage", "", beginning]
        let width = CommandTable.all.map(\.name.count).max() ?? 0
        for (title, commands) in CommandTable.groups {
            lines += ["", "\(title):"]
            lines += commands.flatMap { described($0.name, $0.summary, width: width) }
        }
        lines += ["", "everywhere:"] + options(everywhere, [help, ("--version", "tell the version")])
        lines += ["", "exit codes:"]
        lines += ExitCode.meanings.flatMap { described("\($0.code.rawValue)", $0.meaning, width: 1) }
        lines += [
            "  ended by a signal: 128 + its number", "",
            "bsctl COMMAND --help tells more.",
        ]
        return lines.joined(separator: "\n")
    }

    static func page(_ command: Command, _ everywhere: [any AnyOption]) -> String {
        var lines = Text.wrapped("bsctl \(command.name): \(command.summary)", columns: columns)
        lines += ["", "usage:"] + command.synopsis.flatMap { usage($0, indent: 2) }
        lines += [""] + Text.wrapped(command.details, columns: columns)
        if !command.options.isEmpty { lines += ["", "options:"] + options(command.options, []) }
        lines += ["", "everywhere:"] + options(everywhere, [help])
        if !command.examples.isEmpty { lines += ["", "examples:"] + command.examples.map { "  \($0)" } }
        return lines.joined(separator: "\n")
    }

    /// A line of usage, indented, and more so where it goes on.
    static func usage(_ synopsis: String, indent: Int) -> [String] {
        let lines = Text.wrapped(synopsis, columns: columns - indent - 4, keepingBrackets: true)
        return lines.enumerated().map { index, line in
            String(repeating: " ", count: index == 0 ? indent : indent + 4) + line
        }
    }

    private static func options(_ options: [any AnyOption], _ more: [(String, String)]) -> [String] {
        let rows =
            options.map { option in
                let short = option.short.map { "-\($0), " } ?? ""
                return ("\(short)--\(option.name)" + (option.valueName.map { " \($0)" } ?? ""), option.help)
            } + more
        let width = rows.map(\.0.count).filter { $0 <= 22 }.max() ?? 0
        return rows.flatMap { described($0.0, $0.1, width: width) }
    }

    /// `term` in a column so wide, with `text` beside it, or below it where it is wider.
    private static func described(_ term: String, _ text: String, width: Int) -> [String] {
        let indent = String(repeating: " ", count: width + 4)
        var lines = Text.wrapped(text, columns: columns - indent.count).map { indent + $0 }
        guard term.count <= width, !lines.isEmpty else { return ["  " + term] + lines }
        lines[0] = "  " + term + lines[0].dropFirst(2 + term.count)
        return lines
    }
}
