/// A store failure. `code` is for programs; `description` is for people.
///
/// It reads "cannot OPERATION on PLACE: DETAIL: CAUSE" and ends, where there is one, with what to
/// do next.
public struct StoreError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable, CaseIterable {
        /// No such key, version, device, shard or store.
        case notFound
        /// Bytes that fail their checksum or do not parse.
        case corrupt
        /// A call to the operating system failed; `cause` says how.
        case io
        /// A node refuses who asks: credentials are missing, wrong or not enough, or the clocks disagree.
        case denied
        /// A disk is full, out of inodes or over quota.
        case noSpace
        /// Another process holds the lock.
        case locked
        /// The caller asked for something that makes no sense.
        case invalid
        /// What would be created is there already.
        case exists
        /// More was lost than the redundancy covers: bytes are gone.
        case lost
        /// Too few devices in service to write safely.
        case tooFewDevices
        /// A commit may or may not have been acknowledged; writing waits for devices or a decision.
        case inDoubt
        /// The outcome of this write is not known: it may appear later.
        case unknownOutcome
        /// The write is durable, but the index could not be updated.
        case indexBehind
        /// The index does not hold together. It is a cache: rebuilding it from the shards mends it.
        case indexDamaged
        /// Written by a newer version, or with features unknown here.
        case unsupported
        /// The newest version is not the one that the caller made a condition; nothing was changed.
        case conditionFailed
        /// The input ended early, changed while it was read, or its producer failed.
        case input
        /// The caller gave the operation up, or asked to stop (`StoreEnvironment.shouldStop`): what was acknowledged stays.
        case interrupted
    }

    public let code: Code
    /// What was attempted, to follow "cannot": "read shard d00 of block 12".
    public let operation: String
    /// Where: a device's label and path, a file.
    public let place: String?
    /// What was found and what was expected.
    public let detail: String
    /// What the kernel said.
    public let cause: SystemError?
    /// What a person can do next.
    public let advice: String?

    public init(
        _ code: Code, _ operation: String, at place: String? = nil, detail: String, cause: SystemError? = nil,
        advice: String? = nil
    ) {
        self.code = code
        self.operation = operation
        self.place = place
        self.detail = detail
        self.cause = cause
        self.advice = advice
    }

    public var description: String { summary + (advice.map { "; \($0)" } ?? "") }

    /// The description without the advice.
    public var summary: String {
        let place = place.map { " at \($0)" } ?? ""
        let detail = detail.isEmpty ? "" : ": \(detail)"
        let cause = cause.map { ": \($0)" } ?? ""
        return "cannot \(operation)\(place)\(detail)\(cause)"
    }
}
