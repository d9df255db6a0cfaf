import BlockStore
import Erasure

/// put and rm of keys.
enum PutCommands {
    static func put(_ invocation: Invocation) throws -> ExitCode {
        if invocation.has(Options.recursive) { return try putTree(invocation) }
        try invocation.refuse(Options.delete, with: "goes with -r")
        if invocation.has(Options.fromCommand) { return try putCommand(invocation) }
        let file = invocation.operands[0]
        let declared = invocation[Options.length]
        let condition = try Conditions.read(invocation)
        let key: Key
        if file == Array("-".utf8) {
            guard invocation.operands.count == 2 else { throw UsageError(description: "bsctl put - needs a KEY") }
            key = try invocation.key(1)
            return try write(invocation, profile: invocation[Options.putProfile]) { _, session, progress in
                let input = WaitingSource(DescriptorSource(0, place: "standard input"), descriptor: 0)
                try session.put(
                    key, from: ProgressSource(input, progress), declaredBytes: declared, condition: condition)
                return TreePutReport()
            }
        }
        key = try invocation.operands.count == 2 ? invocation.key(1) : Key(Paths.baseName(file))
        // Before the store is opened: a file that is not there needs no waiting for a lock.
        let source = try FileSource(path: file)
        return try write(invocation, profile: invocation[Options.putProfile]) { _, session, progress in
            progress.totalBytes = { source.byteCount }
            source.onBytes = { progress.add($0) }
            try session.put(
                key, file: source, declaredBytes: declared, condition: condition,
                readingAll: invocation.has(Options.checksum))
            return TreePutReport()
        }
    }

    private static func putCommand(_ invocation: Invocation) throws -> ExitCode {
        guard invocation.operands.count == 1, !invocation.trailing.isEmpty else {
            throw UsageError(description: "usage: bsctl put --from-command KEY -- CMD …")
        }
        let key = try invocation.key(0)
        let condition = try Conditions.read(invocation)
        return try write(invocation, profile: invocation[Options.putProfile]) { _, session, progress in
            // Before the command runs: what it prints may be gone afterwards.
            try session.require(condition, of: key)
            let child = try ChildProcess(invocation.trailing)
            // The end of its output is the end of the object only if it exits 0.
            try session.put(
                key, from: ProgressSource(child, progress), declaredBytes: invocation[Options.length],
                condition: condition)
            return TreePutReport()
        }
    }

    private static func putTree(_ invocation: Invocation) throws -> ExitCode {
        try invocation.refuse(Options.length, Options.fromCommand, with: "does not go with -r")
        try invocation.refuse(Options.ifAbsent, Options.ifVersion, with: "goes with one key, not with -r")
        let directory = invocation.operands[0]
        let prefix = invocation.operands.count == 2 ? invocation.operands[1] : Paths.baseName(directory)
        guard !prefix.isEmpty else { throw UsageError(description: "name a PREFIX: the root has no name") }
        let key = try Key(prefix)
        return try write(invocation, profile: invocation[Options.putProfile]) { store, session, progress in
            let size = progress.line.isShown ? TreeSize(directory) : nil
            defer { size?.abandon() }
            progress.totalBytes = { size?.bytes ?? 0 }
            return try store.putTree(
                directory, as: key, in: session, deletingOthers: invocation.has(Options.delete),
                readingAll: invocation.has(Options.checksum), onBytes: { progress.add($0) })
        }
    }

    static func remove(_ invocation: Invocation) throws -> ExitCode {
        if let version = invocation[Options.version] { return try VersionCommands.purge(invocation, version) }
        let isRecursive = invocation.has(Options.recursive)
        if isRecursive, invocation.operands.count != 1 {
            throw UsageError(description: "bsctl rm -r takes one PREFIX")
        }
        var named: [Key] = []
        var seen: Set<Key> = []
        for operand in invocation.operands {
            let key = try Key(operand)
            if seen.insert(key).inserted { named.append(key) }
        }
        if invocation.has(Options.dryRun) {
            return try rehearse(invocation) { store, session in
                let keys = try targets(named, isRecursive, store)
                for key in keys { try session.remove(key) }
                return tellWouldRemove(keys, invocation)
            }
        }
        return try write(invocation) { store, session, _ in
            // All or nothing: a key that is not there must not cost the others halfway.
            for key in try targets(named, isRecursive, store) { try session.remove(key) }
            return TreePutReport()
        }
    }

