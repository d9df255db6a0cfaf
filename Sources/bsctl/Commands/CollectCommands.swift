import BlockStore

/// collect.
enum CollectCommands {
    static func collect(_ invocation: Invocation) throws -> ExitCode {
        let options = CollectOptions(
            isFull: invocation.has(Options.full), maximumBytes: invocation[Options.maximumBytes].map { UInt64($0) })
        let progress = ProgressLine(invocation)
        if invocation.has(Options.dryRun) {
            return try Opening.withStore(invocation, .read) { store in
                let forecast = try store.forecastCollection(options, progress: progress.handler)
                progress.clear()
                tell(forecast, invocation)
                return .done
            }
        }
        return try Opening.withStore(invocation, .write) { store in
            let report = try store.collect(options, progress: progress.handler)
            progress.clear()
            tell(report, invocation)
            return .done
        }
    }

    private static func tell(_ forecast: CollectForecast, _ invocation: Invocation) {
        if invocation.has(Options.json) {
            return Terminal.print(
                JSON.object([
                    ("checkedBlocks", .integer(forecast.checkedBlocks)), ("blocks", .integer(forecast.blocks)),
                    ("liveBytes", .unsigned(forecast.liveBytes)), ("shardBytes", .unsigned(forecast.shardBytes)),
                    ("freedBytes", .unsigned(forecast.freedBytes)), ("heldBytes", .unsigned(forecast.heldBytes)),
                ]))
        }
        guard !invocation.has(Options.quiet) else { return }
        Terminal.print(
            forecast.blocks == 0
                ? "nothing to collect in \(Count.text(forecast.checkedBlocks, "block"))"
                : "\(forecast.blocks) of \(Count.text(forecast.checkedBlocks, "block")) would go: "
                    + "\(Size.text(forecast.liveBytes)) copied, about \(Size.text(forecast.freedBytes)) freed on the devices"
        )
        tellHeld(forecast.heldBytes)
    }

    private static func tell(_ report: CollectReport, _ invocation: Invocation) {
        if invocation.has(Options.json) {
            return Terminal.print(
                JSON.object([
                    ("checkedBlocks", .integer(report.checkedBlocks)),
                    ("retiredBlocks", .integer(report.retiredBlocks)),
                    ("copiedBytes", .unsigned(report.copiedBytes)), ("freedBytes", .integer(Int(report.freedBytes))),
                    ("removedShards", .integer(report.removedShards)),
                    ("removedStrays", .integer(report.removedStrays)),
                    (
                        "kept",
                        .array(
                            report.kept.map {
                                .fields([("block", .string($0.block.description)), ("reason", .string($0.reason))])
                            })
                    ),
                    ("heldBytes", .unsigned(report.heldBytes)), ("complete", .bool(report.isComplete)),
                    ("seconds", .number(report.seconds)),
                ]))
        }
        guard !invocation.has(Options.quiet) else { return }
        Terminal.print(
            report.retiredBlocks == 0 && report.removedStrays == 0
                ? "nothing to collect in \(Count.text(report.checkedBlocks, "block"))"
                : "\(report.retiredBlocks) of \(Count.text(report.checkedBlocks, "block")) collected: "
                    + "\(Size.text(report.copiedBytes)) copied, \(Size.text(UInt64(max(0, report.freedBytes)))) freed "
                    + "on the devices in \(Size.decimals(report.seconds, 1)) s")
        if report.removedStrays > 0 { Terminal.print("\(Count.text(report.removedStrays, "stray shard")) deleted") }
        for (block, reason) in report.kept { Terminal.print("  block \(block) stays: \(reason)") }
        if !report.isComplete { Terminal.print("stopped at --max-bytes; run it again to go on") }
        tellHeld(report.heldBytes)
    }

    private static func tellHeld(_ bytes: UInt64) {
        guard bytes > 0 else { return }
        Terminal.print("\(Size.text(bytes)) are held by deleted and older versions; bsctl prune lets go of them")
    }
}
