/// What must be true of a key for a write to go ahead: compare-and-set.
public enum WriteCondition: Sendable, Hashable {
    /// It has no live version: it was never put, or is deleted.
    case isAbsent
    /// Its newest version, a put or a delete marker, is this one.
    case newestVersionIs(RecordIdentity)
}

extension WriteSession {
    /// Looks now whether `condition` is true of `key`: before something is done that cannot be taken back.
    ///
    /// - Throws: `.conditionFailed`; the session goes on.
    public func require(_ condition: WriteCondition?, of key: Key) throws(StoreError) {
        try requireUsable()
        try require(condition, of: key, to: "store \(key)")
    }

    /// Throws `.conditionFailed` unless `condition` is true of `key`, what this session did before included.
    ///
    /// The session holds the writer lock until it ends, and the index was brought level with the shards under it: nobody can
    /// come between this look and the commit.
    func require(
        _ condition: WriteCondition?, of key: Key, to operation: @autoclosure () -> String
    ) throws(StoreError) {
        guard let condition else { return }
        try drain()
        let newest =
            Mutant.isActive(.conditionOverlooksOpenCommit)
            ? try engine.index.newestVersion(of: key) : try self.newest(key)
        let expected: String
        switch condition {
        case .isAbsent:
            if newest?.put == nil { return }
            expected = "it was to be absent"
        case .newestVersionIs(let identity):
            if newest?.identity == identity { return }
            expected = "it was to be \(identity)"
        }
        let found =
            newest.map { "the newest version is \($0.identity)\($0.put == nil ? ", a delete marker" : "")" }
            ?? "there is no version"
        throw StoreError(
            .conditionFailed, operation(), detail: "\(found), \(expected)",
            advice: "nothing was changed; look again (bsctl versions) and decide anew")
    }
}
