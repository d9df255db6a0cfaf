import BlockStore
import Erasure

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
        let lives = FleetGame(subjects, years: years, seed: seed).play { played in
            progress.update {
                Progress(
                    phase: "playing years", doneBytes: 0, totalBytes: 0, doneItems: played,
                    totalItems: years * subjects.count)
            }
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
