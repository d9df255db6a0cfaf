import BlockStore

/// prune.
enum PruneCommands {
    static func prune(_ invocation: Invocation) throws -> ExitCode {
        let retention = Retention(keepLast: invocation[Options.keepLast], keepWithin: invocation[Options.keepWithin])
        guard retention != Retention() else {
            throw UsageError(
                description: "bsctl prune needs to know what to keep: --keep-last N, --keep-within AGE, or both")
        }
        let isDryRun = invocation.has(Options.dryRun)
        let isJSON = invocation.has(Options.json)
        return try Opening.withStore(invocation, isDryRun ? .read : .write) { store in
            let progress = ProgressLine(invocation)
            var listed: [JSON] = []
            let report = try store.prune(
                retention, prefix: invocation[Options.prefix] ?? [], isDryRun: isDryRun, progress: progress.handler
            ) { version in
                guard isDryRun else { return }
                if isJSON {
                    listed.append(
                        .fields([JSON.key(version.key), ("version", .string(version.identity.description))]))
                } else if !invocation.has(Options.quiet) {
                    let what = version.isPut ? Size.text(version.byteCount) : "a delete marker"
                    Terminal.print("would purge version \(version.identity) (\(what)) of ", version.key)
                }
            }
            progress.clear()
            if let debt = report.debt { Terminal.warning("\(debt); bsctl repair makes it whole") }
            if isJSON {
                Terminal.print(
                    JSON.object(fields(report) + (isDryRun ? [("wouldPurge", .array(listed))] : [])))
            } else if !invocation.has(Options.quiet) {
                Terminal.print(text(report, isDryRun))
            }
            return report.debt == nil ? .done : .degraded
        }
    }

    private static func fields(_ report: PruneReport) -> [(String, JSON)] {
        [
            ("keys", .integer(report.keys)), ("versions", .integer(report.versions)),
            ("deleteMarkers", .integer(report.deleteMarkers)), ("bytes", .unsigned(report.bytes)),
            ("commits", .integer(report.commits)), ("seconds", .number(report.seconds)),
            ("debt", .optional(report.debt)),
        ]
    }

    private static func text(_ report: PruneReport, _ isDryRun: Bool) -> String {
        guard report.keys > 0 else { return "nothing to prune" }
        return (isDryRun ? "would purge " : "purged ") + Count.text(report.versions, "version")
            + " (\(Size.text(report.bytes)))"
            + (report.deleteMarkers > 0 ? " and " + Count.text(report.deleteMarkers, "delete marker") : "")
            + " of " + Count.text(report.keys, "key")
    }
}
