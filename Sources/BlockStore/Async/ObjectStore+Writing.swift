extension ObjectStore {
    /// Stores `bytes` as a new version of `key`. When it returns they are durable.
    ///
    /// - Parameters:
    ///   - attributes: what is kept beside the bytes.
    ///   - condition: what must be true of the key for anything to be written; else `.conditionFailed`.
    ///   - skippingUnchanged: makes no version when the newest one has the same content and attributes.
    /// - Throws: `.invalid` for a key that is none; `.conditionFailed`; `.locked` when another process keeps the store; `.noSpace`,
    ///   `.tooFewDevices`, `.io`: everybody in the same group hears it, and nothing was stored; `.unknownOutcome`: it may appear later.
    @discardableResult
    public func put(
        _ key: some ObjectKey, from bytes: [UInt8], attributes: ObjectAttributes = ObjectAttributes(),
        condition: WriteCondition? = nil, skippingUnchanged: Bool = false
    ) async throws -> WriteReceipt {
        let answer = Answer<WriteReceipt>()
        let write = GroupedWrite(
            try key.key(),
            .put(
                attributes, declaredBytes: nil, skippingUnchanged: skippingUnchanged, PieceQueue(whole: bytes)),
            condition: condition, onEnd: answer.set)
        return try await submit(write, answer)
    }

    /// Stores what a sequence brings, all of it, as a new version of `key`.
    ///
    /// It is asked for as much as there is room for: some megabytes are held ahead. It is read in the calling task, and what it throws
    /// is thrown: then nothing is stored.
    ///
    /// - Parameter declaredBytes: how many bytes there will be; any other number refuses the object with `.input`.
    @discardableResult
    public func put<Pieces: AsyncSequence>(
        _ key: some ObjectKey, from pieces: Pieces, declaredBytes: UInt64? = nil,
        attributes: ObjectAttributes = ObjectAttributes(), condition: WriteCondition? = nil,
        skippingUnchanged: Bool = false, isolation: isolated (any Actor)? = #isolation
    ) async throws -> WriteReceipt where Pieces.Element: Sequence<UInt8> {
        let (queue, answer) = (PieceQueue(), Answer<WriteReceipt>())
        let write = GroupedWrite(
            try key.key(),
            .put(attributes, declaredBytes: declaredBytes, skippingUnchanged: skippingUnchanged, queue),
            condition: condition, onEnd: answer.set)
        return try await withTaskCancellationHandler {
            var isSubmitted = false
            do {
                for try await piece in pieces {
                    queue.add(Array(piece))
                    if !isSubmitted, queue.byteCount > Limits.gatheredBytes {
                        isSubmitted = true
                        writer.submit(write)
                    }
                    if isSubmitted { await callback { queue.whenRoom($0) } }
                    if answer.isThere { break }
                }
                // Many sequences end when the task is cancelled, as if that were all.
                if !answer.isThere { try Task.checkCancellation() }
            } catch {
                queue.end(.failed(Cancellation.error))
                if isSubmitted { _ = try? await answer.value() }
                throw error
            }
            queue.end(.whole)
            if !isSubmitted {
                await callback { writer.whenAdmitted($0) }
                writer.submit(write)
            }
            return try await answer.value()
        } onCancel: {
            write.cancel()
        }
    }

    /// Stores the file at `path`, as it is read to its end, as a new version of `key`. Throws `.input` when it cannot be read.
    ///
    /// - Parameter attributes: those of the file when nil.
    @discardableResult
    public func put(
        _ key: some ObjectKey, fromFile path: String, attributes: ObjectAttributes? = nil,
        condition: WriteCondition? = nil, skippingUnchanged: Bool = false
    ) async throws -> WriteReceipt {
        let (key, answer, cancellation) = (try key.key(), Answer<WriteReceipt>(), Cancellation())
        return try await withTaskCancellationHandler {
            sourceThreads.submit { [writer] in
                do throws(StoreError) {
                    try cancellation.check()
                    let (queue, file) = (PieceQueue(), try FileSource(path: Array(path.utf8)))
                    let write = GroupedWrite(
                        key,
                        .put(
                            attributes ?? file.attributes, declaredBytes: nil, skippingUnchanged: skippingUnchanged,
                            queue),
                        condition: condition, onEnd: answer.set)
                    cancellation.onCancel { write.cancel() }
                    try writer.bring(CancellableSource(file, cancellation), into: queue, of: write)
                } catch {
                    answer.set(.failure(error))
                }
            }
            return try await answer.value()
        } onCancel: {
            cancellation.cancel()
        }
    }

    /// Puts a delete marker on `key`: older versions stay until they are pruned. Throws `.notFound` when there is no live version,
    /// `.conditionFailed`, and as `put`.
    @discardableResult
    public func remove(_ key: some ObjectKey, condition: WriteCondition? = nil) async throws -> WriteReceipt {
        let answer = Answer<WriteReceipt>()
        return try await submit(
            GroupedWrite(try key.key(), .removal, condition: condition, onEnd: answer.set), answer)
    }

    private func submit(_ write: GroupedWrite, _ answer: Answer<WriteReceipt>) async throws -> WriteReceipt {
        try await withTaskCancellationHandler {
            await callback { writer.whenAdmitted($0) }
            writer.submit(write)
            return try await answer.value()
        } onCancel: {
            write.cancel()
        }
    }
}
