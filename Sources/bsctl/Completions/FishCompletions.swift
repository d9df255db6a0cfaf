/// For fish.
enum FishCompletions {
    static func script(_ commands: [Command], _ everywhere: [any AnyOption]) -> String {
        let firsts = Completions.firsts(commands)
        let groups = firsts.filter { !$0.seconds.isEmpty }.map(\.word)
        let valued = (commands.flatMap(\.options) + everywhere).filter { $0.valueName != nil }
        let valuedWords = Set(
            valued.flatMap { option in ["--\(option.name)"] + (option.short.map { ["-\($0)"] } ?? []) })
        let several = Set(valued.filter(\.takesSeveral).map { "--\($0.name)" })
        var lines = [
            "# Completion of bsctl for fish. Made by: bsctl completions fish", "",
            "# The command and its operands before the cursor, without options and their values.",
            "function __bsctl_operands",
            "    set -l skip",
            "    set -l tokens (commandline -opc)",
            "    for token in $tokens[2..-1]",
            "        if test \"$skip\" = several; and not string match -q -- '-?*' $token",
            "            continue",
            "        else if test \"$skip\" = yes",
            "            set -e skip",
            "            set -l skip",
            "        else if contains -- $token \(several.sorted().joined(separator: " "))",
            "            set skip several",
            "        else if contains -- $token \(valuedWords.sorted().joined(separator: " "))",
            "            set skip yes",
            "        else if not string match -q -- '-?*' $token",
            "            echo -- $token",
            "        end",
            "    end",
            "end",
            "",
            "# Whether the command is $argv.",
            "function __bsctl_is",
            "    set -l words (__bsctl_operands)",
            "    test (count $words) -ge (count $argv); and test \"$words[1..\"(count $argv)\"]\" = \"$argv\"",
            "end",
            "",
            "# Whether the next operand is number $argv[1] of the command $argv[2..-1], or a later one with a + behind it.",
            "function __bsctl_takes",
            "    __bsctl_is $argv[2..-1]; or return 1",
            "    set -l number (math (count (__bsctl_operands)) - (count $argv) + 2)",
            "    if string match -q -- '*+' $argv[1]",
            "        test $number -ge (string replace + '' -- $argv[1])",
            "    else",
            "        test $number -eq $argv[1]",
            "    end",
            "end",
            "",
            "# Asks the store, which answers quickly or not at all.",
            "function __bsctl_ask",
            "    set -l tokens (commandline -opc)",
            "    set -l store",
            "    for index in (seq 2 (count $tokens))",
            "        switch $tokens[$index]",
            "            case -s --store",
            "                set -l next (math $index + 1)",
            "                set store --store=$tokens[$next]",
            "            case '--store=*'",
            "                set store $tokens[$index]",
            "        end",
            "    end",
            "    $tokens[1] $store completions $argv[1] -- $argv[2..-1] (commandline -ct) 2>/dev/null",
            "end",
            "",
            "# The versions of the first operand or the last.",
            "function __bsctl_versions",
            "    set -l words (__bsctl_operands)",
            "    set -q words[2]; or return",
            "    if test $argv[1] = first",
            "        __bsctl_ask versions $words[2]",
            "    else",
            "        __bsctl_ask versions $words[-1]",
            "    end",
            "end",
            "",
            "complete -c bsctl -f",
        ]
        for first in firsts {
            lines.append(
                "complete -c bsctl -n 'test -z \"$(__bsctl_operands)\"' -a \(first.word) -d \(quoted(first.summary))")
        }
        for first in firsts where groups.contains(first.word) {
            for second in first.seconds {
                lines.append(
                    "complete -c bsctl -n 'test \"$(__bsctl_operands)\" = \(first.word)' -a \(second.word) -d "
                        + quoted(second.command.summary))
            }
        }
        for option in everywhere { lines.append("complete -c bsctl" + specification(option)) }
        lines.append("complete -c bsctl -s h -l help -d 'explain the command'")
        for command in commands {
            lines += command.options.map { "complete -c bsctl -n '__bsctl_is \(command.name)'" + specification($0) }
            for (index, kind) in command.takes.enumerated() {
                guard let proposal = proposal(kind) else { continue }
                let isLast = index == command.takes.count - 1 && command.operands.upperBound > command.takes.count
                let condition = "__bsctl_takes \(index + 1)\(isLast ? "+" : "") \(command.name)"
                lines.append("complete -c bsctl -n '\(condition)'\(proposal)")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func specification(_ option: any AnyOption) -> String {
        let value =
            option.valueName == nil ? "" : (takesFiles(option.kind) ? " -r" : " -x") + (proposal(option.kind) ?? "")
        return (option.short.map { " -s \($0)" } ?? "") + " -l \(option.name)\(value) -d \(quoted(option.help))"
    }

    private static func takesFiles(_ kind: WordKind) -> Bool { kind == .file || kind == .path }

    private static func proposal(_ kind: WordKind) -> String? {
        switch kind {
        case .text: nil
        case .key: " -a '(__bsctl_ask keys)'"
        case .device: " -a '(__bsctl_ask devices)'"
        case .file, .path: " -F"
        case .directory: " -a '(__fish_complete_directories (commandline -ct))'"
        case .version(let operand): " -k -a '(__bsctl_versions \(operand.rawValue))'"
        case .choice(let words): " -a \(quoted(words.joined(separator: " ")))"
        }
    }

    /// Between single quotes, where fish knows `\'` and `\\`.
    private static func quoted(_ text: String) -> String {
        "'" + text.replacing("\\", with: "\\\\").replacing("'", with: "\\'") + "'"
    }
}
