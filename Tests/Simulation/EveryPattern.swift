@testable import BlockStore
import Chunker
import Erasure

/// T5: every set of lost devices, through the whole store, against a model that knows which rows of which block
/// stand where and computes a plain rank.
///
/// Up to the tolerance every object reads to the byte, with the index and without it. Beyond, the keys that read,
/// the keys that do not, and the blocks and keys that scrub calls lost are the model's.
public final class EveryPattern {
    public struct Tally: Sendable {
        /// Sets of lost devices, end to end.
        public var patterns = 0
        /// Sets of lost rows whose rank was computed.
        public var ranks = 0
        /// Sets of lost rows made again by ISA-L.
        public var rebuilt = 0
        public var wrongBytes = 0
        /// Keys and blocks lost here and not there.
        public var disagreements = 0
        public var complaints: [String] = []

        public init() {}

        public var isClean: Bool { wrongBytes + disagreements == 0 }

        public var summary: String {
            "\(patterns) end to end, \(ranks) ranks, \(rebuilt) rebuilt, \(wrongBytes) wrong bytes, "
                + "\(disagreements) disagreements with the model"
        }

        public static func + (left: Tally, right: Tally) -> Tally {
            var sum = left
            sum.patterns += right.patterns
            sum.ranks += right.ranks
            sum.rebuilt += right.rebuilt
            sum.wrongBytes += right.wrongBytes
            sum.disagreements += right.disagreements
            sum.complaints += right.complaints
            return sum
        }

        mutating func complain(_ kind: WritableKeyPath<Tally, Int>, _ complaint: String) {
            self[keyPath: kind] += 1
            if self[keyPath: kind] <= 10 { complaints.append(complaint) }
        }
    }

    /// Every documented profile on as many devices as it has shards, and some on more.
    public static let layouts: [(profile: String, devices: Int)] = [
        ("rs:1+1", 2), ("rs:2+1", 3), ("rs:4+2", 6), ("rs:6+3", 9), ("rs:8+3", 11), ("rs:8+4", 12), ("rs:10+4", 14),
        ("rs:12+4", 16), ("rs:16+4", 20), ("rs:17+3", 20), ("rs:1+1", 4), ("rs:2+1", 5), ("rs:2+2", 6), ("rs:4+2", 8),
        ("rs:6+3", 11), ("lrc:6+2+2", 10), ("lrc:8+2+2", 12), ("lrc:10+2+2", 14), ("lrc:12+2+2", 16), ("lrc:4+2+1", 9),
        ("lrc:6+3+1", 10),
    ]

    /// A block as the disks show it.
    private struct Block {
        let name: BlockName
        let columnCount: Int
        let payloadBytes: Int
        var disks: [Row: String]
        /// The data columns that each of its chunks touches.
        var columns: [Digest: Set<Int>]
    }

    /// What a version needs.
    private struct Needs {
        let key: Key
        let content: [UInt8]
        let isNewest: Bool
        let digests: [Digest]
    }

    private let profile: Profile
    private let world: SimulatedWorld
    private let whole: SimulatedWorld.State
    private let disks: [String]
    private var blocks: [Block] = []
    private var versions: [Needs] = []
    private var listing: [String] = []
    private(set) var tally = Tally()

    public init(profile text: String, devices: Int) throws {
        profile = try Profile(text)
        disks = (1...devices).map { "disk-\($0)" }
        world = SimulatedWorld(seed: UInt64(devices) * 64 + 5, disks: disks)
        _ = try Store.create(
            world.environment, devices: disks.map { NewDevice(path: $0) }, profile: profile, averageChunkBytes: 4096)
        var history: [Key: [[UInt8]]] = [:]
        // One block each, so that with more devices than shards they stand on different ones.
        try Self.put([("whole", 9_000), ("older", 700), ("gone", 60)], in: world, &history)
        try Self.put([("small", 90), ("next", 90), ("third", 120)], in: world, &history)
        try Self.put([("older", 1_300)], in: world, &history, removing: "gone")
        try Self.put([("last", 2_500)], in: world, &history)
        whole = world.state
        try look(history)
        world.restart()
    }

