import BlockStore
import Erasure

/// What a report is made of.
struct ReportFacts {
    let status: StoreStatus
    let history: StoreHistory
    let odds: Odds
    let verdict: [(text: String, style: Terminal.Style)]
    let next: [String]
    let nowNanoseconds: Int64
}

/// The report as one page of HTML that needs nothing else: no script, no font, no image from anywhere. It is well-formed XML as
/// well.
struct ReportPage {
    private let facts: ReportFacts
    private var status: StoreStatus { facts.status }

    init(_ facts: ReportFacts) { self.facts = facts }

    var text: String { page.markup }

    private var page: HTML {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8"/>
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <meta name="generator" content="bsctl \(Program.version)"/>
        <title>Store \(shortID), \(day)</title>
        <style>
        \(ReportStyle.sheet)
        </style>
        </head>
        <body>
        <main>
        \(header)
        \(figures)
        \(devices)
        \(redundancy)
        \(space)
        \(growth)
        \(ReportOdds(facts.odds).section)
        <footer class="quiet small">
        <p>Made by <code>bsctl report</code> \(Program.version) from what the index knew at commit \
        \(status.headCommit.description) and what the devices said of their room. Times are those of this machine. \
        <code>bsctl status</code> says it anew, <code>bsctl scrub</code> reads every byte.</p>
        </footer>
        </main>
        </body>
        </html>

        """
    }

    private var shortID: String { String(status.storeID.description.prefix(8)) }

    private var day: String { String(Time.text(facts.nowNanoseconds).prefix(10)) }

    private var header: HTML {
        let worst = facts.verdict.map(\.style)
        let kind = worst.contains(.bad) ? " is-bad" : worst.contains(.warning) ? " is-warning" : ""
        // What is said of safety stands last in the verdict, before what to run, and comes first here.
        let said = facts.verdict.filter { !$0.text.hasPrefix("Next: ") && !$0.text.hasPrefix("      ") }
        let first = said.last.map { line -> HTML in "<p class=\"said\">\(line.text)</p>" } ?? ""
        let others = said.dropLast().map { line -> HTML in
            "<p class=\"\(line.style == .bad ? "bad" : line.style == .warning ? "warning" : "quiet")\">\(line.text)</p>"
        }
        let next: HTML =
            facts.next.isEmpty
            ? "<p class=\"quiet\">Nothing needs to be done now.</p>"
            : """
            <p class="next">Next: \(HTML.joined(facts.next.map(step)))</p>
            """
        return """
            <header>
            <h1>Store \(shortID)</h1>
            <p class="quiet">\(Time.text(facts.nowNanoseconds)), \(status.profile.description), commit \
            \(status.headCommit.description)\(status.isSandbox ? ", a sandbox" : "")</p>
            <div class="verdict\(kind)">
            \(first)
            \(HTML.joined(others))
            \(next)
            </div>
            </header>
            """
    }

    /// A command to run, or what to do in words.
    private func step(_ line: String) -> HTML {
        line.hasPrefix("bsctl ") ? "<code>\(line)</code>" : "<span>\(line)</span>"
    }

    private var figures: HTML {
        let totals = status.totals
        let odds = facts.odds
        return """
            <dl class="figures">
            <div><dt>Objects</dt><dd>\(Chance.grouped(Double(totals.objects)))<small>\
            \(Chance.grouped(Double(totals.versions))) version\(totals.versions == 1 ? "" : "s")</small></dd></div>
            <div><dt>Data</dt><dd>\(Size.text(totals.logicalBytes))<small>as it is read</small></dd></div>
            <div><dt>On the devices</dt><dd>\(Size.text(totals.shardBytes))<small>with parity, \
            \(Chance.grouped(Double(totals.blocks))) block\(totals.blocks == 1 ? "" : "s")</small></dd></div>
            <div><dt>Chance of loss in a year</dt><dd>\(odds.isLostNow ? "lost" : Chance.percent(odds.probability))<small>\
            \(odds.isLostNow ? "already" : Chance.onceIn(odds.probability))</small></dd></div>
            </dl>
            """
    }

    // Devices, together with those that fail as one with them.
    private var devices: HTML {
        var order: [String] = []
        var groups: [String: [DeviceInfo]] = [:]
        for device in status.devices {
            if groups[device.domain] == nil { order.append(device.domain) }
            groups[device.domain, default: []].append(device)
        }
        let isGrouped = groups.values.contains { $0.count > 1 }
        let body: HTML
        if isGrouped {
            body = .joined(
                order.map { domain in
                    """
                    <div class="domain"><h3>\(domain)</h3><div class="devices">\
                    \(HTML.joined((groups[domain] ?? []).map(device)))</div></div>
                    """
                })
        } else {
            body = "<div class=\"devices\">\(HTML.joined(status.devices.map(device)))</div>"
        }
        return """
            <section>
            <h2>Devices</h2>
            \(isGrouped ? "<p class=\"quiet\">By failure domain: what stands together here fails together.</p>" as HTML : "")
            \(body)
            <ul class="legend small quiet">
            <li><i class="c1"></i>this store</li><li><i class="c2"></i>other data</li>\
            <li><i class="bar"></i>free</li>
            </ul>
            </section>
            """
    }

    private func device(_ device: DeviceInfo) -> HTML {
        let usage = status.usage[device.id] ?? DeviceUsage()
        let isWell = device.state.isInService && usage.damagedShards == 0 && !StatusText.isNearlyFull(device)
        let style = isWell ? (device.isDraining ? "warning" : "quiet") : device.state.isInService ? "warning" : "bad"
        var bar: HTML = "<div class=\"bar\"></div>"
        var room = "room not known"
        if let space = device.space, space.totalBytes > 0 {
            let total = Double(space.totalBytes)
            let used = total - Double(min(space.freeBytes, space.totalBytes))
            let own = min(used, Double(usage.bytes))
            bar = """
                <div class="bar"><i class="c1" style="width:\(own / total * 100)%"></i>\
                <i class="c2" style="width:\((used - own) / total * 100)%"></i></div>
                """
            room = "\(Size.text(space.freeBytes)) free of \(Size.text(space.totalBytes))"
        }
        var reason: HTML = ""
        switch device.state {
        case .inService: break
        case .absent(let why), .failed(let why): reason = "<div class=\"small bad\">\(why)</div>"
        }
        return """
            <div class="device">
            <div class="name"><b>\(device.label)</b><span class="state small \(style)">\
            \(StatusText.health(device, usage))</span></div>
            \(bar)
            <div class="under small"><span>\(Count.text(usage.shards, "shard")), \(Size.text(usage.bytes))</span>\
            <span class="quiet">\(room)</span></div>
            <div class="small quiet path">\(device.path ?? "")</div>
            \(reason)
            </div>
            """
    }

    private var redundancy: HTML {
        let blocks = status.protection.reduce(0) { $0 + $1.blocks }
        let protection = status.protection.map { missing, count -> (String, Int, String) in
            (
                missing == 0 ? "complete" : "lacking \(Count.text(missing, "shard"))", count,
                missing == 0 ? "cg" : missing == 1 ? "cw" : "cb"
            )
        }
        let ages = facts.history.verified.map { entry -> (String, Int, String) in
            switch entry.age {
            case .week: ("within a week", entry.blocks, "cg")
            case .month: ("within a month", entry.blocks, "c1")
            case .quarter: ("within three months", entry.blocks, "c2")
            case .longer: ("longer ago", entry.blocks, "cw")
            case .never: ("never", entry.blocks, "c0")
            }
        }
        let profiles: HTML =
            status.profiles.count < 2
            ? ""
            : """
            <h3>Profiles</h3>
            <table><tbody>
            \(HTML.joined(status.profiles.map { entry -> HTML in
                """
                <tr><td>\(entry.profile.description)</td><td class="right">\(Count.text(entry.blocks, "block"))</td>\
                <td>any \(Count.text(entry.profile.tolerance, "device")) may be lost</td></tr>
                """
            }))
            </tbody></table>
            """
        let lost: HTML =
            status.lostBlocks == 0
            ? ""
            : status.isContentLost
                ? "<p class=\"bad\">\(Count.text(status.lostBlocks, "block")) cannot be read: bsctl repair names the keys.</p>"
                : "<p>\(Count.text(status.lostBlocks, "block")) cannot be read that no object needs: bsctl collect.</p>"
        return """
            <section>
            <h2>Redundancy</h2>
            \(blocks == 0 ? "<p class=\"quiet\">No blocks yet.</p>" : stack(protection, of: blocks))
            \(lost)
            \(profiles)
            </section>
            <section>
            <h2>Last read and checked</h2>
            \(blocks == 0 ? "<p class=\"quiet\">Nothing to read yet.</p>" : stack(ages, of: blocks))
            \(readingAdvice)
            </section>
            """
    }

    private var readingAdvice: HTML {
        let waiting = facts.history.verified.contains { $0.age == .longer || $0.age == .never }
        return waiting && status.totals.blocks > 0
            ? """
            <p class="quiet small" style="margin-top:.9rem">Damage that nobody has read is found by nobody: \
            <code>bsctl scrub --repair</code>, from a timer.</p>
            """ : ""
    }

    /// One bar of several parts, and what each is.
    private func stack(_ parts: [(name: String, count: Int, colour: String)], of total: Int) -> HTML {
        let bars = parts.map { part -> HTML in
            "<i class=\"\(part.colour)\" style=\"width:\(Double(part.count) / Double(max(1, total)) * 100)%\"></i>"
        }
        let words = parts.map { part -> HTML in
            """
            <li><i class="\(part.colour)"></i>\(Chance.grouped(Double(part.count))) block\(part.count == 1 ? "" : "s") \
            \(part.name)</li>
            """
        }
        return """
            <div class="bar" style="height:1rem">\(HTML.joined(bars, separator: ""))</div>
            <ul class="legend small">\(HTML.joined(words, separator: ""))</ul>
            """
    }

    private var space: HTML {
        let totals = status.totals
        let rows: [(what: String, bytes: Int, why: String)] = [
            ("Newest versions", totals.logicalBytes, Count.text(totals.objects, "object")),
            ("All versions", totals.allVersionsBytes, Count.text(totals.versions, "version")),
            (
                "Unique", totals.uniqueBytes,
                "deduplication \(Size.ratio(totals.allVersionsBytes, totals.uniqueBytes)), \(Count.text(totals.chunks, "chunk"))"
            ),
            (
                "Compressed", totals.compressedBytes,
                "compression \(Size.ratio(totals.uniqueBytes, totals.compressedBytes))"
            ),
            (
                "Coded", totals.shardBytes,
                "\(Size.ratio(totals.shardBytes, totals.compressedBytes)) with parity and what is not collected yet"
            ),
        ]
        let most = Double(max(1, rows.map(\.bytes).max() ?? 1))
        let lines = rows.map { row -> HTML in
            """
            <div class="row"><span class="what">\(row.what)</span>\
            <div class="bar"><i class="c1" style="width:\(Double(row.bytes) / most * 100)%"></i></div>\
            <span class="bytes">\(Size.text(row.bytes))</span><span class="why quiet small">\(row.why)</span></div>
            """
        }
        return """
            <section>
            <h2>Space</h2>
            <div class="space">
            \(HTML.joined(lines))
            </div>
            </section>
            """
    }

    private var growth: HTML {
        let points = facts.history.points
        guard !points.isEmpty else { return "" }
        let now = facts.nowNanoseconds / 1_000_000_000
        return """
            <section>
            <h2>Growth</h2>
            <p class="quiet">Of what is there now, by when it was written.</p>
            \(Plot.growth(points, now: now, isNarrow: false))
            \(Plot.growth(points, now: now, isNarrow: true))
            <ul class="legend small">
            <li><i class="c1"></i>all versions, \(Size.text(points.last?.versionBytes ?? 0))</li>\
            <li><i class="c0"></i>on the devices, \(Size.text(points.last?.shardBytes ?? 0)), dashed</li>
            </ul>
            </section>
            """
    }
}

/// The odds as a section of the report.
struct ReportOdds {
    private let odds: Odds

    init(_ odds: Odds) { self.odds = odds }

    var section: HTML {
        guard !odds.isLostNow else {
            return "<section><h2>The odds</h2><p class=\"bad\">\(OddsText.headline(odds))</p></section>"
        }
        let rows =
            [(name: "as it is", probability: odds.probability, isNow: true)]
            + odds.changes.map { (name: OddsText.name(of: $0, odds), probability: $0.probability, isNow: false) }
        return """
            <section>
            <h2>The odds</h2>
            <p>\(OddsText.headline(odds))</p>
            \(HTML.joined((OddsText.warnings(odds) + OddsText.advice(odds)).map { line -> HTML in "<p class=\"quiet\">\(line)</p>" }))
            \(rows.count > 1 ? "<h3>Now, and if something changed</h3>" as HTML : "")
            \(rows.count > 1 ? Plot.chances(rows, isNarrow: false) : "")
            \(rows.count > 1 ? Plot.chances(rows, isNarrow: true) : "")
            <h3>What it is made of</h3>
            \(table(OddsText.risks(odds), right: [1, 2]))
            <h3>By three ways</h3>
            \(table(OddsText.ways(odds), right: []))
            <h3>What it rests on</h3>
            \(table(OddsText.assumptions(odds.subject).map { Array($0.prefix(3)) }, right: []))
            <h3>What it leaves out</h3>
            <ul class="plain">\(HTML.joined(OddsText.omissions.map { line -> HTML in "<li>\(line)</li>" }))</ul>
            </section>
            """
    }

    private func table(_ rows: [[String]], right: Set<Int>) -> HTML {
        let lines = rows.map { row -> HTML in
            let cells = row.enumerated().map { column, cell -> HTML in
                right.contains(column) ? "<td class=\"right\">\(cell)</td>" : "<td>\(cell)</td>"
            }
            return "<tr>\(HTML.joined(cells, separator: ""))</tr>"
        }
        return "<div class=\"scroll\"><table><tbody>\(HTML.joined(lines))</tbody></table></div>"
    }
}
