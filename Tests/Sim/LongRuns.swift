import Foundation
import Simulation

/// The exhaustive runs: damage at every position (T4), and every set of lost devices (T5).
enum LongRuns {
    /// `scripts/sim --positions`
    static func positions() -> Bool {
        let start = Date()
        var sum = EveryPosition.Tally()
        do {
            for (profile, devices) in [("rs:2+1", 3), ("rs:2+2", 4)] {
                let damage = try EveryPosition(profile: profile, devices: devices)
                func part(_ name: String, _ body: () throws -> Void) rethrows {
                    let before = damage.tally.damages
                    try body()
                    print("\(profile), \(name): \(damage.tally.damages - before), after \(seconds(start))")
                }
                part("shards of one disk") { damage.damageShards(of: "disk-2") }
                part("two shards at once") { damage.damagePairs("disk-2", "disk-3") }
                part("exchanged shards") { damage.exchangeShards() }
                try part("stale shards") { try damage.putStaleShardsBack() }
                part("documents") { damage.damageDocuments(of: "disk-2") }
                part("index") { damage.damageIndex() }
                sum = sum + damage.tally
            }
        } catch {
            print("cannot make the store: \(error)")
            return false
        }
        for complaint in sum.complaints { print("BROKEN \(complaint)") }
        print("positions: \(sum.summary), \(seconds(start))")
        return sum.isClean
    }

    /// `scripts/sim --patterns`
    static func patterns() -> Bool {
        let start = Date()
        var sum = EveryPattern.Tally()
        do {
            for profile in Set(EveryPattern.layouts.map(\.profile)).sorted() {
                sum = sum + (try EveryPattern.ranks(of: profile))
                sum = sum + (try EveryPattern.bytes(of: profile))
                print("\(profile), every set of lost rows: after \(seconds(start))")
            }
            for (profile, devices) in EveryPattern.layouts {
                let patterns = try EveryPattern(profile: profile, devices: devices)
                let tally = devices <= 12 ? patterns.tryAll() : patterns.trySome(600, seed: UInt64(devices))
                sum = sum + tally
                print("\(profile) on \(devices) devices: \(tally.patterns), after \(seconds(start))")
            }
        } catch {
            print("cannot make the store: \(error)")
            return false
        }
        for complaint in sum.complaints { print("BROKEN \(complaint)") }
        print("patterns: \(sum.summary), \(seconds(start))")
        return sum.isClean
    }

    private static func seconds(_ start: Date) -> String { "\(Int(Date().timeIntervalSince(start))) s" }
}
