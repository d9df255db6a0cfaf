import BlockStore
import Erasure

/// repair, scrub, index rebuild and recover.
enum RepairCommands {
    static func repair(_ invocation: Invocation) throws -> ExitCode {
        try Opening.withStore(invocation, .write) { store in
            let progress = ProgressLine(invocation)
            let report = try store.repair(progress: progress.handler)
            progress.clear()
            if invocation.has(Options.json) {
                Terminal.print(JSON.fields(fields(report)).text)
            } else if !invocation.has(Options.quiet) {
                for line in text(report) { Terminal.print(line) }
            }
            adviseReplacing(store)
            return tell(report)
        }
    }

    static func scrub(_ invocation: Invocation) throws -> ExitCode {
        let repairs = invocation.has(Options.repair)
        return try Opening.withStore(invocation, repairs ? .write : .read) { store in
            let progress = ProgressLine(invocation)
            let report = try store.scrub(repairing: repairs, progress: progress.handler)
            progress.clear()
            if invocation.has(Options.json) {
                Terminal.print(json(report))
            } else if !invocation.has(Options.quiet) {
                Terminal.print(
                    "\(report.shards) shards read from the medium, \(Size.text(report.bytes)) in "
                        + "\(Size.decimals(report.seconds, 1)) s: \(report.problems.count) damaged or missing")
                for problem in report.problems {
                    Terminal.print(
                        "  block \(problem.block) row \(problem.row.name) on \(problem.device): \(problem.problem)")
                }
                if report.unreachable > 0 {
                    Terminal.print("\(report.unreachable) shards belong to devices out of service")
                }
                if let repair = report.repair { for line in text(repair) { Terminal.print(line) } }
            }
            for key in report.lostKeys { Terminal.error("lost: ", key) }
            if !report.lostBlocks.isEmpty { return .lost }
            if let repair = report.repair {
                // Damage was found, even where it is mended now.
                let outcome = tell(repair)
                return outcome == .done && !report.problems.isEmpty ? .degraded : outcome
            }
            return report.problems.isEmpty && report.unreachable == 0 ? .done : .degraded
        }
    }

    static func rebuildIndex(_ invocation: Invocation) throws -> ExitCode {
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
                "rebuilt from the shards in \(Size.decimals(report.seconds, 1)) s: \(report.commits) commits, "
                    + "\(report.blocks) blocks, \(report.chunks) chunks, \(report.versions) versions")
        }
        return report.missingCommits.isEmpty ? .done : .lost
    }

    static func recover(_ invocation: Invocation) throws -> ExitCode {
        if !invocation.all(Options.foundDevice).isEmpty { return try RecoverCommands.recover(invocation) }
        guard invocation.has(Options.abandon), invocation.operands.isEmpty else {
            throw UsageError(
                description:
                    "name devices with --device DIR …; or give up commits in doubt, which bsctl status lists, with "
                    + "--abandon")
        }
        try invocation.refuse(Options.dryRun, with: "is for --device; bsctl status lists the commits in doubt")
        return try Opening.withStore(invocation, .write) { store in
            let report = try store.abandonDoubt()
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
            } else if report.commits.isEmpty {
                Terminal.print("no commit is in doubt")
            } else {
                for commit in report.commits {
                    Terminal.print("gave up commit \(commit.number), which held")
                    for key in commit.keys { Terminal.print("  ", key) }
                }
            }
            return .done
        }
    }

    /// A store that is no sandbox never writes where a device's identity is missing: a disk that is not
    /// mounted must not be taken for an empty one.
    private static func adviseReplacing(_ store: Store) {
        for device in store.devices where !device.state.isInService && !device.isDraining {
            Terminal.warning(
                "\(device.label) is \(device.state); bring it back, or put an empty directory in its place: "
                    + "bsctl device replace \(device.label) [DIR]")
        }
    }

    /// Complaints on standard error, and the exit code.
    private static func tell(_ report: RepairReport) -> ExitCode {
        for error in report.errors.prefix(20) { Terminal.warning(error) }
        for key in report.lostKeys { Terminal.error("lost: ", key) }
        if !report.lostBlocks.isEmpty { return .lost }
        return report.owedShards == 0 && report.errors.isEmpty ? .done : .degraded
    }

    private static func text(_ report: RepairReport) -> [String] {
        var lines: [String] = []
        for label in report.replacedDevices { lines.append("\(label) was put back, empty") }
        lines.append(
            "\(report.checkedBlocks) blocks checked, \(report.repairedShards) shards made again and read back, "
                + "\(Size.text(report.writtenBytes)) in \(Size.decimals(report.seconds, 1)) s")
        if report.owedShards > 0 {
            lines.append("\(report.owedShards) shards are still owed: too few devices; see bsctl status")
        }
        if !report.lostBlocks.isEmpty {
            lines.append(
                "\(report.lostBlocks.count) blocks are lost; the keys that need them are named, everything else reads")
        }
        return lines
    }

    private static func fields(_ report: RepairReport) -> [(String, JSON)] {
        [
            ("checkedBlocks", .integer(report.checkedBlocks)), ("repairedShards", .integer(report.repairedShards)),
            ("writtenBytes", .unsigned(report.writtenBytes)), ("owedShards", .integer(report.owedShards)),
            ("lostBlocks", .array(report.lostBlocks.map { .string($0.description) })),
            ("lostKeys", JSON.keys(report.lostKeys)),
            ("replacedDevices", .array(report.replacedDevices.map { .string($0) })),
            ("errors", .array(report.errors.map { .string($0) })), ("seconds", .number(report.seconds)),
        ]
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
            ("unreachable", .integer(report.unreachable)),
            ("lostBlocks", .array(report.lostBlocks.map { .string($0.description) })),
            ("lostKeys", JSON.keys(report.lostKeys)),
            ("repair", report.repair.map { .fields(fields($0)) } ?? .null), ("seconds", .number(report.seconds)),
        ])
    }
}
