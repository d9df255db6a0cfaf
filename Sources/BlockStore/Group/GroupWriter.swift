/// Puts and removes from many threads at once: those that come while a commit is under way share the next one.
///
/// Each call returns when its own object is durable. A lone one waits for nobody; after a group there is a pause of a fourth of what
/// it took, a few milliseconds at most, until as many have come again. The store's locks are taken by the first write
/// and given back after a second without any, at once when somebody waits for them, and between two groups as maintenance gives
/// way (`Store+Turns.swift`). A device that failed is out of service until then.
///
/// Any thread, any number at a time. Blocks the calling thread: from tasks, use `ObjectStore`.
public final class GroupWriter: Sendable {
    private struct Inbox: Sendable {
        var queue: [GroupedWrite] = []
        /// Bytes in it.
        var byteCount = 0
        /// Something came of objects that are arriving.
        var hasNews = false
        var isClosed = false
        var isRunning = false
        var onRoom: [@Sendable () -> Void] = []
    }

    private let environment: StoreEnvironment
    private let options: Store.Options
    private let inbox = Monitor(Inbox())
    private let isOver = Completion()

    /// Opens nothing yet.
    public init(_ environment: StoreEnvironment, options: Store.Options = Store.Options()) {
        self.environment = environment
        self.options = options
    }

    deinit { stop() }

    /// Stores all of `source`, read on the calling thread, as a new version of `key`.
    ///
    /// - Parameters:
    ///   - declaredBytes: how many bytes there will be; any other number refuses the object.
    ///   - skippingUnchanged: makes no version when the newest one has the same content and attributes.
    ///   - condition: what must be true of the key, also of what others put in the same group.
    /// - Throws: what `source` throws, `.input` for a wrong length, `.conditionFailed`: nobody else is touched. What storing throws,
    ///   everybody hears whose object was in the group; `.unknownOutcome` means that it may appear later. `.locked` when another
    ///   process kept the store for as long as the options say, or the writer is closed.
    public func put(
        _ key: Key, attributes: ObjectAttributes = ObjectAttributes(), from source: any ByteSource,
        declaredBytes: UInt64? = nil, skippingUnchanged: Bool = false, condition: WriteCondition? = nil
    ) throws(StoreError) -> WriteReceipt {
        let pieces = PieceQueue()
        return try write(
            key,
            .put(attributes, declaredBytes: declaredBytes, skippingUnchanged: skippingUnchanged, pieces),
            condition
        ) { write throws(StoreError) in try self.bring(source, into: pieces, of: write) }
    }

    /// Puts a delete marker on `key`. Throws `.notFound` when there is no live version, `.conditionFailed`, and as `put`.
    public func remove(_ key: Key, condition: WriteCondition? = nil) throws(StoreError) -> WriteReceipt {
        try write(key, .removal, condition) { write throws(StoreError) in self.submit(write) }
    }

    /// Ends what is under way, and gives the store back. Safe to call twice.
    public func close() {
        if stop() { isOver.block() }
    }

    private func write(
        _ key: Key, _ kind: GroupedWrite.Kind, _ condition: WriteCondition?,
        _ bring: (GroupedWrite) throws(StoreError) -> Void
    ) throws(StoreError) -> WriteReceipt {
        let outcome = Monitor<GroupedWrite.Outcome?>(nil)
        let write = GroupedWrite(key, kind, condition: condition) { found in
            outcome.withLock { $0 = found }
            outcome.wakeAll()
        }
        try bring(write)
        outcome.wait { $0 != nil }
        guard let found = outcome.withLock({ $0 }) else { preconditionFailure("somebody told") }
        return try found.get()
    }

    /// Reads all of `source`. The write is submitted when it is whole, or too large to be held. Throws what the source throws before
    /// that; from then on whoever waits for the write is told.
    func bring(
        _ source: any ByteSource, into pieces: PieceQueue, of write: GroupedWrite
    ) throws(StoreError) {
        var isSubmitted = false
        do throws(StoreError) {
            while let piece = try source.nextPiece() {
                pieces.add(piece)
                if !isSubmitted, pieces.byteCount > Limits.gatheredBytes {
                    isSubmitted = true
                    submit(write)
                }
                if isSubmitted { Self.wait { pieces.whenRoom($0) } }
            }
        } catch {
            // Once it is submitted, the outcome says so.
            pieces.end(.failed(error))
            if isSubmitted { return }
            throw error
        }
        pieces.end(.whole)
        guard !isSubmitted else { return }
        Self.wait { whenAdmitted($0) }
        submit(write)
    }

    private static func wait(_ begin: (@escaping @Sendable () -> Void) -> Void) {
        let completion = Completion()
        begin { completion.raise() }
        completion.block()
    }

    // For those who must not block.

