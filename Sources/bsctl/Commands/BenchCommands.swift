import BlockStore
import Erasure

/// bench.
enum BenchCommands {
    static func encode(_ invocation: Invocation) throws -> ExitCode {
        let profile = try invocation[Options.profile] ?? Profile("rs:4+2")
        let size = invocation[Options.size] ?? 512 << 20
        let threads = invocation[Options.threads] ?? 1
        let result = EncodeBenchmark(profile: profile, dataBytes: size, threads: threads).run()
        if invocation.has(Options.json) {
            Terminal.print(JSON.fields(result.fields).text)
        } else {
            Terminal.print(result.description)
        }
        return .done
    }
}
