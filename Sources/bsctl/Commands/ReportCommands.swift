import BlockStore

/// report.
enum ReportCommands {
    static func report(_ invocation: Invocation) throws -> ExitCode {
        let path = invocation.operands[0]
        return try Opening.withStore(invocation, .read) { store in
            // Before all the work: nothing that exists is replaced.
            let file = try FileSink(path: path)
            let status = try store.status()
            let noticed = Noticed.update(status, invocation)
            let facts = ReportFacts(
                status: status, history: try store.history(),
                odds: Odds(of: try store.oddsSubject(), seed: OddsCommands.seed(invocation)),
                verdict: StatusText.verdict(status, noticed), next: StatusText(status, noticed).next,
                nowNanoseconds: SystemClock().wallNanoseconds())
            let bytes = Array(ReportPage(facts).text.utf8)
            try bytes.withUnsafeBytes { raw in try file.write(raw) }
            try file.finish(ObjectAttributes())
            let name = String(decoding: path, as: UTF8.self)
            if invocation.has(Options.json) {
                Terminal.print(
                    JSON.object([JSON.bytes("path", path), ("bytes", .integer(bytes.count))]))
            } else if !invocation.has(Options.quiet) {
                Terminal.print("\(name), \(Size.text(bytes.count)): open it in a browser")
            }
            return StatusCommands.code(status)
        }
    }
}
