extension Store {
    /// Copies every version that the store of `session` lacks into it: a second copy of this store, made and kept up to date.
    ///
    /// Versions keep content, attributes, metadata and times; delete markers are copied; keys of the target that this store does
    /// not have, and versions of it that were put there otherwise, stay. Chunks that the target has are not read. The
    /// two may differ in everything: devices, profile, the size of chunks. Chunks are copied as they are cut here, so a target
    /// that cuts otherwise shares none with what is put into it directly.
    ///
    /// What is copied is what there was when the call began, in the order of the commits here: versions of one commit become
    /// one commit there. So a sync that is cut off leaves the target as this store was at one of its commits, unless versions
    /// failed, and the next one goes on from there. What is to be done is found by comparing the two indexes, not by
    /// what was done before: a version is there when one is there that says the same (`SyncReport.passedOver` for what cannot
    /// be added any more).
    ///
    /// A version that cannot be read here is told of in the report, and the others are copied.
    ///
    /// - Parameters:
    ///   - session: of the other store, of a dry run (`startDryRun`) to be told what would be copied. It is durable when the
    ///     session is finished, or has committed in between, as it does every ten seconds.
    ///   - prefix: only keys that begin with it.
    /// - Throws: `.invalid` where both are the same store; what storing throws, which ends the session.
    /// - Complexity: a walk over the versions of both indexes, once more for each 131,072 versions copied; a look-up for each
    ///   chunk of these. Memory for as many versions, and some 32 MiB of chunks.
    /// - Note: The thread of `session`. This store may be open for reading, beside a writer.
    public func sync(
        to session: WriteSession, prefix: [UInt8] = [], progress: ProgressHandler? = nil
    ) throws(StoreError) -> SyncReport {
        let source = engine
        guard source.storeID != session.engine.storeID else {
            throw StoreError(
                .invalid, "copy the store to itself",
                detail: "source and target are one store, \(source.storeID), be it through two homes",
                advice: "name another store, or make one: bsctl init")
        }
        // What the session did so far is to be seen in the index.
        try session.commitNow()
        var plan = SyncPlan(
            from: source.index, to: session.engine.index, prefix: prefix, last: try newestCommit())
        let state = SyncProgress(progress)
        let carrier = VersionCarrier(from: source, into: session) { state.add($0) }
        while true {
            let batch = try plan.nextBatch { count throws(StoreError) in
                try session.requireUsable()
                progress?(Progress(phase: "comparing \(Count.text(count, "version"))"))
            }
            if batch.isEmpty { break }
            state.total = plan.total
            try carrier.carry(batch)
            try session.commitNow()
        }
        var report = carrier.finish()
        report.keys = plan.total.keys
        report.presentVersions = plan.total.present
        report.passedOver = plan.total.passedOver
        return report
    }
}

/// How much is dealt with, of how much. Use from one thread.
private final class SyncProgress {
    private let handler: ProgressHandler?
    private var bytes: UInt64 = 0
    var total = SyncPlan.Total()

    init(_ handler: ProgressHandler?) { self.handler = handler }

    func add(_ count: UInt64) {
        bytes += count
        handler?(
            Progress(
                phase: "copying \(Count.text(total.versions, "version"))", doneBytes: bytes, totalBytes: total.bytes))
    }
}
