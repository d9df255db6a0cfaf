import BlockStore
import Glibc

/// completions.
enum CompletionCommands {
    static let subjects = Completions.shells + ["keys", "versions", "devices"]
    /// More help nobody.
    private static let maximumAnswers = 200
    private static let maximumSeconds: UInt32 = 2

    static func completions(_ invocation: Invocation) throws -> ExitCode {
        let subject = String(decoding: invocation.operands[0], as: UTF8.self)
        let words = invocation.operands.dropFirst()
        let prefix = words.count == 2 || subject != "versions" ? words.last ?? [] : []
        guard (subject == "versions" ? 1...2 : 0...1).contains(words.count) else {
            throw UsageError(description: "usage: " + invocation.command.synopsis.joined(separator: "\n       "))
        }
        switch subject {
        case "keys": return propose(invocation) { try keys(prefix, $0) }
        case "devices":
            return propose(invocation) { store in
                store.devices.map { Array($0.label.utf8) }.filter { $0.starts(with: prefix) }
            }
        case "versions":
            let key = try invocation.key(1)
            return propose(invocation) { store in
                try store.versions(of: key).map { Array($0.identity.description.utf8) }
                    .filter { $0.starts(with: prefix) }.prefix(maximumAnswers).map(\.self)
            }
        default: break
        }
        guard invocation.operands.count == 1,
            let script = Completions.script(for: subject, CommandTable.all, Options.everywhere)
        else {
            throw UsageError(
                description: "no completions for \(subject)" + Suggestion.text(subject, subjects, prefix: ""),
                next: "bsctl completions \(Completions.shells.joined(separator: "|"))")
        }
        for line in script.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
            Terminal.print(String(line))
        }
        return .done
    }

    /// Prints what `body` finds. Whoever presses a key wants no complaints, and waits for nothing.
    private static func propose(_ invocation: Invocation, _ body: (Store) throws -> [[UInt8]]) -> ExitCode {
        signal(SIGALRM) { _ in _exit(0) }
        alarm(maximumSeconds)
        guard let environment = try? Opening.environment(invocation),
            let store = try? Store.open(environment, access: .read)
        else { return .done }
        defer { store.close() }
        // A line is an answer: what does not fit into one is not proposed.
        let answers = ((try? body(store)) ?? []).filter { !$0.contains(where: { $0 < 0x20 || $0 == 0x7f }) }
        for answer in answers { if let line = try? Key(answer) { Terminal.print("", line) } }
        return .done
    }

    /// What may follow `prefix`, up to the next slash, as in a directory.
    private static func keys(_ prefix: [UInt8], _ store: Store) throws -> [[UInt8]] {
        let slash = UInt8(ascii: "/")
        var answers: [[UInt8]] = []
        var after: Key?
        while answers.count < maximumAnswers {
            let page = try store.list(prefix: prefix, after: after, limit: maximumAnswers)
            guard let last = page.last else { break }
            after = last.key
            // The directory whose contents are asked for is no answer.
            for object in page where object.key.bytes != prefix || prefix.last != slash {
                let rest = object.key.bytes.dropFirst(prefix.count)
                guard let end = rest.firstIndex(of: slash) else {
                    answers.append(object.key.bytes)
                    continue
                }
                let directory = Array(object.key.bytes[...end])
                if answers.last != directory { answers.append(directory) }
                guard object.key == last.key else { continue }
                // All that lies below is passed over: no key is greater than this, and begins so.
                after = try Key(directory + [UInt8](repeating: 0xff, count: Key.maximumBytes - directory.count))
            }
        }
        return Array(answers.prefix(maximumAnswers))
    }
}
