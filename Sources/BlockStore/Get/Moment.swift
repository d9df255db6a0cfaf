/// A point in time at which a key's newest version is asked for.
///
/// History is what versions are left: a purged one is missing from every moment.
public enum Moment: Sendable, Hashable, CustomStringConvertible {
    /// Right after this commit: exact.
    case commit(CommitNumber)
    /// Nanoseconds since 1970, compared with the times in the put and delete records. These are the writers' clocks: where one
    /// was wrong, so is the answer. Of the versions that are not later the newest by identity counts.
    case time(nanoseconds: Int64)

    public var description: String {
        switch self {
        case .commit(let number): "commit \(number)"
        case .time(let nanoseconds): "\(nanoseconds) ns since 1970"
        }
    }

    func includes(_ version: IndexedVersion) -> Bool {
        switch self {
        case .commit(let number): version.identity.commit <= number
        case .time(let nanoseconds): version.writtenNanoseconds <= nanoseconds
        }
    }
}

extension IndexedVersion {
    /// The writer's clock.
    var writtenNanoseconds: Int64 {
        switch content {
        case .put(let put): put.putNanoseconds
        case .delete(let delete): delete.deleteNanoseconds
        }
    }
}

extension Store {
    /// The newest accepted commit that the index knows.
    public func newestCommit() throws(StoreError) -> CommitNumber { try engine.index.state()?.head.number ?? .none }

    /// Throws `.notFound` for a commit that is not there yet.
    func require(_ moment: Moment?) throws(StoreError) {
        guard case .commit(let number) = moment else { return }
        let newest = try newestCommit()
        guard number <= newest else {
            throw StoreError(
                .notFound, "look at commit \(number)", detail: "the newest commit is \(newest)",
                advice: "a time is written like 2026-03-01 or 2026-03-01T12:30:00")
        }
    }

    /// What `key` was at `moment`. Throws `.notFound` when it was not there then or deleted.
    public func version(of key: Key, at moment: Moment) throws(StoreError) -> ObjectVersion {
        try require(moment)
        guard let version = try engine.index.versions(of: key).first(where: moment.includes), version.put != nil else {
            throw StoreError(
                .notFound, "find \(key)", detail: "there was no such key at \(moment)",
                advice: "bsctl versions \(key) lists what there is")
        }
        return ObjectVersion(version)
    }
}
