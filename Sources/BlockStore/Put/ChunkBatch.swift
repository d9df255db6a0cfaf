import Chunker
import Erasure

/// An object on its way in.
final class IncomingObject {
    let key: Key
    let attributes: ObjectAttributes
    let skippingUnchanged: Bool
    var manifest = ManifestBuilder()
    /// All of it, where it was known and nothing is read.
    let known: Manifest?
    /// Of the file that was read, where it stands for what was read.
    var stamp: FileStamp?
    /// Where somebody asks what became of it.
    let landing: Landing?

    init(
        key: Key, attributes: ObjectAttributes, skippingUnchanged: Bool, known: Manifest? = nil, landing: Landing? = nil
    ) {
        self.landing = landing
        self.key = key
        self.attributes = attributes
        self.skippingUnchanged = skippingUnchanged
        self.known = known
    }

    /// Only when all chunks are there.
    var byteCount: UInt64 { known?.byteCount ?? manifest.byteCount }
}

/// Which version a write became, and in which of its session's commits.
final class Landing {
    private(set) var version: IndexedVersion?
    private var commitsBefore = 0

    func set(_ version: IndexedVersion?, _ report: WriteReport) {
        self.version = version
        commitsBefore = report.commits
    }

    /// Whether the commit that it is in was acknowledged, whatever became of the session later.
    func isDurable(_ report: WriteReport) -> Bool { version != nil && report.commits > commitsBefore }
}

/// About a megabyte of input, cut into chunks: the unit of work for the compute lanes.
///
/// Thread rule: the session fills it, hands it to a lane, and looks at it again only when the lane is
/// done.
final class ChunkBatch: @unchecked Sendable {
    // @unchecked: see the thread rule; the hand-over goes through the executor.
    enum Event {
        case chunk(Range<Int>)
        /// The object whose last chunk came before.
        case end(IncomingObject)
        /// The chunks before belong to an object that is given up.
        case abandon

        /// The key of an object that ends here and makes no version where nothing is new.
        var unchangeable: Key? {
            if case .end(let object) = self, object.skippingUnchanged { return object.key }
            return nil
        }
    }

    struct Result {
        let digest: Digest
        let plainBytes: Int
        let isHit: Bool
        /// Within `output`, or within `input` when the chunk is stored as it is.
        var stored: Range<Int> = 0..<0
        var codec = Codec.stored
        var checksum: UInt32 = 0
    }

    let input: Buffer
    let output: Buffer
    var filled = 0
    var events: [Event] = []
    /// The object that each chunk belongs to.
    var objects: [IncomingObject] = []
    private(set) var results: [Result] = []

    init(input: Buffer, output: Buffer) {
        self.input = input
        self.output = output
    }

    func stored(_ result: Result) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer((result.codec == .stored ? input : output).slice(result.stored))
    }

    /// Digests every chunk, looks them all up, and compresses the new ones.
    func process(
        _ engine: Engine, areHits: ([Digest]) throws(StoreError) -> [Bool]
    ) throws(StoreError) {
        try Workspaces.shared.with { workspace throws(StoreError) in
            var ranges: [Range<Int>] = []
            for case .chunk(let range) in events { ranges.append(range) }
            let byteCount = ranges.reduce(0) { $0 + $1.count }
            let environment = engine.environment
            let digests = environment.timing(.digest, bytes: byteCount) {
                ranges.map { workspace.digest(of: UnsafeRawBufferPointer(input.slice($0))) }
            }
            let hits = try environment.timing(.lookUp, bytes: byteCount) { () throws(StoreError) in
                try areHits(digests)
            }
            var outputUsed = 0
            for (number, range) in ranges.enumerated() {
                let plain = UnsafeRawBufferPointer(input.slice(range))
                var result = Result(digest: digests[number], plainBytes: plain.count, isHit: hits[number])
                defer { results.append(result) }
                if result.isHit { continue }
                let room = output.slice(outputUsed..<min(output.byteCount, outputUsed + plain.count))
                let compressed = environment.timing(.compress, bytes: plain.count) {
                    workspace.compress(plain, into: room)
                }
                if let count = compressed {
                    result.stored = outputUsed..<(outputUsed + count)
                    result.codec = .lz4
                    outputUsed += count
                } else {
                    result.stored = range
                }
                result.checksum = environment.timing(.checksum, bytes: result.stored.count) {
                    CRC32C.of(stored(result))
                }
            }
        }
    }
}
