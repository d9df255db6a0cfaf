import BlockStore

/// The status in words: is my data safe now, what can still fail, what do I do.
struct StatusText {
    private let status: StoreStatus
    private let noticed: Noticed
    private var lines: [(text: String, style: Terminal.Style)] = []

    /// What to run next, in this order; empty when all is well.
    let next: [String]

    init(_ status: StoreStatus, _ noticed: Noticed) {
        self.status = status
        self.noticed = noticed
        next = Self.next(status)
    }

    /// All of it, line by line.
    static func lines(_ status: StoreStatus, _ noticed: Noticed) -> [(text: String, style: Terminal.Style)] {
        var text = StatusText(status, noticed)
        text.tell()
        return text.lines
    }

    /// The end of it alone: how safe the data is and what is to be done.
    static func verdict(_ status: StoreStatus, _ noticed: Noticed) -> [(text: String, style: Terminal.Style)] {
        var text = StatusText(status, noticed)
        text.tellVerdict()
        return text.lines
    }

    private mutating func add(_ text: String, _ style: Terminal.Style = .plain) { lines.append((text, style)) }

    private mutating func tell() {
        add(
            "store \(status.storeID)\(status.isSandbox ? " (sandbox)" : ""), \(status.profile), "
                + "commit \(status.headCommit)")
        add("")
        tellDevices()
        add("")
        for line in totals { add(line) }
        add("")
        tellVerdict()
    }

    private mutating func tellDevices() {
        let rows = status.devices.map { device in
            let space = device.space.map { "\(Size.text($0.freeBytes)) free of \(Size.text($0.totalBytes))" } ?? ""
            return [
                device.label, Self.health(device, status.usage[device.id] ?? DeviceUsage()), Bar.text(device.space),
                space,
                device.path ?? "?",
            ]
        }
        for (device, line) in zip(status.devices, Table.lines(rows)) {
            let damaged = status.usage[device.id]?.damagedShards ?? 0
            let isWell = device.state.isInService && damaged == 0 && !Self.isNearlyFull(device)
            add(line, device.isDraining || isWell ? .plain : .warning)
        }
        for line in Self.reasons(status.devices) { add(line, .warning) }
        let nodes = status.devices.compactMap { device in device.answerTimes.map { (device.label, $0) } }
        if !nodes.isEmpty { add("") }
        for (line, (_, times)) in zip(Table.lines(nodes.map { Self.answers($0, $1) }), nodes) {
            add(line, times.failures == 0 ? .plain : .warning)
        }
    }

    /// How a node answered this command.
    private static func answers(_ label: String, _ times: AnswerTimes) -> [String] {
        func text(_ nanoseconds: UInt64?) -> String {
            nanoseconds.map { "\(Size.decimals(Double($0) / 1e6, $0 < 10_000_000 ? 1 : 0)) ms" } ?? "?"
        }
        return [
            label, times.medianNanoseconds == nil ? "did not answer" : "answers in \(text(times.medianNanoseconds))",
            times.tailNanoseconds == nil ? "" : "95 of 100 within \(text(times.tailNanoseconds))",
            times.failures == 0
                ? Count.text(times.requests, "request")
                : "\(times.failures) of \(Count.text(times.requests, "request")) failed",
        ]
    }

    /// What a person wants to know of a device, in a few words.
    static func health(_ device: DeviceInfo, _ usage: DeviceUsage) -> String {
        var words = [word(device)]
        if usage.damagedShards > 0 { words.append(Count.text(usage.damagedShards, "damaged shard")) }
        if isNearlyFull(device) { words.append("nearly full") }
        return words.joined(separator: ", ")
    }

