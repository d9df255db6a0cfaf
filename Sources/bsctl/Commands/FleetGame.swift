import BlockStore
import Synchronization

/// One profile's years, and what the formulas say of it.
struct FleetLife {
    let odds: Odds
    let outcome: FleetSimulation.Outcome
}

/// Several profiles' years, played side by side on all cores. Each depends on the seed alone, not on how they are shared out.
final class FleetGame: Sendable {
    private let subjects: [OddsSubject]
    private let years: Int
    private let seed: UInt64
    private let state: Mutex<State>

    private struct State {
        var odds: [Int: Odds] = [:]
        var outcomes: [Int: FleetSimulation.Outcome] = [:]
        var yearsPlayed = 0
    }

    init(_ subjects: [OddsSubject], years: Int, seed: UInt64) {
        self.subjects = subjects
        self.years = years
        self.seed = seed
        state = Mutex(State())
    }

    /// In the order of the subjects.
    ///
    /// - Parameter tell: told how many years were played in all; on any thread.
    func play(_ tell: @escaping @Sendable (Int) -> Void) -> [FleetLife] {
        let executor = ThreadedExecutor()
        var completions: [Completion] = []
        func start(_ work: @escaping @Sendable () -> Void) {
            let completion = Completion()
            completions.append(completion)
            executor.submit(.compute) {
                work()
                completion.raise()
            }
        }
        for index in subjects.indices {
            start { self.playYears(index, tell) }
            start {
                let odds = Odds(of: self.subjects[index], seed: self.seed, findsChanges: false)
                self.state.withLock { $0.odds[index] = odds }
            }
        }
        for completion in completions { completion.block() }
        return state.withLock { state in
            subjects.indices.compactMap { index in
                guard let odds = state.odds[index], let outcome = state.outcomes[index] else { return nil }
                return FleetLife(odds: odds, outcome: outcome)
            }
        }
    }

    private func playYears(_ index: Int, _ tell: (Int) -> Void) {
        let subject = subjects[index]
        var fleet = FleetSimulation(
            subject.profile, on: subject.layout.devices, blocks: min(20_000, subject.layout.blocks),
            subject.assumptions, seed: seed)
        let outcome = fleet.run(years: years) {
            tell(
                state.withLock { state in
                    state.yearsPlayed += 1
                    return state.yearsPlayed
                })
        }
        state.withLock { $0.outcomes[index] = outcome }
    }
}
