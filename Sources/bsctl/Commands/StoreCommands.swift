import BlockStore
import Erasure

/// init, status and device.
enum StoreCommands {
    static func initialize(_ invocation: Invocation) throws -> ExitCode {
        guard let home = String(validating: invocation.operands[0], as: UTF8.self), !home.isEmpty else {
            throw UsageError(description: "the path of a home must be UTF-8 and not empty")
        }
        let profile: Profile
        do {
            profile = try Profile(try invocation.text("profile") ?? "rs:4+2")
        } catch let error as ProfileError {
            throw UsageError(description: error.description)
        }
        let paths = try invocation.all("device").map { bytes in
            guard let path = String(validating: bytes, as: UTF8.self) else {
                throw UsageError(description: "the path of a device must be UTF-8")
            }
            return path
        }
        let disks = try invocation.number("disks", in: 1...1024).map(Int.init)
        guard (disks == nil) != paths.isEmpty else {
            throw UsageError(description: "name devices with --device DIR …, or make a sandbox with --disks N")
        }
        let count = disks ?? paths.count
        guard count >= profile.shardCount else {
            throw UsageError(
                description: "\(profile) needs at least \(profile.shardCount) devices, \(count) were given")
        }
        let average = try invocation.size("chunk-size") ?? 64 << 10
        let directory = try DirectoryHome(path: home, creating: true, command: "bsctl init")
        let devices =
            disks.map { (1...$0).map { NewDevice(path: "\(absolute(home))/disk-\($0)", label: "disk-\($0)") } }
            ?? paths.map { NewDevice(path: absolute($0)) }
        let report = try Store.create(
            Opening.environment(home: directory), devices: devices, profile: profile, averageChunkBytes: average,
            isSandbox: disks != nil)
        for warning in report.warnings { Terminal.warning(warning) }
        if invocation.has("json") {
            Terminal.print(
                JSON.object([
                    ("storeID", .string(report.storeID.description)), ("profile", .string(profile.description)),
                    ("devices", .integer(count)), ("sandbox", .bool(disks != nil)),
                    ("warnings", .array(report.warnings.map { .string($0) })),
                ]))
        } else if !invocation.has("quiet") {
            Terminal.print("created store \(report.storeID) in \(home): \(count) devices, \(profile)")
            Terminal.print("any \(profile.tolerance) devices may be lost; next: bsctl --store \(home) put FILE")
        }
        return .done
    }

    static func status(_ invocation: Invocation) throws -> ExitCode {
        try Opening.withStore(invocation, .read) { store in
            let status = try store.status()
            if invocation.has("json") {
                Terminal.print(json(status))
            } else {
                for line in text(status) { Terminal.print(line) }
            }
            if status.lostBlocks > 0 { return .lost }
            let isWell =
                status.owedShards == 0 && status.inDoubt.isEmpty && status.devices.allSatisfy(\.state.isInService)
            return isWell ? .done : .degraded
        }
    }

    private static func text(_ status: StoreStatus) -> [String] {
        var lines = [
            "store \(status.storeID)\(status.isSandbox ? " (sandbox)" : ""), \(status.profile), commit \(status.headCommit)",
            "",
        ]
        lines += deviceLines(status.devices) + [""]
        let totals = status.totals
        func ratio(_ a: Int, _ b: Int) -> String { b > 0 ? "\(Size.decimals(Double(a) / Double(b), 2))×" : "–" }
        lines += [
            "objects     \(totals.objects), \(totals.versions) versions",
            "logical     \(Size.text(totals.logicalBytes)) newest, \(Size.text(totals.allVersionsBytes)) with old versions",
            "unique      \(Size.text(totals.uniqueBytes))  (deduplication \(ratio(totals.allVersionsBytes, totals.uniqueBytes)))",
            "compressed  \(Size.text(totals.compressedBytes))  (\(ratio(totals.uniqueBytes, totals.compressedBytes)))",
            "on devices  \(Size.text(totals.shardBytes)) in \(totals.blocks) blocks", "",
        ]
        lines += verdict(status)
        return lines
    }

    /// Is my data safe now, what can still fail, what do I do.
    private static func verdict(_ status: StoreStatus) -> [String] {
        var lines: [String] = []
        let out = status.devices.filter { !$0.state.isInService }
        if status.lostBlocks > 0 {
            lines.append("DATA IS LOST: \(status.lostBlocks) blocks cannot be read from the devices in service.")
            lines.append("Bring devices back if you can; bsctl repair names the keys that are gone.")
        } else if status.owedShards == 0, out.isEmpty {
            lines.append("All data is safe: any \(status.lossesSurvivedNow) devices may fail now.")
        } else {
            lines.append(
                status.lossesSurvivedNow > 0
                    ? "All data can be read; \(status.lossesSurvivedNow) more device\(status.lossesSurvivedNow == 1 ? "" : "s") may fail now."
                    : "All data can be read, but the next failure may lose some.")
            if status.owedShards > 0 { lines.append("\(status.owedShards) shards are owed.") }
            if !out.isEmpty, !status.isSandbox {
                lines.append(
                    "Next: bring \(out.map(\.label).joined(separator: ", ")) back, or bsctl device replace \(out[0].label) [DIR],"
                )
                lines.append("then bsctl repair.")
            } else {
                lines.append("Next: bsctl repair")
            }
        }
        if let refusal = status.writeRefusal { lines.append("Writing is refused: \(refusal).") }
        for commit in status.inDoubt {
            lines.append(
                "In doubt: commit \(commit.number) with \(commit.keys.map(\.description).joined(separator: ", ")).")
        }
        for commit in status.bypassed {
            lines.append(
                "Bypassed: commit \(commit.number) with \(commit.keys.map(\.description).joined(separator: ", ")).")
        }
        return lines
    }

