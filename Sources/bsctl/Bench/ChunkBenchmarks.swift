import BlockStore
import CCrypto
import CLZ4
import Chunker
import Synchronization

/// Cutting, digesting and compressing, in GB/s of plain bytes.
enum ChunkBenchmarks {
    /// Cut points, with every kernel this machine runs, beside reading the memory once.
    static func chunk(_ data: BenchmarkData, averageBytes: Int, threads: Int) throws -> BenchmarkReport {
        let minima = try ChunkerParameters(averageBytes: averageBytes, seed: 1)
        let gear = try ChunkerParameters(
            algorithm: ChunkerParameters.gear, minimumBytes: averageBytes / 4, averageBytes: averageBytes,
            maximumBytes: minima.maximumBytes, seed: 1)
        func cutting(_ name: String, _ parameters: ChunkerParameters, _ kernel: FilterKernel) -> Benchmark.Contender {
            let cutters = (0..<threads).map { _ in OneThread(Cutter(parameters, kernel: kernel)) }
            return Benchmark.Contender(name: name) { thread in
                forEachCut(data.bytes, cutters[thread].value) { _ in }
            }
        }
        var count = 0
        forEachCut(data.bytes, Cutter(minima)) { _ in count += 1 }
        let mean = data.bytes.count / max(1, count)
        var report = BenchmarkReport(
            name: "chunk, \(Size.text(averageBytes)) asked for, \(Size.text(mean)) on average", threads: threads,
            facts: [
                ("chunks", .integer(count)), ("meanBytes", .integer(mean)),
                ("kernel", .string(FilterKernel.fastest.rawValue)),
            ])
        report.add(
            Benchmark(
                title: "cut", passBytes: data.bytes.count, threads: threads,
                contenders: [
                    Benchmark.Contender(name: "read from memory", isCeiling: true) { _ in readOnce(data.bytes) },
                    cutting("scalar FastCDC", gear, .plain),
                ] + FilterKernel.available.filter { $0 != .plain }.map { cutting($0.rawValue, minima, $0) }))
        return report
    }

    /// The chunks of `bytes` in order.
    static func forEachCut(_ bytes: UnsafeRawBufferPointer, _ cutter: Cutter, _ body: (Range<Int>) -> Void) {
        cutter.begin()
        var start = 0
        while let count = cutter.firstChunkBytes(in: UnsafeRawBufferPointer(rebasing: bytes[start...]), isEnd: true) {
            body(start..<(start + count))
            start += count
        }
    }

    /// SHA-256 chunk by chunk, beside one digest over everything.
    static func digest(_ data: BenchmarkData, chunkBytes: Int, threads: Int) -> BenchmarkReport {
        let workspaces = (0..<threads).map { _ in OneThread(ChunkWorkspace()) }
        var report = BenchmarkReport(name: "digest, chunks of \(Size.text(chunkBytes))", threads: threads)
        report.add(
            Benchmark(
                title: "SHA-256", passBytes: data.bytes.count, threads: threads,
                contenders: [
                    Benchmark.Contender(name: "chunk by chunk") { thread in
                        for piece in pieces(data.bytes, chunkBytes) { _ = workspaces[thread].value.digest(of: piece) }
                    },
                    Benchmark.Contender(name: "all at once, bare libcrypto", isCeiling: true) { _ in
                        var output = [UInt8](repeating: 0, count: Digest.byteCount)
                        _ = EVP_Digest(data.bytes.baseAddress, data.bytes.count, &output, nil, EVP_sha256(), nil)
                    },
                ]))
        return report
    }

    /// LZ4 through `ChunkWorkspace` and `decompress`, beside the bare calls.
    static func compress(_ data: BenchmarkData, chunkBytes: Int, threads: Int) -> BenchmarkReport {
        let lanes = (0..<threads).map { _ in OneThread(CompressionLane(data.bytes, chunkBytes)) }
        lanes.forEach { $0.value.compress() }
        let ratio = lanes[0].value.ratio
        var report = BenchmarkReport(
            name: "compress, chunks of \(Size.text(chunkBytes)), ratio \(Size.decimals(ratio, 2))", threads: threads,
            facts: [("ratio", .number(ratio))])
        func benchmark(
            _ title: String, _ ours: @escaping @Sendable (CompressionLane) -> Void,
            _ bare: @escaping @Sendable (CompressionLane) -> Void
        ) -> Benchmark {
            Benchmark(
                title: title, passBytes: data.bytes.count, threads: threads,
                contenders: [
                    Benchmark.Contender(name: "Chunker") { ours(lanes[$0].value) },
                    Benchmark.Contender(name: "bare LZ4", isCeiling: true) { bare(lanes[$0].value) },
                ])
        }
        report.add(benchmark("compress", { $0.compress() }, { $0.compressBare() }))
        // What the last pass over the bare calls left may differ: both read what `compress` makes.
        lanes.forEach { $0.value.compress() }
        report.add(benchmark("decompress", { $0.decompressAll() }, { $0.decompressBare() }))
        return report
    }
}

