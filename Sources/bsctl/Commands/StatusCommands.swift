import BlockStore
import Erasure

/// status and device ls.
enum StatusCommands {
    static func status(_ invocation: Invocation) throws -> ExitCode {
        try Opening.withStore(invocation, .read) { store in
            let status = try store.status()
            if invocation.has(Options.json) {
                Terminal.print(JSON.object(fields(status)))
            } else {
                StatusText.tell(status)
            }
            if status.lostBlocks > 0 { return .lost }
            let isWell =
                status.owedShards == 0 && status.inDoubt.isEmpty && status.devices.allSatisfy(\.state.isInService)
            return isWell ? .done : .degraded
        }
    }

    static func listDevices(_ invocation: Invocation) throws -> ExitCode {
        try Opening.withStore(invocation, .read) { store in
            let devices = store.devices
            if invocation.has(Options.json) {
                Terminal.print(JSON.object([("devices", .array(devices.map { .fields(fields($0)) }))]))
            } else {
                for line in StatusText.deviceLines(devices) { Terminal.print(line) }
            }
            return devices.allSatisfy(\.state.isInService) ? .done : .degraded
        }
    }

    private static func fields(_ status: StoreStatus) -> [(String, JSON)] {
        func commits(_ list: [CommitSummary]) -> JSON {
            .array(list.map { .fields([("commit", .unsigned($0.number)), ("keys", JSON.keys($0.keys))]) })
        }
        let totals = status.totals
        return [
            ("storeID", .string(status.storeID.description)), ("profile", .string(status.profile.description)),
            (
                "profiles",
                .array(
                    status.profiles.map {
                        .fields([("profile", .string($0.profile.description)), ("blocks", .integer($0.blocks))])
                    })
            ),
            ("sandbox", .bool(status.isSandbox)), ("configurationNumber", .unsigned(status.configurationNumber)),
            ("headCommit", .unsigned(status.headCommit.value)), ("epoch", .unsigned(status.epoch)),
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
            ("owedShards", .integer(status.owedShards)),
            ("shardsBeyondProfiles", .integer(status.shardsBeyondProfiles)),
            ("lostBlocks", .integer(status.lostBlocks)),
            ("lossesSurvivedNow", .integer(status.lossesSurvivedNow)), ("canWrite", .bool(status.writeRefusal == nil)),
            ("writeRefusal", .optional(status.writeRefusal)),
            ("inDoubt", commits(status.inDoubt)), ("bypassed", commits(status.bypassed)),
        ]
    }

    private static func fields(_ device: DeviceInfo) -> [(String, JSON)] {
        let reason: JSON
        switch device.state {
        case .inService: reason = .null
        case .absent(let why), .failed(let why): reason = .string(why)
        }
        return [
            ("id", .string(device.id.description)), ("label", .string(device.label)),
            ("domain", .string(device.domain)), ("weight", .integer(Int(device.weight))),
            ("path", .optional(device.path)), ("state", .string(StatusText.word(device.state))), ("reason", reason),
            ("inService", .bool(device.state.isInService)),
            ("totalBytes", device.space.map { .unsigned($0.totalBytes) } ?? .null),
            ("freeBytes", device.space.map { .unsigned($0.freeBytes) } ?? .null),
        ]
    }
}
