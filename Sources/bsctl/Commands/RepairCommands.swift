import BlockStore
import Erasure

/// repair, scrub, index rebuild and recover.
enum RepairCommands {
    static func repair(_ invocation: Invocation) throws -> ExitCode {
        if invocation.has(Options.dryRun) { return try previewRepair(invocation) }
        return try Opening.withStore(invocation, .write) { store in
            let progress = ProgressLine(invocation)
            let report = try store.repair(options(invocation), progress: progress.handler)
            progress.clear()
            if invocation.has(Options.json) {
                Terminal.print(JSON.object(RepairText.fields(report)))
            } else if !invocation.has(Options.quiet) {
                for line in RepairText.lines(report) { Terminal.print(line) }
            }
            advise(store, isContentLost: !report.lostKeys.isEmpty)
            return tell(report)
        }
    }

    static func scrub(_ invocation: Invocation) throws -> ExitCode {
        if invocation.has(Options.dryRun) { return try previewScrub(invocation) }
        let progress = ProgressLine(invocation)
        var report = ScrubReport()
        var told: [String] = []
        _ = try Opening.withStore(invocation, .read, endsAtOnce: false) { store in
            told = store.notices
            report = try store.scrub(scrubOptions(invocation), progress: progress.handler)
            return .done
        }
        // Nobody who writes waits for the reading.
        if invocation.has(Options.repair), !report.isInterrupted {
            _ = try Opening.withStore(invocation, .write, tellsNotices: false) { store in
                for notice in store.notices where !told.contains(notice) { Terminal.warning(notice) }
                report.add(try store.repair(options(invocation), progress: progress.handler))
                return .done
            }
        }
        progress.clear()
        let code = tell(report, invocation)
        guard !report.isInterrupted else {
            throw Ending(
                "what was read until now is told, and remembered", next: "run it again, it goes on", isReported: true)
        }
        return code
    }

    private static func scrubOptions(_ invocation: Invocation) -> ScrubOptions {
        ScrubOptions(
            olderThanSeconds: invocation[Options.olderThan], bytesPerSecond: invocation[Options.rate])
    }

    private static func previewScrub(_ invocation: Invocation) throws -> ExitCode {
        try Opening.withStore(invocation, .read) { store in
            let preview = try store.previewScrub(scrubOptions(invocation))
            if invocation.has(Options.json) {
                Terminal.print(
                    JSON.object([
                        ("blocks", .integer(preview.blocks)), ("bytes", .unsigned(preview.bytes)),
                        ("skippedBlocks", .integer(preview.skippedBlocks)),
                        ("neverVerifiedBlocks", .integer(preview.verification.neverBlocks)),
                        ("oldestVerifiedSeconds", preview.verification.oldestSeconds.map { .unsigned($0) } ?? .null),
                    ]))
            } else if !invocation.has(Options.quiet) {
                let (skippedBlocks, neverBlocks) = (preview.skippedBlocks, preview.verification.neverBlocks)
                let skipped =
                    skippedBlocks > 0 ? "; \(skippedBlocks) \(skippedBlocks == 1 ? "was" : "were") read lately" : ""
                Terminal.print(
                    "\(Count.text(preview.blocks, "block")) would be read, \(Size.text(preview.bytes))\(skipped); "
                        + "\(neverBlocks) \(neverBlocks == 1 ? "was" : "were") never read")
            }
            return .done
        }
    }