    /// The keys to remove, all of which are there. Throws `.notFound` otherwise.
    private static func targets(_ named: [Key], _ isRecursive: Bool, _ store: Store) throws -> [Key] {
        guard isRecursive else {
            for key in named { _ = try store.newestVersion(of: key) }
            return named
        }
        var keys: [Key] = []
        try store.forEachObject(under: Paths.withoutSlash(named[0].bytes)) { keys.append($0.key) }
        guard !keys.isEmpty else {
            throw StoreError(.notFound, "remove \(named[0])", detail: "no key is at or under it")
        }
        return keys
    }

    private static func tellWouldRemove(_ keys: [Key], _ invocation: Invocation) -> ExitCode {
        if invocation.has(Options.json) {
            Terminal.print(JSON.object([("wouldRemove", JSON.keys(keys))]))
        } else if !invocation.has(Options.quiet) {
            for key in keys { Terminal.print("would delete ", key) }
        }
        return .done
    }

    /// Opens the store, runs a write session with progress, and reports it; with --dry-run a session that writes nothing.
    ///
    /// - Parameter profile: nil for the store's own.
    static func write(
        _ invocation: Invocation, profile: Profile? = nil,
        _ body: (Store, WriteSession, ByteProgress) throws -> TreePutReport
    ) throws -> ExitCode {
        let isDryRun = invocation.has(Options.dryRun)
        return try Opening.withStore(invocation, isDryRun ? .read : .write) { store in
            let progress = ByteProgress(invocation, isDryRun ? "reading" : "storing")
            defer { progress.line.clear() }
            let session =
                try isDryRun ? store.startDryRun(profile: profile) : store.startWriting(profile: profile)
            progress.more = {
                let report = session.soFar
                return (
                    report.objects + report.unchanged, report.unreadBytes,
                    report.newBytes > 0 ? Size.ratio(report.newBytes, report.storedBytes) : nil
                )
            }
            let tree: TreePutReport
            let report: WriteReport
            do {
                tree = try body(store, session, progress)
                report = try session.finish()
            } catch {
                session.cancel()
                guard Interruption.signal != nil, let error = error as? StoreError else { throw error }
                throw [.interrupted, .input].contains(error.code) ? ending(session.acknowledged) : error
            }
            progress.line.clear()
            if report.debt != nil, !isDryRun { Noticed.noteDebt(home: try Opening.home(invocation)) }
            return WriteOutput.tell(report, tree, seconds: progress.line.seconds, invocation)
        }
    }

    /// What an interrupted write leaves.
    private static func ending(_ report: WriteReport) -> Ending {
        guard report.commits > 0 else { return Ending("nothing was stored or removed, everything is as it was") }
        let count = report.objects + report.copied + report.removed + report.purged
        return Ending(
            "\(Count.text(count, "change")) acknowledged until now \(count == 1 ? "stays" : "stay"), the rest was not made",
            next: "run it again for the rest: what is stored is not stored twice")
    }

    /// For a --dry-run that names what it would change: `body` does so with a session that writes nothing, which refuses what
    /// would be refused, and tells.
    static func rehearse(
        _ invocation: Invocation, _ body: (Store, WriteSession) throws -> ExitCode
    ) throws -> ExitCode {
        try Opening.withStore(invocation, .read) { store in
            let session = try store.startDryRun()
            let code: ExitCode
            do {
                code = try body(store, session)
            } catch {
                session.cancel()
                throw error
            }
            guard let debt = try session.finish().debt else { return code }
            WriteOutput.tellDebt(debt, isDryRun: true)
            return .degraded
        }
    }
}
