import BlockStore

/// drill.
enum DrillCommands {
    static func drill(_ invocation: Invocation) throws -> ExitCode {
        let random = SeededRandom(invocation[Options.seed] ?? SystemRandom().next())
        var options = DrillOptions()
        options.sampleCount = invocation.has(Options.drillAll) ? nil : invocation[Options.drillSample] ?? 1000
        options.lossCount = invocation[Options.drillLosses]
        options.bitCount = invocation[Options.drillBits] ?? options.bitCount
        let progress = ProgressLine(invocation)
        defer { progress.clear() }
        let report = try Interruption.cooperate {
            try Store.drill(
                try Opening.environment(invocation), home: Paths.absolute(Opening.home(invocation)), options,
                random: random, storeOptions: Opening.options(invocation), progress: progress.handler)
        }
        progress.clear()
        let failures = report.afterRot.failures + report.afterLoss.failures
        if invocation.has(Options.json) {
            Terminal.print(JSON.object(fields(report, random.seed)))
        } else if !invocation.has(Options.quiet) {
            for line in lines(report, random.seed) { Terminal.print(line) }
        }
        for failure in failures { Terminal.error("", failure.key, ": \(Complaint(failure.error).head)") }
        for problem in report.problems { Terminal.error(problem) }
        guard failures.isEmpty else { return .lost }
        return report.isPassed ? .done : .failed
    }

    /// What was read, and how it went.
    static func verdict(_ reading: DrillReport.Reading) -> String {
        "\(Count.text(reading.objects, "object")), \(Size.text(reading.bytes)), read and verified, "
            + "\(Size.text(reading.rebuiltBytes)) of it made from other shards: "
            + (reading.failures.isEmpty
                ? "all right" : "\(Count.text(reading.failures.count, "object")) could not be read")
    }

    static func json(_ reading: DrillReport.Reading) -> JSON {
        .fields([
            ("objects", .integer(reading.objects)), ("bytes", .unsigned(reading.bytes)),
            ("rebuiltBytes", .unsigned(reading.rebuiltBytes)),
            ("failures", .array(reading.failures.map { JSON.failure(JSON.key($0.key), $0.error) })),
        ])
    }

    private static func lines(_ report: DrillReport, _ seed: UInt64) -> [String] {
        func names(_ labels: [String]) -> String { labels.joined(separator: " and ") }
        var lines = [
            "drill on a view of the store, seed \(seed): \(Count.text(report.blocks, "block")), "
                + "\(Count.text(report.linkedFiles, "shard")) linked",
            "",
            "\(Count.text(report.flippedBits, "bit")) flipped in \(Count.text(report.rottenShards, "shard")) on \(names(report.rottenDevices))",
            "  " + verdict(report.afterRot),
            report.unseenShards + report.unmendedShards == 0
                ? "  every damaged shard was found, and made right again"
                : "  not found: \(Count.text(report.unseenShards, "shard")), not made right: "
                    + Count.text(report.unmendedShards, "shard"),
            "",
            "\(names(report.lostDevices)) lost",
            "  " + verdict(report.afterLoss),
        ]
        if let repair = report.repair {
            let rest = repair.lostBlocks.count
            lines.append(
                "  \(Count.text(repair.repairedShards, "shard")) made again on empty disks, "
                    + "\(Size.text(repair.writtenBytes)) in \(Size.decimals(repair.seconds, 1)) s: "
                    + (rest == 0 && repair.errorCount == 0 ? "whole" : "\(Count.text(rest, "block")) not"))
        } else if let omission = report.repairOmission {
            lines.append("  not repaired: \(omission)")
        }
        let gone =
            report.goneFiles == 0 ? "" : "; \(Count.text(report.goneFiles, "shard")) were collected or moved meanwhile"
        lines += [
            "",
            report.problems.isEmpty
                ? "the store itself: \(Count.text(report.comparedFiles, "shard")) compared, each is as it was\(gone)"
                : "the store itself: \(Count.text(report.problems.count, "difference")), see above",
            report.isPassed ? "passed" : "FAILED",
        ]
        return lines
    }

    private static func fields(_ report: DrillReport, _ seed: UInt64) -> [(String, JSON)] {
        [
            ("passed", .bool(report.isPassed)), ("seed", .unsigned(seed)), ("blocks", .integer(report.blocks)),
            ("linkedShards", .integer(report.linkedFiles)),
            ("rottenDevices", .array(report.rottenDevices.map { .string($0) })),
            ("flippedBits", .integer(report.flippedBits)), ("rottenShards", .integer(report.rottenShards)),
            ("unseenShards", .integer(report.unseenShards)), ("unmendedShards", .integer(report.unmendedShards)),
            ("afterRot", json(report.afterRot)), ("lostDevices", .array(report.lostDevices.map { .string($0) })),
            ("afterLoss", json(report.afterLoss)),
            ("repairedShards", report.repair.map { .integer($0.repairedShards) } ?? .null),
            ("repairOmission", .optional(report.repairOmission)), ("comparedShards", .integer(report.comparedFiles)),
            ("goneShards", .integer(report.goneFiles)), ("problems", .array(report.problems.map { .string($0) })),
            ("seconds", .number(report.seconds)),
        ]
    }
}
