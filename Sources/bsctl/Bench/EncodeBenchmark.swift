import BlockStore
import CISAL
import Erasure
import Glibc

/// Measures encoding in GB/s of data bytes: through `Encoder` and through the bare ISA-L loop, turn by
/// turn in one run, on buffers that stay in cache and on buffers that come from memory.
struct EncodeBenchmark {
    struct Figure {
        var best = 0.0
        var median = 0.0

        init(_ rates: [Double]) {
            let sorted = rates.sorted()
            best = sorted.last ?? 0
            median = sorted.isEmpty ? 0 : sorted[sorted.count / 2]
        }
    }

    struct Result {
        let profile: Profile
        let threads: Int
        let cachedEncoder: Figure
        let cachedBare: Figure
        let memoryEncoder: Figure
        let memoryBare: Figure

        var fields: [(String, JSON)] {
            func figure(_ name: String, _ value: Figure) -> [(String, JSON)] {
                [("\(name)BestGBps", .number(value.best)), ("\(name)MedianGBps", .number(value.median))]
            }
            return [("profile", .string(profile.description)), ("threads", .integer(threads))]
                + figure("inCacheEncoder", cachedEncoder) + figure("inCacheBare", cachedBare)
                + figure("fromMemoryEncoder", memoryEncoder) + figure("fromMemoryBare", memoryBare)
                + [
                    ("inCacheRatio", .number(cachedEncoder.median / cachedBare.median)),
                    ("fromMemoryRatio", .number(memoryEncoder.median / memoryBare.median)),
                ]
        }

        var description: String {
            func row(_ name: String, _ ours: Figure, _ bare: Figure) -> String {
                func cell(_ value: Double) -> String {
                    let text = Size.decimals(value, 2)
                    return String(repeating: " ", count: max(0, 10 - text.count)) + text
                }
                return name + cell(ours.best) + cell(ours.median) + cell(bare.best) + cell(bare.median)
                    + cell(ours.median / bare.median)
            }
            return [
                "encode \(profile), \(threads) thread\(threads == 1 ? "" : "s"), GB/s of data",
                "               Encoder    Encoder  bare ISA-L bare ISA-L     ratio",
                "                  best     median       best     median   medians",
                row("in cache    ", cachedEncoder, cachedBare), row("from memory ", memoryEncoder, memoryBare),
            ].joined(separator: "\n")
        }
    }

    let profile: Profile
    let dataBytes: Int
    let threads: Int
    private let rounds = 9

    init(profile: Profile, dataBytes: Int, threads: Int) {
        self.profile = profile
        self.dataBytes = dataBytes
        self.threads = threads
    }

    func run() -> Result {
        let slice = bareSliceBytes
        let cached = measure(shardBytes: slice, passBytes: 256 << 20)
        let perThread = max(slice, dataBytes / threads / profile.dataShards)
        let memory = measure(shardBytes: perThread / 4096 * 4096, passBytes: perThread * profile.dataShards)
        return Result(
            profile: profile, threads: threads, cachedEncoder: cached.encoder, cachedBare: cached.bare,
            memoryEncoder: memory.encoder, memoryBare: memory.bare)
    }

    /// The bare loop's slice: with all shards of it in half of a 1 MiB L2.
    private var bareSliceBytes: Int { min(128 << 10, max(16 << 10, (512 << 10) / profile.shardCount / 4096 * 4096)) }

    private func measure(shardBytes: Int, passBytes: Int) -> (encoder: Figure, bare: Figure) {
        let works = (0..<threads).map { _ in Work(profile, shardBytes: max(4096, shardBytes), slice: bareSliceBytes) }
        let repeats = max(1, passBytes / (shardBytes * profile.dataShards))
        var encoder: [Double] = []
        var bare: [Double] = []
        for round in 0...rounds {
            let ours = rate(works, repeats) { $0.encode() }
            let theirs = rate(works, repeats) { $0.encodeBare() }
            // The first round only warms up.
            if round > 0 {
                encoder.append(ours)
                bare.append(theirs)
            }
        }
        return (Figure(encoder), Figure(bare))
    }

    private func rate(_ works: [Work], _ repeats: Int, _ body: @escaping @Sendable (Work) -> Void) -> Double {
        let clock = SystemClock()
        let start = clock.monotonicNanoseconds()
        if works.count == 1 {
            for _ in 0..<repeats { body(works[0]) }
        } else {
            let executor = ThreadedExecutor(computeThreads: works.count)
            let completions = works.map { work in
                let completion = Completion()
                executor.submit(.compute) {
                    for _ in 0..<repeats { body(work) }
                    completion.raise()
                }
                return completion
            }
            for completion in completions { completion.block() }
        }
        let seconds = Double(clock.monotonicNanoseconds() - start) / 1e9
        return Double(works.reduce(0) { $0 + $1.dataBytes } * repeats) / seconds / 1e9
    }
}

/// One thread's buffers.
private final class Work: @unchecked Sendable {
    // @unchecked: one thread at a time has it.
    let dataBytes: Int
    private let shardBytes: Int
    private let slice: Int
    private let profile: Profile
    private let memory: UnsafeMutableRawBufferPointer
    private let encoder: Encoder
    private var tables: [UInt8]
    private var pointers: [UnsafeMutablePointer<UInt8>?]

    init(_ profile: Profile, shardBytes: Int, slice: Int) {
        self.profile = profile
        self.shardBytes = shardBytes
        self.slice = slice
        dataBytes = shardBytes * profile.dataShards
        memory = .allocate(byteCount: shardBytes * profile.shardCount, alignment: 4096)
        var value: UInt64 = 1
        for offset in stride(from: 0, to: memory.count - 8, by: 8) {
            value = value &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            memory.storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
        }
        let parity = profile.rows.filter(\.isParity)
        encoder = Encoder(parity: parity, columns: profile.columns)
        var matrix = parity.flatMap { CodingMatrix.generatorRow(of: $0, columns: profile.columns) }
        tables = [UInt8](repeating: 0, count: 32 * matrix.count)
        ec_init_tables(Int32(profile.dataShards), Int32(profile.parityShards), &matrix, &tables)
        pointers = Array(repeating: nil, count: profile.shardCount)
    }

    deinit { memory.deallocate() }

    private func shard(_ index: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: memory[(index * shardBytes)..<((index + 1) * shardBytes)])
    }

    func encode() {
        encoder.encode(
            (0..<profile.dataShards).map(shard), into: (profile.dataShards..<profile.shardCount).map(shard),
            byteCount: shardBytes)
    }

    func encodeBare() {
        guard let base = memory.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
        let (k, n) = (profile.dataShards, profile.shardCount)
        tables.withUnsafeMutableBufferPointer { tables in
            pointers.withUnsafeMutableBufferPointer { pointers in
                guard let array = pointers.baseAddress else { return }
                var start = 0
                while start < shardBytes {
                    let count = min(slice, shardBytes - start)
                    for index in 0..<n { array[index] = base + index * shardBytes + start }
                    ec_encode_data(Int32(count), Int32(k), Int32(n - k), tables.baseAddress, array, array + k)
                    start += count
                }
            }
        }
    }
}
