/// A value that a thread makes and one task waits for.
final class Answer<Value: Sendable>: Sendable {
    private struct State: Sendable {
        var result: Result<Value, StoreError>?
        var waiting: CheckedContinuation<Void, Never>?
    }

    private let state = Monitor(State())

    var isThere: Bool { state.withLock { $0.result != nil } }

    /// Only the first one counts.
    func set(_ result: Result<Value, StoreError>) {
        let waiting = state.withLock { state in
            if state.result == nil { state.result = result }
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume()
    }

    /// Waits for it without blocking a thread. What was given up throws `CancellationError`.
    func value(isolation: isolated (any Actor)? = #isolation) async throws -> Value {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.result == nil { state.waiting = continuation }
                return state.result != nil
            }
            if isThere { continuation.resume() }
        }
        guard let result = state.withLock(\.result) else { preconditionFailure("whoever is woken has an answer") }
        switch result {
        case .success(let value): return value
        case .failure(let error): throw error.code == .interrupted ? CancellationError() : error
        }
    }
}

/// Waits for `begin` to call back, without blocking a thread.
func callback(
    isolation: isolated (any Actor)? = #isolation, _ begin: (@escaping @Sendable () -> Void) -> Void
) async {
    await withCheckedContinuation { continuation in begin { continuation.resume() } }
}

/// Whether a task was cancelled, for the thread that works for it.
final class Cancellation: Sendable {
    private struct State: Sendable {
        var isCancelled = false
        var onCancel: (@Sendable () -> Void)?
    }

    private let state = Monitor(State())

    func cancel() {
        let onCancel = state.withLock { state in
            state.isCancelled = true
            return state.onCancel
        }
        onCancel?()
    }

    /// Calls `body` when the task is cancelled, now if it was.
    func onCancel(_ body: @escaping @Sendable () -> Void) {
        let isCancelled = state.withLock { state in
            state.onCancel = body
            return state.isCancelled
        }
        if isCancelled { body() }
    }

    /// Throws `.interrupted` where nobody wants the outcome any more.
    func check() throws(StoreError) {
        if state.withLock(\.isCancelled) { throw Self.error }
    }

    static let error = StoreError(.interrupted, "go on", detail: "the task was cancelled")
}

/// Takes bytes until the task is cancelled.
final class CancellableSink: ByteSink {
    private let sink: any ByteSink
    private let cancellation: Cancellation

    init(_ sink: any ByteSink, _ cancellation: Cancellation) {
        self.sink = sink
        self.cancellation = cancellation
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        try cancellation.check()
        try sink.write(bytes)
    }
}

/// Brings bytes until the task is cancelled.
final class CancellableSource: ByteSource {
    private let source: any ByteSource
    private let cancellation: Cancellation

    init(_ source: any ByteSource, _ cancellation: Cancellation) {
        self.source = source
        self.cancellation = cancellation
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) -> Int {
        try cancellation.check()
        return try source.read(into: buffer)
    }
}
