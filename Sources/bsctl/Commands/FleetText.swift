import BlockStore
import Erasure

/// What became of a fleet, profile by profile.
enum FleetText {
    static func tell(_ lives: [FleetLife], years: Int, seed: UInt64) {
        guard let first = lives.first else { return }
        let layout = first.odds.subject.layout
        let groups = Set(layout.devices.map(\.domain)).count
        Terminal.print(
            "\(Chance.grouped(Double(years))) years of \(Count.text(layout.devices.count, "device"))"
                + (layout.domains.isEmpty ? "" : " in \(Count.text(groups, "failure domain"))")
                + ", the same fate for each profile (seed \(seed))")
        Terminal.print("")
        let header = [
            "profile", "room", "repair", "most down", "exposed", "losses", "by bad places", "lost a year",
            "chance a year",
            "by formula",
        ]
        Terminal.print(
            Table.lines([header] + lives.map { row($0) }, right: Set(1..<header.count))
                .joined(separator: "\n"))
        Terminal.print("")
        let fate = first.outcome
        Terminal.print(
            "In that time \(Chance.grouped(Double(fate.deviceFailures))) devices failed, "
                + "\(Count.text(fate.domainFailures, "whole domain")), and "
                + "\(Chance.grouped(Double(fate.latentErrors))) places went bad unnoticed.")
        Terminal.print("exposed: hours a year in which some block could not lose another shard.")
        Terminal.print(
            "lost a year: of all blocks, in the mean. Of no loss seen, the chance is given as below what three")
        Terminal.print("losses in so many years would be: with 95 % confidence it is no more.")
        let placed = fate.blocks
        let blocks = layout.blocks
        if blocks > placed {
            Terminal.print(
                "\(Chance.grouped(Double(placed))) blocks were played, for \(Chance.grouped(Double(blocks))): "
                    + "the chance that any is lost is higher with all, as \"by formula\" has it; the share lost is not."
            )
        }
        Terminal.print("")
        Terminal.print("what it rests on")
        for line in Table.lines(OddsText.assumptions(first.odds.subject)) { Terminal.print("  \(line)") }
    }

    private static func row(_ life: FleetLife) -> [String] {
        let (outcome, subject) = (life.outcome, life.odds.subject)
        let annual = outcome.annual
        let years = Double(max(1, outcome.years))
        return [
            subject.profile.description,
            Size.decimals(Double(subject.profile.shardCount) / Double(subject.profile.dataShards), 2),
            Time.duration(subject.repairHours * 3600), "\(outcome.mostDevicesDown)",
            "\(Size.decimals(outcome.exposedHours / years, outcome.exposedHours / years < 10 ? 1 : 0)) h",
            "\(outcome.losses)", "\(outcome.lossesByLatentErrors)",
            outcome.lostBlocks == 0
                ? "–" : Chance.percent(Double(outcome.lostBlocks) / Double(max(1, outcome.blocks)) / years),
            outcome.yearsWithLoss == 0
                ? "< \(Chance.percent(annual.high))"
                : "\(Chance.percent(annual.low)) – \(Chance.percent(annual.high))",
            Chance.percent(life.odds.probability),
        ]
    }

    static func fields(_ lives: [FleetLife], years: Int, seed: UInt64) -> [(String, JSON)] {
        [
            ("years", .integer(years)), ("seed", .unsigned(seed)),
            (
                "profiles",
                .array(
                    lives.map { life in
                        let outcome = life.outcome
                        let annual = outcome.annual
                        return .fields([
                            ("profile", .string(life.odds.subject.profile.description)),
                            ("devices", .integer(life.odds.subject.layout.devices.count)),
                            ("blocks", .integer(life.odds.subject.layout.blocks)),
                            ("playedBlocks", .integer(outcome.blocks)),
                            ("repairHours", .number(life.odds.subject.repairHours)),
                            ("deviceFailures", .integer(outcome.deviceFailures)),
                            ("domainFailures", .integer(outcome.domainFailures)),
                            ("latentErrors", .integer(outcome.latentErrors)),
                            ("mostDevicesDown", .integer(outcome.mostDevicesDown)),
                            ("exposedHours", .number(outcome.exposedHours)), ("losses", .integer(outcome.losses)),
                            ("lossesByLatentErrors", .integer(outcome.lossesByLatentErrors)),
                            ("lostBlocks", .integer(outcome.lostBlocks)),
                            ("yearsWithLoss", .integer(outcome.yearsWithLoss)),
                            ("annualLossProbability", .number(annual.probability)),
                            ("low", .number(annual.low)), ("high", .number(annual.high)),
                            ("closedForm", .number(life.odds.closedForm)), ("markov", .number(life.odds.markov)),
                        ])
                    })
            ),
        ]
    }
}
