/// How far a long operation has come.
public struct Progress: Sendable, Hashable {
    /// What is being done: "reading blocks".
    public var phase: String
    public var doneBytes: UInt64
    /// 0 where it is not known.
    public var totalBytes: UInt64
    public var doneItems: Int
    public var totalItems: Int

    public init(
        phase: String, doneBytes: UInt64 = 0, totalBytes: UInt64 = 0, doneItems: Int = 0, totalItems: Int = 0
    ) {
        self.phase = phase
        self.doneBytes = doneBytes
        self.totalBytes = totalBytes
        self.doneItems = doneItems
        self.totalItems = totalItems
    }
}

/// Called now and then, from the thread that runs the operation.
public typealias ProgressHandler = @Sendable (Progress) -> Void