/// What one thread at a time uses.
private struct OneThread<Value>: @unchecked Sendable {
    // @unchecked: a benchmark hands each to one thread.
    let value: Value

    init(_ value: Value) { self.value = value }
}

private func pieces(_ bytes: UnsafeRawBufferPointer, _ count: Int) -> [UnsafeRawBufferPointer] {
    stride(from: 0, to: bytes.count, by: count).map {
        UnsafeRawBufferPointer(rebasing: bytes[$0..<min($0 + count, bytes.count)])
    }
}

/// The chunks of the data, compressed and plain again.
private final class CompressionLane {
    private let workspace = ChunkWorkspace()
    private let chunks: [UnsafeRawBufferPointer]
    private let compressed: UnsafeMutableRawBufferPointer
    private let plain: UnsafeMutableRawBufferPointer
    /// Of each chunk; nil where it is stored as it is.
    private var lengths: [Int?]
    private let state = UnsafeMutableRawPointer.allocate(byteCount: Int(LZ4_sizeofState()), alignment: 16)

    init(_ data: UnsafeRawBufferPointer, _ chunkBytes: Int) {
        chunks = pieces(data, chunkBytes)
        compressed = .allocate(byteCount: data.count + 1, alignment: 64)
        plain = .allocate(byteCount: chunkBytes, alignment: 64)
        lengths = chunks.map { _ in nil }
    }

    deinit {
        compressed.deallocate()
        plain.deallocate()
        state.deallocate()
    }

    var ratio: Double {
        let stored = zip(chunks, lengths).reduce(0) { $0 + ($1.1 ?? $1.0.count) }
        return Double(chunks.reduce(0) { $0 + $1.count }) / Double(max(1, stored))
    }

    private func forEach(_ body: (Int, UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) -> Void) {
        var start = 0
        for (index, chunk) in chunks.enumerated() {
            body(index, chunk, UnsafeMutableRawBufferPointer(rebasing: compressed[start..<(start + chunk.count)]))
            start += chunk.count
        }
    }

    func compress() { forEach { lengths[$0] = workspace.compress($1, into: $2) } }

    func compressBare() {
        forEach { _, chunk, target in
            _ = LZ4_compress_fast_extState(
                state, chunk.baseAddress?.assumingMemoryBound(to: CChar.self),
                target.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(chunk.count),
                Int32(chunk.count - chunk.count / 8), 1)
        }
    }

    func decompressAll() {
        forEach { index, chunk, target in
            guard let length = lengths[index] else { return }
            try? decompress(
                UnsafeRawBufferPointer(rebasing: target[..<length]), codec: .lz4,
                into: UnsafeMutableRawBufferPointer(rebasing: plain[..<chunk.count]))
        }
    }

    func decompressBare() {
        forEach { index, chunk, target in
            guard let length = lengths[index] else { return }
            _ = LZ4_decompress_safe(
                target.baseAddress?.assumingMemoryBound(to: CChar.self),
                plain.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(length), Int32(chunk.count))
        }
    }
}

/// Reads every byte once, as fast as loads go.
private func readOnce(_ bytes: UnsafeRawBufferPointer) {
    var sums = (SIMD8<UInt64>.zero, SIMD8<UInt64>.zero)
    var offset = 0
    while offset + 128 <= bytes.count {
        sums.0 ^= bytes.loadUnaligned(fromByteOffset: offset, as: SIMD8<UInt64>.self)
        sums.1 ^= bytes.loadUnaligned(fromByteOffset: offset + 64, as: SIMD8<UInt64>.self)
        offset += 128
    }
    sink.store((sums.0 ^ sums.1).wrappedSum(), ordering: .relaxed)
}

/// Where results go, so that the work that made them is not left out.
private let sink = Atomic<UInt64>(0)