    private static func put(
        _ objects: [(name: String, byteCount: Int)], in world: SimulatedWorld, _ history: inout [Key: [[UInt8]]],
        removing removed: String? = nil
    ) throws {
        let store = try Store.open(world.environment, access: .write)
        let session = try store.startWriting()
        for (name, byteCount) in objects {
            let seed = UInt64(byteCount) &* 31 &+ UInt64(name.utf8.first ?? 0)
            let bytes = SeededRandom.bytes(byteCount, seed: seed)
            try session.put(Key(name), from: MemorySource(bytes))
            history[try Key(name), default: []].append(bytes)
        }
        if let removed { try session.remove(Key(removed)) }
        _ = try session.finish()
        store.close()
        world.restart()
    }

    /// What stands where, from the files; what each version is made of, from its manifest.
    private func look(_ history: [Key: [[UInt8]]]) throws {
        var found: [BlockName: Block] = [:]
        for disk in disks {
            guard let files = whole.disks[disk] else { continue }
            for path in files.entries.keys.sorted() {
                guard let file = path.split(separator: "/").last, let shard = ShardName(fileName: String(file)),
                    let bytes = files.content(path)
                else { continue }
                let header = try bytes.withUnsafeBytes { raw in
                    try ShardHeader(parsing: UnsafeRawBufferPointer(rebasing: raw[..<ShardHeader.byteCount]))
                }
                let layout = ShardLayout(header)
                let contents = try TableOfContents(parsing: Array(bytes[layout.tableOfContents]), of: header.block)
                var columns: [Digest: Set<Int>] = [:]
                for chunk in contents.chunks {
                    let (first, last) = (Int(chunk.offset), Int(chunk.offset) + Int(chunk.storedBytes) - 1)
                    columns[chunk.digest] = Set((first / header.payloadBytes)...(last / header.payloadBytes))
                }
                var block =
                    found[header.block]
                    ?? Block(
                        name: header.block, columnCount: header.columnCount, payloadBytes: header.payloadBytes,
                        disks: [:], columns: columns)
                block.disks[shard.row] = disk
                found[header.block] = block
            }
        }
        blocks = found.values.sorted { $0.name < $1.name }
        let store = try Store.open(world.environment, access: .read)
        defer { store.close() }
        listing = try store.engine.index.dump()
        var seen: [Key: Int] = [:]
        for version in try store.list(allVersions: true) {
            // The newest first.
            let age = seen[version.key, default: 0]
            seen[version.key] = age + 1
            guard !version.isDeleteMarker, let contents = history[version.key] else { continue }
            let puts = versions.filter { $0.key == version.key }.count
            versions.append(
                Needs(
                    key: version.key, content: contents[contents.count - 1 - puts], isNewest: age == 0,
                    digests: version.manifest.entries.map(\.digest)))
        }
        guard versions.count == 8, versions.filter(\.isNewest).count == 6 else {
            throw BrokenPromise(description: "every version is listed: \(versions.map(\.key))")
        }
    }

    /// Every set of lost devices.
    public func tryAll(every stride: Int = 1) -> Tally {
        for pattern in Swift.stride(from: 0, to: 1 << disks.count, by: stride) {
            lose(disks.indices.filter { pattern >> $0 & 1 == 1 })
        }
        return tally
    }

    /// Every set of at most two, and so many of the tolerance, one more, and any size.
    public func trySome(_ count: Int, seed: UInt64) -> Tally {
        lose([])
        for one in disks.indices {
            lose([one])
            for other in disks.indices where other > one { lose([one, other]) }
        }
        let random = SeededRandom(seed)
        for number in 0..<count {
            var left = Array(disks.indices)
            let sizes = [profile.tolerance, profile.tolerance + 1, Int(random.next() % UInt64(disks.count + 1))]
            let lost = (0..<sizes[number % 3]).map { _ in left.remove(at: Int(random.next() % UInt64(left.count))) }
            lose(lost.sorted())
        }
        return tally
    }

