import BlockStore
import Erasure

/// odds.
enum OddsCommands {
    static func odds(_ invocation: Invocation) throws -> ExitCode {
        if let years = invocation[Options.simulatedYears] { return try simulate(years, invocation) }
        let profiles = invocation.all(Options.oddsProfile)
        guard profiles.count <= 1 else {
            throw UsageError(description: "several --profile are played side by side by --simulate YEARS")
        }
        if invocation[Options.deviceCount] != nil {
            let profile = try profiles.first ?? Profile("rs:4+2")
            return tell(Odds(of: try imagined(profile, invocation), seed: seed(invocation)), nil, invocation)
        }
        try refuseWithoutDevices(invocation)
        return try withStore(invocation) { store in
            let own = try store.oddsSubject()
            let subject = adjusted(profiles.first.map { own.changed(to: $0) } ?? own, invocation)
            let status = profiles.isEmpty ? nil : "as if all blocks had \(subject.profile)"
            return tell(Odds(of: subject, seed: seed(invocation)), status, invocation)
        }
    }

    /// Opens the store that is meant; says how to ask without one where there is none.
    static func withStore(_ invocation: Invocation, _ body: (Store) throws -> ExitCode) throws -> ExitCode {
        do {
            _ = try Opening.home(invocation)
        } catch let error as StoreError {
            throw StoreError(
                error.code, error.operation, detail: error.detail,
                advice: "name one with --store HOME, or ask without one: bsctl odds --profile rs:4+2 --devices 6")
        }
        return try Opening.withStore(invocation, .read, body)
    }

    static func refuseWithoutDevices(_ invocation: Invocation) throws(UsageError) {
        try invocation.refuse(
            Options.domainCount, Options.dataSize, with: "goes with --devices N; a store has its own")
    }

    static func seed(_ invocation: Invocation) -> UInt64 { invocation[Options.seed] ?? 1 }

    /// What is thought of where there is no store.
    static func imagined(_ profile: Profile, _ invocation: Invocation) throws -> OddsSubject {
        let count = invocation[Options.deviceCount] ?? profile.shardCount
        let domains = invocation[Options.domainCount] ?? count
        guard domains <= count else {
            throw UsageError(description: "--domains \(domains): there are only \(Count.text(count, "device"))")
        }
        let perDevice = 4e12 * Double(profile.dataShards) / Double(profile.shardCount)
        let bytes = invocation[Options.dataSize].map(Double.init) ?? perDevice * Double(count)
        return adjusted(
            try OddsSubject.imagined(
                profile, on: OddsLayout.devices(count, domains: domains), payloadBytes: bytes), invocation)
    }

    /// With what the options say in the place of what was measured or assumed.
    static func adjusted(_ subject: OddsSubject, _ invocation: Invocation) -> OddsSubject {
        var subject = subject
        if let rate = invocation[Options.failureRate] { subject.failuresPerYear = OddsFigure(rate, .given) }
        if let hours = invocation[Options.repairHours] { subject.givenRepairHours = hours }
        if let rate = invocation[Options.domainFailureRate] { subject.domainFailuresPerYear = OddsFigure(rate, .given) }
        if let rate = invocation[Options.latentErrorRate] { subject.latentErrorsPerYear = OddsFigure(rate, .given) }
        if let seconds = invocation[Options.scrubInterval] {
            subject.scrubDays = OddsFigure(seconds / 86400, .given)
        }
        return subject
    }

    private static func tell(_ odds: Odds, _ remark: String?, _ invocation: Invocation) -> ExitCode {
        if invocation.has(Options.json) {
            Terminal.print(JSON.object(OddsText.fields(odds)))
        } else {
            OddsText.tell(odds, remark: remark)
        }
        return odds.isLostNow || odds.subject.unreadableBlocks > 0 ? .lost : .done
    }
}
