import BlockStore
import Erasure

/// The odds in words: how likely, why, what to do, and on what that rests.
enum OddsText {
    /// Below this the model's own risks are not what data is lost to.
    private static let negligible = 1e-6

    static func tell(_ odds: Odds, remark: String?) {
        Terminal.print(headline(odds), style(odds))
        Terminal.print(subject(odds.subject) + (remark.map { ", \($0)" } ?? "") + ".")
        for line in warnings(odds) { Terminal.print(line, .warning) }
        guard !odds.isLostNow else { return }
        section("by three ways that must agree", Table.lines(ways(odds)))
        section("what it is made of", Table.lines(risks(odds), right: [1, 2]))
        section("", advice(odds))
        if !odds.changes.isEmpty {
            section(
                "what would change it",
                Table.lines([["", "a year", "", "room", ""]] + changes(odds), right: [1, 2, 3]))
        }
        section("what it rests on", Table.lines(assumptions(odds.subject)))
        section("what it leaves out", omissions)
    }

    private static func section(_ title: String, _ lines: [String]) {
        Terminal.print("")
        if !title.isEmpty { Terminal.print(title) }
        for line in lines { Terminal.print(title.isEmpty ? line : "  \(line)") }
    }

    static func headline(_ odds: Odds) -> String {
        odds.isLostNow
            ? "Data is lost: not all of it can be read from the devices in service."
            : "The chance to lose data within a year: \(Chance.percent(odds.probability)), \(Chance.onceIn(odds.probability))."
    }

    private static func style(_ odds: Odds) -> Terminal.Style {
        odds.probability < 1e-4 ? .good : odds.probability < 0.01 ? .warning : .bad
    }

    static func subject(_ subject: OddsSubject) -> String {
        let layout = subject.layout
        let devices = Count.text(layout.devices.count, "device")
        let groups = Set(layout.devices.map(\.domain)).count
        let domains =
            layout.domains.isEmpty
            ? ", each a failure domain of its own" : " in \(Count.text(groups, "failure domain"))"
        let kinds = layout.profiles.map { "\(Count.text($0.blocks, "block")) of \($0.profile)" }
        return (subject.isEmpty ? "No data yet, as if there were \(subject.profile)" : kinds.joined(separator: ", "))
            + " on \(devices)\(domains)"
            + (subject.payloadBytes > 0 ? ", \(Size.text(Int(min(9e18, subject.payloadBytes)))) without parity" : "")
    }

    static func warnings(_ odds: Odds) -> [String] {
        let subject = odds.subject
        var lines: [String] = []
        if !subject.layout.failedNow.isEmpty {
            let labels = subject.layout.failedNow.sorted().map { subject.layout.devices[$0].label }
            lines.append(
                "Out of service now, and counted as failed: \(labels.joined(separator: ", ")). See bsctl status.")
        }
        if subject.missingShards > 0 {
            lines.append(
                Count.text(subject.missingShards, "shard", one: "is", many: "are")
                    + " missing or damaged, and counted as missing for the whole year. Next: bsctl repair")
        }
        if subject.unreadableBlocks > 0 {
            lines.append(
                Count.text(subject.unreadableBlocks, "block", one: "is", many: "are")
                    + " lost already; the odds are those of the others. bsctl repair names the keys.")
        }
        return lines
    }

    static func ways(_ odds: Odds) -> [[String]] {
        var rows = [
            [
                "formula", "\(Chance.percent(odds.closedForm))",
                odds.subject.layout.failedNow.isEmpty
                    ? "while failures are rare: it errs on the high side" : "as if no device were down now",
            ],
            [
                "Markov chain", "\(Chance.percent(odds.markov))",
                odds.subject.layout.failedNow.isEmpty
                    ? "on how many devices and domains are down" : "on how many devices are down, and not which",
            ],
        ]
        if let sampled = odds.sampled {
            rows.append([
                "dice",
                Chance.percent(sampled.probability) + " ± " + Chance.percent(1.96 * sampled.error),
                "\(Chance.grouped(Double(sampled.lives))) lives of just these devices, seed \(sampled.seed)",
            ])
        } else {
            rows.append(["dice", "–", "too many blocks to place them all: bsctl odds --simulate YEARS"])
        }
        return rows
    }

    static func name(_ risk: Odds.Risk, _ odds: Odds) -> String {
        let tolerance = odds.subject.layout.tolerance
        switch risk {
        case .devices:
            return tolerance < 0
                ? "devices that fail" : "\(tolerance + 1) or more devices down at once, each failed by itself"
        case .domains: return "a whole failure domain gone, with whatever is down or bad beside it"
        case .latentErrors:
            return "a bad place that nobody knew of, found when \(Count.text(max(0, tolerance), "device")) "
                + "\(tolerance == 1 ? "is" : "are") down"
        }
    }

