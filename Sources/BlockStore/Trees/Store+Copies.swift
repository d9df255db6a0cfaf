/// One object of a tree that is copied or moved, and the key it goes to.
public struct TreeCopy: Sendable, Hashable {
    public let source: ObjectVersion
    public let target: Key

    public init(source: ObjectVersion, target: Key) {
        self.source = source
        self.target = target
    }
}

extension Store {
    /// Copies or moves what is at or under `source` to the same place at or under `target`: `source` itself becomes `target`,
    /// `source/x` becomes `target/x`. Like `WriteSession.copy` and `move` for each, and nothing else is read.
    ///
    /// What is copied is what there was when the call began (or at `moment`), so that a tree may be moved up into one that
    /// holds it. Objects that `target` has already, content and attributes, make no new version. Each object is atomic by itself;
    /// the tree is when it takes less than one commit (ten seconds).
    ///
    /// - Throws: `.notFound` when nothing is at or under `source`; `.invalid` when `target` is `source`, lies under it, or a
    ///   key would be too long: all before anything is written. Otherwise what `copy` throws; the session can go on.
    public func copyTree(
        _ source: Key, to target: Key, in session: WriteSession, moving: Bool = false, at moment: Moment? = nil
    ) throws(StoreError) {
        // What this session did so far is to be seen as well.
        try session.commitNow()
        // A fixed moment: the walk must not meet its own copies.
        let start = Moment.commit(try newestCommit())
        try forEachCopy(of: source, to: target, at: moment ?? start) { _ throws(StoreError) in }
        try forEachCopy(of: source, to: target, at: moment ?? start) { copy throws(StoreError) in
            let (key, version) = (copy.source.key, copy.source.identity)
            if moving {
                try session.move(key, version: version, to: copy.target, skippingUnchanged: true)
            } else {
                try session.copy(key, version: version, to: copy.target, skippingUnchanged: true)
            }
        }
    }

    /// Calls `body` for each object that `copyTree` would copy, in the order of keys: what `--dry-run` tells.
    public func forEachCopy(
        of source: Key, to target: Key, at moment: Moment? = nil, _ body: (TreeCopy) throws(StoreError) -> Void
    ) throws(StoreError) {
        let from = TreePath.trimmed(source.bytes)
        let to = TreePath.trimmed(target.bytes)
        let operation = "copy what is under \(source) to \(target)"
        guard from != to else {
            throw StoreError(.invalid, operation, detail: "source and target are the same")
        }
        guard !target.isAtOrUnder(from) else {
            throw StoreError(.invalid, operation, detail: "the target lies in the source: there would be no end of it")
        }
        var count = 0
        try forEachObject(under: from, at: moment) { object throws(StoreError) in
            count += 1
            let key: Key
            do throws(StoreError) {
                key = try Key(to + object.key.bytes.dropFirst(from.count))
            } catch {
                throw StoreError(.invalid, "copy \(object.key) to under \(target)", detail: error.detail)
            }
            try body(TreeCopy(source: object, target: key))
        }
        guard count > 0 else { throw StoreError(.notFound, operation, detail: "no key is at or under \(source)") }
    }
}
