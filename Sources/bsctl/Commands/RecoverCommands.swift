import BlockStore
import Glibc

/// recover --device.
enum RecoverCommands {
    static func recover(_ invocation: Invocation) throws -> ExitCode {
        try invocation.refuse(Options.abandon, with: "is for a store that opens: recover it first")
        let home = try invocation.operands.isEmpty ? Opening.home(invocation) : invocation.path(0)
        let places = invocation.all(Options.foundDevice).map(Paths.absolute)
        let isDryRun = invocation.has(Options.dryRun)
        let isNew = access(home, F_OK) != 0
        let progress = ProgressLine(invocation)
        let report: RecoverReport
        do {
            let environment = Opening.environment(
                home: try DirectoryHome(path: home, creating: true, command: "bsctl recover"), "bsctl recover")
            report =
                isDryRun
                ? try Store.planRecovery(environment, devices: places)
                : try Store.recover(
                    environment, devices: places, options: Opening.options(invocation), progress: progress.handler)
        } catch {
            progress.clear()
            if isNew { takeBack(home) }
            throw error
        }
        progress.clear()
        if isDryRun, isNew { takeBack(home) }
        for notice in report.notices { Terminal.warning(notice) }
        let missing = report.devices.filter { !$0.state.isInService && !$0.isDraining }
        if invocation.has(Options.json) {
            Terminal.print(
                JSON.object([
                    ("storeID", .string(report.storeID.description)), ("home", .string(home)),
                    ("configurationNumber", .unsigned(report.configurationNumber)),
                    ("devices", DeviceCommands.json(report.devices, [:])), ("headCommit", .unsigned(report.headCommit)),
                    ("objects", .integer(report.objects)), ("versions", .integer(report.versions)),
                    ("writeRefusal", .optional(report.writeRefusal)),
                    ("notices", .array(report.notices.map { .string($0) })),
                ]))
        } else if !invocation.has(Options.quiet) {
            let count = "\(report.devices.count - missing.count) of \(Count.text(report.devices.count, "device"))"
            Terminal.print(
                isDryRun
                    ? "would recover store \(report.storeID) in \(home) from \(count)"
                    : "store \(report.storeID) is back in \(home): \(count), commit \(report.headCommit), "
                        + "\(Count.text(report.objects, "object")), \(Count.text(report.versions, "version"))")
            for line in StatusText.deviceLines(report.devices) { Terminal.print(line) }
            if let refusal = report.writeRefusal {
                Terminal.print(
                    "Until they are here what is newest may be missing, and writing is refused: \(refusal).", .warning)
            }
        }
        return missing.isEmpty ? .done : .degraded
    }

    /// Takes back a home that was new and did not become one.
    private static func takeBack(_ home: String) {
        guard access(home + "/store.json", F_OK) != 0 else { return }
        unlink(home + "/lock")
        rmdir(home)
    }
}
