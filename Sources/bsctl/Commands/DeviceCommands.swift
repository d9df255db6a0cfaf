import BlockStore

/// device …
enum DeviceCommands {
    static func list(_ invocation: Invocation) throws -> ExitCode {
        try Opening.withStore(invocation, .read) { store in
            let devices = store.devices
            let usage = try store.deviceUsage()
            if invocation.has(Options.json) {
                Terminal.print(JSON.object([("devices", json(devices, usage))]))
            } else {
                for line in table(devices, usage) { Terminal.print(line) }
                for line in StatusText.reasons(devices) { Terminal.print(line) }
            }
            return devices.allSatisfy(\.state.isInService) ? .done : .degraded
        }
    }

    static func add(_ invocation: Invocation) throws -> ExitCode {
        var path = Paths.absolute(try invocation.path(0))
        if let cost = invocation[Options.cost] {
            guard path.hasPrefix("s3://") else {
                throw UsageError(
                    description: "--cost \(cost): \(path) is no bucket, and reading a directory costs nothing")
            }
            path = Paths.absolute(path + (path.contains("?") ? "&" : "?") + "cost=\(cost)")
        }
        let new = NewDevice(
            path: path, label: invocation[Options.label],
            domain: invocation[Options.domain], weight: invocation[Options.weight].map { UInt32($0) })
        let isDryRun = invocation.has(Options.dryRun)
        return try Opening.withStore(invocation, isDryRun ? .read : .write) { store in
            if isDryRun { return MoveText.tell(try store.planAdding(new), "onto it", invocation) }
            let id = try store.addDevice(new)
            let progress = ProgressLine(invocation)
            let report = try store.fillDevice(id, progress: progress.handler)
            progress.clear()
            let device = store.devices.first { $0.id == id }
            let warnings = store.configuration.domainWarnings + PlaceProvider.warnings(for: [new.path])
            for warning in warnings { Terminal.warning(warning) }
            if invocation.has(Options.json) {
                Terminal.print(
                    JSON.object(
                        [
                            ("id", .string(id.description)), ("label", .optional(device?.label)),
                            ("domain", .optional(device?.domain)),
                            ("weight", device.map { .integer(Int($0.weight)) } ?? .null),
                            ("warnings", .array(warnings.map { .string($0) })),
                        ] + MoveText.fields(report)))
            } else if !invocation.has(Options.quiet) {
                Terminal.print("\(device?.label ?? "?") is in service at \(new.path): \(MoveText.text(report))")
            }
            return MoveText.tellErrors(report, again: "bsctl device add \(new.path)")
        }
    }

    static func drain(_ invocation: Invocation) throws -> ExitCode {
        if invocation.has(Options.cancel) {
            if invocation.has(Options.dryRun) {
                return try Opening.withStore(invocation, .read) { store in
                    let device = try find(invocation.operands[0], store)
                    try store.planCancelling(device.id)
                    if invocation.has(Options.json) {
                        Terminal.print(JSON.object([("label", .string(device.label))]))
                    } else if !invocation.has(Options.quiet) {
                        Terminal.print("would put \(device.label) back in service; what was moved stays where it is")
                    }
                    return .done
                }
            }
            return try change(invocation) { store, device in
                try store.cancelDrain(device.id)
                return "\(device.label) is back in service"
            }
        }
        let isDryRun = invocation.has(Options.dryRun)
        return try Opening.withStore(invocation, isDryRun ? .read : .write) { store in
            let device = try find(invocation.operands[0], store)
            if isDryRun {
                return MoveText.tell(try store.planDrain(device.id), "off \(device.label)", invocation)
            }
            let progress = ProgressLine(invocation)
            let report = try store.drainDevice(device.id, progress: progress.handler)
            progress.clear()
            let verdict = report.verdict
            if invocation.has(Options.json) {
                Terminal.print(
                    JSON.object(
                        [("label", .string(report.label)), ("safeToPull", .bool(verdict.isSafeToPull))]
                            + MoveText.fields(report.moves) + MoveText.fields(verdict)))
            } else if !invocation.has(Options.quiet) {
                for line in MoveText.lines(report) { Terminal.print(line) }
                MoveText.tellVerdict(verdict, device)
            }
            _ = MoveText.tellErrors(report.moves, again: "bsctl device drain \(report.label)")
            return verdict.isSafeToPull ? .done : .degraded
        }
    }

