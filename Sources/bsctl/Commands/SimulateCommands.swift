import BlockStore

/// simulate disk-loss, simulate bit-rot and simulate node-loss.
enum SimulateCommands {
    static func diskLoss(_ invocation: Invocation) throws -> ExitCode {
        let count = invocation[Options.lossCount]
        guard (count == nil) != invocation.operands.isEmpty else {
            throw UsageError(description: "name devices, or say how many with --count N")
        }
        let random = SeededRandom(seed(invocation))
        let isDryRun = invocation.has(Options.dryRun)
        return try Opening.withStore(invocation, isDryRun ? .read : .write) { store in
            try requireSandbox(store, invocation)
            let chosen = try count.map { try choose($0, store, random) } ?? named(invocation.operands, store)
            let forecast = try store.forecast(losing: Set(chosen.map(\.id)))
            try requireSurvival(
                forecast, "destroying \(chosen.map(\.label).joined(separator: ", ")) (seed \(random.seed))", invocation)
            let report = isDryRun ? try store.planLoss(chosen.map(\.id)) : try store.destroyDevices(chosen.map(\.id))
            return tell(report, "destroyed", count == nil ? nil : random.seed, invocation)
        }
    }

    static func bitRot(_ invocation: Invocation) throws -> ExitCode {
        guard let count = invocation[Options.bitCount] else {
            throw UsageError(description: "say how many bits with --count N")
        }
        let random = SeededRandom(seed(invocation))
        let isDryRun = invocation.has(Options.dryRun)
        return try Opening.withStore(invocation, isDryRun ? .read : .write) { store in
            try requireSandbox(store, invocation)
            let plan = try store.planBitRot(count: count, random: random)
            let forecast = try store.forecast(losing: [], and: plan.shards)
            try requireSurvival(forecast, "flipping \(Count.text(count, "bit")) (seed \(random.seed))", invocation)
            return tell(isDryRun ? store.report(of: plan) : try store.rotBits(plan), "flipped", random.seed, invocation)
        }
    }

    static func nodeLoss(_ invocation: Invocation) throws -> ExitCode {
        let count = invocation[Options.lossCount]
        guard (count == nil) != invocation.operands.isEmpty else {
            throw UsageError(description: "name devices, or say how many with --count N")
        }
        let random = SeededRandom(seed(invocation))
        let sampleCount = invocation.has(Options.drillAll) ? nil : invocation[Options.drillSample] ?? 1000
        return try Opening.withStore(invocation, .read) { store in
            let chosen = try count.map { try choose($0, store, random) } ?? named(invocation.operands, store)
            let report = try Interruption.cooperate {
                try store.rehearse(losing: Set(chosen.map(\.id)), sampleCount: sampleCount, random: random)
            }
            return tell(report, random.seed, invocation)
        }
    }

    private static func tell(_ report: RehearsalReport, _ seed: UInt64, _ invocation: Invocation) -> ExitCode {
        let reading = report.reading
        if invocation.has(Options.json) {
            Terminal.print(
                JSON.object([
                    ("silent", .array(report.silentDevices.map { .string($0) })), ("seed", .unsigned(seed)),
                    ("blocks", .integer(report.forecast.blocks)), ("lostBlocks", .integer(report.forecast.lostBlocks)),
                    ("reading", DrillCommands.json(reading)), ("seconds", .number(report.seconds)),
                ]))
        } else if !invocation.has(Options.quiet) {
            Terminal.print(
                "as if \(report.silentDevices.joined(separator: " and ")) did not answer, seed \(seed): "
                    + "\(report.forecast.lostBlocks) of \(Count.text(report.forecast.blocks, "block")) could not be read"
            )
            Terminal.print("\(DrillCommands.verdict(reading)), in \(Size.decimals(report.seconds, 1)) s")
        }
        for failure in reading.failures { Terminal.error("", failure.key, ": \(Complaint(failure.error).head)") }
        return reading.failures.isEmpty && report.forecast.lostBlocks == 0 ? .done : .lost
    }

    private static func choose(_ count: Int, _ store: Store, _ random: SeededRandom) throws -> [DeviceInfo] {
        var present = store.devices.filter(\.state.isInService)
        guard count <= present.count else {
            throw UsageError(
                description:
                    "--count \(count): only \(Count.text(present.count, "device", one: "is", many: "are")) in service")
        }
        return (0..<count).map { _ in present.remove(at: Int(random.next() % UInt64(present.count))) }
    }

    private static func named(_ names: [[UInt8]], _ store: Store) throws -> [DeviceInfo] {
        var chosen: [DeviceInfo] = []
        for name in names {
            let device = try DeviceCommands.find(name, store)
            if !chosen.contains(device) { chosen.append(device) }
        }
        return chosen
    }

    private static func requireSandbox(_ store: Store, _ invocation: Invocation) throws(Refusal) {
        guard store.configuration.isSandbox || invocation.has(Options.destroyRealData) else {
            throw Refusal(
                description: "this store is no sandbox: its data is real",
                next: "make a sandbox with bsctl init HOME --disks 6, or insist with --destroy-real-data")
        }
    }

    private static func requireSurvival(
        _ forecast: LossForecast, _ what: String, _ invocation: Invocation
    ) throws(Refusal) {
        guard forecast.lostBlocks == 0 || invocation.has(Options.force) else {
            throw Refusal(
                description:
                    "\(what) could lose \(forecast.lostBlocks) of \(Count.text(forecast.blocks, "block")) for good",
                next: "bsctl repair first, ask for less, or insist with --force")
        }
    }

    private static func seed(_ invocation: Invocation) -> UInt64 {
        invocation[Options.seed] ?? SystemRandom().next() % 1_000_000_000
    }

    private static func tell(
        _ report: SandboxReport, _ verb: String, _ seed: UInt64?, _ invocation: Invocation
    ) -> ExitCode {
        if invocation.has(Options.json) {
            Terminal.print(
                JSON.object([
                    (verb, .array(report.damage.map { .string($0) })), ("seed", seed.map { .unsigned($0) } ?? .null),
                ]))
        } else if !invocation.has(Options.quiet) {
            let would = invocation.has(Options.dryRun) ? "would have " : ""
            for damage in report.damage { Terminal.print("\(would)\(verb) \(damage)") }
            if let seed { Terminal.print("seed \(seed)") }
        }
        return .done
    }
}
