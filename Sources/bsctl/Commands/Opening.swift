import BlockStore
import Glibc

/// Opens the store an invocation means.
enum Opening {
    static func environment(_ invocation: Invocation) throws -> StoreEnvironment {
        environment(home: try DirectoryHome(path: try home(invocation), command: "bsctl \(invocation.command.name)"))
    }

    static func environment(home: any Home) -> StoreEnvironment {
        StoreEnvironment(
            home: home, devices: DirectoryProvider(), clock: SystemClock(), random: SystemRandom(),
            executor: ThreadedExecutor())
    }

    static func options(_ invocation: Invocation) throws -> Store.Options {
        var options = Store.Options()
        if let text = try invocation.text("lock-wait") {
            guard let seconds = Double(text), seconds >= 0, seconds <= 1e9 else {
                throw UsageError(description: "--lock-wait \(text): expected seconds")
            }
            options.lockWaitSeconds = seconds
        }
        options.minimumShards = try invocation.number("min-shards", in: 1...64).map(Int.init)
        if !invocation.has("quiet") {
            options.onWait = { Terminal.warning("waiting for \($0)") }
        }
        return options
    }

    /// Opens, runs `body`, closes. What opening found is told on standard error.
    static func withStore(
        _ invocation: Invocation, _ access: Store.Access, _ body: (Store) throws -> ExitCode
    ) throws -> ExitCode {
        let progress = ProgressLine(invocation)
        let store = try Store.open(
            try environment(invocation), access: access, options: try options(invocation), progress: progress.handler)
        progress.clear()
        defer { store.close() }
        for notice in store.notices { Terminal.warning(notice) }
        return try body(store)
    }

    private static func home(_ invocation: Invocation) throws -> String {
        if let path = try invocation.text("store") { return path }
        if let value = getenv("BSCTL_STORE") {
            let path = String(cString: value)
            if !path.isEmpty { return path }
        }
        if access("store.json", F_OK) == 0 { return "." }
        throw StoreError(
            .notFound, "find the store", detail: "this directory is no store's home",
            advice: "name one with --store HOME or BSCTL_STORE, or make one: bsctl init HOME --disks 6")
    }
}

extension Invocation {
    func key(_ index: Int) throws -> Key { try Key(operands[index]) }
}
