import BlockStore
import Erasure

/// reshape.
enum ReshapeCommands {
    static func reshape(_ invocation: Invocation) throws -> ExitCode {
        let profile = invocation[Options.newProfile]
        if invocation.has(Options.dryRun) {
            return try Opening.withStore(invocation, .read) { store in
                let plan = try store.planReshape(to: profile)
                return tell(plan, plan.isNothing ? nil : try store.measureReading(), invocation)
            }
        }
        return try Opening.withStore(invocation, .write) { store in
            let progress = ProgressLine(invocation)
            let report = try store.reshape(to: profile, progress: progress.handler)
            progress.clear()
            return tell(report, invocation)
        }
    }

    private static func tell(_ plan: ReshapePlan, _ bytesPerSecond: Double?, _ invocation: Invocation) -> ExitCode {
        // Written, and read back.
        let bytes = Double(plan.bytesToRead + 2 * plan.bytesToWrite)
        let seconds = bytesPerSecond.map { bytes / $0 }
        if invocation.has(Options.json) {
            Terminal.print(
                JSON.object([
                    ("profile", .string(plan.profile.description)), ("blocks", .integer(plan.blocks)),
                    ("shardsToWrite", .integer(plan.shardsToWrite)), ("shardsToRemove", .integer(plan.shardsToRemove)),
                    ("bytesToRead", .unsigned(plan.bytesToRead)), ("bytesToWrite", .unsigned(plan.bytesToWrite)),
                    ("bytesToRemove", .unsigned(plan.bytesToRemove)), ("blocksToMove", .integer(plan.blocksToMove)),
                    ("impossible", .integer(plan.impossible)), ("seconds", seconds.map { .number($0) } ?? .null),
                    (
                        "shortOfSpace",
                        .array(
                            plan.shortOfSpace.map {
                                .fields([
                                    ("device", .string($0.device)), ("neededBytes", .unsigned($0.neededBytes)),
                                    ("freeBytes", .unsigned($0.freeBytes)),
                                ])
                            })
                    ),
                ]))
        } else if !invocation.has(Options.quiet) {
            for line in text(plan, bytesPerSecond, seconds) { Terminal.print(line) }
        }
        for short in plan.shortOfSpace {
            Terminal.error(
                Complaint(
                    ErrorKind(.noSpace),
                    "\(short.device) has \(Size.text(short.freeBytes)) free and needs \(Size.text(short.neededBytes)): it would be "
                        + "refused"))
        }
        if !plan.shortOfSpace.isEmpty { return .failed }
        return plan.impossible == 0 ? .done : .degraded
    }

    private static func text(_ plan: ReshapePlan, _ bytesPerSecond: Double?, _ seconds: Double?) -> [String] {
        var lines = [
            plan.isNothing
                ? "nothing to reshape: blocks have \(plan.profile)"
                : "would \(move(plan))give \(Count.text(plan.blocks, "block")) \(plan.profile): read "
                    + "\(Size.text(plan.bytesToRead)), write \(Count.text(plan.shardsToWrite, "shard")) (\(Size.text(plan.bytesToWrite))), remove \(plan.shardsToRemove) "
                    + "(\(Size.text(plan.bytesToRemove)))"
        ]
        if let seconds, let bytesPerSecond, !plan.isNothing {
            lines.append(
                "about \(Size.decimals(seconds, seconds < 10 ? 1 : 0)) s at the \(Size.decimals(bytesPerSecond / 1e6, 0)) MB/s "
                    + "measured in reading")
        }
        if plan.impossible > 0 {
            let text = Count.text(plan.impossible, "block", one: "lacks", many: "lack")
            lines.append("\(text) devices or sound shards; bsctl repair first")
        }
        return lines
    }

    private static func move(_ plan: ReshapePlan) -> String {
        plan.blocksToMove == 0
            ? "" : "move what \(Count.text(plan.blocksToMove, "block", one: "holds", many: "hold")) into new ones, and "
    }

    private static func tell(_ report: ReshapeReport, _ invocation: Invocation) -> ExitCode {
        for problem in report.problems { Terminal.warning(problem) }
        if report.left > 0 {
            let text = Count.text(report.left, "block", one: "keeps its", many: "keep their")
            Terminal.warning("\(text) profile; when bsctl repair has run: bsctl reshape")
        }
        if report.leftoverShards > 0 {
            Terminal.warning(
                report.leftoverShards == 1
                    ? "1 shard of the old profile stays until its device is back and its block whole; "
                    : "\(report.leftoverShards) shards of the old profile stay until their devices are back and their blocks "
                        + "whole; "
                        + "then: bsctl reshape")
        }
        if let debt = report.debt { Terminal.warning("\(debt); bsctl repair makes it whole") }
        if invocation.has(Options.json) {
            Terminal.print(
                JSON.object([
                    ("profile", .string(report.profile.description)), ("blocks", .integer(report.blocks)),
                    ("writtenShards", .integer(report.writtenShards)), ("writtenBytes", .unsigned(report.writtenBytes)),
                    ("readBytes", .unsigned(report.readBytes)), ("removedShards", .integer(report.removedShards)),
                    ("left", .integer(report.left)), ("leftoverShards", .integer(report.leftoverShards)),
                    ("movedBlocks", .integer(report.movedBlocks)), ("movedBytes", .unsigned(report.movedBytes)),
                    ("commits", .integer(report.commits)),
                    ("problems", .array(report.problems.map { .string($0) })), ("seconds", .number(report.seconds)),
                    ("debt", .optional(report.debt)),
                ]))
        } else if !invocation.has(Options.quiet) {
            Terminal.print(
                "\(Count.text(report.blocks, "block", one: "has", many: "have")) \(report.profile) now: read "
                    + "\(Size.text(report.readBytes)), wrote \(Count.text(report.writtenShards, "shard")) (\(Size.text(report.writtenBytes))), removed \(report.removedShards); "
                    + "\(Size.decimals(report.seconds, 1)) s")
            if report.movedBlocks > 0 {
                Terminal.print(
                    "what \(Count.text(report.movedBlocks, "block")) held (\(Size.text(report.movedBytes))) stands in new ones of "
                        + "\(report.profile)")
            }
        }
        return report.isComplete ? .done : .degraded
    }
}
