extension RetiredRecord {
    /// Whether the block contributes nothing any more.
    func holds(_ block: BlockName) -> Bool { holds(number: block.number) || Self.contains(blocks, block) }

    /// The same for a shard, by its name.
    func holds(_ shard: ShardName) -> Bool {
        holds(number: shard.number)
            || blocks.contains { $0.number == shard.number && $0.id.prefix == shard.idPrefix }
    }

    /// Whether every block with this number is retired.
    func holds(number: BlockNumber) -> Bool {
        Self.contains(intervals, { $0.upperBound < number }, { $0.contains(number) })
    }

    /// The redundant interval that the commit lies in.
    func redundancy(of commit: CommitNumber) -> RedundantCommits? {
        let place = Self.partition(commits) { $0.last < commit }
        guard place < commits.count, commits[place].first <= commit else { return nil }
        return commits[place]
    }

    /// This set with more in it.
    ///
    /// - Parameters:
    ///   - numbers: of blocks that are retired now.
    ///   - single: void blocks whose numbers live blocks share.
    ///   - commits: that became redundant, each with the last block of the commit below it; ascending.
    ///   - isFree: whether no live block has a number in the closed range: intervals grow together over it.
    func adding(
        numbers: [BlockNumber], single: [BlockName] = [], commits added: [RedundantCommits],
        isFree: (ClosedRange<BlockNumber>) throws(StoreError) -> Bool
    ) throws(StoreError) -> RetiredRecord {
        let new = Set(numbers).filter { !holds(number: $0) }
        let all = (intervals.map { (interval: $0, isNew: false) } + new.map { (interval: $0...$0, isNew: true) })
            .sorted { $0.interval.lowerBound < $1.interval.lowerBound }
        var joined: [(interval: ClosedRange<BlockNumber>, isNew: Bool)] = []
        for next in all {
            // Between two old ones nothing has changed.
            if let last = joined.last, last.isNew || next.isNew {
                let (first, end) = (last.interval.upperBound.next, next.interval.lowerBound)
                var isJoint = first == end
                if !isJoint { isJoint = try isFree(first...BlockNumber(end.value - 1)) }
                if isJoint {
                    joined[joined.count - 1] = (last.interval.lowerBound...next.interval.upperBound, true)
                    continue
                }
            }
            joined.append(next)
        }
        let numbers = joined.map(\.interval)
        let named = Set(blocks + single).filter { name in !numbers.contains { $0.contains(name.number) } }
        guard numbers.count <= Limits.intervals, named.count <= Limits.intervals else {
            throw StoreError(
                .invalid, "collect", detail: "the retired blocks would be in more than \(Limits.intervals) pieces",
                advice: "collect more of what lies between them: bsctl collect --full")
        }
        var redundant: [RedundantCommits] = []
        for interval in (commits + added).sorted(by: { $0.first < $1.first }) {
            if let last = redundant.last, last.last.next == interval.first {
                redundant[redundant.count - 1] = RedundantCommits(
                    first: last.first, last: interval.last, below: last.below)
            } else {
                redundant.append(interval)
            }
        }
        return RetiredRecord(intervals: numbers, blocks: named.sorted(), commits: redundant)
    }

    private static func contains(_ blocks: [BlockName], _ block: BlockName) -> Bool {
        let place = partition(blocks) { $0 < block }
        return place < blocks.count && blocks[place] == block
    }

    private static func contains<Element>(
        _ sorted: [Element], _ isBefore: (Element) -> Bool, _ isIt: (Element) -> Bool
    ) -> Bool {
        let place = partition(sorted, isBefore)
        return place < sorted.count && isIt(sorted[place])
    }

    /// The first place at which `isBefore` does not hold any more.
    private static func partition<Element>(_ sorted: [Element], _ isBefore: (Element) -> Bool) -> Int {
        var (low, high) = (0, sorted.count)
        while low < high {
            let middle = (low + high) / 2
            if isBefore(sorted[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
