import Chunker
import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// Hands out bytes in pieces of odd sizes, as a pipe does.
private final class TrickleSource: ByteSource {
    private let bytes: [UInt8]
    private var offset = 0
    private let random: SeededRandom

    init(_ bytes: [UInt8], seed: UInt64) {
        self.bytes = bytes
        random = SeededRandom(seed)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(bytes.count - offset, buffer.count, 1 + Int(random.next() % 9_000))
        buffer.copyBytes(from: bytes[offset..<(offset + count)])
        offset += count
        return count
    }
}

/// Fails after some bytes.
private final class BrokenSource: ByteSource {
    private var left: Int

    init(after count: Int) { left = count }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) -> Int {
        guard left > 0 else { throw StoreError(.input, "read the input", detail: "it broke") }
        let count = min(left, buffer.count)
        left -= count
        return count
    }
}

/// On real directories with real threads.
final class RoundTripTests: XCTestCase {
    private func environment(_ directory: TemporaryDirectory) throws -> StoreEnvironment {
        StoreEnvironment(
            home: try DirectoryHome(path: directory.path + "/home", creating: true),
            devices: RebasedProvider(base: directory.path), clock: SystemClock(), random: SystemRandom(),
            executor: ThreadedExecutor(computeThreads: 3))
    }

    private func makeStore(_ profile: String = "rs:4+2", devices: Int = 6) throws -> (TemporaryDirectory, Store) {
        let directory = try TemporaryDirectory()
        _ = try Store.create(
            try environment(directory), devices: (1...devices).map { NewDevice(path: "disk-\($0)") },
            profile: try Profile(profile), averageChunkBytes: 4096, isSandbox: true)
        return (directory, try Store.open(try environment(directory), access: .write))
    }