    static func remove(_ invocation: Invocation) throws -> ExitCode {
        if invocation.has(Options.dryRun) {
            return try Opening.withStore(invocation, .read) { store in
                let device = try find(invocation.operands[0], store)
                let progress = ProgressLine(invocation)
                let verdict = try store.planRemoval(device.id, progress: progress.handler)
                progress.clear()
                if invocation.has(Options.json) {
                    Terminal.print(JSON.object([("label", .string(device.label))] + MoveText.fields(verdict)))
                } else if !invocation.has(Options.quiet) {
                    Terminal.print("would forget \(device.label): nothing on it is needed")
                }
                return .done
            }
        }
        return try change(invocation) { store, device in
            let progress = ProgressLine(invocation)
            _ = try store.removeDevice(device.id, progress: progress.handler)
            progress.clear()
            return "\(device.label) is no device of this store any more"
        }
    }

    static func relabel(_ invocation: Invocation) throws -> ExitCode {
        let label = try invocation.path(1)
        if invocation.has(Options.dryRun) { return try planSetting(invocation, label: label) }
        return try change(invocation) { store, device in
            try store.setDevice(device.id, label: label)
            return "\(device.label) is now \(label)"
        }
    }

    static func set(_ invocation: Invocation) throws -> ExitCode {
        let (domain, weight) = (invocation[Options.domain], invocation[Options.weight])
        guard domain != nil || weight != nil else {
            throw UsageError(description: "say what is to change: --domain D, --weight W")
        }
        if invocation.has(Options.dryRun) {
            return try planSetting(invocation, domain: domain, weight: weight.map { UInt32($0) })
        }
        return try change(invocation) { store, device in
            try store.setDevice(device.id, domain: domain, weight: weight.map { UInt32($0) })
            for warning in store.configuration.domainWarnings { Terminal.warning(warning) }
            let now = store.devices.first { $0.id == device.id }
            return "\(device.label): domain \(now?.domain ?? "?"), weight \(now?.weight ?? 0); "
                + "what is stored stays where it is"
        }
    }

    private static func planSetting(
        _ invocation: Invocation, label: String? = nil, domain: String? = nil, weight: UInt32? = nil
    ) throws -> ExitCode {
        try Opening.withStore(invocation, .read) { store in
            let device = try find(invocation.operands[0], store)
            let plan = try store.planSetting(device.id, label: label, domain: domain, weight: weight)
            for warning in plan.domainWarnings { Terminal.warning(warning) }
            if invocation.has(Options.json) {
                Terminal.print(JSON.object(DevicePlanText.fields(plan)))
            } else if !invocation.has(Options.quiet) {
                Terminal.print(DevicePlanText.text(plan))
            }
            return .done
        }
    }

    static func replace(_ invocation: Invocation) throws -> ExitCode {
        let path = try invocation.operands.count == 2 ? Paths.absolute(invocation.path(1)) : nil
        if invocation.has(Options.dryRun) {
            return try Opening.withStore(invocation, .read) { store in
                let plan = try store.planReplacing(find(invocation.operands[0], store).id, with: path)
                if invocation.has(Options.json) {
                    Terminal.print(JSON.object(DevicePlanText.fields(plan)))
                } else if !invocation.has(Options.quiet) {
                    for line in DevicePlanText.lines(plan) { Terminal.print(line) }
                }
                return .done
            }
        }
        return try Opening.withStore(invocation, .write) { store in
            let old = try find(invocation.operands[0], store)
            let report = try store.replaceDevice(old.id, with: path)
            let owed = try store.status().owedShards
            if invocation.has(Options.json) {
                Terminal.print(
                    JSON.object([
                        ("label", .string(report.label)), ("oldID", .string(report.oldID.description)),
                        ("newID", .string(report.newID.description)), ("path", .string(report.path)),
                        ("owedShards", .integer(owed)),
                    ]))
            } else if !invocation.has(Options.quiet) {
                Terminal.print("\(report.label) is now \(report.path)")
                if owed > 0 {
                    let text = Count.text(owed, "shard", one: "is owed", many: "are owed")
                    Terminal.print("\(text); next: bsctl repair", .warning)
                }
            }
            return owed > 0 ? .degraded : .done
        }
    }

