@testable public import BlockStore

/// What is tried on a mutant, the cheapest first.
public enum Checks {
    public static let all: [(name: String, run: @Sendable () throws -> Void)] = [
        ("graph rules", { try GraphRules.all() }),
        ("accidents with files that are known", { try KnownFileAccidents.all() }),
        ("accidents", { try Accidents.all() }),
        ("accidents with devices that come and go", { try DeviceAccidents.all() }),
        ("accidents over nodes", { try NodeAccidents.all() }),
        ("crash points of put", { try CrashPoints.run(Workload.all[0]) }),
        (
            "crash points of mv, purge and conditions",
            {
                for workload in Workload.named("mv", "purge", "puts on", "writes of many") {
                    try CrashPoints.run(workload, every: 5)
                }
            }
        ),
        (
            "crash points of collect",
            { for workload in Workload.named("collect") { try CrashPoints.run(workload, every: 11) } }
        ),
        ("random lives", { for seed in 1...60 { try RandomLife(seed: UInt64(seed)).run() } }),
    ]

    /// Workloads and lives that are known to notice a mutant and that no small accident spares.
    private static let workloads: [Mutant: String] = [
        .moveInTwoCommits: "mv and cp", .purgeKillsNewest: "purge and restore",
        .conditionOverlooksOpenCommit: "puts on conditions", .remnantTakenForLeaf: "collect --full",
        .siblingsOrphaned: "collect among", .purgeDroppedTooSoon: "collect among", .deleteNotCopied: "collect --full",
        .newVersionsUnmarked: "collect while another", .collectedBlocksRemovedFirst: "collect --full",
        .groupToldTooSoon: "writes of many", .syncSplitsCommit: "sync from", .syncKeepsUnread: "sync from",
    ]
    private static let lives: [Mutant: UInt64] = [
        .digestSkipped: 10, .swappedDeviceNotFound: 223, .retiredSetForgotten: 45,
    ]

    /// Where to look first.
    private static func likely(_ mutant: Mutant) -> [(name: String, run: @Sendable () throws -> Void)] {
        var checks: [(name: String, run: @Sendable () throws -> Void)] = NamedAccident.all
            .filter { $0.mutants.contains(mutant) }.map { accident in (accident.name, { try accident.run() }) }
        if let name = workloads[mutant] {
            checks.append(
                (
                    "crash points of \(name)",
                    { for workload in Workload.named(name) { try CrashPoints.run(workload, every: 5) } }
                ))
        }
        if let seed = lives[mutant] {
            checks.append(("life \(seed)", { try RandomLife(seed: seed).run() }))
        }
        return checks
    }

    /// The first check that fails and how it says so, in short; nil when none does. The caller has made the mutant active.
    public static func first(against mutant: Mutant) -> String? {
        for check in likely(mutant) + all {
            do {
                try check.run()
            } catch {
                let text = "\(error)".split(separator: "\n").first ?? ""
                return "\(check.name): \(text.prefix(100))\(text.count > 100 ? "…" : "")"
            }
        }
        return nil
    }
}
