/// For bash 4 and later, with or without the bash-completion package.
enum BashCompletions {
    static func script(_ commands: [Command], _ everywhere: [any AnyOption]) -> String {
        let firsts = Completions.firsts(commands)
        var table = ["    case $1 in"]
        for command in commands { table += entry(command, everywhere) }
        table += ["    *) return 1 ;;", "    esac"]
        var groups = ["    case $1 in"]
        for first in firsts where !first.seconds.isEmpty {
            groups.append("    \(first.word)) seconds='\(first.seconds.map(\.word).joined(separator: " "))' ;;")
        }
        groups += ["    *) seconds='' ;;", "    esac"]
        return """
            # Completion of bsctl for bash. Made by: bsctl completions bash
            # shellcheck shell=bash

            # What follows a command: its options, those that take a value with what that is, and what its operands are.
            _bsctl_table() {
            \(table.joined(separator: "\n"))
            }

            # The second words of a command of two.
            _bsctl_seconds() {
            \(groups.joined(separator: "\n"))
            }

            # COMP_WORDS without the breaks that the shell makes at : and =, up to the cursor.
            _bsctl_words() {
                local piece glue='' index
                words=()
                for ((index = 0; index <= COMP_CWORD; index++)); do
                    piece=${COMP_WORDS[index]}
                    if ((index == COMP_CWORD)) && [[ $glue == yes && ${COMP_LINE:0:COMP_POINT} == *[[:space:]] ]]; then
                        glue=''
                    fi
                    if ((index > 0)) && [[ $glue == yes || $piece =~ ^[:=]+$ ]]; then
                        words[${#words[@]} - 1]+=$piece
                    else
                        words+=("$piece")
                    fi
                    if [[ $piece =~ ^[:=]+$ ]]; then glue=yes; else glue=''; fi
                done
            }

            # Fills COMPREPLY with what is of kind $1 and begins with $cur.
            _bsctl_propose() {
                local IFS=$'\\n' subject='' name=$cur
                # As it was typed: quoted by hand.
                name=${name#[\\"\\']}
                name=${name//\\\\/}
                case $1 in
                key) subject=keys ;;
                device) subject=devices ;;
                version:*)
                    # The newest first.
                    compopt -o nosort 2> /dev/null
                    local key=$first
                    [[ $1 == version:first ]] || key=$final
                    key=${key#[\\"\\']} && key=${key%[\\"\\']} && key=${key//\\\\/}
                    [[ -z $key ]] || mapfile -t COMPREPLY < <(
                        "$program" ${store:+--store="$store"} completions versions -- "$key" "$name" 2> /dev/null
                    )
                    ;;
                file | path) mapfile -t COMPREPLY < <(compgen -f -- "$name") ;;
                directory) mapfile -t COMPREPLY < <(compgen -d -- "$name") ;;
                choice:*) mapfile -t COMPREPLY < <(compgen -W "$(tr , '\\n' <<< "${1#choice:}")" -- "$name") ;;
                esac
                case $1 in
                file | path | directory | key) compopt -o filenames 2> /dev/null ;;
                esac
                if [[ -n $subject ]]; then
                    mapfile -t COMPREPLY < <(
                        "$program" ${store:+--store="$store"} completions "$subject" -- "$name" 2> /dev/null
                    )
                    # More is to come behind a slash.
                    if [[ ${COMPREPLY[*]} == */ || ${COMPREPLY[*]} == */$'\\n'* ]]; then
                        compopt -o nospace 2> /dev/null
                    fi
                fi
            }

            # COMPREPLY less what the shell believes to be words before the last one.
            _bsctl_trim() {
                local typed=$1 break shown
                for break in : =; do
                    [[ $COMP_WORDBREAKS == *$break* && $typed == *$break* ]] || continue
                    shown=${typed%"${typed##*"$break"}"}
                    COMPREPLY=("${COMPREPLY[@]#"$shown"}")
                    typed=${typed##*"$break"}
                done
            }

            _bsctl() {
                local words cur program=$1 store='' seconds='' options='' valued='' operands='' command=''
                local index=1 count=0 word kind='' prefix='' last first='' final=''
                COMPREPLY=()
                _bsctl_words
                last=$((${#words[@]} - 1))
                cur=${words[last]}
                # The command, behind options that fit everywhere.
                while ((index < last)); do
                    word=${words[index]}
                    case $word in
                    -s | --store) store=${words[index + 1]} && index=$((index + 1)) ;;
                    --store=*) store=${word#*=} ;;
                    --lock-wait) index=$((index + 1)) ;;
                    -*) ;;
                    *) break ;;
                    esac
                    index=$((index + 1))
                done
                if ((index > last)); then
                    [[ ${words[last - 1]} == --lock-wait ]] || _bsctl_propose directory
                    return
                fi
                if ((index == last)); then
                    options='\(firsts.map(\.word).joined(separator: " ")) help'
                    [[ $cur != -* ]] || options='\(optionWords(everywhere).joined(separator: " ")) --help --version'
                    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
                    return
                fi
                command=${words[index]}
                index=$((index + 1))
                if [[ $command == help ]]; then
                    mapfile -t COMPREPLY < <(compgen -W '\(firsts.map(\.word).joined(separator: " "))' -- "$cur")
                    return
                fi
                _bsctl_seconds "$command"
                if [[ -n $seconds ]]; then
                    if ((index == last)); then
                        mapfile -t COMPREPLY < <(compgen -W "$seconds" -- "$cur")
                        return
                    fi
                    command="$command ${words[index]}"
                    index=$((index + 1))
                fi
                _bsctl_table "$command" || return
                # What stands before the cursor.
                while ((index < last)); do
                    word=${words[index]}
                    index=$((index + 1))
                    case $word in
                    --) options='' && break ;;
                    --store=*) store=${word#*=} ;;
                    --*=*) ;;
                    -?*)
                        if [[ " $valued " == *" $word="* ]]; then
                            kind=${valued#*"$word="}
                            kind=${kind%% *}
                            case $word in -s | --store) store=${words[index]} ;; esac
                            ((index < last)) || break
                            index=$((index + 1))
                            # An option of several values has all up to the next option.
                            if [[ $kind == *... ]]; then
                                while ((index < last)) && [[ ${words[index]} != -* ]]; do index=$((index + 1)); done
                                ((index < last)) || break
                            fi
                            kind=''
                        fi
                        ;;
                    *)
                        count=$((count + 1))
                        final=$word
                        ((count > 1)) || first=$word
                        ;;
                    esac
                done
                if [[ -z $kind && -n $options && $cur == --*=* ]]; then
                    prefix=${cur%%=*}
                    if [[ " $valued " == *" $prefix="* ]]; then
                        kind=${valued#*"$prefix="}
                        kind=${kind%% *}
                    else
                        return
                    fi
                    cur=${cur#*=}
                    _bsctl_propose "${kind%...}"
                    [[ $COMP_WORDBREAKS == *=* ]] || COMPREPLY=("${COMPREPLY[@]/#/$prefix=}")
                elif [[ -n $kind && ($kind != *... || $cur != -*) ]]; then
                    _bsctl_propose "${kind%...}"
                elif [[ -n $options && $cur == -* ]]; then
                    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
                else
                    # shellcheck disable=SC2086
                    set -- $operands
                    if ((count < $#)); then
                        shift "$count"
                    elif [[ ${!#} == *... ]]; then
                        shift $(($# - 1))
                    else
                        return
                    fi
                    _bsctl_propose "${1%...}"
                fi
                _bsctl_trim "$cur"
            }

            complete -F _bsctl bsctl
            """ + "\n"
    }

