import BlockStore
import Erasure

/// status.
enum StatusCommands {
    static func status(_ invocation: Invocation) throws -> ExitCode {
        if invocation.has(Options.watch) { return try watch(invocation) }
        return try Opening.withStore(invocation, .read) { store in
            let status = try store.status()
            let noticed = Noticed.update(status, invocation)
            if invocation.has(Options.json) {
                Terminal.print(JSON.object(fields(status, noticed)))
            } else if !invocation.has(Options.quiet) {
                for line in StatusText.lines(status, noticed) { Terminal.print(line.text, line.style) }
            }
            return code(status)
        }
    }

    static func code(_ status: StoreStatus) -> ExitCode {
        if status.isContentLost { return .lost }
        let isWell =
            status.owedShards == 0 && status.lostBlocks == 0 && status.inDoubt.isEmpty
            && status.devices.allSatisfy { $0.state.isInService || $0.isDraining }
        return isWell ? .done : .degraded
    }

    /// Draws the status every other second. The exit code is that of the last one.
    private static func watch(_ invocation: Invocation) throws -> ExitCode {
        try invocation.refuse(Options.json, Options.quiet, with: "does not go with --watch")
        guard let screen = Screen() else {
            throw UsageError(description: "--watch draws on a terminal, and standard output is none")
        }
        Interruption.set(nil)
        defer { screen.close() }
        return try Interruption.cooperate {
            var last = ExitCode.done
            repeat {
                // Opened anew each time: what others did meanwhile is to be seen, devices that came and went too.
                last = try Opening.withStore(invocation, .read, tellsNotices: false) { store in
                    let status = try store.status()
                    let noticed = Noticed.update(status, invocation)
                    screen.draw(
                        StatusText.lines(status, noticed)
                            + [("", .plain), ("\(Time.text(SystemClock().wallNanoseconds())); q ends", .dim)])
                    return code(status)
                }
            } while !screen.isQuit(within: 2000)
            return last
        }
    }

    private static func fields(_ status: StoreStatus, _ noticed: Noticed) -> [(String, JSON)] {
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
            ("lostBlocks", .integer(status.lostBlocks)), ("contentLost", .bool(status.isContentLost)),
            ("neverVerifiedBlocks", .integer(status.verification.neverBlocks)),
            ("oldestVerifiedSeconds", status.verification.oldestSeconds.map { .unsigned($0) } ?? .null),
            ("owedSinceSeconds", noticed.owedSince.map { .integer(Int($0)) } ?? .null),
            ("lossesSurvivedNow", .integer(status.lossesSurvivedNow)), ("canWrite", .bool(status.writeRefusal == nil)),
            ("writeRefusal", .optional(status.writeRefusal)),
            ("inDoubt", commits(status.inDoubt)), ("bypassed", commits(status.bypassed)),
            ("domainWarnings", .array(status.domainWarnings.map { .string($0) })),
            ("next", .array(StatusText(status, noticed).next.map { .string($0) })),
        ]
    }
}
