/// Everything the engine takes from outside, so that the simulator can be the outside.
public struct StoreEnvironment: Sendable {
    public let home: any Home
    public let devices: any DeviceProvider
    public let clock: any Clock
    public let random: any RandomSource
    public let executor: any Executor
    /// Whether the caller wants what is under way to end early. Asked between steps, from the thread that owns the operation; once
    /// it says true it stays true. What is acknowledged stays, what is open is given up, and `.interrupted` is thrown.
    public let shouldStop: @Sendable () -> Bool
    /// Told where the time goes, for benchmarks.
    public let stageTimes: StageTimes?
    /// Blocks are no larger than this a shard. Smaller in simulations, so that a few bytes fill many.
    var largestShardBytes = Limits.largestShardBytes

    /// Devices that are directories or buckets, real time and real threads, unless something else is given.
    ///
    /// - Parameter devices: nil for a `PlaceProvider` of this home.
    public init(
        home: any Home, devices: (any DeviceProvider)? = nil, clock: any Clock = SystemClock(),
        random: any RandomSource = SystemRandom(), executor: any Executor = ThreadedExecutor(),
        shouldStop: @escaping @Sendable () -> Bool = { false }, stageTimes: StageTimes? = nil
    ) {
        self.home = home
        self.devices = devices ?? PlaceProvider(home: home.place)
        self.clock = clock
        self.random = random
        self.executor = executor
        self.shouldStop = shouldStop
        self.stageTimes = stageTimes
    }

    /// Throws `.interrupted` when the caller wants an end.
    func checkStop(_ operation: String) throws(StoreError) {
        guard shouldStop() else { return }
        throw StoreError(.interrupted, operation, detail: "it was interrupted", advice: "run it again, it goes on")
    }

    /// The surroundings of a store whose home is the directory `path`.
    ///
    /// - Parameters:
    ///   - creating: makes the directory when it is not there.
    ///   - command: what this process is, for whoever finds the store locked.
    public init(home path: String, creating: Bool = false, command: String = "a program") throws(StoreError) {
        self.init(
            home: try DirectoryHome(path: path, creating: creating, command: command),
            devices: PlaceProvider(home: path, command: command))
    }

    /// Shard payload of a full block with `columns` data columns.
    func fullShardBytes(columns: Int) -> Int { min(largestShardBytes, Limits.fullShardBytes(columns: columns)) }
}

/// The directory with the index and the lock.
public protocol Home: AnyObject, Sendable {
    /// Where it is, for people.
    var place: String { get }

    /// The whole document, nil when there is none. Throws `.corrupt` above 16 MiB.
    func readDocument(_ name: DocumentName) throws(StoreError) -> [UInt8]?

    /// Replaces a document, durably and atomically.
    func writeDocument(_ name: DocumentName, _ bytes: [UInt8]) throws(StoreError)

    /// Takes the writer lock; false when another process holds it. Ends with `unlock` or with the
    /// process.
    func tryLock() throws(StoreError) -> Bool
    func unlock()

    /// Lets the lock's holder know that somebody waits for it. Ends with `stopWaiting` or with the process.
    func startWaiting()
    func stopWaiting()

    /// Whether somebody waits, as far as it can be told; true in doubt.
    var isAwaited: Bool { get }

    /// Who holds the lock, as far as it can be told: "bsctl put (process 4711)".
    func lockHolder() -> String?

    /// Opens the index, creating an empty one where there is none. Throws `.indexDamaged` when
    /// what is there is not a sound index.
    func openIndex() throws(StoreError) -> Index

    /// Tells apart the index that is there from one that stood in its place before; nil where that cannot be.
    var indexIdentity: String? { get }

    /// Deletes the index and everything SQLite keeps beside it. The index must not be open.
    func discardIndex() throws(StoreError)

    /// What is known of files that were read before, to be opened by the holder of the writer lock; nil where nothing is kept.
    /// Throws `.indexDamaged` when what is there cannot be used.
    func openKnownFiles() throws(StoreError) -> KnownFiles?

    /// Forgets all that. It must not be open.
    func discardKnownFiles() throws(StoreError)

    func space() throws(StoreError) -> DeviceSpace

    /// As for a device: the index grows when something is deleted.
    func reserveBytes() throws(StoreError) -> Int
    func setReserve(_ byteCount: Int) throws(StoreError)
}

/// A home whose room is not ours to keep, that remembers no files, and of which nobody can tell who waits.
extension Home {
    public func startWaiting() {}
    public func stopWaiting() {}
    public var isAwaited: Bool { true }
    public var indexIdentity: String? { nil }
    public func openKnownFiles() throws(StoreError) -> KnownFiles? { nil }
    public func discardKnownFiles() throws(StoreError) {}
    public func space() throws(StoreError) -> DeviceSpace { DeviceSpace(totalBytes: 0, freeBytes: 0) }
    public func reserveBytes() throws(StoreError) -> Int { 0 }
    public func setReserve(_ byteCount: Int) throws(StoreError) {}
}

public protocol Clock: Sendable {
    /// Wall time in nanoseconds since 1970. For people: no decision about data rests on it, but that a file was changed
    /// long enough before it was read (`FileReading`).
    func wallNanoseconds() -> Int64
    /// Monotonic time in nanoseconds from an arbitrary start.
    func monotonicNanoseconds() -> UInt64
    func sleep(nanoseconds: UInt64)
}

public protocol RandomSource: AnyObject, Sendable {
    /// 64 uniformly random bits. Any thread.
    func next() -> UInt64
}

extension RandomSource {
    func identifier<Tag>() -> Identifier<Tag> {
        Identifier(high: next(), low: next())
    }
}