    /// Otherwise the next block is filled in memory that nobody has touched yet, and a put takes a block more than it should.
    func testWhoeverWaitedForABlockFindsItsBuffers() throws {
        let (directory, store) = try makeStore()
        defer { store.close() }
        let (engine, profile, random) = (store.engine, try Profile("rs:4+2"), SeededRandom(1))
        let bytes = (0..<(256 << 10)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        let parityBuffers = engine.parityBuffers(for: profile)
        for number in UInt64(1)...100 {
            var block = OpenBlock(
                name: BlockName(number: BlockNumber(1000 + number), id: random.identifier()), profile: profile,
                fullShardBytes: 1 << 20, firstBytes: 0)
            bytes.withUnsafeBytes {
                block.append(
                    $0, digest: Digest(UnsafeRawBufferPointer(rebasing: $0[..<32])), plainBytes: $0.count,
                    codec: .stored,
                    checksum: CRC32C.of($0), buffers: engine.blockBuffers)
            }
            let staging = BlockStaging(
                engine, block, isFull: false,
                targets: zip(profile.rows, engine.devices.order).map { (row: $0, device: $1) }, leastShards: 5,
                leastLosses: 1, parityBuffers: parityBuffers)
            staging.wait()
            let next = engine.blockBuffers.take()
            XCTAssertTrue(next === block.payload, "block \(number)")
            engine.blockBuffers.give(next)
            for place in staging.staged().values { engine.devices.device(place.device)?.discard([place.shard]) }
        }
        withExtendedLifetime(directory) {}
    }

    /// With one data column a usual block is of 8 MiB, and chunks may have 16.
    func testAChunkThatIsLargerThanAUsualBlockIsStored() throws {
        let (directory, store) = try makeStore("rs:1+1", devices: 3)
        var chunk = [UInt8](repeating: 7, count: 9 << 20)
        for place in stride(from: 0, to: chunk.count, by: 4099) { chunk[place] = UInt8(truncatingIfNeeded: place >> 7) }
        let digest = chunk.withUnsafeBytes { bytes in Workspaces.shared.with { $0.digest(of: bytes) } }
        let session = try store.startWriting()
        // What comes before and after it is in blocks of its own.
        try session.put(Key("before"), from: MemorySource([1]))
        try session.drain()
        try chunk.withBytes { bytes throws(StoreError) in
            try session.writer.add(
                bytes, digest: digest, plainBytes: bytes.count, codec: .stored, checksum: CRC32C.of(bytes))
        }
        let manifest = Manifest(depth: 0, entries: [ManifestEntry(digest: digest, byteCount: UInt64(chunk.count))])
        try session.put(Key("large"), ObjectAttributes(), known: manifest, skippingUnchanged: false)
        try session.put(Key("after"), from: MemorySource([2, 3]))
        _ = try session.finish()
        store.close()
        try FileManager.default.removeItem(atPath: directory.path + "/disk-1")
        let again = try Store.open(try environment(directory), access: .write)
        defer { again.close() }
        XCTAssertEqual(try read(again, "before"), [1])
        XCTAssertTrue(try read(again, "large") == chunk)
        XCTAssertEqual(try read(again, "after"), [2, 3])
        _ = try again.replaceDevice(try XCTUnwrap(again.devices.first { !$0.state.isInService }).id)
        XCTAssertEqual(try again.repair().owedShards, 0)
    }

    private func read(_ store: Store, _ key: String, _ range: ClosedRange<UInt64>? = nil) throws -> [UInt8] {
        let sink = MemorySink()
        _ = try store.read(try store.newestVersion(of: Key(key)), range: range, into: sink)
        return sink.bytes
    }

    func testEverySizeAroundABoundaryComesBack() throws {
        let (directory, store) = try makeStore()
        defer { store.close() }
        let session = try store.startWriting()
        var sizes = [0, 1, 2, 63, 64, 65]
        // Compression threshold, chunk sizes, cells, batches.
        for boundary in [512, 1024, 4096, 16_384, 65_536, 1 << 20] { sizes += [boundary - 1, boundary, boundary + 1] }
        for size in sizes {
            try session.put(
                Key("size-\(size)"), from: TrickleSource(SeededRandom.bytes(size, seed: UInt64(size)), seed: 1))
        }
        XCTAssertNil(try session.finish().debt)
        for size in sizes {
            XCTAssertEqual(try read(store, "size-\(size)"), SeededRandom.bytes(size, seed: UInt64(size)), "\(size)")
        }
        _ = directory
    }

    func testAnObjectOfManyBlocksAndManifestNodesComesBackInAnyRange() throws {
        let (directory, store) = try makeStore("rs:2+1", devices: 3)
        // Some 10,000 chunks: more than two nodes of a manifest; more than one block.
        let unit = SeededRandom.bytes(1 << 20, seed: 7)
        var bytes: [UInt8] = []
        for index in 0..<40 { bytes += unit.map { $0 &+ UInt8(index) } }
        let session = try store.startWriting()
        try session.put(Key("big"), from: MemorySource(bytes), declaredBytes: UInt64(bytes.count))
        _ = try session.finish()
        store.close()
        let again = try Store.open(try environment(directory), access: .read)
        defer { again.close() }
        XCTAssertGreaterThan(try again.newestVersion(of: Key("big")).manifest.depth, 0)
        XCTAssertEqual(try read(again, "big"), bytes)
        for (first, last) in [(0, 0), (bytes.count - 1, bytes.count - 1), (4095, 4097), (9_999_999, 23_456_789)] {
            XCTAssertEqual(try read(again, "big", UInt64(first)...UInt64(last)), Array(bytes[first...last]))
        }
        XCTAssertThrowsError(try read(again, "big", 5...UInt64(bytes.count))) {
            XCTAssertEqual(($0 as? StoreError)?.code, .invalid)
        }
    }

    func testWhatIsStoredTwiceTakesRoomOnce() throws {
        let (directory, store) = try makeStore()
        defer { store.close() }
        let bytes = SeededRandom.bytes(300_000, seed: 1)
        var reports: [WriteReport] = []
        for key in ["first", "second"] {
            let session = try store.startWriting()
            try session.put(Key(key), from: MemorySource(bytes))
            reports.append(try session.finish())
        }
        XCTAssertEqual(reports[0].newBytes, 300_000)
        XCTAssertEqual(reports[1].newBytes, 0)
        XCTAssertEqual(try store.status().totals.uniqueBytes, 300_000)
        XCTAssertEqual(try read(store, "second"), bytes)
        _ = directory
    }

    func testAPutNeverDestroysThePreviousVersion() throws {
        let (directory, store) = try makeStore()
        defer { store.close() }
        let key = try Key("versions")
        for round in 0..<4 {
            let session = try store.startWriting()
            if round == 2 {
                try session.remove(key)
            } else {
                try session.put(key, from: MemorySource([UInt8](repeating: UInt8(round), count: 1000)))
            }
            _ = try session.finish()
        }
        let versions = try store.versions(of: key)
        XCTAssertEqual(versions.map(\.isDeleteMarker), [false, true, false, false])
        for (version, round) in zip(versions, [3, 2, 1, 0]) where !version.isDeleteMarker {
            let sink = MemorySink()
            _ = try store.read(try store.version(of: key, version.identity), into: sink)
            XCTAssertEqual(sink.bytes, [UInt8](repeating: UInt8(round), count: 1000))
        }
        _ = directory
    }

    func testKeysAreBytes() throws {
        let (directory, store) = try makeStore()
        defer { store.close() }
        let names: [[UInt8]] = [
            Array("a\u{301}".utf8), Array("á".utf8), [0xff, 0xfe], Array("a/b".utf8), Array("a0".utf8),
            Array("../x".utf8), [1, 10],
            [UInt8](repeating: 0x7a, count: 1024),
        ]
        let session = try store.startWriting()
        for name in names { try session.put(Key(name), from: MemorySource(name)) }
        _ = try session.finish()
        XCTAssertEqual(
            try store.list().map(\.key.bytes), names.sorted { $0.lexicographicallyPrecedes($1) },
            "byte order, none merged")
        XCTAssertEqual(try store.list(prefix: [0xff]).map(\.key.bytes), [[0xff, 0xfe]])
        for bad in [[], [0], [97, 0], [UInt8](repeating: 97, count: 1025)] as [[UInt8]] {
            XCTAssertThrowsError(try Key(bad)) { XCTAssertEqual(($0 as? StoreError)?.code, .invalid) }
        }
        _ = directory
    }

    func testABrokenInputDropsItsObjectAloneAndAWrongLengthToo() throws {
        let (directory, store) = try makeStore()
        defer { store.close() }
        let session = try store.startWriting()
        try session.put(Key("before"), from: MemorySource([1, 2, 3]))
        for count in [0, 10, 2_000_000] {
            XCTAssertThrowsError(try session.put(Key("broken"), from: BrokenSource(after: count)))
        }
        for declared: UInt64 in [0, 4, 6, 1 << 40] {
            XCTAssertThrowsError(
                try session.put(Key("length"), from: MemorySource([1, 2, 3, 4, 5]), declaredBytes: declared)
            ) { XCTAssertEqual(($0 as? StoreError)?.code, .input) }
        }
        try session.put(Key("after"), from: MemorySource([4]))
        _ = try session.finish()
        XCTAssertEqual(try store.list().map(\.key.description), ["after", "before"])
        XCTAssertEqual(try read(store, "before"), [1, 2, 3])
        XCTAssertEqual(try read(store, "after"), [4])
        _ = directory
    }

    func testASecondWriterIsToldWhoHoldsTheStore() throws {
        let (directory, store) = try makeStore()
        XCTAssertThrowsError(
            try Store.open(try environment(directory), access: .write, options: Store.Options(lockWaitSeconds: 0))
        ) { XCTAssertEqual(($0 as? StoreError)?.code, .locked) }
        // Readers come in beside a writer.
        let reader = try Store.open(try environment(directory), access: .read)
        XCTAssertEqual(try reader.list().count, 0)
        reader.close()
        store.close()
        try Store.open(try environment(directory), access: .write, options: Store.Options(lockWaitSeconds: 0)).close()
    }
}
