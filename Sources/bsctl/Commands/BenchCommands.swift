import BlockStore
import Chunker
import Erasure
import FoundationEssentials
import Glibc

/// bench.
enum BenchCommands {
    static func encode(_ invocation: Invocation) throws -> ExitCode { try code(.encode, invocation) }

    static func rebuild(_ invocation: Invocation) throws -> ExitCode { try code(.rebuild, invocation) }

    private static func code(_ work: CodingBenchmark.Work, _ invocation: Invocation) throws -> ExitCode {
        let benchmark = CodingBenchmark(
            work: work, profile: try invocation[Options.profile] ?? Profile("rs:4+2"),
            dataBytes: invocation[Options.size] ?? defaultBytes, threads: invocation[Options.threads] ?? 1)
        return show(try benchmark.run(), invocation)
    }

    static func chunk(_ invocation: Invocation) throws -> ExitCode {
        let averageBytes = invocation[Options.average] ?? ChunkerParameters.defaultAverageBytes
        let data = try data(invocation, BenchmarkData.random)
        if invocation.has(Options.cuts) {
            let cutter = Cutter(try ChunkerParameters(averageBytes: averageBytes, seed: 1))
            ChunkBenchmarks.forEachCut(data.bytes, cutter) { Terminal.print("\($0.lowerBound) \($0.count)") }
            return .done
        }
        let threads = invocation[Options.threads] ?? 1
        return show(try ChunkBenchmarks.chunk(data, averageBytes: averageBytes, threads: threads), invocation)
    }

    static func digest(_ invocation: Invocation) throws -> ExitCode {
        let report = ChunkBenchmarks.digest(
            try data(invocation, BenchmarkData.random), chunkBytes: chunkBytes(invocation),
            threads: invocation[Options.threads] ?? 1)
        return show(report, invocation)
    }

    static func compress(_ invocation: Invocation) throws -> ExitCode {
        let report = ChunkBenchmarks.compress(
            try data(invocation, BenchmarkData.compressible), chunkBytes: chunkBytes(invocation),
            threads: invocation[Options.threads] ?? 1)
        return show(report, invocation)
    }

    static func store(_ invocation: Invocation) throws -> ExitCode {
        let profile = try invocation[Options.profile] ?? Profile("rs:4+2")
        let input =
            invocation.operands.first.map { StoreBenchmark.Input.path($0) }
            ?? .generated(BenchmarkData.mixed(invocation[Options.size] ?? defaultBytes))
        let progress = ProgressLine(invocation)
        defer { progress.clear() }
        var report = try Interruption.cooperate {
            try withTemporaryDirectory(in: invocation[Options.benchDirectory] ?? ".") { directory in
                try StoreBenchmark(
                    input: input, profile: profile, rounds: invocation[Options.rounds] ?? 3, directory: directory
                ).run { phase in progress.update { Progress(phase: phase) } }
            }
        }
        progress.update { Progress(phase: "the stages by themselves") }
        try report.measureAlone()
        progress.clear()
        Terminal.print(invocation.has(Options.json) ? JSON.fields(report.fields).text : report.description)
        return .done
    }

    /// Runs `body` with a new directory, which is removed whatever happens.
    private static func withTemporaryDirectory<Value>(
        in parent: String, _ body: (String) throws -> Value
    ) throws -> Value {
        let directory = "\(Paths.absolute(parent))/bsctl-bench-\(getpid())"
        do {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        } catch {
            throw StoreError(
                .io, "make a directory for the stores", at: directory, detail: "\(error)",
                advice: "name another place with --in DIR")
        }
        defer { try? FileManager.default.removeItem(atPath: directory) }
        return try body(directory)
    }

    static func put(_ invocation: Invocation) throws -> ExitCode {
        let tasks = invocation[Options.tasks] ?? 64
        let figures = try Interruption.cooperate {
            try withTemporaryDirectory(in: invocation[Options.benchDirectory] ?? ".") { directory in
                try PutBenchmark(directory: directory, objectBytes: 4096, tasks: tasks).run()
            }
        }
        let (ceiling, lone) = (figures[1], figures[2])
        if invocation.has(Options.json) {
            let results = figures.map { figure in
                JSON.fields([
                    ("name", .string(figure.name)), ("milliseconds", .number(figure.median)),
                    ("cpuMilliseconds", .number(figure.cpuMedian)), ("byFiles", .number(figure.ratio(to: ceiling))),
                    ("byPut", .number(figure.ratio(to: lone))),
                ])
            }
            Terminal.print(JSON.object([("benchmark", .string("put")), ("results", .array(results))]))
            return .done
        }
        var rows = [["4 KiB", "ms", "CPU ms", "of the files side by side", "of a put", "a second"]]
        for figure in figures {
            rows.append([
                figure.name, Size.decimals(figure.median, 3), Size.decimals(figure.cpuMedian, 3),
                Size.decimals(figure.ratio(to: ceiling), 2), Size.decimals(figure.ratio(to: lone), 2),
                Size.decimals(1000 / figure.median, 0),
            ])
        }
        for line in Table.lines(rows, right: [1, 2, 3, 4, 5]) { Terminal.print(line) }
        return .done
    }

    private static let defaultBytes = 512 << 20

    private static func chunkBytes(_ invocation: Invocation) -> Int {
        invocation[Options.average] ?? ChunkerParameters.defaultAverageBytes
    }

    /// The file named, or what `make` makes.
    private static func data(
        _ invocation: Invocation, _ make: (Int) -> BenchmarkData
    ) throws -> BenchmarkData {
        guard let path = invocation.operands.first else { return make(invocation[Options.size] ?? defaultBytes / 2) }
        return try BenchmarkData.file(path, maximumBytes: invocation[Options.size])
    }

    private static func show(_ report: BenchmarkReport, _ invocation: Invocation) -> ExitCode {
        Terminal.print(invocation.has(Options.json) ? JSON.fields(report.fields).text : report.description)
        return .done
    }
}
