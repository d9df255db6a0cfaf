import BlockStore

/// sync.
enum SyncCommands {
    static func sync(_ invocation: Invocation) throws -> ExitCode {
        try invocation.refuse(Options.store, with: "is no option of sync: both homes are named, bsctl sync HOME OTHER")
        let (home, other) = (try invocation.path(0), try invocation.path(1))
        let access: Store.Access = invocation.has(Options.dryRun) ? .read : .write
        return try Opening.withStore(invocation, .read, home: home, endsAtOnce: false) { source in
            try Opening.withStore(invocation, access, home: other, endsAtOnce: false) { target in
                try run(invocation, (source, home), (target, other))
            }
        }
    }

    private static func run(
        _ invocation: Invocation, _ source: (store: Store, home: String), _ target: (store: Store, home: String)
    ) throws -> ExitCode {
        let isDryRun = invocation.has(Options.dryRun)
        let progress = ProgressLine(invocation)
        defer { progress.clear() }
        let session = try isDryRun ? target.store.startDryRun() : target.store.startWriting()
        let report: SyncReport
        let written: WriteReport
        do throws(StoreError) {
            report = try source.store.sync(
                to: session, prefix: invocation[Options.prefix] ?? [], progress: progress.handler)
            written = try session.finish()
        } catch {
            session.cancel()
            guard Interruption.signal != nil, error.code == .interrupted else { throw error }
            throw ending(session.acknowledged)
        }
        progress.clear()
        if written.debt != nil, !isDryRun { Noticed.noteDebt(home: target.home) }
        return tell(report, written, from: source.home, seconds: progress.seconds, invocation)
    }

    private static func ending(_ report: WriteReport) -> Ending {
        let count = report.objects + report.removed
        return Ending(
            "\(Count.text(count, "version")) copied until now \(count == 1 ? "stays" : "stay")",
            next: "run it again, it goes on")
    }

    private static func tell(
        _ report: SyncReport, _ written: WriteReport, from home: String, seconds: Double, _ invocation: Invocation
    ) -> ExitCode {
        for failure in report.failures {
            Terminal.error(
                "", failure.key, ", version \(failure.identity): \(Complaint(failure.error).head)")
        }
        let partial = Complaint.partial(report.failures.map(\.error), "version", "copied")
        if let partial { Terminal.error(partial) }
        GetCommands.warn(report.read, home: home)
        let isDryRun = invocation.has(Options.dryRun)
        if let debt = written.debt { WriteOutput.tellDebt(debt, isDryRun: isDryRun) }
        if invocation.has(Options.json) {
            Terminal.print(
                JSON.object(
                    (isDryRun ? [("dryRun", .bool(true))] : []) + fields(report, written, seconds)
                        + (partial?.fields ?? [])))
        } else if !invocation.has(Options.quiet) {
            Terminal.print(text(report, written, seconds, isDryRun: isDryRun))
        }
        return partial?.kind.exit ?? (written.debt == nil ? .done : .degraded)
    }

    private static func text(
        _ report: SyncReport, _ written: WriteReport, _ seconds: Double, isDryRun: Bool
    ) -> String {
        var text: String
        if report.versions == 0, report.deleteMarkers == 0 {
            text = "nothing to copy: \(Count.text(report.presentVersions, "version")) there already"
        } else {
            text = isDryRun ? "would copy " : "copied "
            text += Count.text(report.versions, "version")
            if report.deleteMarkers > 0 { text += " and \(Count.text(report.deleteMarkers, "delete marker"))" }
            text += " of \(Count.text(report.keys, "key")): \(Size.text(report.bytes))"
            text += ", new there \(Size.text(written.newBytes))"
            if !isDryRun {
                text += ", compressed \(Size.text(written.storedBytes)), on devices \(Size.text(written.shardBytes))"
                text += "; \(Size.decimals(seconds, 1)) s, \(Size.rate(report.bytes, seconds: seconds))"
            }
        }
        if report.passedOver > 0 {
            text +=
                "\n\(Count.text(report.passedOver, "version")) older than what is there "
                + "\(report.passedOver == 1 ? "stays" : "stay") out: pruned there, or not readable when a newer one was copied"
        }
        return text
    }

    private static func fields(
        _ report: SyncReport, _ written: WriteReport, _ seconds: Double
    ) -> [(String, JSON)] {
        [
            ("keys", .integer(report.keys)), ("versions", .integer(report.versions)),
            ("deleteMarkers", .integer(report.deleteMarkers)), ("bytes", .unsigned(report.bytes)),
            ("presentVersions", .integer(report.presentVersions)), ("passedOver", .integer(report.passedOver)),
            ("readBytes", .unsigned(report.read.bytes)), ("rebuiltBytes", .unsigned(report.read.rebuiltBytes)),
            ("damaged", .array(report.read.damaged.map { .string($0) })),
            ("newBytes", .unsigned(written.newBytes)), ("compressedBytes", .unsigned(written.storedBytes)),
            ("shardBytes", .unsigned(written.shardBytes)), ("commits", .integer(written.commits)),
            ("seconds", .number(seconds)), ("debt", .optional(written.debt)),
            (
                "failed",
                .array(
                    report.failures.map { failure in
                        .fields(
                            [JSON.key(failure.key), ("version", .string(failure.identity.description))]
                                + Complaint(failure.error).fields)
                    })
            ),
        ]
    }
}
