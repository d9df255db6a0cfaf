import BlockStore
import Glibc

/// changes.
enum ChangeCommands {
    /// How long a follower sleeps when there is nothing new.
    private static let pauseMicroseconds: UInt32 = 250_000
    /// Sleeps after which the store is opened again: the index may have been made anew, or written from another home.
    private static let pausesUntilReopening = 120

    static func changes(_ invocation: Invocation) throws -> ExitCode {
        var last = invocation[Options.since]
        var isFirst = true
        repeat {
            let code = try Opening.withStore(invocation, .read, tellsNotices: isFirst) { store in
                // Before the first line: half a history is worse than none.
                if isFirst { try store.requireHistory(after: last) }
                // From the beginning, where there is nothing yet, is from here on.
                return try tell(store, &last, follows: invocation.has(Options.follow))
            }
            isFirst = false
            if code != .done { return code }
        } while invocation.has(Options.follow) && !Terminal.isOutputClosed
        return .done
    }

    private static func tell(_ store: Store, _ last: inout RecordIdentity?, follows: Bool) throws -> ExitCode {
        var pauses = 0
        while !Terminal.isOutputClosed {
            let page = try store.changes(after: last)
            for change in page { Terminal.print(JSON.object(fields(change))) }
            last = page.last?.identity ?? last
            guard page.isEmpty else { continue }
            guard follows, pauses < pausesUntilReopening else { return .done }
            try Terminal.flush()
            usleep(pauseMicroseconds)
            pauses += 1
        }
        return .done
    }

    private static func fields(_ change: ObjectChange) -> [(String, JSON)] {
        let name: String
        let rest: [(String, JSON)]
        switch change.what {
        case .put(let kind, let byteCount, let time):
            name = "put"
            rest = [
                ("kind", .string(ListCommands.name(kind))), ("bytes", .unsigned(byteCount)),
                ("writtenNanoseconds", .integer(Int(time))),
            ]
        case .delete(let killed, let time):
            name = "delete"
            rest = [("killed", .string(killed.description)), ("writtenNanoseconds", .integer(Int(time)))]
        case .purge(let killed):
            name = "purge"
            rest = [("killed", .string(killed.description))]
        }
        return [("seq", .string(change.identity.description)), ("change", .string(name)), JSON.key(change.key)] + rest
    }
}
