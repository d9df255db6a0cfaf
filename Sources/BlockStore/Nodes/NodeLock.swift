import FoundationEssentials

/// Who writes, as far as a node's lock says it.
struct LockOwner: Sendable, Hashable, Codable {
    /// The same for everything that runs in one home, and no other's: the home's own lock is between them.
    let home: String
    /// For people: "bsctl put on host-a, home /srv/store".
    let name: String
}

/// The writer lock of a node: an object `lock`, written where there is none, that its holder renews.
///
/// There is nothing on a node that ends with a process, so a lock is a *lease*. Its holder writes it again every 20 s, and
/// names, replaces or removes nothing later than 60 s after it sent the last renewal that succeeded, by its own monotonic
/// clock: a process that was stopped finds itself fenced when it goes on. Others may take the lock over when it has been there
/// unrenewed for 120 s between the server's own two clock readings (Date, Last-Modified): nobody's clock is compared with another's. Between
/// the two lies more time than any call may take. Of what nevertheless comes late, the epochs in the records say which is
/// older, as for directories.
///
/// Where the server knows conditional writes, one of two that come at the same time loses. Where it does not, each writes,
/// waits, and reads back who is in it.
final class NodeLock: Sendable {
    private struct Document: Codable {
        let format: Int
        let owner: LockOwner
        /// Another each time that the lock is taken.
        let token: String
        /// Counts the renewals, so that each writes other bytes.
        let renewal: UInt64
    }

    private struct State {
        var token: String?
        var renewal: UInt64 = 0
        /// By the monotonic clock.
        var leaseEnd: UInt64 = 0
        /// Whether a condition that does not hold was seen to be refused.
        var hasConditions: Bool?
        var holder: String?
    }

    private let client: S3Client
    private let clock: any Clock
    private let owner: LockOwner
    private let state = Monitor(State())
    private var key: String { client.address.key("lock") }

    init(_ client: S3Client, _ owner: LockOwner, clock: any Clock) {
        self.client = client
        self.owner = owner
        self.clock = clock
    }

    /// Whether the server is known to refuse what should not be replaced; nil when that was not seen yet.
    var hasConditions: Bool? { state.withLock(\.hasConditions) }

    /// Who had the lock when it could not be taken.
    var holder: String? { state.withLock(\.holder) }

    func tryLock() throws(StoreError) -> Bool {
        let operation = "lock the node"
        state.withLock { $0.holder = nil }
        let found = try client.get(key, operation)
        var condition = S3Condition.isAbsent
        if let found {
            let document = try? BlockStore.Document.decode(Document.self, found.bytes, "lock", client.place)
            let isOwn = document?.owner.home == owner.home
            guard isOwn || (found.object.ageSeconds ?? 0) > Limits.leaseTakeoverSeconds else {
                let name = document?.owner.name ?? "somebody"
                state.withLock { $0.holder = name }
                return false
            }
            condition = found.object.entityTag.map { .isUnchanged(entityTag: $0) } ?? .always
        }
        let token = client.mark()
        let sent = clock.monotonicNanoseconds()
        var result = try write(token, 0, condition, operation)
        let knowsConditions = result != .unsupported
        if !knowsConditions { result = try write(token, 0, .always, operation) }
        guard result == .done else {
            state.withLock { $0.holder = "another writer, since a moment" }
            return false
        }
        // Only a server that refuses now can be relied upon to have refused others.
        let refuses = knowsConditions ? try write(token, 0, .isAbsent, operation) == .refused : false
        if !refuses || found != nil {
            clock.sleep(nanoseconds: refuses ? 0 : Limits.settlingNanoseconds)
            guard try holds(token, operation) else {
                state.withLock { $0.holder = "another writer, since a moment" }
                return false
            }
        }
        state.withLock { state in
            state.hasConditions = refuses
            state.token = token
            state.renewal = 0
            state.leaseEnd = sent &+ Limits.leaseNanoseconds
        }
        keepRenewing(token)
        return true
    }

    func unlock() {
        guard
            let token = state.withLock({ state -> String? in
                defer { state.token = nil }
                return state.token
            })
        else { return }
        state.wakeAll()
        // What cannot be removed is a leftover of this home, or ends with its lease.
        let operation = "unlock the node"
        if (try? holds(token, operation)) == true { try? client.delete(key, operation) }
    }

    /// Throws where the lock was taken and is not certain to be held any more.
    func requireLease(_ operation: String) throws(StoreError) {
        let now = clock.monotonicNanoseconds()
        let isOver = state.withLock { $0.token != nil && now >= $0.leaseEnd }
        guard isOver else { return }
        throw StoreError(
            .io, operation, at: client.place,
            detail: "the lease on the writer lock ended before it could be renewed, and another home may be writing",
            advice: "run it again: the node is slow, or this process was stopped for a while")
    }

    private func holds(_ token: String, _ operation: String) throws(StoreError) -> Bool {
        guard let found = try client.get(key, operation) else { return false }
        return (try? BlockStore.Document.decode(Document.self, found.bytes, "lock", client.place))?.token == token
    }

    private func write(
        _ token: String, _ renewal: UInt64, _ condition: S3Condition, _ operation: String
    ) throws(StoreError) -> S3Writing {
        let document = Document(format: 1, owner: owner, token: token, renewal: renewal)
        return try BlockStore.Document.json(document).withBytes { bytes throws(StoreError) in
            try client.put(key, [bytes], if: condition, mark: client.mark(), operation)
        }
    }

    /// A thread that renews the lease until the lock is given back, another has it, or nobody holds this object.
    private func keepRenewing(_ token: String) {
        startThread { [weak self, state] in
            while true {
                let isOver = state.wait(atMost: Limits.leaseRenewalNanoseconds) { $0.token == token ? nil : true }
                guard isOver == nil, let self, self.renew(token) else { return }
            }
        }
    }

    /// Whether it is worth trying again later.
    private func renew(_ token: String) -> Bool {
        let operation = "renew the lock"
        let sent = clock.monotonicNanoseconds()
        // Over is over: somebody else may have it.
        guard state.withLock({ $0.token == token && sent < $0.leaseEnd }) else { return false }
        do throws(StoreError) {
            guard let found = try client.get(key, operation),
                (try? BlockStore.Document.decode(Document.self, found.bytes, "lock", client.place))?.token == token
            else {
                lose(token)
                return false
            }
            let renewal = state.withLock { state in
                state.renewal += 1
                return state.renewal
            }
            let condition: S3Condition =
                hasConditions == true ? found.object.entityTag.map { .isUnchanged(entityTag: $0) } ?? .always : .always
            guard try write(token, renewal, condition, operation) == .done else {
                lose(token)
                return false
            }
            state.withLock { if $0.token == token { $0.leaseEnd = sent &+ Limits.leaseNanoseconds } }
            // Given back meanwhile: then what was just written is a leftover.
            if state.withLock({ $0.token != token }), (try? holds(token, operation)) == true {
                try? client.delete(key, operation)
            }
        } catch {
            // The lease says for how long that does no harm.
        }
        return true
    }

    private func lose(_ token: String) { state.withLock { if $0.token == token { $0.leaseEnd = 0 } } }
}
