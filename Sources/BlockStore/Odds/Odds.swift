public import Erasure

/// The annual odds of losing data, by three ways that know nothing of each other, what they are made of, and what would
/// change them. Pure: of a subject and a seed.
///
/// Model, formulas and sources: docs/odds.md.
public struct Odds: Sendable {
    /// What may cost data.
    public enum Risk: String, Sendable, CaseIterable {
        /// More devices fail, each by itself, before they are repaired than blocks can spare.
        case devices
        /// A failure domain goes as a whole, perhaps while something is down.
        case domains
        /// A place that went bad unnoticed turns out when nothing is left to make it from.
        case latentErrors
    }

    /// Something that could be changed, and the odds then.
    public struct Change: Sendable {
        public enum Kind: Sendable, Hashable {
            case profile(Profile, newDevices: Int)
            case repairHours(Double)
            case scrubDays(Double)
            case domains(Int)
        }

        public let kind: Kind
        /// Within a year, by the Markov chain.
        public let probability: Double
        /// Room on the devices for each byte of data.
        public let room: Double
    }

    public let subject: OddsSubject
    /// Data is lost already with the devices that are out of service now.
    public let isLostNow: Bool
    /// Losses a year while failures are rare; above one where they are not.
    public let closedForm: Double
    /// The probability of loss within a year by a Markov chain on how many devices and domains are down.
    public let markov: Double
    /// The same from dice; nil where a layout is so large that only part of its blocks was placed.
    public let sampled: SampledOdds?
    /// How much each risk adds to `probability`.
    public let risks: [(risk: Risk, probability: Double)]
    /// Of a whole store: none while devices are down, when repair is what helps.
    public let changes: [Change]
    /// The probability of loss within a year. Where devices are down at the beginning it is that of the dice: it matters which
    /// ones, and the chain only counts them.
    public var probability: Double { subject.layout.failedNow.isEmpty ? markov : sampled?.probability ?? markov }
    /// Every set of failed devices was looked at, none sampled.
    public let isExact: Bool

    /// - Parameter lives: for the dice.
    public init(of subject: OddsSubject, seed: UInt64 = 1, lives: Int = 10_000, findsChanges: Bool = true) {
        self.subject = subject
        let assumptions = subject.assumptions
        let judge = LossJudge(subject.layout)
        let grid = Self.grid(judge, assumptions)
        let failedNow = subject.layout.failedNow
        isLostNow = judge.verdict(failedNow.sorted().map { UInt16($0) }).isFatal
        isExact = grid.isExact
        closedForm = grid.closedForm(assumptions)
        guard !isLostNow else {
            markov = 1
            sampled = nil
            risks = []
            changes = []
            return
        }
        func chain(_ assumptions: OddsAssumptions) -> Double { grid.markov(assumptions, failedNow: failedNow.count) }
        let all = chain(assumptions)
        markov = all
        sampled =
            subject.layout.isSaturated
            ? LossSampling(judge, assumptions, seed: seed).run(mostLives: lives) : nil
        let undisturbed = chain(assumptions.without(domains: true, latent: true))
        let withLatent = chain(assumptions.without(domains: true))
        let scale = failedNow.isEmpty || all == 0 ? 1 : (sampled?.probability ?? all) / all
        risks = [
            (risk: .devices, probability: scale * undisturbed),
            (risk: .domains, probability: scale * max(0, all - withLatent)),
            (risk: .latentErrors, probability: scale * max(0, withLatent - undisturbed)),
        ].sorted { $0.probability > $1.probability }
        changes = findsChanges && failedNow.isEmpty ? Self.changes(of: subject, grid) : []
    }

    private static func grid(_ judge: LossJudge, _ assumptions: OddsAssumptions) -> LossGrid {
        // As far as anything gets: some beyond what is ever down at once, and beyond what any block survives.
        let usual = Double(judge.layout.devices.count) * assumptions.failuresPerYear * assumptions.repairYears
        let parities = judge.layout.shapes.map { $0.rows.count - $0.columns.count }.max() ?? 1
        return LossGrid(
            judge, mostFailures: max(parities + 2, judge.layout.failedNow.count) + Int(min(30, 4 * usual)),
            mostDomains: assumptions.domainFailuresPerYear > 0 ? 2 : 0)
    }

    private static func changes(of subject: OddsSubject, _ grid: LossGrid) -> [Change] {
        func markov(_ changed: OddsSubject) -> Double {
            Self.grid(LossJudge(changed.layout), changed.assumptions).markov(
                changed.assumptions)
        }
        let profile = subject.profile
        let room = Double(profile.shardCount) / Double(profile.dataShards)
        var changes: [Change] = []
        for other in [stronger(profile), local(profile)].compactMap({ $0 }) {
            changes.append(
                Change(
                    kind: .profile(other, newDevices: max(0, other.shardCount - subject.layout.devices.count)),
                    probability: markov(subject.changed(to: other)),
                    room: Double(other.shardCount) / Double(other.dataShards)))
        }
        func later(_ change: (inout OddsAssumptions) -> Void) -> Double {
            var assumptions = subject.assumptions
            change(&assumptions)
            return grid.markov(assumptions)
        }
        let hours = subject.repairHours / 2
        changes.append(Change(kind: .repairHours(hours), probability: later { $0.repairHours = hours }, room: room))
        let days = subject.scrubDays.value > 45 ? OddsAssumptions.Defaults.scrubDays : subject.scrubDays.value / 2
        changes.append(Change(kind: .scrubDays(days), probability: later { $0.scrubDays = days }, room: room))
        let groups = Set(subject.layout.devices.map(\.domain)).count
        if !subject.layout.domains.isEmpty, groups < profile.shardCount {
            changes.append(
                Change(
                    kind: .domains(profile.shardCount),
                    probability: markov(subject.changed(to: profile, domains: profile.shardCount)), room: room))
        }
        return changes
    }

    /// One parity shard more.
    private static func stronger(_ profile: Profile) -> Profile? {
        try? Profile(
            dataShards: profile.dataShards, localGroups: profile.localGroups, globalParities: profile.globalParities + 1
        )
    }

    /// The local code in two groups that survives as many losses.
    private static func local(_ profile: Profile) -> Profile? {
        guard profile.localGroups == 0, profile.globalParities >= 2, profile.dataShards >= 4 else { return nil }
        return try? Profile(
            dataShards: profile.dataShards, localGroups: 2, globalParities: profile.globalParities - 1)
    }
}