    /// Changes one device and tells the outcome.
    private static func change(
        _ invocation: Invocation, _ body: (Store, DeviceInfo) throws -> String
    ) throws -> ExitCode {
        try Opening.withStore(invocation, .write) { store in
            let device = try find(invocation.operands[0], store)
            let text = try body(store, device)
            if invocation.has(Options.json) {
                Terminal.print(
                    JSON.object([
                        ("id", .string(device.id.description)), ("done", .string(text)),
                        ("configurationNumber", .unsigned(store.configuration.number)),
                    ]))
            } else if !invocation.has(Options.quiet) {
                Terminal.print(text)
            }
            return .done
        }
    }

    /// A device by label, or by the beginning of its id.
    static func find(_ name: [UInt8], _ store: Store) throws(StoreError) -> DeviceInfo {
        let text = String(decoding: name, as: UTF8.self)
        let devices = store.devices
        let matches =
            devices.filter { $0.label == text }.first.map { [$0] }
            ?? devices.filter { text.count >= 4 && $0.id.description.hasPrefix(text) }
        guard matches.count == 1 else {
            let labels = devices.map(\.label)
            throw StoreError(
                .notFound, "find device \(text)",
                detail: (matches.isEmpty ? "no such device" : "several devices match")
                    + Suggestion.text(text, labels, prefix: ""),
                advice: "devices are " + labels.joined(separator: ", "))
        }
        return matches[0]
    }

    private static func table(_ devices: [DeviceInfo], _ usage: [DeviceID: DeviceUsage]) -> [String] {
        let rows = devices.map { device in
            let held = usage[device.id] ?? DeviceUsage()
            return [
                device.label, String(device.id.description.prefix(8)), device.domain, "\(device.weight)",
                StatusText.word(device), "\(held.shards)", Size.text(held.bytes),
                device.space.map { Size.text($0.freeBytes) } ?? "–",
                device.space.map { Size.text($0.totalBytes) } ?? "–",
                device.path ?? "?",
            ]
        }
        return Table.lines(
            [["label", "id", "domain", "weight", "state", "shards", "holds", "free", "of", "path"]] + rows,
            right: [3, 5, 6, 7, 8])
    }

    static func json(_ devices: [DeviceInfo], _ usage: [DeviceID: DeviceUsage]) -> JSON {
        .array(devices.map { .fields(fields($0, usage[$0.id] ?? DeviceUsage())) })
    }

    private static func fields(_ device: DeviceInfo, _ usage: DeviceUsage) -> [(String, JSON)] {
        let reason: JSON
        switch device.state {
        case .inService: reason = .null
        case .absent(let why), .failed(let why): reason = .string(why)
        }
        return [
            ("id", .string(device.id.description)), ("label", .string(device.label)),
            ("domain", .string(device.domain)), ("weight", .integer(Int(device.weight))),
            ("path", .optional(device.path)), ("state", .string(StatusText.word(device))), ("reason", reason),
            ("inService", .bool(device.state.isInService)), ("draining", .bool(device.isDraining)),
            ("shards", .integer(usage.shards)), ("damagedShards", .integer(usage.damagedShards)),
            ("shardBytes", .unsigned(usage.bytes)),
            ("totalBytes", device.space.map { .unsigned($0.totalBytes) } ?? .null),
            ("freeBytes", device.space.map { .unsigned($0.freeBytes) } ?? .null),
            ("answers", device.answerTimes.map(answers) ?? .null),
        ]
    }

    private static func answers(_ times: AnswerTimes) -> JSON {
        func seconds(_ nanoseconds: UInt64?) -> JSON { nanoseconds.map { .number(Double($0) / 1e9) } ?? .null }
        return .fields([
            ("requests", .integer(times.requests)), ("failedRequests", .integer(times.failures)),
            ("medianSeconds", seconds(times.medianNanoseconds)), ("tailSeconds", seconds(times.tailNanoseconds)),
        ])
    }
}
