import BlockStore

/// simulate disk-loss and simulate bit-rot.
enum SimulateCommands {
    static func diskLoss(_ invocation: Invocation) throws -> ExitCode {
        let count = try invocation.number("count", in: 1...1024).map(Int.init)
        guard (count == nil) != invocation.operands.isEmpty else {
            throw UsageError(description: "name devices, or say how many with --count N")
        }
        let random = SeededRandom(try seed(invocation))
        return try Opening.withStore(invocation, .write) { store in
            try requireSandbox(store, invocation)
            var chosen: [DeviceInfo]
            if let count {
                var present = store.devices.filter(\.state.isInService)
                guard count <= present.count else {
                    throw UsageError(description: "--count \(count): only \(present.count) devices are in service")
                }
                chosen = []
                for _ in 0..<count { chosen.append(present.remove(at: Int(random.next() % UInt64(present.count)))) }
            } else {
                chosen = try invocation.operands.map { try StoreCommands.device($0, store) }
            }
            let forecast = try store.forecast(losing: Set(chosen.map(\.id)))
            guard forecast.lostBlocks == 0 || invocation.has("force") else {
                throw StoreError(
                    .invalid, "destroy \(chosen.map(\.label).joined(separator: ", "))",
                    detail: "\(forecast.lostBlocks) of \(forecast.blocks) blocks would be lost for good",
                    advice: "repair first, choose fewer devices, or insist with --force")
            }
            let report = try store.destroyDevices(chosen.map(\.id))
            return tell(report, invocation, "destroyed", random.seed)
        }
    }

    static func bitRot(_ invocation: Invocation) throws -> ExitCode {
        guard let count = try invocation.number("count", in: 1...1_000_000) else {
            throw UsageError(description: "say how many bits with --count N")
        }
        let random = SeededRandom(try seed(invocation))
        return try Opening.withStore(invocation, .write) { store in
            try requireSandbox(store, invocation)
            let report = try store.rotBits(count: Int(count), random: random)
            return tell(report, invocation, "flipped", random.seed)
        }
    }

    private static func requireSandbox(_ store: Store, _ invocation: Invocation) throws {
        guard store.configuration.isSandbox || invocation.has("destroy-real-data") else {
            throw StoreError(
                .invalid, "simulate a loss", detail: "this store is no sandbox: its data is real",
                advice: "make a sandbox with bsctl init HOME --disks 6, or insist with --destroy-real-data")
        }
    }

    private static func seed(_ invocation: Invocation) throws -> UInt64 {
        try invocation.number("seed", in: 0...UInt64.max) ?? SystemRandom().next() % 1_000_000_000
    }

    private static func tell(_ report: SandboxReport, _ invocation: Invocation, _ verb: String, _ seed: UInt64)
        -> ExitCode
    {
        if invocation.has("json") {
            Terminal.print(
                JSON.object([
                    (verb, .array(report.damage.map { .string($0) })), ("seed", .string(String(seed))),
                ]))
        } else if !invocation.has("quiet") {
            for damage in report.damage { Terminal.print("\(verb) \(damage)") }
            Terminal.print("seed \(seed)")
        }
        return .done
    }
}
