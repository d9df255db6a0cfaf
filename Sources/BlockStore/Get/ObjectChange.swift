/// One change of an object, as a reader of changes sees it.
public struct ObjectChange: Sendable, Hashable {
    public enum What: Sendable, Hashable {
        /// A new version. It may have been purged since.
        case put(kind: ObjectKind, byteCount: UInt64, writtenNanoseconds: Int64)
        /// A delete marker over version `killed`.
        case delete(killed: RecordIdentity, writtenNanoseconds: Int64)
        /// Version `killed`, a put or a delete marker, is gone for good.
        case purge(killed: RecordIdentity)
    }

    /// The commit and the place within it. Changes are in the order of these, and each is there once: who remembers the last
    /// one seen can go on from it.
    public let identity: RecordIdentity
    public let key: Key
    public let what: What

    /// Nil for a record that changes no object.
    init?(_ record: IdentifiedRecord) {
        identity = record.identity
        switch record.record {
        case .put(let put):
            key = put.key
            what = .put(
                kind: put.attributes.kind, byteCount: put.byteCount, writtenNanoseconds: put.putNanoseconds)
        case .delete(let delete):
            key = delete.key
            what = .delete(killed: delete.killed, writtenNanoseconds: delete.deleteNanoseconds)
        case .purge(let purge):
            key = purge.key
            what = .purge(killed: purge.killed)
        case .profile, .configuration, .retired, .commit: return nil
        }
    }

    init(identity: RecordIdentity, key: Key, what: What) {
        self.identity = identity
        self.key = key
        self.what = what
    }
}

extension Store {
    /// The changes behind `identity`, in the order of commits.
    ///
    /// - Parameter identity: the last one seen; nil for the beginning. An ordinal of `UInt32.max` is behind its whole commit.
    /// - Returns: at most `limit`; none when there are no more yet.
    /// - Throws: `.notFound` when a commit between `identity` and the end of what is returned is not known any more, or
    ///   `identity` is in a commit that is not there yet.
    /// - Complexity: a walk over the index; memory for `limit` of them.
    public func changes(after identity: RecordIdentity?, limit: Int = 1000) throws(StoreError) -> [ObjectChange] {
        let start = identity ?? RecordIdentity(commit: .none, ordinal: .max)
        // The head first: what is committed meanwhile is for the next call.
        let head = try newestCommit()
        let page = try engine.index.changes(after: start, limit: limit).filter { $0.identity.commit <= head }
        let end = page.count < limit ? head : page.last?.identity.commit ?? head
        try requireHistory(after: start, to: end, head: head)
        return page
    }

    /// Throws `.notFound` unless every commit after `identity` is known.
    public func requireHistory(after identity: RecordIdentity?) throws(StoreError) {
        let head = try newestCommit()
        try requireHistory(
            after: identity ?? RecordIdentity(commit: .none, ordinal: .max), to: head, head: head)
    }

    private func requireHistory(
        after start: RecordIdentity, to end: CommitNumber, head: CommitNumber
    ) throws(StoreError) {
        let operation = "tell the changes after \(start.ordinal == .max ? start.commit.description : start.description)"
        guard start.commit <= head else {
            throw StoreError(
                .notFound, operation, detail: "the newest commit is \(head)",
                advice: "is this the store that they were read from?")
        }
        // The commit that `start` stands in counts too, unless it was seen to its end.
        let first = start.ordinal == .max ? start.commit.next : max(start.commit, CommitNumber(1))
        guard first <= end else { return }
        let retired = try engine.index.state()?.retired.commits ?? []
        let collected = retired.filter { $0.first <= end && $0.last >= first }.map(\.last).max()
        let missing = try engine.index.newestMissingCommit(from: first, to: end)
        let incomplete = CommitNumber(UInt64(clamping: try engine.index.totals().incompleteCommit))
        guard let gone = [collected, missing, incomplete < first ? nil : incomplete].compactMap({ $0 }).max() else {
            return
        }
        throw StoreError(
            .notFound, operation,
            detail: "commit \(gone) and perhaps others before it are not known any more"
                + (missing == gone ? "" : ": they were collected, or parts of them"),
            advice: "begin anew with bsctl ls --json --at \(gone), and go on from there with --since \(gone)")
    }
}
