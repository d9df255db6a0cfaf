import BlockStore

/// get.
enum GetCommands {
    private static let standardOutput = Array("-".utf8)

    static func get(_ invocation: Invocation) throws -> ExitCode {
        if invocation.has(Options.recursive) { return try getTree(invocation) }
        let key = try invocation.key(0)
        let target = invocation.operands.count == 2 ? invocation.operands[1] : try defaultTarget(key)
        // A part of a file may have to be taken back; for a reader that does not read nothing is waited for.
        return try Opening.withStore(invocation, .read, endsAtOnce: target == standardOutput) { store in
            let object = try find(key, invocation, store)
            let progress = ByteProgress(invocation, "reading")
            defer { progress.line.clear() }
            let byteCount = invocation[Options.range].map { $0.upperBound - $0.lowerBound &+ 1 } ?? object.byteCount
            progress.totalBytes = { byteCount }
            let report: ReadReport
            do {
                report = try read(object, from: store, range: invocation[Options.range], to: target, progress)
            } catch let error as StoreError where error.code == .lost {
                Terminal.error("lost: ", key)
                throw error
            }
            progress.line.clear()
            warn(report)
            if invocation.has(Options.json), target != standardOutput {
                Terminal.print(JSON.object(fields(report, progress.line.seconds)))
            }
            return .done
        }
    }

    /// The version meant: the newest, or as --version or --at say.
    private static func find(_ key: Key, _ invocation: Invocation, _ store: Store) throws -> ObjectVersion {
        if let version = invocation[Options.version] {
            try invocation.refuse(Options.at, with: "does not go with --version")
            return try store.version(of: key, version)
        }
        if let moment = invocation[Options.at] { return try store.version(of: key, at: moment) }
        return try store.newestVersion(of: key)
    }

    /// The key's last name, here.
    private static func defaultTarget(_ key: Key) throws(UsageError) -> [UInt8] {
        let name = Paths.lastName(key.bytes)
        guard ![[], Array("/".utf8), Array(".".utf8), Array("..".utf8), standardOutput].contains(name) else {
            throw UsageError(description: "\(key) has no name for a file: bsctl get KEY FILE")
        }
        return name
    }

    private static func read(
        _ object: ObjectVersion, from store: Store, range: ClosedRange<UInt64>?, to target: [UInt8],
        _ progress: ByteProgress
    ) throws -> ReadReport {
        if target == standardOutput {
            return try store.read(object, range: range, into: DescriptorSink(1, place: "standard output"))
        }
        let isWhole = range == nil
        switch object.attributes.kind {
        case .directory:
            throw UsageError(description: "\(object.key) is a directory: bsctl get -r PREFIX DIR")
        case .symbolicLink where isWhole:
            let link = MemorySink()
            let report = try store.read(object, into: link)
            try FileSink.makeLink(path: target, target: link.bytes, object.attributes)
            return report
        case .symbolicLink, .file:
            let sink = try FileSink(path: target)
            let report = try store.read(object, range: range, into: ProgressSink(sink, progress))
            try sink.finish(isWhole ? object.attributes : ObjectAttributes())
            return report
        }
    }

    private static func getTree(_ invocation: Invocation) throws -> ExitCode {
        guard invocation.operands.count == 2 else { throw UsageError(description: "usage: bsctl get -r PREFIX DIR") }
        try invocation.refuse(Options.range, Options.version, with: "goes with one KEY")
        let prefix = try invocation.key(0)
        return try Opening.withStore(invocation, .read, endsAtOnce: false) { store in
            let progress = ByteProgress(invocation, "reading")
            defer { progress.line.clear() }
            if progress.line.isShown {
                let total = try totalBytes(prefix, invocation, store)
                progress.totalBytes = { total }
            }
            let report = try store.getTree(
                prefix, to: invocation.operands[1], at: invocation[Options.at], onBytes: { progress.add($0) })
            progress.line.clear()
            for failure in report.failures {
                Terminal.error("", failure.key, ": \(Complaint(failure.error).head)")
            }
            let partial = Complaint.partial(report.failures.map(\.error), "object", "restored")
            if let partial { Terminal.error(partial) }
            warn(report.read)
            let seconds = progress.line.seconds
            if invocation.has(Options.json) {
                Terminal.print(
                    JSON.object(fields(report.read, seconds, report.failures) + (partial?.fields ?? [])))
            } else if !invocation.has(Options.quiet) {
                Terminal.print(
                    "\(Count.text(report.read.objects, "object")), \(Size.text(report.read.bytes)); \(Size.decimals(seconds, 1)) s, "
                        + Size.rate(report.read.bytes, seconds: seconds))
            }
            return partial?.kind.exit ?? .done
        }
    }

    /// A walk over the index, for the time that is left.
    private static func totalBytes(_ prefix: Key, _ invocation: Invocation, _ store: Store) throws -> UInt64 {
        var total: UInt64 = 0
        try store.forEachObject(under: Paths.withoutSlash(prefix.bytes), at: invocation[Options.at]) {
            total &+= $0.byteCount
        }
        return total
    }

    private static func fields(
        _ report: ReadReport, _ seconds: Double, _ failures: [TreeGetReport.Failure] = []
    ) -> [(String, JSON)] {
        [
            ("objects", .integer(report.objects)), ("bytes", .unsigned(report.bytes)),
            ("rebuiltBytes", .unsigned(report.rebuiltBytes)), ("reroutedBytes", .unsigned(report.reroutedBytes)),
            ("damaged", .array(report.damaged.map { .string($0) })),
            ("failed", .array(failures.map { JSON.failure(JSON.key($0.key), $0.error) })),
            ("seconds", .number(seconds)),
        ]
    }

    /// Tells what was found wrong and made good.
    ///
    /// - Parameter home: of the store, where a command has several.
    static func warn(_ report: ReadReport, home: String? = nil) {
        guard report.rebuiltBytes > 0 || !report.damaged.isEmpty else { return }
        for problem in report.damaged.prefix(5) { Terminal.warning(problem) }
        if report.damaged.count > 5 { Terminal.warning("and \(report.damaged.count - 5) more shards") }
        Terminal.warning(
            "\(Size.text(report.rebuiltBytes)) were rebuilt from other shards; run bsctl repair"
                + (home.map { " --store \($0)" } ?? ""))
    }
}
