/// For zsh, as a function of its completion system: in a directory of `fpath` it is called `_bsctl`.
enum ZshCompletions {
    static func script(_ commands: [Command], _ everywhere: [any AnyOption]) -> String {
        let firsts = Completions.firsts(commands)
        var lines = [
            "#compdef bsctl", "# Completion of bsctl for zsh. Made by: bsctl completions zsh", "",
            "# Asks the store, which answers quickly or not at all.",
            "_bsctl_ask() {",
            "    local -a found nospace",
            "    found=(${(f)\"$(_call_program $1 ${(q)bsctl_program} ${bsctl_store:+--store=${(q)bsctl_store}} completions $1 -- ${(q)PREFIX} 2>/dev/null)\"})",
            "    nospace=(${(M)found:#*/})",
            "    found=(${found:#*/})",
            "    (( $#nospace )) && compadd -S '' -a nospace",
            "    (( $#found )) && compadd -a found",
            "}",
            "_bsctl_keys() { _bsctl_ask keys }",
            "_bsctl_devices() { _bsctl_ask devices }",
            "# Of the first operand or the last, which _arguments has in `line`; the newest first.",
            "_bsctl_versions() {",
            "    local -a found",
            "    local key=${line[1]}",
            "    [[ $1 == first ]] || key=${line[-1]}",
            "    [[ -n $key ]] || return 1",
            "    found=(${(f)\"$(_call_program versions ${(q)bsctl_program} ${bsctl_store:+--store=${(q)bsctl_store}} completions versions -- ${(q)${(Q)key}} ${(q)PREFIX} 2>/dev/null)\"})",
            "    (( $#found )) && compadd -V versions -a found",
            "}",
            "",
            "_bsctl() {",
            "    local curcontext=$curcontext context state line bsctl_program=$words[1] bsctl_store=''",
            "    typeset -A opt_args",
            "    local -a commands",
            "    local ret=1",
        ]
        lines += described("commands", firsts.map { ($0.word, $0.summary) } + [("help", "tells more of a command")])
        lines.append("    _arguments -C -s -S \\")
        lines += everywhere.map { "        \(specification($0)) \\" }
        lines += [
            "        '(- *)--version[tell the version]' '(- *)'{-h,--help}'[list the commands]' \\",
            "        '1:command:{_describe command commands}' '*:: :->rest' && ret=0",
            "    [[ $state == rest ]] || return ret",
            "    bsctl_store=${opt_args[--store]:-$opt_args[-s]}",
            "    curcontext=${curcontext%:*}-$words[1]:",
            "    case $words[1] in",
        ]
        for first in firsts {
            lines.append("    \(first.word))")
            if let command = first.command { lines += arguments(command, everywhere, indent: "        ") }
            if !first.seconds.isEmpty {
                lines += ["        local -a seconds", "        state=''"]
                lines += described("seconds", first.seconds.map { ($0.word, $0.command.summary) }, indent: "        ")
                lines += [
                    "        _arguments -C -s -S '1:command:{_describe command seconds}' '*:: :->second' && ret=0",
                    "        [[ $state == second ]] || return ret",
                    "        case $words[1] in",
                ]
                for second in first.seconds {
                    lines.append("        \(second.word))")
                    lines += arguments(second.command, everywhere, indent: "            ")
                    lines.append("            ;;")
                }
                lines.append("        esac")
            }
            lines.append("        ;;")
        }
        lines += [
            "    help) _describe command commands ;;",
            "    esac",
            "}",
            "",
            "_bsctl \"$@\"",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    private static func described(
        _ array: String, _ words: [(String, String)], indent: String = "    "
    ) -> [String] {
        ["\(indent)\(array)=("]
            + words.map { word, summary in
                "\(indent)    " + Completions.quoted("\(word):\(summary.replacing(":", with: "\\:"))")
            } + ["\(indent))"]
    }

    private static func arguments(_ command: Command, _ everywhere: [any AnyOption], indent: String) -> [String] {
        var words = (command.options + everywhere).map(specification)
        words.append("'(- *)'{-h,--help}'[explain the command]'")
        for (index, kind) in command.takes.enumerated() {
            let isLast = index == command.takes.count - 1 && command.operands.upperBound > command.takes.count
            let isOptional = index >= command.operands.lowerBound
            words.append(
                Completions.quoted(
                    (isLast ? "*" : "\(index + 1)") + (isOptional && !isLast ? "::" : ":") + " :" + action(kind)))
        }
        return ["\(indent)_arguments -s -S \\"]
            + words.dropLast().map { "\(indent)    \($0) \\" } + [words.last.map { "\(indent)    \($0)" } ?? ""]
    }

    private static func specification(_ option: any AnyOption) -> String {
        let help = option.help.replacing("\\", with: "\\\\").replacing("[", with: "\\[").replacing("]", with: "\\]")
            .replacing(":", with: "\\:")
        let value = option.valueName.map { name in
            (option.takesSeveral ? ":*-*:" : ":")
                + "\(name.replacing(":", with: "\\:").replacing("[", with: "\\[").replacing("]", with: "\\]")):"
                + action(option.kind)
        }
        let text = "[\(help)]" + (value ?? "")
        let equals = value == nil ? "" : "="
        let repeated = option.isRepeatable && value != nil ? "*" : ""
        guard let short = option.short else { return Completions.quoted("\(repeated)--\(option.name)\(equals)\(text)") }
        let plus = value == nil ? "" : "+"
        return "'(-\(short) --\(option.name))'{-\(short)\(plus),--\(option.name)\(equals)}" + Completions.quoted(text)
    }

    private static func action(_ kind: WordKind) -> String {
        switch kind {
        case .text: " "
        case .key: "_bsctl_keys"
        case .device: "_bsctl_devices"
        case .file, .path: "_files"
        case .directory: "_files -/"
        case .version(let operand): "{_bsctl_versions \(operand.rawValue)}"
        case .choice(let words): "(" + words.map { $0.replacing(":", with: "\\:") }.joined(separator: " ") + ")"
        }
    }
}