    /// Hands a write over. Whoever waits for it is told.
    func submit(_ write: GroupedWrite) {
        if let pieces = write.pieces, !pieces.isWhole {
            pieces.notify { [inbox] in
                inbox.withLock { $0.hasNews = true }
                inbox.wakeOne()
            }
        }
        let (isOpen, starts) = inbox.withLock { inbox in
            guard !inbox.isClosed else { return (false, false) }
            inbox.queue.append(write)
            inbox.byteCount += write.pieces?.byteCount ?? 0
            defer { inbox.isRunning = true }
            return (true, !inbox.isRunning)
        }
        guard isOpen else {
            write.tell(
                .failure(
                    StoreError(.locked, "store \(write.key)", detail: "the store is closed", advice: "open it again")))
            return
        }
        if starts {
            let (environment, options, inbox, isOver) = (environment, options, inbox, isOver)
            startThread {
                Self.run(GroupCommitter(environment, options), environment, inbox)
                isOver.raise()
            }
        } else {
            inbox.wakeOne()
        }
    }

    /// Calls `resume`, once, when what waits to be stored is little enough that more may come: perhaps at once.
    func whenAdmitted(_ resume: @escaping @Sendable () -> Void) {
        let isNow = inbox.withLock { inbox in
            if inbox.byteCount < Limits.queuedBytes || inbox.isClosed { return true }
            inbox.onRoom.append(resume)
            return false
        }
        if isNow { resume() }
    }

    /// Takes no more. Returns whether there is a thread that ends for it.
    @discardableResult
    private func stop() -> Bool {
        let isRunning = inbox.withLock { inbox in
            inbox.isClosed = true
            return inbox.isRunning
        }
        inbox.wakeOne()
        return isRunning
    }

    /// Calls `resume` when what is under way has ended and the store is given back.
    func whenClosed(_ resume: @escaping @Sendable () -> Void) {
        guard stop() else { return resume() }
        let isOver = isOver
        startThread {
            isOver.block()
            resume()
        }
    }

    /// The thread that commits.
    private static func run(
        _ committer: GroupCommitter, _ environment: StoreEnvironment, _ inbox: Monitor<Inbox>
    ) {
        var lastWrite = environment.clock.monotonicNanoseconds()
        while true {
            let isIdle = committer.isIdle
            // Whoever has nothing to give back and nothing to look after waits until somebody comes.
            let nanoseconds = committer.holdsStore || !isIdle ? Limits.lookNanoseconds : .max / 4
            let isClosed = inbox.wait(atMost: nanoseconds) { inbox in
                if inbox.isClosed, inbox.queue.isEmpty, isIdle { return true }
                return inbox.queue.isEmpty && !inbox.hasNews ? nil : false
            }
            if isClosed == true { return committer.rest() }
            if isClosed == false || !isIdle {
                let start = environment.clock.monotonicNanoseconds()
                let count = commitNext(committer, inbox)
                lastWrite = environment.clock.monotonicNanoseconds()
                // Callers that write one object after the other come back together: without this the first of them would be
                // a group of its own each time. A lone one is waited for by nobody.
                if count > 1 {
                    let pause = min((lastWrite &- start) / 4, Limits.gatheringNanoseconds)
                    _ = inbox.wait(atMost: pause) { $0.queue.count >= count || $0.isClosed ? true : nil }
                }
            } else if committer.holdsStore {
                let idleNanoseconds = environment.clock.monotonicNanoseconds() &- lastWrite
                if idleNanoseconds > Limits.idleNanoseconds || committer.isAwaited { committer.rest() }
            }
        }
    }

    /// Returns how many writes were in the group.
    private static func commitNext(_ committer: GroupCommitter, _ inbox: Monitor<Inbox>) -> Int {
        // Before anything begins: until another process gives the store back, any of it can be given up.
        var problem: StoreError?
        do throws(StoreError) {
            try committer.open()
        } catch {
            problem = error
        }
        let (group, onRoom) = inbox.withLock { inbox in
            defer {
                inbox.queue = []
                inbox.byteCount = 0
                inbox.hasNews = false
                inbox.onRoom = []
            }
            return (inbox.queue, inbox.onRoom)
        }
        for resume in onRoom { resume() }
        if let problem {
            committer.fail(problem, group)
        } else if !group.isEmpty || !committer.isIdle {
            committer.commit(group)
        }
        return group.count
    }
}

extension ByteSource {
    /// The next bytes, nil at the end.
    func nextPiece() throws(StoreError) -> [UInt8]? {
        var piece = [UInt8](repeating: 0, count: Limits.pieceBytes)
        let count = try piece.withMutableBytes { buffer throws(StoreError) in try read(into: buffer) }
        guard count > 0 else { return nil }
        return count == piece.count ? piece : Array(piece[..<count])
    }
}
