import Chunker
import Erasure
import Foundation

@testable import BlockStore

/// A store of many chunks that take next to no room: most are four bytes under a digest that a counter was stirred into, spread as
/// true ones are.
///
/// Such a chunk can be marked and dropped and never copied, since copying compares digests. So each commit holds one *kind* of chunk
/// only, and what a collection must copy has true digests:
///
/// | share | kind | in its blocks | a collection |
/// |---|---|---|---|
/// | 60 % | made-up | all is needed | marks it |
/// | 30 % | made-up | nothing is | drops it |
/// | 5 % | true | every fourth chunk is | copies that |
/// | 5 % | true | three of four are | copies that with `--full` |
struct SyntheticStore {
    private enum Kind {
        case live, dead, sparse, dense

        var isTrue: Bool { self == .sparse || self == .dense }

        func isNeeded(_ number: Int) -> Bool {
            switch self {
            case .live: true
            case .dead: false
            case .sparse: number % 4 == 0
            case .dense: number % 4 != 0
            }
        }
    }

    /// Of twenty commits.
    private static let kinds: [Kind] = {
        let five: [Kind] = [.live, .dead, .live, .dead, .live]
        return five + [.live, .dead, .live, .sparse, .live] + five + [.live, .dead, .live, .dense, .live]
    }()

    private static let chunksOfObject = Manifest.maximumEntries * SmallNodes.entryCount
    private static let chunksOfCommit = 6 * chunksOfObject

    let engine: Engine
    private let tenure: WriterTenure
    private let workspace = ChunkWorkspace()
    var counter: UInt64 = 0
    private var objects = 0

    /// What the harness opens a store with. Blocks are small, for all that they hold is contents.
    static func environment(
        _ place: String, creating: Bool = false, shardBytes: Int = 256 << 10
    ) throws -> StoreEnvironment {
        var environment = StoreEnvironment(
            home: try DirectoryHome(path: place, creating: creating, command: "scale"), devices: DirectoryProvider(),
            clock: SystemClock(), random: SystemRandom(), executor: ThreadedExecutor())
        environment.largestShardBytes = shardBytes
        return environment
    }

    static var options: Store.Options {
        var options = Store.Options()
        options.toleratedSmallBlocks = .max
        return options
    }

    /// Makes a store of about `chunkCount` chunks at `place`.
    static func make(at place: String, chunkCount: Int) throws {
        var commits = 0
        try make(in: try environment(place, creating: true)) { maker in
            guard maker.counter < chunkCount else { return false }
            try maker.commit(kinds[commits % kinds.count])
            commits += 1
            return true
        }
    }

    /// Makes a store of what `commit` adds until it is false. It has no index.
    static func make(in environment: StoreEnvironment, _ commit: (inout SyntheticStore) throws -> Bool) throws {
        let place = environment.home.place
        _ = try Store.create(
            environment, devices: (1...2).map { NewDevice(path: "\(place)/disk-\($0)") },
            profile: try Profile("rs:1+1"),
            isSandbox: true)
        let store = try Store.open(environment, access: .write, options: options)
        var maker = try SyntheticStore(store)
        while try commit(&maker) {}
        store.close()
        try environment.home.discardIndex()
    }

    init(_ store: Store) throws {
        engine = store.engine
        tenure = try store.startTenure()
    }

    func newCommit() -> CommitWriter { CommitWriter(tenure, minimumShards: nil) }

    func finish(_ writer: CommitWriter) throws {
        _ = try writer.commit()
        if let problem = tenure.indexProblem { throw problem }
    }

    private mutating func commit(_ kind: Kind) throws {
        let writer = newCommit()
        var purges: [PurgeRecord] = []
        for _ in 0..<(Self.chunksOfCommit / Self.chunksOfObject) {
            var kept = SmallNodes()
            var dropped = SmallNodes()
            for number in 0..<Self.chunksOfObject {
                let entry = try addChunk(isTrue: kind.isTrue, to: writer)
                if kind.isNeeded(number) {
                    try kept.append(entry) { node throws(StoreError) in try add(node, to: writer) }
                } else {
                    try dropped.append(entry) { node throws(StoreError) in try add(node, to: writer) }
                }
            }
            _ = try put(&kept, to: writer)
            if let purge = try put(&dropped, to: writer) { purges.append(purge) }
        }
        // What is left of a commit must not be a small block with made-up chunks, which `--full` would merge with others.
        if kind == .live { try addFiller(to: writer) }
        for purge in purges { try writer.add(.purge(purge)) }
        try finish(writer)
        // Nobody asks this index: it is made from the shards when it is measured.
        try engine.index.clear()
    }

