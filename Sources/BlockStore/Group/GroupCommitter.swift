/// Group commit: the writes that gathered while a commit was under way share the next one.
///
/// Each of them is acknowledged when that commit is. One whose source fails or whose condition does not hold is dropped alone; when
/// storing fails, all of the group do. The store is opened, and with it locked, by the first write, and given back by `rest`.
///
/// Use from one thread: `GroupWriter` has one for it; in simulations the test's.
final class GroupCommitter {
    private struct Member {
        let write: GroupedWrite
        let landing: Landing
    }

    /// An object whose bytes are still coming.
    private struct Arriving {
        let member: Member
        let stream: PutStream
        /// When bytes came last.
        var heardNanoseconds: UInt64
    }

    private let environment: StoreEnvironment
    private let options: Store.Options
    private var store: Store?
    private var session: WriteSession?
    /// What is in the open commit.
    private var members: [Member] = []
    private var arriving: [Arriving] = []
    /// Larger ones wait for others of their kind to end.
    private var waiting: [GroupedWrite] = []

    init(_ environment: StoreEnvironment, _ options: Store.Options) {
        self.environment = environment
        self.options = options
    }

    /// Whether it has the store's locks.
    var holdsStore: Bool { store != nil }

    /// Whether nothing that was taken waits to be ended.
    var isIdle: Bool { arriving.isEmpty && waiting.isEmpty }

    /// Opens the store, if it is not open.
    func open() throws(StoreError) {
        guard store == nil else { return }
        store = try Store.open(environment, access: .write, options: options)
    }

    /// Takes a group, and what came of the objects that are arriving, and commits all that is whole. When it returns everybody
    /// who was taken in is told, but those whose bytes are still coming.
    func commit(_ group: [GroupedWrite]) {
        do throws(StoreError) {
            let session = try currentSession()
            for write in group { try take(write, session) }
            try hear(session)
            try settle(session)
        } catch {
            fail(error, group)
        }
        giveWay()
    }

    /// Gives the store back. Nothing may be arriving.
    func rest() {
        precondition(session == nil, "there is a session while something arrives")
        store?.close()
        store = nil
    }

    /// Whether somebody else wants the store, as far as it can be told.
    var isAwaited: Bool { environment.home.isAwaited }

    private func currentSession() throws(StoreError) -> WriteSession {
        if let session { return session }
        try open()
        guard let store else { preconditionFailure("the store was opened") }
        let new = try store.startWriting()
        session = new
        return new
    }

    // Each throws what ends the session.

    private func take(_ write: GroupedWrite, _ session: WriteSession) throws(StoreError) {
        guard write.begin() else { return }
        let member = Member(write: write, landing: Landing())
        switch write.kind {
        case .removal:
            try attempt(write, session) { () throws(StoreError) in
                try session.remove(write.key, condition: write.condition, landing: member.landing)
                members.append(member)
            }
        case .put(_, let declaredBytes, _, let pieces):
            guard pieces.isWhole else {
                waiting.append(write)
                return
            }
            try attempt(write, session) { () throws(StoreError) in
                try session.put(
                    object(of: member), from: PiecesSource(pieces.take().pieces), declaredBytes: declaredBytes,
                    condition: write.condition)
                members.append(member)
            }
        }
    }

    private func object(of member: Member) -> IncomingObject {
        guard case .put(let attributes, _, let skippingUnchanged, _) = member.write.kind else {
            preconditionFailure("a removal has no bytes")
        }
        return IncomingObject(
            key: member.write.key, attributes: attributes, skippingUnchanged: skippingUnchanged,
            landing: member.landing)
    }

    /// Runs `body`; what it throws is the write's own affair, unless it ended the session.
    private func attempt(
        _ write: GroupedWrite, _ session: WriteSession, _ body: () throws(StoreError) -> Void
    ) throws(StoreError) {
        do throws(StoreError) {
            try body()
        } catch {
            write.tell(.failure(error))
            if session.isOver { throw error }
        }
    }

