/// Which versions of a key are worth keeping. A version stays where any rule keeps it; without a rule nothing goes.
///
/// The newest version of a key that is there always stays. Delete markers are no versions to count: one goes when
/// nothing is left below it, so that a deleted key whose old versions are all gone leaves no trace.
public struct Retention: Sendable, Hashable {
    /// So many puts of each key, the newest by identity. 0 keeps none but the newest of a key that is there.
    public var keepLast: Int?
    /// What was the newest at some time since then: written, replaced or deleted less than so long ago. The times in the
    /// records are the clocks of who wrote; a time that is yet to come counts as just now. Where a clock was behind, or this
    /// one is ahead, versions seem older than they are and go early: `keepLast` is the rule that no clock moves.
    public var keepWithin: Duration?

    public init(keepLast: Int? = nil, keepWithin: Duration? = nil) {
        self.keepLast = keepLast
        self.keepWithin = keepWithin
    }

    var isEmpty: Bool { keepLast == nil && keepWithin == nil }

    /// The versions that no rule keeps, the oldest first: a delete marker must not go before what it hides.
    ///
    /// - Parameter versions: all of one key, the newest first.
    func doomed(_ versions: [VersionOutline], at nowNanoseconds: Int64) -> [VersionOutline] {
        guard !isEmpty else { return [] }
        let begin = keepWithin.map { Self.time(nowNanoseconds, minus: $0) }
        func isRecent(_ version: VersionOutline) -> Bool { begin.map { version.writtenNanoseconds >= $0 } ?? false }
        var isKept = versions.map { _ in false }
        var puts = 0
        for (place, version) in versions.enumerated() where version.isPut {
            let isLiving = place == 0 && !Mutant.isActive(.pruneTakesNewest)
            let isCounted = puts < keepLast ?? 0
            // What replaced it is the version before it in this list.
            isKept[place] = isLiving || isCounted || isRecent(version) || (place > 0 && isRecent(versions[place - 1]))
            puts += 1
        }
        var isAnythingBelow = false
        for place in versions.indices.reversed() {
            if versions[place].isPut {
                isAnythingBelow = isAnythingBelow || isKept[place]
            } else {
                isKept[place] = isAnythingBelow
            }
        }
        return versions.indices.reversed().filter { !isKept[$0] }.map { versions[$0] }
    }

    private static func time(_ now: Int64, minus age: Duration) -> Int64 {
        let (seconds, attoseconds) = age.components
        let (whole, overflows) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflows else { return .min }
        let (time, isBeyond) = now.subtractingReportingOverflow(whole)
        return isBeyond ? .min : time.subtractingReportingOverflow(attoseconds / 1_000_000_000).partialValue
    }
}

/// What retention looks at in a version, or a delete marker.
public struct VersionOutline: Sendable, Hashable {
    public let key: Key
    public let identity: RecordIdentity
    /// False for a delete marker.
    public let isPut: Bool
    public let byteCount: UInt64
    /// The writer's clock.
    public let writtenNanoseconds: Int64

    init(_ version: IndexedVersion) {
        key = version.key
        identity = version.identity
        isPut = version.put != nil
        byteCount = version.put?.byteCount ?? 0
        writtenNanoseconds = version.writtenNanoseconds
    }
}