    private mutating func put(
        _ builder: inout SmallNodes, to writer: CommitWriter
    ) throws -> PurgeRecord? {
        guard builder.byteCount > 0 else { return nil }
        let byteCount = builder.byteCount
        let manifest = try builder.finish { node throws(StoreError) in try add(node, to: writer) }
        objects += 1
        let put = PutRecord(
            key: try Key("object-\(objects)"), attributes: ObjectAttributes(), putNanoseconds: 0, byteCount: byteCount,
            userMetadata: [], manifest: manifest)
        return PurgeRecord(key: put.key, killed: try writer.add(.put(put)))
    }

    mutating func addChunk(isTrue: Bool, to writer: CommitWriter) throws -> ManifestEntry {
        counter += 1
        let content = withUnsafeBytes(of: counter.littleEndian) { Array($0) }
        if isTrue { return ManifestEntry(digest: try add(content, to: writer), byteCount: 8) }
        let digest = Self.digest(of: counter)
        let short = Array(content.prefix(4))
        try short.withBytes { raw throws(StoreError) in
            try writer.add(raw, digest: digest, plainBytes: raw.count, codec: .stored, checksum: CRC32C.of(short))
        }
        return ManifestEntry(digest: digest, byteCount: UInt64(short.count))
    }

    /// The made-up digest of a chunk.
    static func digest(of number: UInt64) -> Digest {
        var words = ByteWriter()
        for word in 0..<UInt64(4) { words.append(stirred(number &* 4 &+ word)) }
        return words.bytes.withUnsafeBytes { Digest($0) }
    }

    /// Adds a chunk under its own digest.
    private func add(_ content: [UInt8], to writer: CommitWriter) throws(StoreError) -> Digest {
        let digest = content.withUnsafeBytes { workspace.digest(of: $0) }
        try content.withBytes { raw throws(StoreError) in
            try writer.add(raw, digest: digest, plainBytes: raw.count, codec: .stored, checksum: CRC32C.of(content))
        }
        return digest
    }

    private mutating func addFiller(to writer: CommitWriter) throws {
        var builder = SmallNodes()
        for _ in 0..<16 {
            counter += 1
            var content = [UInt8](repeating: 0, count: 4096)
            withUnsafeBytes(of: counter.littleEndian) { content.replaceSubrange(0..<8, with: $0) }
            let entry = ManifestEntry(digest: try add(content, to: writer), byteCount: 4096)
            try builder.append(entry) { node throws(StoreError) in try add(node, to: writer) }
        }
        _ = try put(&builder, to: writer)
    }

    /// SplitMix64: no two numbers become the same.
    private static func stirred(_ number: UInt64) -> UInt64 {
        var word = number &* 0x9e37_79b9_7f4a_7c15
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}

/// A manifest of small nodes, so that blocks end well filled. One level of them.
private struct SmallNodes {
    static let entryCount = 100

    private var nodes: [ManifestEntry] = []
    private var entries: [ManifestEntry] = []
    private(set) var byteCount: UInt64 = 0

    mutating func append(
        _ entry: ManifestEntry, store: ([UInt8]) throws(StoreError) -> Digest
    ) throws(StoreError) {
        entries.append(entry)
        byteCount += entry.byteCount
        if entries.count == Self.entryCount { try flush(store) }
    }

    mutating func finish(store: ([UInt8]) throws(StoreError) -> Digest) throws(StoreError) -> Manifest {
        try flush(store)
        return Manifest(depth: 1, entries: nodes)
    }

    private mutating func flush(_ store: ([UInt8]) throws(StoreError) -> Digest) throws(StoreError) {
        guard !entries.isEmpty else { return }
        let covered = entries.reduce(UInt64(0)) { $0 + $1.byteCount }
        nodes.append(ManifestEntry(digest: try store(ManifestNode.encode(entries, depth: 0)), byteCount: covered))
        entries = []
    }
}
