@testable public import BlockStore

/// What is tried on a mutant, the cheapest first.
public enum Checks {
    public static let all: [(name: String, run: @Sendable () throws -> Void)] = [
        ("graph rules", { try GraphRules.all() }),
        ("accidents", { try Accidents.all() }),
        ("accidents with devices that come and go", { try DeviceAccidents.all() }),
        ("crash points of put", { try CrashPoints.run(Workload.all[0]) }),
        (
            "crash points of mv, purge and conditions",
            { for workload in Workload.named("mv", "purge", "puts on") { try CrashPoints.run(workload, every: 5) } }
        ),
        (
            "crash points of collect",
            { for workload in Workload.named("collect") { try CrashPoints.run(workload, every: 11) } }
        ),
        ("random lives", { for seed in 1...60 { try RandomLife(seed: UInt64(seed)).run() } }),
    ]

    /// The first check that fails and how it says so, in short; nil when none does. The caller has made the mutant active.
    public static func first(against mutant: Mutant) -> String? {
        for check in all {
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