    static func isNearlyFull(_ device: DeviceInfo) -> Bool {
        guard device.state.isInService, let space = device.space, space.totalBytes > 0 else { return false }
        return space.freeBytes < space.totalBytes / 20
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

    private var totals: [String] {
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
        rows.append(lastRead)
        for (missing, blocks) in status.protection where missing > 0 {
            rows.append([
                "", "\(blocks)", "\(blocks == 1 ? "block lacks" : "blocks lack") \(Count.text(missing, "shard"))",
            ])
        }
        return Table.lines(rows, right: [1])
    }

    /// The age of what was not read for the longest time.
    private var lastRead: [String] {
        let verification = status.verification
        guard let seconds = verification.oldestSeconds else {
            return ["last read", "never", "bsctl scrub reads and checks everything"]
        }
        let blocks = Count.text(status.totals.blocks, "block")
        let never = verification.neverBlocks > 0 ? "; \(verification.neverBlocks) of \(blocks) never" : ""
        return ["last read", Time.duration(Double(seconds)), "ago, what waits longest for a scrub\(never)"]
    }

    /// The last lines stand above the prompt: what a person reads first.
    private mutating func tellVerdict() {
        for warning in status.domainWarnings { add(warning, .warning) }
        for commit in status.inDoubt { tell("In doubt", commit) }
        for commit in status.bypassed { tell("Bypassed", commit) }
        if let refusal = status.writeRefusal { add("Writing is refused: \(refusal).", .warning) }
        if status.shardsBeyondProfiles > 0 {
            add(
                "A reshape was interrupted: "
                    + Count.text(status.shardsBeyondProfiles, "shard", one: "is", many: "are")
                    + " beyond the profile of their block.")
        }
        for device in status.devices where device.isDraining {
            let left = status.usage[device.id]?.shards ?? 0
            add(
                left > 0
                    ? "\(device.label) is being drained, \(Count.text(left, "shard", one: "is", many: "are")) left on it."
                    : "\(device.label) is drained.")
        }
        for (since, labels) in outages {
            add(
                "\(labels.joined(separator: ", ")) \(labels.count == 1 ? "is" : "are") out, since \(Self.since(since)).",
                .warning)
        }
        if status.owedShards > 0 {
            let since = noticed.owedSince.map { ", since \(Self.since($0))" } ?? ""
            add("\(Count.text(status.owedShards, "shard", one: "is", many: "are")) owed\(since).", .warning)
        }
        tellSafety()
        if next.isEmpty { return }
        add("Next: \(next[0])")
        for line in next.dropFirst() { add("      \(line)") }
    }

    private mutating func tellSafety() {
        let losses = status.lossesSurvivedNow
        if status.lostBlocks > 0, !status.isContentLost {
            add(
                "All data can be read. \(Count.text(status.lostBlocks, "block", one: "is", many: "are")) lost that no object needs.",
                .warning)
        } else if status.lostBlocks > 0, !status.isSandbox, !Self.missed(status).isEmpty {
            // Whoever takes absent for lost might put empty disks in the place of those that hold the data.
            add(
                "\(Count.text(status.lostBlocks, "block")) CANNOT BE READ NOW: too many devices are out. Everything else reads.",
                .bad)
        } else if status.lostBlocks > 0 {
            add(
                "DATA IS LOST: \(Count.text(status.lostBlocks, "block")) cannot be read from the devices there are. Everything else "
                    + "reads.", .bad)
        } else if status.owedShards == 0, Self.missed(status).isEmpty {
            add("All data is safe: \(mayFail(losses)).", .good)
        } else if losses > 0 {
            add("All data can be read; \(mayFail(losses)).", .warning)
        } else {
            add("All data can be read, but the next failure may lose some.", .bad)
        }
    }

    /// The devices that are missed, together where they went together.
    private var outages: [(since: Int64, labels: [String])] {
        var labels: [Int64: [String]] = [:]
        for device in Self.missed(status) {
            if let since = noticed.outSince(device.id) { labels[since, default: []].append(device.label) }
        }
        return labels.sorted { $0.key < $1.key }.map { (since: $0.key, labels: $0.value) }
    }

    private func mayFail(_ losses: Int) -> String {
        switch losses {
        case ...0: "no device may fail"
        case 1: "any one device may fail now"
        default: "any \(losses) devices may fail now"
        }
    }

    /// Devices that are out; what was to be emptied is not missed.
    private static func missed(_ status: StoreStatus) -> [DeviceInfo] {
        status.devices.filter { !$0.state.isInService && !$0.isDraining }
    }

    private static func next(_ status: StoreStatus) -> [String] {
        var next: [String] = []
        let out = missed(status)
        if !out.isEmpty, !status.isSandbox, status.isContentLost {
            next.append("bring \(out.map(\.label).joined(separator: ", ")) back; where they stand elsewhere now:")
            next.append("bsctl recover --device DIR")
            return next
        }
        if !out.isEmpty, !status.isSandbox {
            let names = out.map(\.label).joined(separator: ", ")
            next.append(
                "bring \(names) back, or put \(out.count == 1 ? "an empty directory" : "empty directories") there:")
            next += out.map { "bsctl device replace \($0.label) [DIR]" }
        }
        if status.lostBlocks > 0, !status.isContentLost, out.isEmpty {
            next.append("bsctl collect lets go of what is lost and not needed; then bsctl repair")
        } else if status.owedShards > 0 || !out.isEmpty || status.lostBlocks > 0 {
            next.append(status.isContentLost ? "bsctl repair names the keys that are gone" : "bsctl repair")
        }
        if !status.inDoubt.isEmpty {
            next.append("bring the devices back; or give up what is in doubt: bsctl recover --abandon")
        }
        if status.shardsBeyondProfiles > 0 { next.append("bsctl reshape goes on") }
        for device in status.devices where device.isDraining {
            let left = status.usage[device.id]?.shards ?? 0
            next.append(
                left > 0
                    ? "bsctl device drain \(device.label)"
                    : "bsctl device drain \(device.label) for a verdict, or bsctl device remove \(device.label)")
        }
        if status.devices.contains(where: isNearlyFull) {
            next.append("make room: bsctl prune and bsctl collect, or bsctl device add DIR")
        }
        return next
    }

    private mutating func tell(_ what: String, _ commit: CommitSummary) {
        add("\(what): commit \(commit.number), which holds", .warning)
        for key in commit.keys { add("  \(Printable.text(key.bytes))") }
    }

    /// "2026-03-01 12:34:56 at the latest, 3 h ago"
    private static func since(_ seconds: Int64) -> String {
        let now = SystemClock().wallNanoseconds() / 1_000_000_000
        return
            "\(Time.text(seconds * 1_000_000_000)) at the latest, \(Time.duration(Double(max(0, now - seconds)))) ago"
    }
}
