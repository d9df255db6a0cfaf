import BlockStore

/// The status in words: is my data safe now, what can still fail, what do I do.
enum StatusText {
    static func tell(_ status: StoreStatus) {
        Terminal.print(
            "store \(status.storeID)\(status.isSandbox ? " (sandbox)" : ""), \(status.profile), "
                + "commit \(status.headCommit)")
        Terminal.print("")
        for line in deviceLines(status.devices) { Terminal.print(line) }
        Terminal.print("")
        for line in totals(status) { Terminal.print(line) }
        Terminal.print("")
        tellVerdict(status)
    }

    static func deviceLines(_ devices: [DeviceInfo]) -> [String] {
        let rows = devices.map { device in
            let space = device.space.map { "\(Size.text($0.freeBytes)) free of \(Size.text($0.totalBytes))" } ?? ""
            return [device.label, word(device), space, device.path ?? "?"]
        }
        return Table.lines(rows) + reasons(devices)
    }

    /// Why devices are out of service.
    static func reasons(_ devices: [DeviceInfo]) -> [String] {
        devices.compactMap { device in
            switch device.state {
            case .inService: nil
            case .absent(let reason):
                "\(device.label): \(reason); if it stands elsewhere now: bsctl recover --device DIR"
            case .failed(let reason): "\(device.label): \(reason)"
            }
        }
    }

    static func word(_ device: DeviceInfo) -> String {
        switch device.state {
        case .inService: device.isDraining ? "draining" : "in service"
        case .absent: "absent"
        case .failed: "failed"
        }
    }

    private static func totals(_ status: StoreStatus) -> [String] {
        let totals = status.totals
        var rows = [
            ["objects", "\(totals.objects)", Count.text(totals.versions, "version")],
            [
                "logical", Size.text(totals.logicalBytes),
                "\(Size.text(totals.allVersionsBytes)) with old versions",
            ],
            [
                "unique", Size.text(totals.uniqueBytes),
                "deduplication \(Size.ratio(totals.allVersionsBytes, totals.uniqueBytes)), "
                    + Count.text(totals.chunks, "chunk"),
            ],
            [
                "compressed", Size.text(totals.compressedBytes),
                "compression \(Size.ratio(totals.uniqueBytes, totals.compressedBytes))",
            ],
            [
                "on devices", Size.text(totals.shardBytes),
                "\(Size.ratio(totals.shardBytes, totals.compressedBytes)) for parity and tables, "
                    + Count.text(totals.blocks, "block"),
            ],
        ]
        if status.profiles.map(\.profile) != [status.profile] {
            for (profile, blocks) in status.profiles {
                rows.append(["", "\(blocks)", "block\(blocks == 1 ? "" : "s") of \(profile)"])
            }
        }
        rows.append(lastRead(status.verification, blocks: totals.blocks))
        for (missing, blocks) in status.protection where missing > 0 {
            rows.append([
                "", "\(blocks)", "\(blocks == 1 ? "block lacks" : "blocks lack") \(Count.text(missing, "shard"))",
            ])
        }
        return Table.lines(rows, right: [1])
    }

    /// The age of what was not read for the longest time.
    private static func lastRead(_ verification: Verification, blocks: Int) -> [String] {
        guard let seconds = verification.oldestSeconds else {
            return ["last read", "never", "bsctl scrub reads and checks everything"]
        }
        let never =
            verification.neverBlocks > 0 ? "; \(verification.neverBlocks) of \(Count.text(blocks, "block")) never" : ""
        return ["last read", Time.duration(Double(seconds)), "ago, what waits longest for a scrub\(never)"]
    }

    private static func tellVerdict(_ status: StoreStatus) {
        // What was to be emptied is not missed.
        let out = status.devices.filter { !$0.state.isInService && !$0.isDraining }
        if status.lostBlocks > 0 {
            Terminal.print(
                "DATA IS LOST: \(Count.text(status.lostBlocks, "block")) cannot be read from the devices there are.",
                .bad)
            Terminal.print("Bring devices back if you can; bsctl repair names the keys that are gone.")
        } else if status.owedShards == 0, out.isEmpty {
            Terminal.print("All data is safe: \(mayFail(status.lossesSurvivedNow)).", .good)
        } else {
            Terminal.print(
                status.lossesSurvivedNow > 0
                    ? "All data can be read; \(mayFail(status.lossesSurvivedNow))."
                    : "All data can be read, but the next failure may lose some.", .warning)
        }
        if status.owedShards > 0 {
            Terminal.print("\(Count.text(status.owedShards, "shard", one: "is", many: "are")) owed.")
        }
        if status.shardsBeyondProfiles > 0 {
            Terminal.print(
                "A reshape was interrupted: "
                    + Count.text(status.shardsBeyondProfiles, "shard", one: "is", many: "are")
                    + " beyond the profile of their block. bsctl reshape goes on.")
        }
        if status.owedShards > 0 || !out.isEmpty { tellNextStep(out, status) }
        for device in status.devices where device.isDraining {
            let left = status.usage[device.id]?.shards ?? 0
            Terminal.print(
                left > 0
                    ? "\(device.label) is being drained, \(Count.text(left, "shard", one: "is", many: "are")) left on it; "
                        + "next: bsctl device drain \(device.label)"
                    : "\(device.label) is drained; next: bsctl device drain \(device.label) for a verdict, or "
                        + "bsctl device remove \(device.label)")
        }
        for warning in status.domainWarnings { Terminal.print(warning, .warning) }
        if let refusal = status.writeRefusal { Terminal.print("Writing is refused: \(refusal).", .warning) }
        for commit in status.inDoubt { tell("In doubt", commit) }
        for commit in status.bypassed { tell("Bypassed", commit) }
    }

    private static func mayFail(_ losses: Int) -> String {
        switch losses {
        case ...0: "no device may fail"
        case 1: "any one device may fail now"
        default: "any \(losses) devices may fail now"
        }
    }

    private static func tellNextStep(_ out: [DeviceInfo], _ status: StoreStatus) {
        guard !out.isEmpty, !status.isSandbox else { return Terminal.print("Next: bsctl repair") }
        Terminal.print("Next: bring \(out.map(\.label).joined(separator: ", ")) back, or put empty directories there:")
        for device in out { Terminal.print("  bsctl device replace \(device.label) [DIR]") }
        Terminal.print("and then bsctl repair.")
    }

    private static func tell(_ what: String, _ commit: CommitSummary) {
        Terminal.print("\(what): commit \(commit.number), which holds", .warning)
        for key in commit.keys { Terminal.print("  ", key) }
    }
}
