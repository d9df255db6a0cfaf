import BlockStore
import Glibc
import Synchronization

/// Opens the store an invocation means.
enum Opening {
    /// - Parameter path: of the home; nil for the one that the invocation means.
    static func environment(_ invocation: Invocation, home path: String? = nil) throws -> StoreEnvironment {
        let command = "bsctl \(invocation.command.name)"
        return environment(home: try DirectoryHome(path: path ?? home(invocation), command: command), command)
    }

    /// - Parameter command: what this process is, for whoever finds a device locked.
    static func environment(home: any Home, _ command: String, stageTimes: StageTimes? = nil) -> StoreEnvironment {
        StoreEnvironment(
            home: home, devices: PlaceProvider(home: home.place, command: command), clock: SystemClock(),
            random: SystemRandom(),
            executor: ThreadedExecutor(), shouldStop: { Interruption.signal != nil }, stageTimes: stageTimes)
    }

    static func options(_ invocation: Invocation) -> Store.Options {
        var options = Store.Options()
        if let seconds = invocation[Options.lockWait] { options.lockWaitSeconds = seconds }
        options.minimumShards = invocation[Options.minimumShards]
        options.freesRoom = invocation.command.freesRoom
        if !invocation.has(Options.quiet) {
            let seconds = Size.decimals(options.lockWaitSeconds, 0)
            let told = LastText()
            options.onWait = { holder in
                // Maintenance that gives way waits again and again for the same.
                guard told.isNew(holder) else { return }
                Terminal.warning("waiting for \(holder), which has the writer lock; at most \(seconds) s")
            }
        }
        return options
    }

    /// Opens, runs `body`, closes. What opening found is told on standard error.
    ///
    /// - Parameters:
    ///   - home: one of several stores of a command, which is named in what is told of it; nil for the only one.
    ///   - endsAtOnce: whether a signal may end `body` anywhere; where it only reads, unless it says otherwise.
    static func withStore(
        _ invocation: Invocation, _ access: Store.Access, home path: String? = nil, tellsNotices: Bool = true,
        endsAtOnce: Bool? = nil, _ body: (Store) throws -> ExitCode
    ) throws -> ExitCode {
        let progress = ProgressLine(invocation)
        defer { progress.clear() }
        let home = try path ?? home(invocation)
        let store = try Store.open(
            try environment(invocation, home: home), access: access, options: options(invocation),
            progress: progress.handler)
        progress.clear()
        // To the end of closing: what is acknowledged is told.
        defer { if access == .write { Interruption.set(.done) } }
        return try Interruption.cooperate(unless: endsAtOnce ?? (access == .read)) {
            defer { store.close() }
            if access == .write { Noticed.note(devices: store.devices, home: home) }
            if tellsNotices {
                for notice in store.notices { Terminal.warning(path.map { "\($0): \(notice)" } ?? notice) }
            }
            return try body(store)
        }
    }

    static func home(_ invocation: Invocation) throws -> String {
        if let path = invocation[Options.store] { return path }
        if let value = getenv("BSCTL_STORE"), value.pointee != 0 { return String(cString: value) }
        if access("store.json", F_OK) == 0 { return "." }
        throw StoreError(
            .notFound, "find the store", detail: "this directory is no store's home",
            advice: "name one with --store HOME or BSCTL_STORE, or make one: bsctl init HOME --disks 6")
    }
}

/// What was told last.
private final class LastText: Sendable {
    private let text = Mutex("")

    func isNew(_ new: String) -> Bool {
        text.withLock { text in
            defer { text = new }
            return text != new
        }
    }
}

extension Invocation {
    func key(_ index: Int) throws(StoreError) -> Key { try Key(operands[index]) }

    /// An operand that must be text: the path of a home or of a device.
    func path(_ index: Int) throws(UsageError) -> String {
        guard let path = String(validating: operands[index], as: UTF8.self), !path.isEmpty else {
            throw UsageError(description: "the path of a home or device must be UTF-8 and not empty")
        }
        return path
    }
}
