/// A version that is to be copied.
struct LackingVersion: Sendable, Hashable {
    let key: Key
    let identity: RecordIdentity
}

/// Finds what one store has and another lacks, by walking over both indexes.
///
/// It hands it out in the order of the source's commits, although both indexes are in the order of keys: some at a time, those
/// of the earliest commits, for each of which it walks anew. So memory is bounded, and a target that is cut off anywhere holds
/// what the source held at one of its commits. Use from one thread.
struct SyncPlan {
    private let source: Index
    private let target: Index
    private let prefix: [UInt8]
    /// What the source gets after this is for the next sync.
    private let last: CommitNumber
    private let atOnce: Int
    /// All commits up to here are dealt with.
    private var done = CommitNumber.none
    private var isComplete = false

    /// Of everything, known after the first batch.
    private(set) var total = Total()

    struct Total: Sendable, Hashable {
        var keys = 0
        /// Puts and delete markers that are lacking.
        var versions = 0
        var bytes: UInt64 = 0
        /// Puts.
        var present = 0
        var passedOver = 0
    }

    /// - Parameter atOnce: about so many versions are handed out at a time, more where one commit has more.
    init(
        from source: Index, to target: Index, prefix: [UInt8], last: CommitNumber,
        atOnce: Int = Limits.versionsSyncedTogether
    ) {
        self.source = source
        self.target = target
        self.prefix = prefix
        self.last = last
        self.atOnce = atOnce
    }

    /// The next ones, whole commits of the source; empty when there are no more. What was handed out before is copied, or could
    /// not be.
    ///
    /// - Parameter onPage: told now and then of how many versions have been compared.
    mutating func nextBatch(_ onPage: (Int) throws(StoreError) -> Void) throws(StoreError) -> [LackingVersion] {
        if isComplete { return [] }
        var compared = 0
        var batch = EarliestVersions(atLeast: atOnce)
        var total = Total()
        var (mine, theirs) = (VersionCursor(source, prefix: prefix), VersionCursor(target, prefix: prefix))
        while let (key, versions) = try mine.next() {
            compared += versions.count
            if mine.isPageDone { try onPage(compared) }
            let comparison = KeyComparison(
                source: versions.filter { $0.identity.commit <= last }, target: try theirs.versions(of: key))
            total.present += comparison.present
            total.passedOver += comparison.passedOver
            if !comparison.lacking.isEmpty { total.keys += 1 }
            for version in comparison.lacking {
                total.versions += 1
                total.bytes &+= version.byteCount
                if version.identity.commit > done {
                    batch.add(LackingVersion(key: key, identity: version.identity))
                }
            }
        }
        if done == .none { self.total = total }
        let (versions, isAll) = batch.finish()
        isComplete = isAll
        done = versions.last?.identity.commit ?? last
        return versions
    }
}

/// Of many versions those of the earliest commits.
private struct EarliestVersions {
    private let atLeast: Int
    private var limit: Int
    private var versions: [LackingVersion] = []
    /// Anything of a later commit is one too many.
    private var lastCommit: CommitNumber?

    init(atLeast: Int) {
        self.atLeast = atLeast
        limit = 2 * atLeast
    }

    mutating func add(_ version: LackingVersion) {
        if let lastCommit, version.identity.commit > lastCommit { return }
        versions.append(version)
        guard versions.count >= limit else { return }
        cut()
        // One commit alone may have more.
        limit = max(limit, versions.count + atLeast)
    }

    /// Drops what follows the commit that the last one wanted is in.
    private mutating func cut() {
        versions.sort { $0.identity < $1.identity }
        let commit = versions[atLeast - 1].identity.commit
        let kept = versions.prefix { $0.identity.commit <= commit }.count
        guard kept < versions.count else { return }
        versions.removeSubrange(kept...)
        lastCommit = commit
    }

    /// In order, and whether nothing was left out.
    mutating func finish() -> (versions: [LackingVersion], isAll: Bool) {
        if versions.count > atLeast { cut() } else { versions.sort { $0.identity < $1.identity } }
        return (versions, lastCommit == nil)
    }
}

/// Walks over the keys of one store with their versions. Use from one thread.
private struct VersionCursor {
    private let index: Index
    private let prefix: [UInt8]
    private var page: [(key: Key, versions: [VersionPrint])] = []
    private var place = 0
    private var after: Key?
    private var isLastPage = false

    init(_ index: Index, prefix: [UInt8]) {
        self.index = index
        self.prefix = prefix
    }

    /// Whether the next key is on another page, or there is none.
    var isPageDone: Bool { place == page.count }

    private mutating func turnPage() throws(StoreError) {
        while place == page.count, !isLastPage {
            let next = try index.versions(prefix: prefix, after: after, limit: 4096, as: VersionPrint.init)
            page = next.keys
            place = 0
            after = next.last
            isLastPage = next.last == nil
        }
    }

    /// The next key, and its versions, the oldest first.
    mutating func next() throws(StoreError) -> (key: Key, versions: [VersionPrint])? {
        try turnPage()
        guard place < page.count else { return nil }
        defer { place += 1 }
        return page[place]
    }

    /// The versions of `key`, the oldest first. Keys are asked for in ascending order.
    mutating func versions(of key: Key) throws(StoreError) -> [VersionPrint] {
        while true {
            try turnPage()
            while place < page.count, page[place].key < key { place += 1 }
            if place < page.count { return page[place].key == key ? page[place].versions : [] }
            if isLastPage { return [] }
        }
    }
}
