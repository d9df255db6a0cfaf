import BlockStore
import CISAL
import Erasure

/// Encoding and rebuilding through `Erasure` beside the bare ISA-L loop, in GB/s of the bytes read, on buffers that stay
/// in cache and on buffers that come from memory.
struct CodingBenchmark {
    enum Work: String {
        /// All parity rows from all data columns.
        case encode
        /// The first data column from what a plan reads.
        case rebuild
    }

    let work: Work
    let profile: Profile
    /// In memory, of all threads together.
    let dataBytes: Int
    let threads: Int

    func run() throws -> BenchmarkReport {
        var report = BenchmarkReport(name: "\(work.rawValue) \(profile)", threads: threads)
        let slice = min(128 << 10, max(16 << 10, (512 << 10) / profile.shardCount / 4096 * 4096))
        report.add(try benchmark("in cache", shardBytes: slice, sliceBytes: slice, leastBytes: 256 << 20))
        let shardBytes = max(slice, dataBytes / threads / profile.dataShards / 4096 * 4096)
        report.add(try benchmark("from memory", shardBytes: shardBytes, sliceBytes: slice, leastBytes: 0))
        return report
    }

    private func benchmark(
        _ title: String, shardBytes: Int, sliceBytes: Int, leastBytes: Int
    ) throws -> Benchmark {
        let stripes = try (0..<threads).map { _ in
            try CodingStripe(work, profile, shardBytes: shardBytes, sliceBytes: sliceBytes)
        }
        let passes = max(1, leastBytes / stripes[0].sourceBytes)
        return Benchmark(
            title: title, passBytes: stripes[0].sourceBytes * passes, threads: threads,
            contenders: [
                Benchmark.Contender(name: "Erasure") { thread in
                    for _ in 0..<passes { stripes[thread].run() }
                },
                Benchmark.Contender(name: "bare ISA-L loop", isCeiling: true) { thread in
                    for _ in 0..<passes { stripes[thread].runBare() }
                },
            ])
    }
}

/// One thread's buffers: sources, then results.
private final class CodingStripe: @unchecked Sendable {
    // @unchecked: one thread at a time has it.
    let sourceBytes: Int
    private let shardBytes: Int
    private let sliceBytes: Int
    private let memory: UnsafeMutableRawBufferPointer
    private let sources: [UnsafeMutableRawBufferPointer]
    private let results: [UnsafeMutableRawBufferPointer]
    private let encoder: Encoder?
    private let rebuilder: Rebuilder?
    private var tables: [UInt8]
    private var pointers: [UnsafeMutablePointer<UInt8>?]

    init(_ work: CodingBenchmark.Work, _ profile: Profile, shardBytes: Int, sliceBytes: Int) throws {
        self.shardBytes = shardBytes
        self.sliceBytes = sliceBytes
        var matrix: [[UInt8]]
        switch work {
        case .encode:
            let parity = profile.rows.filter(\.isParity)
            encoder = Encoder(parity: parity, columns: profile.columns)
            rebuilder = nil
            matrix = parity.map { CodingMatrix.generatorRow(of: $0, columns: profile.columns) }
        case .rebuild:
            let lost = Row.data(column: 0)
            let available = profile.rows.filter { $0 != lost }
            guard let plan = RepairPlan.make(lost: [lost], available: available, columns: profile.columns) else {
                throw UsageError(description: "\(profile) does not survive the loss of a shard")
            }
            encoder = nil
            rebuilder = Rebuilder(plan)
            matrix = plan.coefficients
        }
        let (sourceCount, resultCount) = (matrix[0].count, matrix.count)
        sourceBytes = shardBytes * sourceCount
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: shardBytes * (sourceCount + resultCount), alignment: 4096)
        self.memory = memory
        let random = SeededRandom(1)
        for offset in stride(from: 0, to: memory.count, by: 8) {
            memory.storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self)
        }
        let shards = (0..<(sourceCount + resultCount)).map { index in
            UnsafeMutableRawBufferPointer(rebasing: memory[(index * shardBytes)..<((index + 1) * shardBytes)])
        }
        sources = Array(shards[..<sourceCount])
        results = Array(shards[sourceCount...])
        tables = [UInt8](repeating: 0, count: 32 * sourceCount * resultCount)
        var flat = matrix.flatMap(\.self)
        ec_init_tables(Int32(sourceCount), Int32(resultCount), &flat, &tables)
        pointers = Array(repeating: nil, count: shards.count)
        matrix = []
    }

    deinit { memory.deallocate() }

    func run() {
        encoder?.encode(sources, into: results, byteCount: shardBytes)
        rebuilder?.rebuild(from: sources.map { UnsafeRawBufferPointer($0) }, into: results)
    }

    func runBare() {
        guard let base = memory.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
        let (sourceCount, resultCount) = (sources.count, results.count)
        tables.withUnsafeMutableBufferPointer { tables in
            pointers.withUnsafeMutableBufferPointer { pointers in
                guard let array = pointers.baseAddress else { return }
                var start = 0
                while start < shardBytes {
                    let count = min(sliceBytes, shardBytes - start)
                    for index in pointers.indices { array[index] = base + index * shardBytes + start }
                    ec_encode_data(
                        Int32(count), Int32(sourceCount), Int32(resultCount), tables.baseAddress, array,
                        array + sourceCount)
                    start += count
                }
            }
        }
    }
}
