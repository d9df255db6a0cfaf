import BlockStore
import Erasure

/// bench.
enum BenchCommands {
    static func encode(_ invocation: Invocation) throws -> ExitCode {
        let profile: Profile
        do {
            profile = try Profile(try invocation.text("profile") ?? "rs:4+2")
        } catch let error as ProfileError {
            throw UsageError(description: error.description)
        }
        let size = try invocation.size("size") ?? 512 << 20
        guard size >= 1 << 20, size <= 1 << 36 else {
            throw UsageError(description: "--size: expected 1MiB to 64GiB")
        }
        let threads = try invocation.number("threads", in: 1...256).map(Int.init) ?? 1
        let result = EncodeBenchmark(profile: profile, dataBytes: size, threads: threads).run()
        if invocation.has("json") {
            Terminal.print(JSON.fields(result.fields).text)
        } else {
            Terminal.print(result.description)
        }
        return .done
    }
}
