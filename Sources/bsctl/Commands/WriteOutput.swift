import BlockStore

/// What a write did, for people and programs.
enum WriteOutput {
    static func tell(
        _ report: WriteReport, _ tree: TreePutReport, seconds: Double, _ invocation: Invocation
    ) -> ExitCode {
        for skip in tree.skipped {
            Terminal.warning("\(String(decoding: skip.path, as: UTF8.self)): \(skip.reason): left out")
        }
        for failure in tree.failures { Terminal.error(partOf: Complaint(failure.error)) }
        let partial = Complaint.partial(tree.failures.map(\.error), "file", "stored")
        if let partial { Terminal.error(partial) }
        if tree.deletionWithheld {
            Terminal.warning("--delete deletes nothing, because some files could not be read")
        }
        let isDryRun = invocation.has(Options.dryRun)
        if let debt = report.debt { tellDebt(debt, isDryRun: isDryRun) }
        if invocation.has(Options.json) {
            let fields = fields(report, tree, seconds)
            Terminal.print(
                JSON.object((isDryRun ? [("dryRun", .bool(true))] : []) + fields + (partial?.fields ?? [])))
        } else if !invocation.has(Options.quiet) {
            Terminal.print(isDryRun ? plan(report) : text(report, seconds, invocation.command.name))
        }
        if !tree.failures.isEmpty { return .failed }
        return report.debt == nil ? .done : .degraded
    }

    static func tellDebt(_ debt: String, isDryRun: Bool) {
        Terminal.warning(
            isDryRun
                ? "\(debt); what would be stored would survive less than usual until bsctl repair has run"
                : "\(debt); what was stored survives less than usual until bsctl repair has run")
    }

    /// What a put would do.
    private static func plan(_ report: WriteReport) -> String {
        var parts: [String] = []
        if report.objects > 0 {
            parts.append("would store \(Count.text(report.objects, "object"))")
            if report.unchanged > 0 { parts[0] += ", \(report.unchanged) unchanged" }
            parts[0] += ": \(Size.text(report.logicalBytes)) in \(Count.text(report.chunks, "chunk"))"
            if report.duplicateChunks > 0 { parts[0] += ", \(report.duplicateChunks) of them duplicates" }
        } else if report.unchanged > 0 {
            parts.append("would store nothing: \(report.unchanged) unchanged, \(Size.text(report.logicalBytes))")
        }
        if report.removed > 0 { parts.append("would delete \(Count.text(report.removed, "key"))") }
        if parts.isEmpty { return "nothing to do" }
        let line = parts.joined(separator: "; ")
        return report.objects > 0 ? ([line] + [flow(report)].compactMap(\.self)).joined(separator: "\n") : line
    }

    private static func text(_ report: WriteReport, _ seconds: Double, _ command: String) -> String {
        var parts: [String] = []
        if report.copied > 0 {
            let verb = ["mv": "moved", "restore": "restored", "undelete": "restored"][command] ?? "copied"
            parts.append(
                "\(Count.text(report.copied, "object")) \(verb): \(Size.text(report.copiedBytes)), nothing new to store"
            )
        }
        var flow: String?
        let readBytes = report.logicalBytes - min(report.unreadBytes, report.logicalBytes)
        // Of less than a megabyte a rate says how long a commit takes, and nothing of the bytes.
        let rate = readBytes >= 1_000_000 ? ", \(Size.rate(readBytes, seconds: seconds))" : ""
        let time = " in \(Size.decimals(seconds, 1)) s\(rate)"
        if report.objects == 0, report.newBytes == 0, report.unchanged > 0 {
            var text = "\(report.unchanged) unchanged"
            if report.unread > 0 {
                text += ", \(report.unread) of them known and not read"
            } else if report.copied == 0, readBytes > 0 {
                text += ": \(Size.text(readBytes)) read\(time)"
            }
            parts.append(text)
        } else if report.objects > 0 || report.unchanged > 0 {
            var text = "\(Count.text(report.objects, "object")) stored"
            if report.unchanged > 0 { text += ", \(report.unchanged) unchanged" }
            parts.append(text + ": \(Size.text(report.logicalBytes))\(time)")
            flow = Self.flow(report)
        }
        if report.removed > 0 { parts.append("\(Count.text(report.removed, "key")) deleted") }
        if report.purged > 0 { parts.append("\(Count.text(report.purged, "version")) purged") }
        if parts.isEmpty { return "nothing to do" }
        return ([parts.joined(separator: "; ")] + [flow].compactMap(\.self)).joined(separator: "\n")
    }

    /// What became of the bytes on their way to the devices; nil where there were none.
    ///
    /// What is known and what is new make up all; only what is new is compressed and coded.
    private static func flow(_ report: WriteReport) -> String? {
        guard report.logicalBytes > 0 else { return nil }
        let unread = report.unreadBytes > 0 ? " (\(Size.text(report.unreadBytes)) not read)" : ""
        let known = knownBytes(report)
        guard report.newBytes > 0 else { return "all of it known\(unread)" }
        return (known > 0 ? "\(Size.text(known)) known\(unread), " : "") + "\(Size.text(report.newBytes)) new → "
            + "\(Size.text(report.storedBytes)) compressed → \(Size.text(report.shardBytes)) on devices"
    }

    /// Bytes of objects that were stored already, or came before in the same call.
    private static func knownBytes(_ report: WriteReport) -> UInt64 {
        report.logicalBytes - min(report.newBytes, report.logicalBytes)
    }

    private static func fields(_ report: WriteReport, _ tree: TreePutReport, _ seconds: Double) -> [(String, JSON)] {
        [
            ("objects", .integer(report.objects)), ("unchanged", .integer(report.unchanged)),
            ("removed", .integer(report.removed)), ("copied", .integer(report.copied)),
            ("copiedBytes", .unsigned(report.copiedBytes)), ("purged", .integer(report.purged)),
            ("logicalBytes", .unsigned(report.logicalBytes)), ("unread", .integer(report.unread)),
            ("unreadBytes", .unsigned(report.unreadBytes)), ("chunks", .integer(report.chunks)),
            ("duplicateChunks", .integer(report.duplicateChunks)),
            ("knownBytes", .unsigned(knownBytes(report))), ("newBytes", .unsigned(report.newBytes)),
            ("compressedBytes", .unsigned(report.storedBytes)),
            ("shardBytes", .unsigned(report.shardBytes)),
            (
                "ratio",
                report.storedBytes > 0
                    ? .number(Double(report.logicalBytes) / Double(report.storedBytes)) : .null
            ),
            ("commits", .integer(report.commits)), ("seconds", .number(seconds)), ("debt", .optional(report.debt)),
            ("failed", .array(tree.failures.map { JSON.failure(JSON.bytes("path", $0.path), $0.error) })),
            (
                "skipped",
                .array(tree.skipped.map { .fields([JSON.bytes("path", $0.path), ("reason", .string($0.reason))]) })
            ),
            ("deletionWithheld", .bool(tree.deletionWithheld)),
        ]
    }
}