    private static func entry(_ command: Command, _ everywhere: [any AnyOption]) -> [String] {
        let options = command.options + everywhere
        var valued: [String] = []
        for option in options where option.valueName != nil {
            let kind = word(option.kind) + (option.takesSeveral ? "..." : "")
            valued.append("--\(option.name)=\(kind)")
            if let short = option.short { valued.append("-\(short)=\(kind)") }
        }
        var operands = command.takes.map(word)
        if command.operands.upperBound > operands.count, let last = operands.popLast() { operands.append(last + "...") }
        return [
            "    \(Completions.quoted(command.name)))",
            "        options='\((optionWords(options) + ["--help"]).joined(separator: " "))'",
            "        valued='\(valued.joined(separator: " "))'",
            "        operands='\(operands.joined(separator: " "))'",
            "        ;;",
        ]
    }

    private static func optionWords(_ options: [any AnyOption]) -> [String] {
        options.flatMap { option in (option.short.map { ["-\($0)"] } ?? []) + ["--\(option.name)"] }
    }

    /// A kind as one word without spaces.
    private static func word(_ kind: WordKind) -> String {
        switch kind {
        case .text: "text"
        case .key: "key"
        case .device: "device"
        case .file: "file"
        case .directory: "directory"
        case .path: "path"
        case .choice(let words): "choice:" + words.joined(separator: ",")
        case .version(let operand): "version:\(operand.rawValue)"
        }
    }
}
