import Foundation
import Simulation

/// The exhaustive runs: damage at every position (T4), and every set of lost devices (T5).
enum LongRuns {
    /// `scripts/sim --positions`
    static func positions() -> Bool {
        let start = Date()
        var sum = EveryPosition.Tally()
        do {
            let one = try EveryPosition(profile: "rs:2+1", devices: 3)
            let two = try EveryPosition(profile: "rs:2+2", devices: 4)
            func part(_ name: String, _ damage: EveryPosition, _ body: (EveryPosition) throws -> Void) rethrows {
                let before = damage.tally.damages
                try body(damage)
                say("\(name): \(damage.tally.damages - before) damages, after \(seconds(start))")
            }
            part("documents", one) { $0.damageDocuments(of: "disk-2") }
            part("index", one) { $0.damageIndex() }
            try part("stale shards", two) { try $0.putStaleShardsBack() }
            part("exchanged shards", two) { $0.exchangeShards() }
            part("two shards at once", two) { $0.damagePairs("disk-2", "disk-3") }
            part("shards of one disk", one) { $0.damageShards(of: "disk-2") }
            sum = one.tally + two.tally
        } catch {
            say("cannot make the store: \(error)")
            return false
        }
        for complaint in sum.complaints { say("BROKEN \(complaint)") }
        say("positions: \(sum.summary), \(seconds(start))")
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
                say("\(profile), every set of lost rows: after \(seconds(start))")
            }
            for (profile, devices) in EveryPattern.layouts {
                let patterns = try EveryPattern(profile: profile, devices: devices)
                let tally = devices <= 12 ? patterns.tryAll() : patterns.trySome(600, seed: UInt64(devices))
                sum = sum + tally
                say("\(profile) on \(devices) devices: \(tally.patterns), after \(seconds(start))")
            }
        } catch {
            say("cannot make the store: \(error)")
            return false
        }
        for complaint in sum.complaints { say("BROKEN \(complaint)") }
        say("patterns: \(sum.summary), \(seconds(start))")
        return sum.isClean
    }

    /// At once, also into a file: these runs take minutes.
    private static func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

    private static func seconds(_ start: Date) -> String { "\(Int(Date().timeIntervalSince(start))) s" }
}
