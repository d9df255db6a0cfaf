import BlockStore

/// What moves between devices, in words and in JSON.
enum MoveText {
    /// A plan, for `--dry-run`.
    static func tell(_ plan: MovePlan, _ whereTo: String, _ invocation: Invocation) -> ExitCode {
        let takes = plan.takes.sorted { $0.key < $1.key }
        if invocation.has(Options.json) {
            Terminal.print(
                JSON.object([
                    ("shards", .integer(plan.shards)), ("bytes", .unsigned(plan.bytes)),
                    (
                        "takes",
                        .array(takes.map { .fields([("label", .string($0.key)), ("bytes", .unsigned($0.value))]) })
                    ),
                    ("estimated", .bool(plan.isEstimated)), ("homeless", .integer(plan.homeless)),
                    ("lackingRoom", .array(plan.lackingRoom.map { .string($0) })),
                    ("bytesPerSecond", plan.bytesPerSecond.map { .number($0) } ?? .null),
                    ("seconds", plan.seconds.map { .number($0) } ?? .null),
                ]))
        } else if !invocation.has(Options.quiet) {
            var text =
                "would move \(plan.isEstimated ? "about " : "")\(Count.text(plan.shards, "shard")), \(Size.text(plan.bytes)), \(whereTo)"
            if let rate = plan.bytesPerSecond, let seconds = plan.seconds {
                text += "; about \(duration(seconds)) at \(Size.rate(Int(rate), seconds: 1)), as just read"
            }
            Terminal.print(text)
            for (label, bytes) in takes { Terminal.print("  \(label) takes \(Size.text(bytes))") }
            if plan.homeless > 0 {
                Terminal.print(
                    "\(Count.text(plan.homeless, "shard")) would find no place: add a device first", .warning)
            }
            for label in plan.lackingRoom { Terminal.print("\(label) has too little room for that", .warning) }
        }
        return plan.homeless == 0 && plan.lackingRoom.isEmpty ? .done : .failed
    }

    static func text(_ report: MoveReport) -> String {
        guard report.movedShards > 0 || report.failedShards > 0 else { return "nothing had to move" }
        var text =
            "\(Count.text(report.movedShards, "shard")) moved and read back, \(Size.text(report.movedBytes)) in "
            + "\(Size.decimals(report.seconds, 1)) s, \(Size.rate(report.movedBytes, seconds: report.seconds))"
        if report.rebuiltShards > 0 { text += "; \(report.rebuiltShards) of them made again from the others" }
        if report.failedShards > 0 { text += "; \(report.failedShards) stay where they were" }
        return text
    }

    static func lines(_ report: DrainReport) -> [String] {
        let verdict = report.verdict
        return [
            text(report.moves),
            "then looked for every shard of \(Count.text(verdict.blocks, "block")) on the other devices, and read back "
                + "\(verdict.readShards) of them",
        ]
    }

    static func tellVerdict(_ verdict: DrainVerdict, _ device: DeviceInfo) {
        if verdict.isSafeToPull {
            Terminal.print("\(device.label) is safe to pull: nothing on it is needed.", .good)
            return Terminal.print("Next: bsctl device remove \(device.label)")
        }
        Terminal.print("Do NOT pull \(device.label) yet.", .bad)
        if verdict.needed > 0 {
            let verb = verdict.needed == 1 ? "has" : "have"
            Terminal.print("\(Count.text(verdict.needed, "shard")) of it \(verb) no sound place elsewhere.")
        }
        if verdict.owed > 0 {
            let verb = verdict.owed == 1 ? "is" : "are"
            Terminal.print("\(Count.text(verdict.owed, "shard")) that others should have \(verb) owed.")
        }
        for reason in verdict.reasons { Terminal.print("  \(reason)") }
        Terminal.print(
            "Next: \(verdict.owed > 0 ? "bsctl repair, then " : "")bsctl device drain \(device.label) again")
    }

    static func tellErrors(_ report: MoveReport, again command: String) -> ExitCode {
        for error in report.errors { Terminal.warning(error) }
        if report.failedShards == 0 { return .done }
        Terminal.warning("\(Count.text(report.failedShards, "shard")) did not move; next: \(command)")
        return .degraded
    }

    static func fields(_ report: MoveReport) -> [(String, JSON)] {
        [
            ("movedShards", .integer(report.movedShards)), ("rebuiltShards", .integer(report.rebuiltShards)),
            ("movedBytes", .unsigned(report.movedBytes)), ("failedShards", .integer(report.failedShards)),
            ("errors", .array(report.errors.map { .string($0) })), ("seconds", .number(report.seconds)),
        ]
    }

    static func fields(_ verdict: DrainVerdict) -> [(String, JSON)] {
        [
            ("checkedBlocks", .integer(verdict.blocks)), ("readShards", .integer(verdict.readShards)),
            ("neededShards", .integer(verdict.needed)), ("owedShards", .integer(verdict.owed)),
            ("reasons", .array(verdict.reasons.map { .string($0) })),
        ]
    }

    private static func duration(_ seconds: Double) -> String {
        switch seconds {
        case ..<100: "\(Size.decimals(max(seconds, 0.1), seconds < 10 ? 1 : 0)) s"
        case ..<7200: "\(Size.decimals(seconds / 60, 0)) min"
        default: "\(Size.decimals(seconds / 3600, 1)) h"
        }
    }
}
