import BlockStore
import Erasure

/// One profile's years, and what the formulas say of it.
struct FleetLife {
    let odds: Odds
    let outcome: FleetSimulation.Outcome
}

/// odds --simulate.
extension OddsCommands {
    static func simulate(_ years: Int, _ invocation: Invocation) throws -> ExitCode {
        var subjects: [OddsSubject] = []
        let profiles = invocation.all(Options.oddsProfile)
        if invocation[Options.deviceCount] != nil {
            for profile in try profiles.isEmpty ? [Profile("rs:4+2")] : profiles {
                subjects.append(try imagined(profile, invocation))
            }
            return play(subjects, years, invocation)
        }
        try refuseWithoutDevices(invocation)
        return try withStore(invocation) { store in
            let own = try store.oddsSubject()
            for profile in profiles.isEmpty ? [own.profile] : profiles {
                subjects.append(adjusted(own.changed(to: profile), invocation))
            }
            return play(subjects, years, invocation)
        }
    }

    private static func play(_ subjects: [OddsSubject], _ years: Int, _ invocation: Invocation) -> ExitCode {
        let progress = ProgressLine(invocation)
        let seed = seed(invocation)
        var lives: [FleetLife] = []
        for subject in subjects {
            progress.update {
                Progress(
                    phase: "playing \(subject.profile)", doneBytes: 0, totalBytes: 0, doneItems: lives.count,
                    totalItems: subjects.count)
            }
            var fleet = FleetSimulation(
                subject.profile, on: subject.layout.devices, blocks: min(20_000, subject.layout.blocks),
                subject.assumptions, seed: seed)
            let outcome = fleet.run(years: years)
            lives.append(FleetLife(odds: Odds(of: subject, seed: seed, findsChanges: false), outcome: outcome))
        }
        progress.clear()
        if invocation.has(Options.json) {
            Terminal.print(JSON.object(FleetText.fields(lives, years: years, seed: seed)))
        } else {
            FleetText.tell(lives, years: years, seed: seed)
        }
        return .done
    }
}