    static func risks(_ odds: Odds) -> [[String]] {
        odds.risks.filter { $0.probability > 0 }.map { entry in
            let share = odds.probability > 0 ? entry.probability / odds.probability * 100 : 0
            return [
                name(entry.risk, odds), share < 0.5 ? "under 1 %" : "\(Size.decimals(share, 0)) %",
                Chance.percent(entry.probability),
            ]
        }
    }

    /// What rules, and what to do about it.
    static func advice(_ odds: Odds) -> [String] {
        guard let first = odds.risks.first, odds.probability > 0 else { return ["Nothing in this model loses data."] }
        var lines = ["The greatest risk: \(name(first.risk, odds))."]
        guard odds.subject.layout.failedNow.isEmpty else {
            return lines + [
                "Bring back or replace what is out of service and run bsctl repair: nothing else helps as much now. "
                    + "bsctl status says how."
            ]
        }
        let subject = odds.subject
        switch first.risk {
        case .devices:
            let hours = Time.duration(subject.repairHours * 3600)
            if subject.givenRepairHours == nil, subject.waitHours.value > subject.rebuildHours {
                lines.append(
                    subject.hasSpareDevice
                        ? "Of the \(hours) that a repair takes most are the wait for it to begin: run bsctl repair more often."
                        : "Of the \(hours) that a repair takes most are the wait for a new device: keep a spare at hand, or "
                            + "one device more in the store.")
            } else {
                lines.append(
                    "A repair takes \(hours): whatever shortens that helps, and so does one more parity shard.")
            }
        case .domains:
            lines.append(
                "Spread the devices over more failure domains: hosts, shelves, power supplies that do not fail together."
            )
        case .latentErrors:
            lines.append(
                "It costs what lies there, not everything. Read it all more often: bsctl scrub --repair, from a timer "
                    + "(docs/operations.md).")
        }
        if odds.probability < negligible {
            lines.append(
                "That is less than one in a million a year: what the model leaves out is the greater danger by far, and a second "
                    + "copy elsewhere is worth more than another parity shard.")
        } else if let best = odds.changes.min(by: { $0.probability < $1.probability }),
            best.probability < odds.probability / 2
        {
            lines.append("What helps most: \(change(best, odds).what) (\(change(best, odds).how)).")
        }
        return lines
    }

    /// What a change is called.
    static func name(of change: Odds.Change, _ odds: Odds) -> String { self.change(change, odds).what }

    private static func change(_ change: Odds.Change, _ odds: Odds) -> (what: String, how: String) {
        switch change.kind {
        case .profile(let profile, let newDevices):
            let add = newDevices > 0 ? "\(Count.text(newDevices, "device")) more, then " : ""
            let what =
                profile.localGroups > 0 && odds.subject.profile.localGroups == 0
                ? "a local code, \(profile)" : "one parity shard more, \(profile)"
            return (what, "\(add)bsctl reshape --profile \(profile)")
        case .repairHours(let hours):
            return ("repaired within \(Time.duration(hours * 3600))", "a spare at hand, bsctl repair more often")
        case .scrubDays(let days):
            return ("all read every \(Size.decimals(days, days < 10 ? 1 : 0)) days", "bsctl scrub --repair, by a timer")
        case .domains(let count):
            return ("\(count) failure domains", "no two shards of a block in one; bsctl device set DEVICE --domain D")
        }
    }

    private static func changes(_ odds: Odds) -> [[String]] {
        odds.changes.map { entry in
            let words = change(entry, odds)
            let factor = entry.probability > 0 ? odds.probability / entry.probability : .infinity
            return [
                words.what, Chance.percent(entry.probability),
                factor > 1.05
                    ? "\(Chance.factor(factor)) better"
                    : factor < 0.95 ? "\(Chance.factor(1 / factor)) worse" : "the same",
                "\(Size.decimals(entry.room, 2))×", words.how,
            ]
        }
    }

