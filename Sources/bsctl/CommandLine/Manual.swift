/// Manual pages, from the table of commands: man(7) as groff and mandoc read it.
enum Manual {
    /// Names of files and what they hold: bsctl.1, and one page for each command.
    static func pages(_ everywhere: [any AnyOption]) -> [(name: String, text: String)] {
        [("bsctl.1", overview(everywhere))]
            + CommandTable.all.map { ("\(pageName($0)).1", page($0, everywhere)) }
    }

    /// "bsctl-device-replace"
    static func pageName(_ command: Command) -> String { "bsctl-" + command.name.replacing(" ", with: "-") }

    private static func overview(_ everywhere: [any AnyOption]) -> String {
        var lines = title("bsctl", "content-addressed, erasure-coded block storage")
        lines += [".SH SYNOPSIS", ".B bsctl", escaped("[--store HOME] COMMAND …")]
        lines += [".SH DESCRIPTION"]
        lines += paragraphs(
            "bsctl keeps files in a store that is spread over several disks. Content is cut into chunks, stored once however "
                + "often it comes, compressed, packed into blocks, and each block is erasure coded, so that any so many of the "
                + "disks may be lost as the store's profile says. One command makes the store whole again: bsctl repair. "
                + "The index is a cache, and can be made from the disks alone.",
            "A first session: bsctl init, bsctl put, bsctl get, bsctl status. bsctl status answers whether the data are safe, "
                + "what can still fail, and what to do.")
        lines.append(".SH COMMANDS")
        for (title, commands) in CommandTable.groups {
            lines.append(".SS \(escaped(sentence(title).dropLast().description))")
            for command in commands {
                lines += [".TP", ".BR \(escaped(pageName(command))) (1)", escaped(sentence(command.summary))]
            }
        }
        lines.append(".SH OPTIONS")
        lines += options(everywhere)
        lines += exitStatus()
        lines.append(".SH ERRORS")
        lines += paragraphs(
            "An error says what happened, what is at risk and what to do next. The word in brackets is its code, which never "
                + "means anything else; with --json it is the field code. The codes are: "
                + ErrorKind.all.map(\.code).sorted().joined(separator: ", ") + ".")
        lines.append(".SH SIGNALS")
        lines += paragraphs(
            "With SIGINT, SIGTERM or SIGHUP a command gives up what is not acknowledged, says what stays, and ends by the signal. "
                + "A second one ends it at once. Nothing acknowledged is lost either way.")
        lines += environment()
        lines.append(".SH FILES")
        lines += [
            ".TP", ".I HOME/store.json", "The devices and the profile: a copy of what every device says.",
            ".TP", ".I HOME/index.db", "The index, a cache. It may be deleted.",
            ".TP", ".I HOME/files.db", "What is known of files that were read before, a cache. It may be deleted.",
            ".TP", ".I HOME/lock", "The writer lock.",
        ]
        lines += [".SH SEE ALSO"]
        lines += seeAlso(CommandTable.all.map(pageName))
        return text(lines)
    }

    private static func page(_ command: Command, _ everywhere: [any AnyOption]) -> String {
        var lines = title(pageName(command), command.summary)
        lines.append(".SH SYNOPSIS")
        for (index, synopsis) in command.synopsis.enumerated() {
            if index > 0 { lines.append(".br") }
            lines += [
                ".B \(escaped("bsctl \(command.name)"))",
                escaped(synopsis.dropFirst(7 + command.name.count).description),
            ]
            .filter { !$0.isEmpty }
        }
        lines.append(".SH DESCRIPTION")
        lines += paragraphs(sentence(command.summary), command.details)
        if !command.options.isEmpty {
            lines.append(".SH OPTIONS")
            lines += options(command.options)
        }
        lines.append(".SS Everywhere")
        if command.options.isEmpty { lines[lines.count - 1] = ".SH OPTIONS" }
        lines += options(everywhere)
        lines.append(".SH EXAMPLES")
        for (index, example) in command.examples.enumerated() {
            if index > 0 { lines.append(".PP") }
            lines += [".EX", escaped(example), ".EE"]
        }
        lines += exitStatus() + environment()
        lines.append(".SH SEE ALSO")
        lines += seeAlso(["bsctl"])
        return text(lines)
    }

    private static func title(_ name: String, _ summary: String) -> [String] {
        [
            ".\\\" Made by: bsctl manual DIR",
            ".TH \(escaped(name.uppercased())) 1 \(Program.date) \"bsctl \(Program.version)\" \"User Commands\"",
            ".SH NAME", "\(escaped(name)) \\- \(escaped(summary))",
        ]
    }

    private static func options(_ options: [any AnyOption]) -> [String] {
        options.flatMap { option in
            var words: [String] = []
            if let short = option.short { words.append("\\fB\(escaped("-\(short)"))\\fR") }
            words.append("\\fB\(escaped("--\(option.name)"))\\fR")
            let value = option.valueName.map { " \\fI\(escaped($0))\\fR" } ?? ""
            return [".TP", words.joined(separator: ", ") + value, escaped(sentence(option.help))]
        }
    }

    private static func exitStatus() -> [String] {
        [".SH EXIT STATUS"]
            + ExitCode.meanings.flatMap { code, meaning in [".TP", ".B \(code.rawValue)", escaped(sentence(meaning))] }
            + [".TP", ".B 128 + N", "Ended by signal N, as a shell tells it: 130 for SIGINT, 143 for SIGTERM."]
    }

    private static func environment() -> [String] {
        [
            ".SH ENVIRONMENT", ".TP", ".B BSCTL_STORE", "The home of the store, where \\-\\-store does not name it.",
            ".TP", ".B NO_COLOR", "When it is set and not empty, nothing is coloured.",
        ]
    }

    private static func seeAlso(_ names: [String]) -> [String] {
        names.enumerated().map { index, name in
            ".BR \(escaped(name)) (1)" + (index == names.count - 1 ? "" : ",")
        }
    }

    private static func paragraphs(_ texts: String...) -> [String] {
        texts.enumerated().flatMap { index, text in
            // One sentence a line, as man pages want it.
            (index > 0 ? [".PP"] : [])
                + text.replacing(". ", with: ".\n").split(separator: "\n").map { escaped(String($0)) }
        }
    }

    /// With a capital at the beginning and a full stop at the end.
    private static func sentence(_ text: String) -> String {
        guard let first = text.first else { return "" }
        // A name stays as it is.
        let begins = text.hasPrefix("rs:") ? String(first) : first.uppercased()
        return begins + text.dropFirst() + (text.last == "." ? "" : ".")
    }

    private static func text(_ lines: [String]) -> String { lines.joined(separator: "\n") + "\n" }

    /// `text` as roff that means these very characters.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\e"
            case "-": result += "\\-"
            case "'": result += "\\(aq"
            case "`": result += "\\(ga"
            case "^": result += "\\(ha"
            case "~": result += "\\(ti"
            case "\"": result += "\\(dq"
            case "…": result += "..."
            case _ where !scalar.isASCII:
                let digits = String(scalar.value, radix: 16, uppercase: true)
                result += "\\[u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits + "]"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result.hasPrefix(".") ? "\\&" + result : result
    }
}
