@testable public import BlockStore

/// What is tried on a mutant, the cheapest first.
public enum Checks {
    public static let all: [(name: String, run: @Sendable () throws -> Void)] = [
        ("graph rules", { try GraphRules.all() }),
        ("accidents", { try Accidents.all() }),
        ("crash points of put", { try CrashPoints.run(Workload.all[0]) }),
        ("random lives", { for seed in 1...60 { try RandomLife(seed: UInt64(seed)).run() } }),
    ]

    /// The name of the first check that fails; nil when none does. The caller has made the mutant active.
    public static func first(against mutant: Mutant) -> String? {
        all.first { check in
            do {
                try check.run()
                return false
            } catch {
                return true
            }
        }?.name
    }
}