    private static func tell(_ report: ScrubReport, _ invocation: Invocation) -> ExitCode {
        if invocation.has(Options.json) {
            Terminal.print(json(report))
        } else if !invocation.has(Options.quiet) {
            Terminal.print(
                "\(Count.text(report.shards, "shard")) read from the medium, \(Size.text(report.bytes)) in "
                    + "\(Size.decimals(report.seconds, 1)) s: \(report.problems.count) damaged or missing")
            for problem in report.problems {
                Terminal.print(
                    "  block \(problem.block) row \(problem.row.name) on \(problem.device): \(problem.problem)")
            }
            if report.skippedBlocks > 0 {
                Terminal.print("\(Count.text(report.skippedBlocks, "block", one: "was", many: "were")) read lately")
            }
            if report.unreachable > 0 {
                let text = Count.text(report.unreachable, "shard", one: "belongs", many: "belong")
                Terminal.print("\(text) to devices out of service")
            }
            if let repair = report.repair { for line in RepairText.lines(repair) { Terminal.print(line) } }
        }
        if !report.lostKeys.isEmpty, report.repair == nil {
            return tellLost(report.lostBlocks.count, report.lostKeys)
        }
        if let repair = report.repair {
            // Damage was found, even where it is mended now.
            let outcome = tell(repair)
            return outcome == .done && !report.problems.isEmpty ? .degraded : outcome
        }
        return report.problems.isEmpty && report.lostBlocks.isEmpty && report.unreachable == 0 ? .done : .degraded
    }

    private static func options(_ invocation: Invocation) -> RepairOptions {
        RepairOptions(bytesPerSecond: invocation[Options.rate])
    }

    private static func previewRepair(_ invocation: Invocation) throws -> ExitCode {
        try Opening.withStore(invocation, .read) { store in
            let preview = try store.previewRepair()
            if invocation.has(Options.json) {
                Terminal.print(JSON.object(RepairText.fields(preview)))
            } else if !invocation.has(Options.quiet) {
                for line in RepairText.lines(preview) { Terminal.print(line) }
            }
            if !preview.lostKeys.isEmpty { return tellLost(preview.lostBlocks.count, preview.lostKeys) }
            return preview.missingShards == 0 ? .done : .degraded
        }
    }

    static func rebuildIndex(_ invocation: Invocation) throws -> ExitCode {
        if invocation.has(Options.dryRun) { return try previewRebuild(invocation) }
        let progress = ProgressLine(invocation)
        let report = try Store.rebuildIndex(
            try Opening.environment(invocation), options: Opening.options(invocation), progress: progress.handler)
        progress.clear()
        for notice in report.notices { Terminal.warning(notice) }
        if invocation.has(Options.json) {
            Terminal.print(
                JSON.object([
                    ("commits", .integer(report.commits)), ("blocks", .integer(report.blocks)),
                    ("chunks", .integer(report.chunks)), ("versions", .integer(report.versions)),
                    ("missingCommits", .array(report.missingCommits.map { .string($0) })),
                    ("seconds", .number(report.seconds)),
                ]))
        } else if !invocation.has(Options.quiet) {
            Terminal.print(
                "rebuilt from the shards in \(Size.decimals(report.seconds, 1)) s: \(Count.text(report.commits, "commit")), "
                    + "\(Count.text(report.blocks, "block")), \(Count.text(report.chunks, "chunk")), "
                    + Count.text(report.versions, "version"))
        }
        return report.missingCommits.isEmpty ? .done : .lost
    }

    private static func previewRebuild(_ invocation: Invocation) throws -> ExitCode {
        let plan = try Store.planRebuild(
            try Opening.environment(invocation), options: Opening.options(invocation))
        for notice in plan.notices { Terminal.warning(notice) }
        if invocation.has(Options.json) {
            let devices = plan.devices.map { device in
                JSON.fields([
                    ("label", .string(device.label)), ("path", .optional(device.path)),
                    ("inService", .bool(device.state.isInService)), ("shards", .integer(device.shards)),
                ])
            }
            Terminal.print(
                JSON.object([
                    ("devices", .array(devices)), ("shards", .integer(plan.shards)), ("blocks", .integer(plan.blocks)),
                ]))
        } else if !invocation.has(Options.quiet) {
            let (here, all) = (plan.devices.filter(\.state.isInService).count, plan.devices.count)
            Terminal.print(
                "would read the tables of \(Count.text(plan.blocks, "block")), "
                    + "\(Count.text(plan.shards, "shard")) on \(here) of \(Count.text(all, "device"))")
            let rows = plan.devices.map { device in
                [
                    "  \(device.label)",
                    device.state.isInService ? Count.text(device.shards, "shard") : device.state.description,
                    device.path ?? "?",
                ]
            }
            for line in Table.lines(rows) { Terminal.print(line) }
        }
        return .done
    }

