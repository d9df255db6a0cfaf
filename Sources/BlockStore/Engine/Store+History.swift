/// How a store became what it is, of what is there now, and when it was last read.
public struct StoreHistory: Sendable {
    public struct Point: Sendable, Hashable {
        /// Since 1970, by the writers' clocks.
        public let seconds: Int64
        /// Of all versions that are there now and were written by then.
        public let versionBytes: UInt64
        /// Of the shards of all blocks that are there now and were written by then, parity included.
        public let shardBytes: UInt64
    }

    /// Ascending in every respect; at most as many as were asked for. Empty where no time is known.
    public let points: [Point]
    /// How long ago all shards of a block were last read, and of how many blocks that is so, the latest first.
    public let verified: [(age: VerificationAge, blocks: Int)]
}

public enum VerificationAge: Int, Sendable, CaseIterable {
    case week, month, quarter, longer, never

    init(seconds: UInt64?) {
        guard let seconds else {
            self = .never
            return
        }
        self = seconds < 7 * 86400 ? .week : seconds < 31 * 86400 ? .month : seconds < 92 * 86400 ? .quarter : .longer
    }
}

extension Store {
    /// - Parameter points: of the curve of growth.
    /// - Complexity: a look at every version and every block, and some fifty bytes of memory for each commit.
    public func history(points: Int = 200) throws(StoreError) -> StoreHistory {
        let engine = self.engine
        let now = Int64(clamping: wallSeconds)
        var commits: [UInt64: CommitGrowth] = [:]
        var after: Key?
        repeat {
            let page = try engine.index.outlines(prefix: [], after: after, limit: 4096)
            for version in page.keys.joined() {
                commits[version.identity.commit.value, default: CommitGrowth()].add(
                    version.byteCount, writtenNanoseconds: version.writtenNanoseconds, now: now)
            }
            after = page.last
        } while after != nil
        var ages: [VerificationAge: Int] = [:]
        try forEachBlock { block in
            ages[VerificationAge(seconds: Verification.age(of: block, now: wallSeconds)), default: 0] += 1
            commits[block.commit.value, default: CommitGrowth()].shardBytes +=
                UInt64(block.shards.count) * UInt64(block.shardPayloadBytes)
        }
        return StoreHistory(
            points: CommitGrowth.curve(commits.sorted { $0.key < $1.key }.map(\.value), points: points),
            verified: VerificationAge.allCases.compactMap { age in ages[age].map { (age: age, blocks: $0) } })
    }
}

/// What one commit added.
struct CommitGrowth {
    var seconds: Int64?
    var versionBytes: UInt64 = 0
    var shardBytes: UInt64 = 0

    mutating func add(_ byteCount: UInt64, writtenNanoseconds: Int64, now: Int64) {
        versionBytes += byteCount
        // A clock that is far off says nothing: the commits beside it do.
        let time = writtenNanoseconds / 1_000_000_000
        if (946_684_800...(now + 86400)).contains(time) { seconds = max(seconds ?? 0, time) }
    }

    /// The sums over time. Commits are in order, whatever the clocks say: time only goes forward, and a commit of which no time
    /// is known came with the one before it.
    static func curve(_ commits: [CommitGrowth], points: Int) -> [StoreHistory.Point] {
        guard var time = commits.lazy.compactMap(\.seconds).first else { return [] }
        var all: [StoreHistory.Point] = []
        var (versionBytes, shardBytes) = (UInt64(0), UInt64(0))
        for commit in commits {
            time = max(time, commit.seconds ?? time)
            versionBytes += commit.versionBytes
            shardBytes += commit.shardBytes
            let point = StoreHistory.Point(seconds: time, versionBytes: versionBytes, shardBytes: shardBytes)
            if all.last?.seconds == time { all[all.count - 1] = point } else { all.append(point) }
        }
        guard all.count > points, points > 1, let first = all.first, let last = all.last else { return all }
        // The last point of each of so many equal spans of time.
        var kept: [StoreHistory.Point] = [first]
        var span = 0
        for (point, next) in zip(all.dropFirst(), all.dropFirst(2)) {
            let due = Int(
                Double(next.seconds - first.seconds) / Double(last.seconds - first.seconds) * Double(points - 2))
            if due > span {
                kept.append(point)
                span = due
            }
        }
        return kept + [last]
    }
}
