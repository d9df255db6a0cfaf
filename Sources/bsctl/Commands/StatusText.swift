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
            return [device.label, word(device.state), space, device.path ?? "?"]
        }
        var lines = Table.lines(rows)
        for device in devices {
            switch device.state {
            case .inService: break
            case .absent(let reason), .failed(let reason): lines.append("\(device.label): \(reason)")
            }
        }
        return lines
    }

    static func word(_ state: DeviceState) -> String {
        switch state {
        case .inService: "in service"
        case .absent: "absent"
        case .failed: "failed"
        }
    }

    private static func totals(_ status: StoreStatus) -> [String] {
        let totals = status.totals
        var rows = [
            ["objects", "\(totals.objects)", "\(totals.versions) versions"],
            [
                "logical", Size.text(totals.logicalBytes),
                "\(Size.text(totals.allVersionsBytes)) with old versions",
            ],
            [
                "unique", Size.text(totals.uniqueBytes),
                "deduplication \(Size.ratio(totals.allVersionsBytes, totals.uniqueBytes)), \(totals.chunks) chunks",
            ],
            [
                "compressed", Size.text(totals.compressedBytes),
                "compression \(Size.ratio(totals.uniqueBytes, totals.compressedBytes))",
            ],
            [
                "on devices", Size.text(totals.shardBytes),
                "\(Size.ratio(totals.shardBytes, totals.compressedBytes)) for parity and tables, "
                    + "\(totals.blocks) blocks",
            ],
        ]
        if status.profiles.map(\.profile) != [status.profile] {
            for (profile, blocks) in status.profiles { rows.append(["", "\(blocks)", "blocks of \(profile)"]) }
        }
        for (missing, blocks) in status.protection where missing > 0 {
            rows.append(["", "\(blocks)", "blocks lack \(missing) shard\(missing == 1 ? "" : "s")"])
        }
        return Table.lines(rows, right: [1])
    }

    private static func tellVerdict(_ status: StoreStatus) {
        let out = status.devices.filter { !$0.state.isInService }
        if status.lostBlocks > 0 {
            Terminal.print(
                "DATA IS LOST: \(status.lostBlocks) blocks cannot be read from the devices there are.", .bad)
            Terminal.print("Bring devices back if you can; bsctl repair names the keys that are gone.")
        } else if status.owedShards == 0, out.isEmpty {
            Terminal.print("All data is safe: \(mayFail(status.lossesSurvivedNow)).", .good)
        } else {
            Terminal.print(
                status.lossesSurvivedNow > 0
                    ? "All data can be read; \(mayFail(status.lossesSurvivedNow))."
                    : "All data can be read, but the next failure may lose some.", .warning)
        }
        if status.owedShards > 0 { Terminal.print("\(status.owedShards) shards are owed.") }
        if status.shardsBeyondProfiles > 0 {
            Terminal.print(
                "A reshape was interrupted: \(status.shardsBeyondProfiles) shards are beyond the profile of their block. "
                    + "bsctl reshape goes on.")
        }
        if status.owedShards > 0 || !out.isEmpty { tellNextStep(out, status) }
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