    static func assumptions(_ subject: OddsSubject) -> [[String]] {
        func row(_ name: String, _ value: String, _ origin: OddsFigure.Origin, _ option: String) -> [String] {
            [name, value, origin.rawValue, option]
        }
        var rows = [
            row(
                "a device fails for good", "\(Chance.percent(subject.failuresPerYear.value)) a year",
                subject.failuresPerYear.origin, "--afr")
        ]
        if let hours = subject.givenRepairHours {
            rows.append(row("then made again within", Time.duration(hours * 3600), .given, "--repair-hours"))
        } else {
            rows += [
                row(
                    subject.hasSpareDevice ? "until a repair begins" : "until a new device is there",
                    Time.duration(subject.waitHours.value * 3600), subject.waitHours.origin, "--repair-hours"),
                row(
                    "to make \(Size.text(Int(min(9e18, subject.shardBytesToRepair)))) again",
                    "\(Time.duration(subject.rebuildHours * 3600)) at "
                        + Size.rate(Int(min(9e18, subject.repairBytesPerSecond.value)), seconds: 1),
                    subject.repairBytesPerSecond.origin, "--repair-hours"),
            ]
        }
        if !subject.layout.domains.isEmpty {
            rows.append(
                row(
                    "a failure domain goes as one", "\(Chance.percent(subject.domainFailuresPerYear.value)) a year",
                    subject.domainFailuresPerYear.origin, "--domain-afr"))
        }
        rows += [
            row(
                "a device gets a bad place unnoticed", "\(Chance.percent(subject.latentErrorsPerYear.value)) a year",
                subject.latentErrorsPerYear.origin, "--latent"),
            row(
                "everything is read every", "\(Size.decimals(subject.scrubDays.value, 0)) days",
                subject.scrubDays.origin,
                "--scrub-every"),
        ]
        return rows
    }

    static let omissions = [
        "fire, theft, flood and lightning: all devices stand in one place",
        "mistakes of people: a wrong disk pulled, a wrong directory deleted",
        "faults of software and memory, and devices that grow old or are of one bad batch together",
        "failures while a repair works the others hard; so take these odds for their order of magnitude.",
    ]

    static func fields(_ odds: Odds) -> [(String, JSON)] {
        let subject = odds.subject
        func figure(_ figure: OddsFigure) -> JSON {
            .fields([("value", .number(figure.value)), ("origin", .string(figure.origin.rawValue))])
        }
        return [
            ("annualLossProbability", .number(odds.probability)), ("isLostNow", .bool(odds.isLostNow)),
            ("closedForm", .number(odds.closedForm)), ("markov", .number(odds.markov)),
            (
                "sampled",
                odds.sampled.map {
                    .fields([
                        ("probability", .number($0.probability)), ("standardError", .number($0.error)),
                        ("lostShare", .number($0.lostShare)), ("lives", .integer($0.lives)),
                        ("seed", .unsigned($0.seed)),
                    ])
                } ?? .null
            ),
            ("isExact", .bool(odds.isExact)),
            (
                "risks",
                .array(
                    odds.risks.map {
                        .fields([("risk", .string($0.risk.rawValue)), ("probability", .number($0.probability))])
                    })
            ),
            ("changes", .array(odds.changes.map { fields($0) })), ("profile", .string(subject.profile.description)),
            (
                "profiles",
                .array(
                    subject.layout.profiles.map {
                        .fields([("profile", .string($0.profile.description)), ("blocks", .integer($0.blocks))])
                    })
            ),
            ("devices", .integer(subject.layout.devices.count)),
            (
                "domains",
                .array(
                    subject.layout.domains.map {
                        .fields([("domain", .string($0.name)), ("devices", .integer($0.devices.count))])
                    })
            ),
            ("payloadBytes", .number(subject.payloadBytes)), ("tolerance", .integer(subject.layout.tolerance)),
            (
                "assumptions",
                .fields([
                    ("failuresPerYear", figure(subject.failuresPerYear)), ("repairHours", .number(subject.repairHours)),
                    ("repairHoursGiven", .bool(subject.givenRepairHours != nil)),
                    ("waitHours", figure(subject.waitHours)),
                    ("repairBytesPerSecond", figure(subject.repairBytesPerSecond)),
                    ("domainFailuresPerYear", figure(subject.domainFailuresPerYear)),
                    ("latentErrorsPerYear", figure(subject.latentErrorsPerYear)),
                    ("scrubDays", figure(subject.scrubDays)),
                ])
            ),
            (
                "failedNow",
                .array(subject.layout.failedNow.sorted().map { .string(subject.layout.devices[$0].label) })
            ),
            ("missingShards", .integer(subject.missingShards)),
            ("unreadableBlocks", .integer(subject.unreadableBlocks)),
            ("leavesOut", .array(omissions.map { .string($0) })),
        ]
    }

    private static func fields(_ change: Odds.Change) -> JSON {
        var fields: [(String, JSON)] = []
        switch change.kind {
        case .profile(let profile, let newDevices):
            fields = [("profile", .string(profile.description)), ("newDevices", .integer(newDevices))]
        case .repairHours(let hours): fields = [("repairHours", .number(hours))]
        case .scrubDays(let days): fields = [("scrubDays", .number(days))]
        case .domains(let count): fields = [("domains", .integer(count))]
        }
        return .fields(fields + [("probability", .number(change.probability)), ("room", .number(change.room))])
    }
}
