/// How far a long operation has come.
public struct Progress: Sendable, Hashable {
    /// What is being done: "reading blocks".
    public var phase: String
    public var doneBytes: UInt64
    /// 0 where it is not known.
    public var totalBytes: UInt64
    public var doneItems: Int
    public var totalItems: Int
    /// Until no block is below its least redundancy; nil where that is not the question, or not known yet.
    public var secondsToSafe: Double?
    /// Until all is done.
    public var secondsToEnd: Double?
    public var bytesPerSecond: Double?

    public init(
        phase: String, doneBytes: UInt64 = 0, totalBytes: UInt64 = 0, doneItems: Int = 0, totalItems: Int = 0,
        secondsToSafe: Double? = nil, secondsToEnd: Double? = nil, bytesPerSecond: Double? = nil
    ) {
        self.phase = phase
        self.doneBytes = doneBytes
        self.totalBytes = totalBytes
        self.doneItems = doneItems
        self.totalItems = totalItems
        self.secondsToSafe = secondsToSafe
        self.secondsToEnd = secondsToEnd
        self.bytesPerSecond = bytesPerSecond
    }
}

/// Called now and then, from the thread that runs the operation.
public typealias ProgressHandler = @Sendable (Progress) -> Void