    /// Takes what came of the objects that are arriving, and begins with those that wait.
    private func hear(_ session: WriteSession) throws(StoreError) {
        for write in waiting {
            if let failure = write.pieces?.failure { write.tell(.failure(failure)) }
        }
        waiting.removeAll { $0.pieces?.failure != nil }
        // New ones would keep the store from those who wait for it.
        while arriving.count < Limits.objectsArriving, !waiting.isEmpty, store?.isTurnOver == false {
            let write = waiting.removeFirst()
            guard case .put(_, let declaredBytes, _, _) = write.kind else { continue }
            let member = Member(write: write, landing: Landing())
            try attempt(write, session) { () throws(StoreError) in
                let stream = try PutStream(
                    object(of: member), in: session, declaredBytes: declaredBytes, condition: write.condition)
                arriving.append(
                    Arriving(
                        member: member, stream: stream, heardNanoseconds: environment.clock.monotonicNanoseconds()))
            }
        }
        for number in arriving.indices.reversed() {
            let (member, stream) = (arriving[number].member, arriving[number].stream)
            guard let (pieces, end) = member.write.pieces?.take() else { continue }
            if !pieces.isEmpty { arriving[number].heardNanoseconds = environment.clock.monotonicNanoseconds() }
            do throws(StoreError) {
                for piece in pieces {
                    try piece.withBytes { bytes throws(StoreError) in try stream.append(bytes) }
                }
                switch end {
                case nil:
                    try requireLively(arriving[number])
                    continue
                case .failed(let error): throw error
                case .whole:
                    try stream.end()
                    members.append(member)
                }
            } catch {
                if session.isOver { throw error }
                stream.abandon()
                member.write.tell(.failure(error))
            }
            arriving.remove(at: number)
        }
    }

    /// A source that brings nothing must not keep the store from others for ever.
    private func requireLively(_ object: Arriving) throws(StoreError) {
        let silence = environment.clock.monotonicNanoseconds() &- object.heardNanoseconds
        guard silence > Limits.silenceNanoseconds, isAwaited else { return }
        throw StoreError(
            .input, "store \(object.member.write.key)",
            detail: "its source brought nothing for \(silence / 1_000_000_000) s, and somebody waits for the store",
            advice: "nothing was stored under this key; try again")
    }

    /// Commits what is whole, and tells.
    private func settle(_ session: WriteSession) throws(StoreError) {
        if Mutant.isActive(.groupToldTooSoon) {
            try session.drain()
            acknowledge(session.debt)
        }
        if arriving.isEmpty {
            let report = try session.finish()
            self.session = nil
            acknowledge(report.debt)
        } else if !members.isEmpty {
            try session.commitNow()
            acknowledge(session.debt)
        }
    }

    private func acknowledge(_ debt: String?) {
        for member in members { acknowledge(member, debt) }
        members = []
    }

    private func acknowledge(_ member: Member, _ debt: String?) {
        guard let version = member.landing.version else { preconditionFailure("what was committed has a version") }
        member.write.tell(.success(WriteReceipt(version: ObjectVersion(version), debt: debt)))
    }

    /// Storing failed, or opening: what is not durable yet fails with it. A new session begins with what the store then is.
    func fail(_ error: StoreError, _ group: [GroupedWrite]) {
        let report = session?.report ?? WriteReport()
        for member in members {
            if member.landing.isDurable(report) {
                acknowledge(member, error.description)
            } else {
                member.write.tell(.failure(error))
            }
        }
        for object in arriving { object.member.write.tell(.failure(error)) }
        for write in group where !waiting.contains(where: { $0 === write }) { write.tell(.failure(error)) }
        if session == nil {
            // It could not even begin.
            for write in waiting { write.tell(.failure(error)) }
            waiting = []
        }
        members = []
        arriving = []
        session?.cancel()
        session = nil
        rest()
    }

    /// Lets others have the store for a moment when its turn is over, unless something is arriving.
    private func giveWay() {
        guard session == nil, let store else { return }
        // Where not even recovery could bring the index level, it is closed.
        guard store.isOpen else { return rest() }
        guard store.isTurnOver else { return }
        rest()
        environment.clock.sleep(nanoseconds: Limits.pauseNanoseconds)
    }
}