    private func lose(_ indices: [Int]) {
        let lost = Set(indices.map { disks[$0] })
        let name = "\(profile) on \(disks.count) devices without \(lost.sorted())"
        tally.patterns += 1
        var spans: [BlockName: PlainSpan] = [:]
        var isReadable: [BlockName: Bool] = [:]
        for block in blocks {
            let left = block.disks.filter { !lost.contains($0.value) }.keys.sorted()
            let span = PlainSpan(left, columns: block.columnCount)
            spans[block.name] = span
            isReadable[block.name] = block.payloadBytes == 0 ? !left.isEmpty : span.isWhole
        }
        attempt(name, lost, losesIndex: false) { store in
            try compareReads(store, name) { version in
                version.digests.allSatisfy { digest in
                    blocks.contains { block in
                        block.columns[digest]?.allSatisfy { spans[block.name]?.determines(column: $0) == true } ?? false
                    }
                }
            }
            let report = try store.scrub()
            let lostBlocks = blocks.filter { isReadable[$0.name] == false }.map(\.name)
            if report.lostBlocks.sorted() != lostBlocks {
                tally.complain(\.disagreements, "\(name): scrub calls \(report.lostBlocks) lost, not \(lostBlocks)")
            }
            let lostKeys = Set(
                versions.filter { version in
                    !version.digests.allSatisfy { digest in
                        blocks.contains { $0.columns[digest] != nil && isReadable[$0.name] == true }
                    }
                }.map(\.key))
            if Set(report.lostKeys) != lostKeys {
                tally.complain(
                    \.disagreements, "\(name): scrub calls \(report.lostKeys) lost, not \(lostKeys.sorted())")
            }
            if try store.status().lostBlocks != lostBlocks.count {
                tally.complain(\.disagreements, "\(name): status counts other lost blocks than \(lostBlocks)")
            }
        }
        guard lost.count <= profile.tolerance else { return beyond(lost, name) }
        attempt(name, lost, losesIndex: true) { store in
            if try store.engine.index.dump() != listing {
                tally.complain(\.disagreements, "\(name), no index: another listing")
            }
            try compareReads(store, name + ", no index") { _ in true }
        }
    }

    /// Beyond the tolerance and without an index there may be no store, or an older one; never other bytes.
    private func beyond(_ lost: Set<String>, _ name: String) {
        world.state = whole
        world.state.absent = lost
        world.state.index = nil
        do throws(StoreError) {
            let store = try Store.open(world.environment, access: .read)
            for object in try store.list() {
                let sink = MemorySink()
                guard (try? store.read(object, into: sink)) != nil else { continue }
                let known = versions.filter { $0.key == object.key }.map(\.content)
                if !known.contains(sink.bytes) { tally.complain(\.wrongBytes, "\(name), no index: \(object.key)") }
            }
            store.close()
        } catch {
            if error.code != .notFound, error.code != .lost, error.code != .tooFewDevices {
                tally.complain(\.disagreements, "\(name), no index: \(error)")
            }
        }
        world.restart()
    }

    private func attempt(_ name: String, _ lost: Set<String>, losesIndex: Bool, _ body: (Store) throws -> Void) {
        world.state = whole
        world.state.absent = lost
        if losesIndex { world.state.index = nil }
        do {
            let store = try Store.open(world.environment, access: .read)
            defer { store.close() }
            try body(store)
        } catch {
            tally.complain(\.disagreements, "\(name)\(losesIndex ? ", no index" : ""): \(error)")
        }
        world.restart()
    }

    private func compareReads(_ store: Store, _ name: String, _ reads: (Needs) -> Bool) throws {
        for version in versions where version.isNewest {
            let sink = MemorySink()
            let object = try store.newestVersion(of: version.key)
            do throws(StoreError) {
                _ = try store.read(object, into: sink)
                if sink.bytes != version.content { tally.complain(\.wrongBytes, "\(name): \(version.key)") }
                if !reads(version) { tally.complain(\.disagreements, "\(name): \(version.key) reads") }
            } catch {
                if reads(version) { tally.complain(\.disagreements, "\(name): \(error)") }
                if error.code != .lost { tally.complain(\.disagreements, "\(name): \(error.code), not lost: \(error)") }
            }
        }
    }
}
