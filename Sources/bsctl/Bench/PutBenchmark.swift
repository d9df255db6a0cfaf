import BlockStore
import Glibc

/// Small durable puts, one and many at a time, beside the six bare files that one of them must write; and reading them back.
///
/// Turn by turn in one run: a disk's syncs cost what the disk asks at the moment.
struct PutBenchmark {
    struct Figure {
        let name: String
        /// Milliseconds an operation, of each round.
        var milliseconds: [Double] = []
        var cpuMilliseconds: [Double] = []

        var median: Double { Self.median(milliseconds) }
        var cpuMedian: Double { Self.median(cpuMilliseconds) }

        /// The median over the rounds of this by `other` in the same round.
        func ratio(to other: Figure) -> Double { Self.median(zip(milliseconds, other.milliseconds).map { $0 / $1 }) }

        private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
    }

    let directory: String
    let objectBytes: Int
    let tasks: Int
    var rounds = 9
    var operations = 20

    /// The bare files one by one and side by side, a lone put, puts by many tasks, a lone read.
    ///
    /// - Throws: `.interrupted` when a signal asked for an end; nothing uses the directory any more then.
    func run() throws -> [Figure] {
        let root = directory
        let files = try BareFiles(root: root + "/bare", fileBytes: shardFileBytes)
        let (rounds, tasks) = (rounds, tasks)
        let objects = Objects(objectBytes)
        return try wait {
            let store = try await ObjectStore.createSandbox(root + "/store")
            var figures = [
                "six files, one after the other", "six files, side by side", "put", "\(tasks) puts at once", "read",
            ]
            .map { Figure(name: $0) }
            do {
                try await store.put("first", from: objects.next())
                for round in 0...rounds {
                    let measured = try await measure(files, store, objects)
                    // The first round only warms up.
                    guard round > 0 else { continue }
                    for (index, figure) in measured.enumerated() {
                        figures[index].milliseconds.append(figure.milliseconds)
                        figures[index].cpuMilliseconds.append(figure.cpuMilliseconds)
                    }
                }
            } catch {
                await store.close()
                throw error
            }
            await store.close()
            return figures
        }
    }

    /// One round.
    private func measure(
        _ files: BareFiles, _ store: ObjectStore, _ objects: Objects
    ) async throws -> [(milliseconds: Double, cpuMilliseconds: Double)] {
        let (operations, tasks) = (operations, tasks)
        return [
            try await measure(operations) { try files.write(operations, sideBySide: false) },
            try await measure(operations) { try files.write(operations, sideBySide: true) },
            try await measure(operations) {
                for _ in 0..<operations {
                    try Self.checkStop()
                    try await store.put("lone", from: objects.next())
                }
            },
            try await measure(operations * tasks) {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for task in 0..<tasks {
                        group.addTask {
                            for _ in 0..<operations {
                                try Self.checkStop()
                                try await store.put("task/\(task)", from: objects.next())
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            },
            try await measure(operations * 10) {
                for number in 0..<(operations * 10) {
                    try Self.checkStop()
                    _ = try await store.read("task/\(number % tasks)")
                }
            },
        ]
    }

    /// Throws `.interrupted` once a signal has asked for an end.
    fileprivate static func checkStop() throws(StoreError) {
        guard Interruption.signal == nil else {
            throw StoreError(.interrupted, "go on measuring", detail: "it was interrupted")
        }
    }

    /// What one shard of such an object takes in a store: header, a fourth of the object, checksums, contents and footer.
    private var shardFileBytes: Int { 4096 + (objectBytes + 3) / 4 + 512 }

    /// Objects of which no two are alike and none shrinks.
    private final class Objects: Sendable {
        private let byteCount: Int
        private let random = SystemRandom()

        init(_ byteCount: Int) { self.byteCount = byteCount }

        func next() -> [UInt8] {
            var bytes = BenchmarkData.random(byteCount).bytes.map { $0 }
            withUnsafeBytes(of: random.next()) { seed in
                for (place, byte) in bytes.indices.enumerated() { bytes[byte] ^= seed[place & 7] }
            }
            return bytes
        }
    }

    private func measure(
        _ operations: Int, _ body: () async throws -> Void
    ) async throws -> (milliseconds: Double, cpuMilliseconds: Double) {
        let (clock, cpu) = (SystemClock(), Self.cpuSeconds())
        let start = clock.monotonicNanoseconds()
        try await body()
        let nanoseconds = clock.monotonicNanoseconds() - start
        return (
            Double(nanoseconds) / 1e6 / Double(operations), (Self.cpuSeconds() - cpu) * 1e3 / Double(operations)
        )
    }

    private static func cpuSeconds() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    }

    /// Runs `body` as a task while this thread waits.
    private func wait<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) throws -> Value {
        let box = Box<Value>()
        Task {
            do {
                box.result = .success(try await body())
            } catch {
                box.result = .failure(error)
            }
            box.completion.raise()
        }
        box.completion.block()
        guard let result = box.result else { preconditionFailure("the task has ended") }
        return try result.get()
    }

    private final class Box<Value>: @unchecked Sendable {
        // @unchecked: written before `completion` is raised, read after it.
        let completion = Completion()
        var result: Result<Value, any Error>?
    }
}

/// What nothing durable can do without: six files in six directories, written, synced, renamed, the directories synced.
private final class BareFiles: Sendable {
    private let directories: [String]
    private let descriptors: [Int32]
    private let bytes: [UInt8]
    private let executor = ThreadedExecutor()

    init(root: String, fileBytes: Int) throws {
        bytes = BenchmarkData.random(fileBytes).bytes.map { $0 }
        mkdir(root, 0o755)
        directories = (0..<6).map { "\(root)/\($0)" }
        for directory in directories { mkdir(directory, 0o755) }
        descriptors = directories.map { open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptors.allSatisfy({ $0 >= 0 }) else { throw Self.failure(root) }
    }

    deinit { for descriptor in descriptors { close(descriptor) } }

    func write(_ sets: Int, sideBySide: Bool) throws {
        let random = SystemRandom()
        for _ in 0..<sets {
            try PutBenchmark.checkStop()
            // A name that is not there yet, as in a store.
            let name = String(random.next(), radix: 16)
            try forEach(sideBySide) { self.stage(in: $0) }
            try forEach(sideBySide) { self.give(name, in: $0) }
        }
    }

    /// On a thread for each directory, or on this one.
    private func forEach(_ sideBySide: Bool, _ body: @escaping @Sendable (Int) -> Bool) throws {
        let failures = (0..<6).map { index -> (Completion, Failure) in
            let (completion, failure) = (Completion(), Failure())
            let work: @Sendable () -> Void = {
                failure.happened = !body(index)
                completion.raise()
            }
            if sideBySide { executor.submit(.device(index), work) } else { work() }
            return (completion, failure)
        }
        for (completion, _) in failures { completion.block() }
        if failures.contains(where: { $0.1.happened }) { throw Self.failure(directories[0]) }
    }

    private final class Failure: @unchecked Sendable {
        // @unchecked: written before its completion is raised, read after it.
        var happened = false
    }

    private func stage(in index: Int) -> Bool {
        let file = openat(descriptors[index], "new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { return false }
        defer { close(file) }
        return Glibc.write(file, bytes, bytes.count) == bytes.count && fdatasync(file) == 0
    }

    private func give(_ name: String, in index: Int) -> Bool {
        renameat(descriptors[index], "new", descriptors[index], name) == 0 && fsync(descriptors[index]) == 0
    }

    private static func failure(_ place: String) -> StoreError {
        StoreError(.io, "write the bare files", at: place, detail: String(cString: strerror(errno)))
    }
}
