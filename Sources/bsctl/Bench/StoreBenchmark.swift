import BlockStore
import Erasure
import FoundationEssentials
import Glibc

/// A whole store on a real file system: put, get, get with a device lost, repair, and where their time goes.
///
/// Each round makes a sandbox of its own in a directory that is removed at the end, and stores the same data. What is read was
/// read once before, so that a get comes from the page cache; puts are durable.
struct StoreBenchmark {
    enum Step: String, CaseIterable {
        case put
        case get
        case degradedGet = "degraded get"
        case repair
    }

    /// What one step took once.
    struct Run {
        let seconds: Double
        let cpuSeconds: Double
        /// Of the objects; of a repair, what was made again.
        let bytes: UInt64
        let stages: [(StageTimes.Stage, StageTimes.Time)]
    }

    let input: Input
    let profile: Profile
    let rounds: Int
    /// Where the stores are made.
    let directory: String

    /// What is stored.
    enum Input {
        case path([UInt8])
        case generated(BenchmarkData)
    }

    private static let key = "data"

    /// - Throws: `.interrupted` when the caller asked for an end; the directory is removed then too.
    func run(_ tell: (String) -> Void) throws -> StoreBenchmarkReport {
        var runs: [Step: [Run]] = [:]
        var report = StoreBenchmarkReport(profile: profile, rounds: rounds)
        for round in 1...rounds {
            let root = "\(directory)/\(round)"
            defer { try? FileManager.default.removeItem(atPath: root) }
            for step in Step.allCases {
                tell("round \(round) of \(rounds): \(step.rawValue)")
                let stages = StageTimes()
                let (bytes, timer): (UInt64, Timer)
                switch step {
                case .put: (bytes, timer) = try put(root, stages, &report)
                case .get: (bytes, timer) = try get(root, stages, &report)
                case .degradedGet:
                    try loseOne(root)
                    (bytes, timer) = try get(root, stages, &report)
                case .repair: (bytes, timer) = try repair(root)
                }
                runs[step, default: []].append(
                    Run(
                        seconds: timer.seconds, cpuSeconds: timer.cpuSeconds, bytes: bytes,
                        stages: StageTimes.Stage.allCases.map { ($0, stages[$0]) }.filter { $0.1.nanoseconds > 0 }))
            }
        }
        report.runs = Step.allCases.map { ($0, runs[$0] ?? []) }
        return report
    }

    private func environment(_ root: String, _ stages: StageTimes? = nil, creating: Bool = false) throws
        -> StoreEnvironment
    {
        Opening.environment(
            home: try DirectoryHome(path: root, creating: creating, command: "bsctl bench store"), "bsctl bench store",
            stageTimes: stages)
    }

    private func put(
        _ root: String, _ stages: StageTimes, _ report: inout StoreBenchmarkReport
    ) throws -> (UInt64, Timer) {
        let devices = (1...profile.shardCount).map { NewDevice(path: "\(root)/disk-\($0)", label: "disk-\($0)") }
        _ = try Store.create(
            try environment(root, creating: true), devices: devices, profile: profile, isSandbox: true)
        // What others have written is no part of it.
        sync()
        var timer = Timer()
        let store = try Store.open(try environment(root, stages), access: .write)
        let session = try store.startWriting()
        switch input {
        case .path(let path) where Self.isDirectory(path):
            let found = try store.putTree(path, as: try Key(Array(Self.key.utf8)), in: session)
            if let failure = found.failures.first { throw failure.error }
        case .path(let path):
            let source = try FileSource(path: path)
            try session.put(try Key(Array(Self.key.utf8)), attributes: source.attributes, from: source)
        case .generated(let data):
            try session.put(try Key(Array(Self.key.utf8)), from: BenchmarkSource(data))
        }
        let written = try session.finish()
        store.close()
        timer.stop()
        if report.peakBytes == 0 {
            // Of the first put alone: what comes after keeps a sample of the data.
            var usage = rusage()
            getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
            report.peakBytes = usage.ru_maxrss << 10
        }
        report.objects = written.objects
        report.bytes = written.logicalBytes
        report.storedBytes = written.shardBytes
        return (written.logicalBytes, timer)
    }

    private func get(
        _ root: String, _ stages: StageTimes, _ report: inout StoreBenchmarkReport
    ) throws -> (UInt64, Timer) {
        func read(keeping maximum: Int) throws -> Discarding {
            let store = try Store.open(try environment(root, stages), access: .read)
            defer { store.close() }
            var objects: [ObjectVersion] = []
            try store.forEachObject(under: []) { objects.append($0) }
            let sink = Discarding(keeping: maximum)
            _ = try store.read(objects, into: sink)
            if let error = sink.error { throw error }
            return sink
        }
        let first = try read(keeping: report.sample.isEmpty ? StoreBenchmarkReport.sampleBytes : 0)
        if report.sample.isEmpty { report.sample = first.kept }
        stages.reset()
        var timer = Timer()
        let bytes = try read(keeping: 0).bytes
        timer.stop()
        return (bytes, timer)
    }

    private func loseOne(_ root: String) throws {
        let store = try Store.open(try environment(root), access: .write)
        defer { store.close() }
        _ = try store.destroyDevices([store.devices[0].id])
    }

    private func repair(_ root: String) throws -> (UInt64, Timer) {
        let store = try Store.open(try environment(root), access: .write)
        defer { store.close() }
        guard let lost = store.devices.first(where: { !$0.state.isInService }) else {
            throw StoreError(.io, "repair the store of the benchmark", detail: "no device is lost")
        }
        _ = try store.replaceDevice(lost.id)
        var timer = Timer()
        let report = try store.repair()
        timer.stop()
        return (report.writtenBytes, timer)
    }

    private static func isDirectory(_ path: [UInt8]) -> Bool {
        var status = stat()
        return stat(String(decoding: path, as: UTF8.self), &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// From its making to `stop`.
    struct Timer {
        private let start = now
        private(set) var seconds = 0.0
        /// Of all threads, the kernel's work for them included.
        private(set) var cpuSeconds = 0.0

        mutating func stop() {
            let end = Self.now
            seconds = Double(end.clock - start.clock) / 1e9
            cpuSeconds = end.cpu - start.cpu
        }

        private static var now: (clock: UInt64, cpu: Double) {
            var usage = rusage()
            getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
            func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
            return (SystemClock().monotonicNanoseconds(), seconds(usage.ru_utime) + seconds(usage.ru_stime))
        }
    }
}

/// Bytes in memory that are there already.
private final class BenchmarkSource: ByteSource {
    private let data: BenchmarkData
    private var offset = 0

    init(_ data: BenchmarkData) { self.data = data }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(buffer.count, data.bytes.count - offset)
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: data.bytes[offset..<(offset + count)]))
        offset += count
        return count
    }
}

/// Takes objects and keeps nothing of them but some bytes of the first.
private final class Discarding: ObjectReceiver {
    private(set) var bytes: UInt64 = 0
    private(set) var kept: [UInt8] = []
    private(set) var error: StoreError?
    private let maximum: Int

    init(keeping maximum: Int) { self.maximum = maximum }

    func begin(_ object: ObjectVersion) {}
    func write(_ bytes: UnsafeRawBufferPointer) {
        self.bytes += UInt64(bytes.count)
        if kept.count < maximum { kept += bytes.prefix(maximum - kept.count) }
    }
    func end(_ object: ObjectVersion) {}
    func fail(_ object: ObjectVersion, _ error: StoreError) { self.error = self.error ?? error }
}
