import Chunker
import Erasure

/// An object on its way in.
final class IncomingObject {
    let key: Key
    let attributes: ObjectAttributes
    let skippingUnchanged: Bool
    var manifest = ManifestBuilder()

    init(key: Key, attributes: ObjectAttributes, skippingUnchanged: Bool) {
        self.key = key
        self.attributes = attributes
        self.skippingUnchanged = skippingUnchanged
    }
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

    /// Digests every chunk, looks it up, and compresses the new ones.
    func process(_ engine: Engine, isHit: (Digest) throws(StoreError) -> Bool) throws(StoreError) {
        try Workspaces.shared.with { workspace throws(StoreError) in
            var outputUsed = 0
            for case .chunk(let range) in events {
                let plain = UnsafeRawBufferPointer(input.slice(range))
                let digest = workspace.digest(of: plain)
                if try isHit(digest) {
                    results.append(Result(digest: digest, plainBytes: plain.count, isHit: true))
                    continue
                }
                var result = Result(digest: digest, plainBytes: plain.count, isHit: false)
                let room = output.slice(outputUsed..<min(output.byteCount, outputUsed + plain.count))
                if let count = workspace.compress(plain, into: room) {
                    result.stored = outputUsed..<(outputUsed + count)
                    result.codec = .lz4
                    outputUsed += count
                } else {
                    result.stored = range
                }
                result.checksum = CRC32C.of(stored(result))
                results.append(result)
            }
        }
    }
}
