import BlockStore
import Erasure

/// status.
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
                status.owedShards == 0 && status.inDoubt.isEmpty
                && status.devices.allSatisfy { $0.state.isInService || $0.isDraining }
            return isWell ? .done : .degraded
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
            ("devices", DeviceCommands.json(status.devices, status.usage)), ("objects", .integer(totals.objects)),
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
            ("neverVerifiedBlocks", .integer(status.verification.neverBlocks)),
            ("oldestVerifiedSeconds", status.verification.oldestSeconds.map { .unsigned($0) } ?? .null),
            ("lossesSurvivedNow", .integer(status.lossesSurvivedNow)), ("canWrite", .bool(status.writeRefusal == nil)),
            ("writeRefusal", .optional(status.writeRefusal)),
            ("inDoubt", commits(status.inDoubt)), ("bypassed", commits(status.bypassed)),
            ("domainWarnings", .array(status.domainWarnings.map { .string($0) })),
        ]
    }
}