    private static func deviceLines(_ devices: [DeviceInfo]) -> [String] {
        let labels = devices.map(\.label.count).max() ?? 0
        let paths = devices.map { ($0.path ?? "?").count }.max() ?? 0
        func pad(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count))
        }
        return devices.map { device in
            let space = device.space.map { "  \(Size.text($0.freeBytes)) free of \(Size.text($0.totalBytes))" } ?? ""
            return "\(pad(device.label, labels))  \(pad(device.path ?? "?", paths))  \(device.state)\(space)"
        }
    }

    private static func json(_ status: StoreStatus) -> String {
        func commits(_ list: [CommitSummary]) -> JSON {
            .array(list.map { .fields([("commit", .bytes($0.number)), ("keys", JSON.keys($0.keys))]) })
        }
        let totals = status.totals
        return JSON.object([
            ("storeID", .string(status.storeID.description)), ("profile", .string(status.profile.description)),
            ("sandbox", .bool(status.isSandbox)), ("headCommit", .bytes(status.headCommit.value)),
            ("devices", .array(status.devices.map { .fields(fields($0)) })), ("objects", .integer(totals.objects)),
            ("versions", .integer(totals.versions)), ("logicalBytes", .integer(totals.logicalBytes)),
            ("allVersionsBytes", .integer(totals.allVersionsBytes)), ("chunks", .integer(totals.chunks)),
            ("uniqueBytes", .integer(totals.uniqueBytes)), ("compressedBytes", .integer(totals.compressedBytes)),
            ("blocks", .integer(totals.blocks)), ("shardBytes", .integer(totals.shardBytes)),
            (
                "protection",
                .array(
                    status.protection.map {
                        .fields([("missing", .integer($0.missing)), ("blocks", .integer($0.blocks))])
                    })
            ),
            ("owedShards", .integer(status.owedShards)), ("lostBlocks", .integer(status.lostBlocks)),
            ("lossesSurvivedNow", .integer(status.lossesSurvivedNow)), ("writeRefusal", .optional(status.writeRefusal)),
            ("inDoubt", commits(status.inDoubt)), ("bypassed", commits(status.bypassed)),
        ])
    }

    private static func fields(_ device: DeviceInfo) -> [(String, JSON)] {
        [
            ("id", .string(device.id.description)), ("label", .string(device.label)),
            ("domain", .string(device.domain)),
            ("path", .optional(device.path)), ("state", .string(device.state.description)),
            ("inService", .bool(device.state.isInService)),
            ("totalBytes", device.space.map { .bytes($0.totalBytes) } ?? .null),
            ("freeBytes", device.space.map { .bytes($0.freeBytes) } ?? .null),
        ]
    }

    static func listDevices(_ invocation: Invocation) throws -> ExitCode {
        try Opening.withStore(invocation, .read) { store in
            if invocation.has("json") {
                Terminal.print(JSON.object([("devices", .array(store.devices.map { .fields(fields($0)) }))]))
            } else {
                for line in deviceLines(store.devices) { Terminal.print(line) }
            }
            return store.devices.allSatisfy(\.state.isInService) ? .done : .degraded
        }
    }

    static func replaceDevice(_ invocation: Invocation) throws -> ExitCode {
        let path = try invocation.operands.dropFirst().first.map { bytes in
            guard let path = String(validating: bytes, as: UTF8.self) else {
                throw UsageError(description: "the path of a device must be UTF-8")
            }
            return absolute(path)
        }
        return try Opening.withStore(invocation, .write) { store in
            let old = try device(invocation.operands[0], store)
            let report = try store.replaceDevice(old.id, with: path)
            if invocation.has("json") {
                Terminal.print(
                    JSON.object([
                        ("label", .string(report.label)), ("oldID", .string(report.oldID.description)),
                        ("newID", .string(report.newID.description)), ("path", .string(report.path)),
                    ]))
            } else if !invocation.has("quiet") {
                Terminal.print("\(report.label) is now \(report.path); next: bsctl repair")
            }
            return .degraded
        }
    }

    /// A device by label, or by the beginning of its id.
    static func device(_ name: [UInt8], _ store: Store) throws -> DeviceInfo {
        let text = String(decoding: name, as: UTF8.self)
        let matches = store.devices.filter {
            $0.label == text || ($0.id.description.hasPrefix(text) && text.count >= 4)
        }
        guard matches.count == 1 else {
            throw StoreError(
                .notFound, "find device \(text)", detail: matches.isEmpty ? "no such device" : "several devices match",
                advice: "devices are " + store.devices.map(\.label).joined(separator: ", "))
        }
        return matches[0]
    }

    private static func absolute(_ path: String) -> String { AbsolutePath.of(path) }
}
