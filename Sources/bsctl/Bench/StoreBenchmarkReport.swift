import BlockStore
import Chunker
import Erasure

/// What `bench store` measured, for people and for programs.
struct StoreBenchmarkReport {
    let profile: Profile
    let rounds: Int
    var objects = 0
    var bytes: UInt64 = 0
    /// On all devices.
    var storedBytes: UInt64 = 0
    var runs: [(step: StoreBenchmark.Step, runs: [StoreBenchmark.Run])] = []
    /// The most memory that the process had when the first put ended; made-up data is part of it.
    var peakBytes = 0
    /// GB/s of what a stage does, by itself on one core, on some of the same data.
    private var alone: [StageTimes.Stage: Double] = [:]
    /// Some of the data.
    var sample: [UInt8] = []
    static let sampleBytes = 64 << 20

    init(profile: Profile, rounds: Int) {
        self.profile = profile
        self.rounds = rounds
    }

    /// Measures the stages that are nothing but computing.
    mutating func measureAlone() throws {
        guard !sample.isEmpty else { return }
        let data = BenchmarkData(byteCount: sample.count) { $0.copyBytes(from: sample) }
        let average = ChunkerParameters.defaultAverageBytes
        func median(_ report: BenchmarkReport, _ section: Int, _ name: String) -> Double? {
            report.sections[section].figures.first { $0.name == name }?.median
        }
        alone[.cut] = median(
            try ChunkBenchmarks.chunk(data, averageBytes: average, threads: 1), 0, FilterKernel.fastest.rawValue)
        alone[.digest] = median(
            ChunkBenchmarks.digest(data, chunkBytes: average, threads: 1), 0, "chunk by chunk")
        let codec = ChunkBenchmarks.compress(data, chunkBytes: average, threads: 1)
        alone[.compress] = median(codec, 0, "Chunker")
        alone[.decompress] = median(codec, 1, "Chunker")
        let coding = CodingBenchmark(work: .encode, profile: profile, dataBytes: Self.sampleBytes, threads: 1)
        alone[.encode] = median(try coding.run(), 1, "Erasure")
    }

    private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    /// The run that took the least CPU: the one that others disturbed least.
    private static func calmest(_ runs: [StoreBenchmark.Run]) -> StoreBenchmark.Run? {
        runs.min { $0.cpuSeconds < $1.cpuSeconds }
    }

    var fields: [(String, JSON)] {
        let steps = runs.map { step, runs in
            JSON.fields([
                ("step", .string(step.rawValue)), ("bytes", .unsigned(runs.first?.bytes ?? 0)),
                ("seconds", .array(runs.map { .number($0.seconds) })),
                ("cpuSeconds", .array(runs.map { .number($0.cpuSeconds) })),
                ("stages", .array(stages(Self.calmest(runs)))),
            ])
        }
        return [
            ("benchmark", .string("store")), ("profile", .string(profile.description)), ("rounds", .integer(rounds)),
            ("objects", .integer(objects)), ("bytes", .unsigned(bytes)), ("storedBytes", .unsigned(storedBytes)),
            ("peakBytes", .integer(peakBytes)),
            ("steps", .array(steps)),
        ]
    }

    private func stages(_ run: StoreBenchmark.Run?) -> [JSON] {
        (run?.stages ?? []).map { stage, time in
            .fields([
                ("stage", .string(stage.rawValue)), ("cpuNanoseconds", .unsigned(time.cpuNanoseconds)),
                ("nanoseconds", .unsigned(time.nanoseconds)), ("bytes", .unsigned(time.bytes)),
                ("aloneGBps", alone[stage].map { .number($0) } ?? .null),
            ])
        }
    }

    var description: String {
        var rows = [["", "s, best", "median", "MB/s", "CPU s", "of the get"]]
        let get = runs.first { $0.step == .get }.map { Self.median($0.runs.map(\.seconds)) }
        for (step, runs) in runs {
            let seconds = Self.median(runs.map(\.seconds))
            rows.append([
                step.rawValue, Size.decimals(runs.map(\.seconds).min() ?? 0, 2), Size.decimals(seconds, 2),
                Size.decimals(Double(runs[0].bytes) / max(seconds, 1e-9) / 1e6, 0),
                Size.decimals(Self.median(runs.map(\.cpuSeconds)), 2),
                step == .degradedGet ? Size.decimals((get ?? 0) / max(seconds, 1e-9), 2) : "",
            ])
        }
        let heading =
            "\(profile), \(Count.text(objects, "object")) of \(Size.text(bytes)), \(Size.text(storedBytes)) on the devices, "
            + Count.text(rounds, "round") + "; the first put took at most \(Size.text(peakBytes)) of memory"
        var lines = [heading] + Table.lines(rows, right: [1, 2, 3, 4, 5])
        for (step, runs) in runs where step != .repair {
            guard let run = Self.calmest(runs) else { continue }
            lines +=
                ["", "\(step.rawValue): where the CPU goes", ""] + Table.lines(table(run), right: [1, 2, 3, 4, 5])
        }
        return lines.joined(separator: "\n")
    }

    /// Per byte of the objects, so that the stages add up; and per byte that went through the stage, to be held against what it
    /// costs alone.
    private func table(_ run: StoreBenchmark.Run) -> [[String]] {
        let total = run.cpuSeconds * 1e9
        let objectBytes = Double(max(1, run.bytes))
        var rows = [["", "ns/byte", "share", "MB through", "ns/byte of these", "alone"]]
        var known = 0.0
        for (stage, time) in run.stages {
            let cpu = Double(time.cpuNanoseconds)
            known += cpu
            rows.append([
                stage.rawValue, Size.decimals(cpu / objectBytes, 3), percent(cpu / total),
                time.bytes == 0 ? "" : Size.decimals(Double(time.bytes) / 1e6, 0),
                time.bytes == 0 ? "" : Size.decimals(cpu / Double(time.bytes), 3),
                alone[stage].map { Size.decimals(1 / max($0, 1e-9), 3) } ?? "",
            ])
        }
        rows.append(["the rest", Size.decimals((total - known) / objectBytes, 3), percent((total - known) / total)])
        rows.append(["all", Size.decimals(total / objectBytes, 3)])
        return rows
    }

    private func percent(_ share: Double) -> String { Size.decimals(share * 100, 1) + " %" }
}
