import Chunker

/// One object that comes in pieces while its session takes others: a cutter and a batch of its own.
///
/// Use from the session's thread. It ends with `end` or `abandon`; after an error that ended the session, with neither.
final class PutStream {
    private let session: WriteSession
    private let object: IncomingObject
    private let declaredBytes: UInt64?
    private let condition: WriteCondition?
    private let cutter: Cutter
    private var batch: ChunkBatch
    /// Where the bytes not yet cut begin in the batch.
    private var start = 0
    private var received: UInt64 = 0

    /// - Throws: `.conditionFailed`: nothing of it needs to come.
    init(
        _ object: IncomingObject, in session: WriteSession, declaredBytes: UInt64?, condition: WriteCondition?
    ) throws(StoreError) {
        try session.require(condition, of: object.key)
        self.session = session
        self.object = object
        self.declaredBytes = declaredBytes
        self.condition = condition
        cutter = Cutter(session.engine.configuration.chunker)
        cutter.begin()
        batch = ChunkBatch(input: session.inputs.take(), output: session.outputs.take())
    }

    /// Takes the next bytes of the object. Throws `.input` when they are more than were declared: it is to be abandoned.
    func append(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        try session.requireUsable()
        received += UInt64(bytes.count)
        if let declaredBytes, received > declaredBytes { throw WriteSession.tooLong(object.key, declaredBytes) }
        var done = 0
        while done < bytes.count {
            if batch.input.byteCount - batch.filled < WriteSession.leastReadBytes { try turnOver() }
            let count = min(bytes.count - done, batch.input.byteCount - batch.filled)
            batch.input.slice(batch.filled..<(batch.filled + count)).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: bytes[done..<(done + count)]))
            batch.filled += count
            done += count
            WriteSession.cut(batch, object, cutter, &start, isEnd: false)
        }
    }

    /// The object is all there and goes into the open commit. Throws `.input` for another length than was declared and
    /// `.conditionFailed`, of what the others of the session did meanwhile: it is to be abandoned.
    func end() throws(StoreError) {
        try session.requireUsable()
        if let declaredBytes, received != declaredBytes {
            throw WriteSession.wrongLength(of: object.key, received, declaredBytes)
        }
        try session.require(condition, of: object.key)
        WriteSession.cut(batch, object, cutter, &start, isEnd: true)
        batch.events.append(.end(object))
        try session.send(batch)
    }

    /// Gives the object up. What was packed of it is garbage.
    func abandon() {
        session.inputs.give(batch.input)
        session.outputs.give(batch.output)
    }

    /// Sends the batch off and begins another with the bytes that are not cut yet.
    private func turnOver() throws(StoreError) {
        let old = batch
        batch = ChunkBatch(input: session.inputs.take(), output: session.outputs.take())
        let rest = old.input.slice(start..<old.filled)
        batch.input.slice(0..<rest.count).copyMemory(from: UnsafeRawBufferPointer(rest))
        batch.filled = rest.count
        start = 0
        try session.send(old)
    }
}
