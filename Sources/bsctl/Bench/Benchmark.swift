import BlockStore

/// Measures ways of doing the same work, turn by turn in one run, so that what disturbs one disturbs all.
struct Benchmark {
    /// One way: `pass` does all of a thread's work once.
    struct Contender {
        let name: String
        /// What the others are measured against: the bare library, or the memory.
        var isCeiling = false
        let pass: @Sendable (_ thread: Int) -> Void
    }

    /// GB/s of all threads together.
    struct Figure {
        let name: String
        let isCeiling: Bool
        let best: Double
        let median: Double
        /// The median over the rounds of this rate by the ceiling's in the same round.
        let fraction: Double

        var fields: [(String, JSON)] {
            [
                ("name", .string(name)), ("isCeiling", .bool(isCeiling)), ("bestGBps", .number(best)),
                ("medianGBps", .number(median)), ("fractionOfCeiling", .number(fraction)),
            ]
        }
    }

    /// "in cache"; part of the heading.
    let title: String
    /// What one pass of one thread works through.
    let passBytes: Int
    let threads: Int
    let contenders: [Contender]
    /// An odd number, so that a round stands in the middle.
    var rounds = 9

    func run() -> [Figure] {
        let executor = ThreadedExecutor(computeThreads: threads)
        var rates = contenders.map { _ in [Double]() }
        for round in 0...rounds {
            for (index, contender) in contenders.enumerated() {
                let rate = rate(contender, executor)
                // The first round only warms up.
                if round > 0 { rates[index].append(rate) }
            }
        }
        let ceiling = contenders.firstIndex { $0.isCeiling } ?? 0
        return zip(contenders, rates).map { contender, own in
            Figure(
                name: contender.name, isCeiling: contender.isCeiling, best: own.max() ?? 0, median: Self.median(own),
                fraction: Self.median(zip(own, rates[ceiling]).map { $0 / $1 }))
        }
    }

    private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    private func rate(_ contender: Contender, _ executor: ThreadedExecutor) -> Double {
        let clock = SystemClock()
        let start = clock.monotonicNanoseconds()
        if threads == 1 {
            contender.pass(0)
        } else {
            let completions = (0..<threads).map { thread in
                let completion = Completion()
                executor.submit(.compute) {
                    contender.pass(thread)
                    completion.raise()
                }
                return completion
            }
            for completion in completions { completion.block() }
        }
        let seconds = Double(clock.monotonicNanoseconds() - start) / 1e9
        return Double(passBytes * threads) / max(seconds, 1e-9) / 1e9
    }
}

/// What a `bench` command measured, for people and for programs.
struct BenchmarkReport {
    /// "encode rs:4+2"
    let name: String
    let threads: Int
    /// What was found out on the way.
    var facts: [(String, JSON)] = []
    var sections: [(title: String, figures: [Benchmark.Figure])] = []

    mutating func add(_ benchmark: Benchmark) { sections.append((benchmark.title, benchmark.run())) }

    var fields: [(String, JSON)] {
        [("benchmark", .string(name)), ("threads", .integer(threads))] + facts + [
            (
                "results",
                .array(
                    sections.flatMap { title, figures in
                        figures.map { .fields([("where", .string(title))] + $0.fields) }
                    })
            )
        ]
    }

    var description: String {
        var rows = [["", "best", "median", "of the ceiling"]]
        for (title, figures) in sections {
            for figure in figures {
                rows.append([
                    "\(title): \(figure.name)", Size.decimals(figure.best, 2), Size.decimals(figure.median, 2),
                    figure.isCeiling ? "ceiling" : Size.decimals(figure.fraction, 3),
                ])
            }
        }
        let heading = "\(name), \(threads) thread\(threads == 1 ? "" : "s"), GB/s"
        return ([heading] + Table.lines(rows, right: [1, 2, 3])).joined(separator: "\n")
    }
}

/// Bytes to measure with: a file's, or made from a fixed seed. Immutable once made.
final class BenchmarkData: @unchecked Sendable {
    // @unchecked: written in `init` alone.
    let bytes: UnsafeRawBufferPointer
    private let memory: UnsafeMutableRawBufferPointer

    init(byteCount: Int, fill: (UnsafeMutableRawBufferPointer) throws -> Void) rethrows {
        memory = .allocate(byteCount: max(64, byteCount), alignment: 4096)
        bytes = UnsafeRawBufferPointer(rebasing: memory[..<byteCount])
        try fill(UnsafeMutableRawBufferPointer(rebasing: memory[..<byteCount]))
    }

    deinit { memory.deallocate() }

    /// Bytes that do not compress.
    static func random(_ byteCount: Int) -> BenchmarkData {
        BenchmarkData(byteCount: byteCount) { bytes in
            let random = SeededRandom(1)
            for offset in stride(from: 0, to: byteCount & ~7, by: 8) {
                bytes.storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self)
            }
        }
    }

    /// Bytes that LZ4 halves, about: words of a small vocabulary.
    static func compressible(_ byteCount: Int) -> BenchmarkData {
        BenchmarkData(byteCount: byteCount) { bytes in
            let random = SeededRandom(2)
            let words = (0..<4096).map { _ in
                (0..<Int(3 + random.next() % 9)).map { _ in UInt8(97 + random.next() % 26) }
            }
            var offset = 0
            while offset < byteCount {
                let word = words[Int(random.next() % 4096)]
                for byte in word.prefix(byteCount - offset) {
                    bytes[offset] = byte
                    offset += 1
                }
                if offset < byteCount {
                    bytes[offset] = 32
                    offset += 1
                }
            }
        }
    }

    /// Half and half: words, and bytes that do not compress.
    static func mixed(_ byteCount: Int) -> BenchmarkData {
        let (words, noise) = (compressible(byteCount / 2), random(byteCount - byteCount / 2))
        return BenchmarkData(byteCount: byteCount) { bytes in
            UnsafeMutableRawBufferPointer(rebasing: bytes[..<words.bytes.count]).copyMemory(from: words.bytes)
            UnsafeMutableRawBufferPointer(rebasing: bytes[words.bytes.count...]).copyMemory(from: noise.bytes)
        }
    }

    /// All of a file, or its first `maximumBytes`.
    static func file(_ path: [UInt8], maximumBytes: Int?) throws -> BenchmarkData {
        let source = try FileSource(path: path)
        var content: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 20)
        while content.count < maximumBytes ?? .max {
            let count = try piece.withUnsafeMutableBytes { try source.read(into: $0) }
            if count == 0 { break }
            content += piece[..<min(count, (maximumBytes ?? .max) - content.count)]
        }
        return BenchmarkData(byteCount: content.count) { $0.copyBytes(from: content) }
    }
}
