import Erasure

/// A content-addressed, erasure-coded store: devices and index under one id.
///
/// Open it with `open`, close it with `close`. Reading is safe from any thread and beside a writer;
/// writing needs `.write`, which one process at a time can have.
public final class Store: Sendable {
    public enum Access: Sendable { case read, write }

    public struct Options: Sendable {
        /// How long to wait for another writer.
        public var lockWaitSeconds: Double
        /// A put is acknowledged with fewer shards than the profile's, down to this many; nil: down to
        /// one more than what is needed to read it.
        public var minimumShards: Int?
        /// Told once who holds the lock, when there is a wait.
        public var onWait: (@Sendable (String) -> Void)?
        /// What is to be done frees room: where there is none, the reserve is for it.
        public var freesRoom = false
        /// How long maintenance holds the locks at a time.
        var turnNanoseconds = Limits.turnNanoseconds
        /// A collection copies so much in one commit, of so many blocks.
        var collectedBytes = Limits.collectedBytes
        var collectedBlocks = Limits.collectedBlocks
        /// Whoever closes a store that has more small blocks merges some.
        var toleratedSmallBlocks = Limits.smallBlocks

        public init(
            lockWaitSeconds: Double = 60, minimumShards: Int? = nil, onWait: (@Sendable (String) -> Void)? = nil
        ) {
            self.lockWaitSeconds = lockWaitSeconds
            self.minimumShards = minimumShards
            self.onWait = onWait
        }
    }

    let environment: StoreEnvironment
    let access: Access
    let options: Options
    let session: Monitor<Session>

    /// What `open` made, replaced whole when the configuration changes.
    struct Session: Sendable {
        var engine: Engine
        /// Nil for a reader that found the lock taken.
        var recovery: Recovery.Result?
        var notices: [String]
        /// Begun by the first write.
        var tenure: WriterTenure?
        /// When opening began.
        let openedNanoseconds: UInt64
        var isOpen = true
    }

    init(environment: StoreEnvironment, access: Access, options: Options, session: Session) {
        self.environment = environment
        self.access = access
        self.options = options
        self.session = Monitor(session)
    }

    var engine: Engine { session.withLock(\.engine) }
    var recovery: Recovery.Result? { session.withLock(\.recovery) }

    public var configuration: Configuration { engine.configuration }

    /// What opening found worth telling.
    public var notices: [String] { session.withLock(\.notices) }

    /// False after `close`, and after an operation that had to open the store again and could not: then everything but `close`
    /// throws, and the store is to be opened anew.
    public var isOpen: Bool { session.withLock(\.isOpen) }

    /// Releases the locks and the index. Safe to call twice. After writing, merges some small blocks where there are many.
    public func close() {
        if session.withLock({ $0.isOpen && $0.tenure != nil }) {
            mergeIfMany()
            keepReserves()
        }
        let engine: Engine? = session.withLock { session in
            guard session.isOpen else { return nil }
            session.isOpen = false
            return session.engine
        }
        guard let engine else { return }
        engine.index.close()
        Opening.release(environment, engine.devices)
    }
}

/// One configured device, for people and programs.
public struct DeviceInfo: Sendable, Hashable {
    public let id: DeviceID
    public let label: String
    public let domain: String
    public let weight: UInt32
    public let path: String?
    public let state: DeviceState
    /// It gets no new shards, and those it has are to be moved away.
    public let isDraining: Bool
    public let space: DeviceSpace?
    /// How it answered while the store was open; nil where it is near.
    public let answerTimes: AnswerTimes?
}

/// What a device holds as far as the index knows.
public struct DeviceUsage: Sendable, Hashable {
    public var shards = 0
    /// Payload of these.
    public var bytes: UInt64 = 0
    /// Shards on it that were found damaged, and are not made again yet.
    public var damagedShards = 0

    public init() {}
}

extension Store {
    /// The configured devices in order, without the removed ones.
    public var devices: [DeviceInfo] { Self.info(engine.devices) }

    static func info(_ devices: DeviceSet) -> [DeviceInfo] {
        devices.all.map { member in
            DeviceInfo(
                id: member.configured.id, label: member.configured.label, domain: member.configured.domain,
                weight: member.configured.weight, path: member.path, state: member.state,
                isDraining: member.configured.state == .draining,
                space: member.state.isInService ? try? member.device?.space() : nil,
                answerTimes: member.device?.answerTimes)
        }
    }

    public static func open(
        _ environment: StoreEnvironment, access: Access, options: Options = Options(),
        progress: ProgressHandler? = nil
    ) throws(StoreError) -> Store {
        try selfTest()
        var opening = Opening(environment: environment, access: access, options: options, progress: progress)
        let session = try opening.run()
        return Store(environment: environment, access: access, options: options, session: session)
    }

    /// Throws away the index and makes it again from the shards alone.
    public static func rebuildIndex(
        _ environment: StoreEnvironment, options: Options = Options(), progress: ProgressHandler? = nil
    ) throws(StoreError) -> RebuildReport {
        try selfTest()
        let start = environment.clock.monotonicNanoseconds()
        var opening = Opening(environment: environment, access: .write, options: options, progress: progress)
        opening.discardsIndex = true
        let session = try opening.run()
        let store = Store(environment: environment, access: .write, options: options, session: session)
        defer { store.close() }
        let totals = try session.engine.index.totals()
        return RebuildReport(
            commits: session.recovery?.foldedCommits ?? 0, blocks: Int(totals.blocks), chunks: Int(totals.chunks),
            versions: Int(totals.versions), missingCommits: session.recovery?.missing ?? [],
            seconds: Double(environment.clock.monotonicNanoseconds() &- start) / 1e9, notices: session.notices)
    }

    static func selfTest() throws(StoreError) {
        do throws(ErasureSelfTestError) {
            try ErasureSelfTest.run()
        } catch {
            throw StoreError(.io, "start", detail: error.description)
        }
    }
}

/// What rebuilding the index found.
public struct RebuildReport: Sendable {
    public let commits: Int
    public let blocks: Int
    public let chunks: Int
    public let versions: Int
    public let missingCommits: [String]
    public let seconds: Double
    public let notices: [String]
}
