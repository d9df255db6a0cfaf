import BlockStore
import Foundation
import Simulation

/// `scripts/sim`: random lives and mutants, as many as asked for. Built by scripts/harness.
@main
struct SimMain {
    private var first: UInt64 = 1
    private var count: UInt64 = 1000
    private var steps = 30
    private var one: UInt64?
    private var kept: Set<Int>?
    private var mutant: Mutant?
    private var tellsStory = false
    private var isTable = false
    private var longRun: (() -> Bool)?
    private var isCrashPoints = false
    private var isThorough = false
    /// Workloads whose names begin with this.
    private var workload = ""

    static func main() {
        var sim = SimMain()
        do {
            try sim.parse(Array(CommandLine.arguments.dropFirst()))
        } catch {
            FileHandle.standardError.write(Data("sim: \(error)\n".utf8))
            exit(2)
        }
        exit(sim.run() ? 0 : 1)
    }

    private struct UsageError: Error, CustomStringConvertible {
        let description: String
    }

    private mutating func parse(_ arguments: [String]) throws {
        var rest = arguments[...]
        func number(_ option: String) throws -> UInt64 {
            guard let text = rest.popFirst(), let value = UInt64(text) else {
                throw UsageError(description: "\(option) needs a number")
            }
            return value
        }
        while let option = rest.popFirst() {
            switch option {
            case "--seeds": count = try number(option)
            case "--first": first = try number(option)
            case "--steps": steps = Int(try number(option))
            case "--seed": one = try number(option)
            case "--only": kept = Set((rest.popFirst() ?? "").split(separator: ",").compactMap { Int($0) })
            case "--story": tellsStory = true
            case "--mutants": isTable = true
            case "--positions": longRun = LongRuns.positions
            case "--patterns": longRun = LongRuns.patterns
            case "--crash-points": isCrashPoints = true
            case "--thorough": isThorough = true
            case "--workload": workload = rest.popFirst() ?? ""
            case "--mutant":
                let name = rest.popFirst() ?? ""
                mutant = Mutant.allCases.first { "\($0)" == name }
                guard mutant != nil else {
                    throw UsageError(description: "no mutant \(name); there are \(Mutant.allCases)")
                }
            default: throw UsageError(description: "what is \(option)?")
            }
        }
    }

    /// Whether everything was as promised.
    private func run() -> Bool {
        if isTable { return mutants() }
        activate(mutant)
        if let longRun { return longRun() }
        if let one { return replay(one) }
        return isCrashPoints ? crashPoints() : lives()
    }

    private func activate(_ mutant: Mutant?) {
        #if MUTANTS
            Mutant.active = mutant
        #endif
    }

    private func replay(_ seed: UInt64) -> Bool {
        var life = RandomLife(seed: seed, steps: steps)
        if let kept { life = life.keeping(kept) }
        do {
            let hash = try life.run()
            if tellsStory { print(try life.story().joined(separator: "\n")) }
            print("seed \(seed): every promise kept, trace \(String(hash, radix: 16))")
            return true
        } catch {
            print(error)
            return false
        }
    }

    private func lives() -> Bool {
        let start = Date()
        var broken = 0
        var hash: UInt64 = 0
        for seed in first..<(first + count) {
            let life = RandomLife(seed: seed, steps: steps)
            do {
                hash = hash &* 31 &+ (try life.run())
            } catch {
                broken += 1
                print("BROKEN \(error)")
                let least = life.minimized()
                print("at least this is needed for it:\n  " + least.outline.joined(separator: "\n  "))
                let numbers = least.numbers.map(String.init).joined(separator: ",")
                print("again: scripts/sim --seed \(seed) --only \(numbers)\n")
            }
        }
        let seconds = Date().timeIntervalSince(start)
        print(
            "\(count) lives of \(steps) steps from seed \(first): \(broken) with a broken promise; "
                + "\(Int(seconds)) s, trace \(String(hash, radix: 16))")
        return broken == 0
    }

    /// Every crash point of every workload.
    private func crashPoints() -> Bool {
        let start = Date()
        var total = CrashPoints.Count()
        var broken = 0
        for workload in Workload.all where workload.name.hasPrefix(self.workload) {
            do {
                let count = try CrashPoints.run(workload, isThorough: isThorough)
                total.steps += count.steps
                total.states += count.states
                total.recoveries += count.recoveries
                print(
                    "\(workload.name): \(count.steps) steps, \(count.states) states found, "
                        + "\(count.recoveries) recoveries cut off")
            } catch {
                broken += 1
                print("BROKEN \(error)")
            }
        }
        print(
            "crash points: \(Workload.all.count) workloads, \(total.steps) steps, \(total.states) states, "
                + "\(total.recoveries) recoveries cut off, \(broken) broken, \(Int(Date().timeIntervalSince(start))) s")
        return broken == 0
    }

    /// Which check catches which mutant, and how many lives it takes without the others.
    private func mutants() -> Bool {
        var escaped = 0
        var byLives = 0
        print("| mutant | caught by | random lives alone |\n|---|---|---|")
        for mutant in Mutant.allCases {
            activate(mutant)
            let check = Checks.first(against: mutant)
            let seed = (first..<(first + count)).first { (try? RandomLife(seed: $0, steps: steps).run()) == nil }
            activate(nil)
            if check == nil, seed == nil { escaped += 1 }
            if seed != nil { byLives += 1 }
            print("| \(mutant) | \(check ?? "—") | \(seed.map { "seed \($0)" } ?? "not in \(count)") |")
        }
        print(
            "mutants: \(Mutant.allCases.count) deliberate bugs, \(byLives) also caught by \(count) random lives alone, "
                + "\(escaped) escaped")
        return escaped == 0
    }
}
