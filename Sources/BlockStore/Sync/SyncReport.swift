/// What a sync copied, or would copy. What it cost the target is in its session's `WriteReport`.
public struct SyncReport: Sendable {
    /// A version that is not in the target, and why.
    public struct Failure: Sendable {
        public let key: Key
        /// In the source.
        public let identity: RecordIdentity
        public let error: StoreError
    }

    /// Keys of which the target lacked something.
    public var keys = 0
    /// Versions copied.
    public var versions = 0
    /// Bytes of these, whether their chunks were there already or not.
    public var bytes: UInt64 = 0
    /// Delete markers copied.
    public var deleteMarkers = 0
    /// Versions that the target had.
    public var presentVersions = 0
    /// Versions that the target lacks, of keys of which it has a newer one: it let go of them, or they could not be read when
    /// the newer one was copied. Nothing is put behind what is newer.
    public var passedOver = 0
    /// What was read of the source: `bytes` of chunks that the target did not have, and what had to be rebuilt for it.
    public var read = ReadReport()
    /// In the order of the source's commits.
    public var failures: [Failure] = []

    public init() {}
}
