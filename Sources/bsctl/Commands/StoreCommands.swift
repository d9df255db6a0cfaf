import BlockStore
import Erasure
import Glibc

/// init.
enum StoreCommands {
    static func initialize(_ invocation: Invocation) throws -> ExitCode {
        let home = try invocation.path(0)
        let profile = try invocation[Options.profile] ?? Profile("rs:4+2")
        let named = invocation.all(Options.device)
        let disks = invocation[Options.disks]
        guard (disks == nil) != named.isEmpty else {
            throw UsageError(description: "name devices with --device DIR …, or make a sandbox with --disks N")
        }
        let count = disks ?? named.count
        guard count >= profile.shardCount else {
            throw UsageError(
                description: "\(profile) needs at least \(Count.text(profile.shardCount, "device")), \(count) "
                    + (count == 1 ? "was given" : "were given"))
        }
        let isNew = access(home, F_OK) != 0
        let root = Paths.absolute(home)
        let devices =
            disks.map { (1...$0).map { NewDevice(path: "\(root)/disk-\($0)", label: "disk-\($0)") } }
            ?? named.map { device in
                var device = device
                device.path = Paths.absolute(device.path)
                return device
            }
        if invocation.has(Options.dryRun) { return try plan(home, isNew, devices, profile, invocation) }
        let directory = try DirectoryHome(path: home, creating: true, command: "bsctl init")
        let report: CreateReport
        do {
            report = try Store.create(
                Opening.environment(home: directory, "bsctl init"), devices: devices, profile: profile,
                averageChunkBytes: invocation[Options.chunkSize] ?? 64 << 10, isSandbox: disks != nil)
        } catch {
            if isNew { cleanUp(root, disks ?? 0) }
            throw error
        }
        for warning in report.warnings { Terminal.warning(warning) }
        if invocation.has(Options.json) {
            Terminal.print(
                JSON.object([
                    ("storeID", .string(report.storeID.description)), ("profile", .string(profile.description)),
                    ("devices", .integer(count)), ("sandbox", .bool(disks != nil)),
                    ("warnings", .array(report.warnings.map { .string($0) })),
                ]))
        } else if !invocation.has(Options.quiet) {
            let losses = profile.tolerance == 1 ? "any device" : "any \(profile.tolerance) devices"
            Terminal.print("created store \(report.storeID) in \(home): \(Count.text(count, "device")), \(profile)")
            Terminal.print("\(losses) may be lost; next: bsctl --store \(home) put FILE")
        }
        return .done
    }

    private static func plan(
        _ home: String, _ isNew: Bool, _ devices: [NewDevice], _ profile: Profile, _ invocation: Invocation
    ) throws -> ExitCode {
        let plan = try Store.planCreation(
            home: isNew ? nil : DirectoryHome(path: home, creating: false, command: "bsctl init"),
            PlaceProvider(home: home, command: "bsctl init"),
            devices: devices, profile: profile, averageChunkBytes: invocation[Options.chunkSize] ?? 64 << 10,
            isSandbox: invocation[Options.disks] != nil)
        for warning in plan.warnings { Terminal.warning(warning) }
        if invocation.has(Options.json) {
            let devices = plan.devices.map { device in
                JSON.fields([
                    ("path", .string(device.path)), ("label", .string(device.label)),
                    ("domain", .string(device.domain)), ("weight", .integer(Int(device.weight))),
                ])
            }
            Terminal.print(
                JSON.object([
                    ("profile", .string(profile.description)), ("devices", .array(devices)),
                    ("warnings", .array(plan.warnings.map { .string($0) })),
                ]))
        } else if !invocation.has(Options.quiet) {
            Terminal.print("would make a store in \(home): \(Count.text(devices.count, "device")), \(profile)")
            for device in plan.devices {
                Terminal.print("  \(device.label) at \(device.path), domain \(device.domain), weight \(device.weight)")
            }
        }
        return .done
    }

    /// Takes back the empty directories of a home that was new and did not become one. Where anything of a
    /// store was written, everything stays: `init` can be repeated.
    private static func cleanUp(_ home: String, _ disks: Int) {
        guard access(home + "/store.json", F_OK) != 0 else { return }
        for disk in 0..<disks { rmdir("\(home)/disk-\(disk + 1)") }
        unlink(home + "/lock")
        rmdir(home)
    }
}