    static func recover(_ invocation: Invocation) throws -> ExitCode {
        if !invocation.all(Options.foundDevice).isEmpty { return try RecoverCommands.recover(invocation) }
        guard invocation.has(Options.abandon), invocation.operands.isEmpty else {
            throw UsageError(
                description:
                    "name devices with --device DIR …; or give up commits in doubt, which bsctl status lists, with "
                    + "--abandon")
        }
        let isDryRun = invocation.has(Options.dryRun)
        return try Opening.withStore(invocation, isDryRun ? .read : .write) { store in
            let report = isDryRun ? store.planAbandoning() : try store.abandonDoubt()
            if invocation.has(Options.json) {
                Terminal.print(
                    JSON.object([
                        (
                            "abandoned",
                            .array(
                                report.commits.map {
                                    .fields([("commit", .unsigned($0.number)), ("keys", JSON.keys($0.keys))])
                                })
                        )
                    ]))
            } else if invocation.has(Options.quiet) {
                return .done
            } else if report.commits.isEmpty {
                Terminal.print("no commit is in doubt")
            } else {
                for commit in report.commits {
                    Terminal.print("\(isDryRun ? "would give" : "gave") up commit \(commit.number), which held")
                    for key in commit.keys { Terminal.print("  ", key) }
                }
            }
            return .done
        }
    }

    /// A store that is no sandbox never writes where a device's identity is missing: a disk that is not
    /// mounted must not be taken for an empty one.
    ///
    /// - Parameter isContentLost: what cannot be read may be on them, and nothing is to take their place.
    private static func advise(_ store: Store, isContentLost: Bool) {
        for device in store.devices where !device.state.isInService && !device.isDraining {
            let replacing =
                ", or put an empty directory in its place: bsctl device replace \(device.label) [DIR]"
            Terminal.warning(
                "\(device.label) is \(device.state); bring it back\(isContentLost ? "" : replacing)")
        }
    }

    private static func tellLost(_ blocks: Int, _ keys: [Key]) -> ExitCode {
        for key in keys { Terminal.error("lost: ", key) }
        Terminal.error(
            Complaint(
                ErrorKind(.lost),
                "\(Count.text(blocks, "block")) cannot be read from the devices there are, nor the keys named"))
        return .lost
    }

    /// Complaints on standard error, and the exit code.
    private static func tell(_ report: RepairReport) -> ExitCode {
        for error in report.errors.prefix(20) { Terminal.warning(error) }
        if report.errorCount > 20 { Terminal.warning("and \(report.errorCount - 20) more: --json lists them") }
        if !report.lostKeys.isEmpty { return tellLost(report.lostBlocks.count, report.lostKeys) }
        return report.owedShards == 0 && report.lostBlocks.isEmpty && report.errors.isEmpty ? .done : .degraded
    }

    private static func json(_ report: ScrubReport) -> String {
        JSON.object([
            ("shards", .integer(report.shards)), ("bytes", .unsigned(report.bytes)),
            (
                "problems",
                .array(
                    report.problems.map {
                        .fields([
                            ("block", .string($0.block.description)), ("row", .string($0.row.name)),
                            ("device", .string($0.device)), ("problem", .string($0.problem)),
                        ])
                    })
            ),
            ("unreachable", .integer(report.unreachable)), ("skippedBlocks", .integer(report.skippedBlocks)),
            ("lostBlocks", .array(report.lostBlocks.map { .string($0.description) })),
            ("lostKeys", JSON.keys(report.lostKeys)),
            ("interrupted", .bool(report.isInterrupted)),
            ("repair", report.repair.map { .fields(RepairText.fields($0)) } ?? .null),
            ("seconds", .number(report.seconds)),
        ])
    }
}
