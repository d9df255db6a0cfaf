/// What a prune did, or would do.
public struct PruneReport: Sendable, Hashable {
    /// Keys of which something went.
    public var keys = 0
    public var versions = 0
    /// Delete markers with nothing left below them.
    public var deleteMarkers = 0
    /// Bytes of the versions that went. What of it no other version needs is free after a collection.
    public var bytes: UInt64 = 0
    public var commits = 0
    /// What redundancy is owed, in words.
    public var debt: String?
    public var seconds = 0.0
}

extension Store {
    /// Purges every version that no rule of `retention` keeps.
    ///
    /// Commits as it goes, key by key and within a key the oldest version first: what was done before an interruption is
    /// done, and the next call goes on.
    ///
    /// - Parameters:
    ///   - prefix: only keys that begin with it.
    ///   - isDryRun: changes nothing; for a store opened for reading as well.
    ///   - onVersion: told of each version that goes, in order.
    /// - Throws: `.invalid` without a rule.
    /// - Complexity: a walk over the index; memory for some thousand versions, and for those of a single key.
    public func prune(
        _ retention: Retention, prefix: [UInt8] = [], isDryRun: Bool = false, progress: ProgressHandler? = nil,
        onVersion: (VersionOutline) -> Void = { _ in }
    ) throws(StoreError) -> PruneReport {
        guard !retention.isEmpty, retention.keepLast ?? 0 >= 0, retention.keepWithin ?? .zero >= .zero else {
            throw StoreError(
                .invalid, "prune versions", detail: "no rule says which to keep",
                advice: "give --keep-last N, --keep-within AGE, or both")
        }
        let start = environment.clock.monotonicNanoseconds()
        let now = environment.clock.wallNanoseconds()
        var report = PruneReport()
        var after: Key?
        repeat {
            try environment.checkStop("go on pruning")
            let page = try engine.index.outlines(prefix: prefix, after: after, limit: Self.versionsInBatch)
            var doomed: [VersionOutline] = []
            for versions in page.keys {
                let gone = retention.doomed(versions, at: now)
                if !gone.isEmpty { report.keys += 1 }
                doomed += gone
            }
            if !isDryRun, !doomed.isEmpty {
                let session = try startWriting()
                try session.purge(doomed)
                let written = try session.finish()
                report.commits += written.commits
                report.debt = written.debt ?? report.debt
                _ = try takeTurns()
            }
            for version in doomed {
                report.versions += version.isPut ? 1 : 0
                report.deleteMarkers += version.isPut ? 0 : 1
                report.bytes += version.byteCount
                onVersion(version)
            }
            progress?(Progress(phase: "pruning versions", doneItems: report.versions))
            after = page.last
        } while after != nil
        report.seconds = Double(environment.clock.monotonicNanoseconds() &- start) / 1e9
        return report
    }

    /// About so many versions are looked at, and purged, at a time.
    private static let versionsInBatch = 4096
}

extension WriteSession {
    /// Removes versions for good that the index holds, in this order.
    func purge(_ versions: [VersionOutline]) throws(StoreError) {
        if writer.isEmpty { store.openReserves() }
        try requireUsable()
        for version in versions {
            let record = PurgeRecord(key: version.key, killed: version.identity)
            try ending { () throws(StoreError) in _ = try writer.add(.purge(record)) }
            purged[version.key, default: []].insert(version.identity)
            report.purged += 1
            try commitIfDue()
        }
    }
}
