/// The bytes of one object in order, in pieces of a megabyte at most.
///
/// One piece is read ahead; nothing more is until it is taken, and no thread waits for whoever takes them. Bytes that were
/// delivered are right, also where a later piece fails. Any number of tasks may each iterate over it.
public struct ObjectPieces: AsyncSequence, Sendable {
    public typealias Element = [UInt8]

    /// What is read.
    public let version: ObjectVersion
    let store: ObjectStore

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(version: version, store: store) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let version: ObjectVersion
        fileprivate let store: ObjectStore
        private var offset: UInt64 = 0
        private var ahead: (answer: Answer<[UInt8]>, cancellation: Cancellation)?

        fileprivate init(version: ObjectVersion, store: ObjectStore) {
            self.version = version
            self.store = store
        }

        /// The next piece, nil at the end. Throws as `ObjectStore.read`, and `CancellationError`.
        public mutating func next(isolation: isolated (any Actor)? = #isolation) async throws -> [UInt8]? {
            try Task.checkCancellation()
            guard let (answer, cancellation) = ahead ?? begin() else { return nil }
            ahead = nil
            let piece = try await withTaskCancellationHandler {
                try await answer.value()
            } onCancel: {
                cancellation.cancel()
                answer.set(.failure(Cancellation.error))
            }
            ahead = begin()
            return piece
        }

        public mutating func next() async throws -> [UInt8]? { try await next(isolation: nil) }

        /// Sends for the next piece; nil when there is none.
        private mutating func begin() -> (answer: Answer<[UInt8]>, cancellation: Cancellation)? {
            guard offset < version.byteCount else { return nil }
            let end = Swift.min(offset + Limits.deliveredBytes, version.byteCount)
            let (range, version) = (offset...(end - 1), version)
            offset = end
            let (answer, cancellation) = (Answer<[UInt8]>(), Cancellation())
            store.begin(answer, cancellation) { store, cancellation throws(StoreError) in
                let sink = MemorySink()
                _ = try store.read(version, range: range, into: CancellableSink(sink, cancellation))
                return sink.bytes
            }
            return (answer, cancellation)
        }
    }
}
