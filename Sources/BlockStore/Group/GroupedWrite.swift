/// What became of a write: it is durable, and this is its version.
public struct WriteReceipt: Sendable, Hashable {
    /// The version that was made; for a removal its delete marker. Where nothing changed, the one that was there.
    public let version: ObjectVersion
    /// What redundancy is owed to what was stored together with it, in words; nil when everything is as the profile asks.
    public let debt: String?
}

/// One caller's write on its way into a commit: what is wanted, and how the caller is told.
///
/// Any thread. Whoever waits for it is told exactly once.
final class GroupedWrite: Sendable {
    typealias Outcome = Result<WriteReceipt, StoreError>

    enum Kind: Sendable {
        case put(ObjectAttributes, declaredBytes: UInt64?, skippingUnchanged: Bool, PieceQueue)
        case removal
    }

    let key: Key
    let kind: Kind
    let condition: WriteCondition?

    private enum State: Sendable {
        case waiting
        case begun
        case told
    }

    private let state = Monitor(State.waiting)
    private let onEnd: @Sendable (Outcome) -> Void

    /// - Parameter onEnd: told the outcome, from the thread that commits: it must not take long.
    init(_ key: Key, _ kind: Kind, condition: WriteCondition?, onEnd: @escaping @Sendable (Outcome) -> Void) {
        self.key = key
        self.kind = kind
        self.condition = condition
        self.onEnd = onEnd
    }

    var pieces: PieceQueue? {
        if case .put(_, _, _, let pieces) = kind { return pieces }
        return nil
    }

    /// False when it was given up before.
    func begin() -> Bool {
        state.withLock { state in
            guard case .waiting = state else { return false }
            state = .begun
            return true
        }
    }

    func tell(_ outcome: Outcome) {
        let isFirst = state.withLock { state in
            if case .told = state { return false }
            state = .told
            return true
        }
        guard isFirst else { return }
        pieces?.close()
        onEnd(outcome)
    }

    /// Gives the write up, if it is not too late: it has not begun, or not all of its bytes have come. Otherwise it goes on.
    func cancel() {
        let error = StoreError(
            .interrupted, "store \(key)", detail: "it was given up; nothing was stored under this key")
        let isWaiting = state.withLock { state in
            guard case .waiting = state else { return false }
            state = .told
            return true
        }
        pieces?.end(.failed(error))
        guard isWaiting else { return }
        pieces?.close()
        onEnd(.failure(error))
    }
}
