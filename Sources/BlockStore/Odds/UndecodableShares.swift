public import Erasure

/// Of all sets of j shards of a complete block, the share without which the block cannot be read: 0 up to the profile's
/// tolerance, 1 beyond its number of parities, and for local codes something in between, found by rank.
///
/// For `lrc:12+2+2` 1,568 of the 1,820 sets of four can be lost, which is all that any code of that shape can
/// survive (Huang et al., *Erasure Coding in Windows Azure Storage*, 2012).
///
/// Exact where there are not very many sets; else from a sample of 4,000 of each size, the same each time.
public struct UndecodableShares: Sendable {
    private let shares: [Double]
    public let isExact: Bool

    /// - Parameter losses: 0 and more; beyond all shards it is 1.
    public subscript(_ losses: Int) -> Double { losses < shares.count ? shares[losses] : 1 }

    /// - Complexity: ranks of up to 20,000 sets for each number of losses between the tolerance and the parities.
    public init(_ profile: Profile) {
        var table = LossTable(rows: profile.rows, columns: profile.columns)
        let n = profile.shardCount
        var shares = [Double](repeating: 0, count: profile.parityShards + 1)
        var isExact = true
        for losses in 0...profile.parityShards where losses > profile.tolerance {
            var sets = Subsets(of: n, size: losses, limit: 20_000, sample: 4_000)
            isExact = isExact && sets.isExhaustive
            var lost = 0
            while let set = sets.next() {
                if table.outcome(lost: set.reduce(UInt64(0)) { $0 | 1 << UInt64($1) }).isLost { lost += 1 }
            }
            // A set stays lost when it grows.
            shares[losses] = max(shares[losses - 1], Double(lost) / Double(sets.count))
        }
        self.shares = shares
        self.isExact = isExact
    }
}

/// What becomes of a block when some of its rows are lost, remembered for each set of them. Use from one thread.
struct LossTable {
    struct Outcome: Hashable {
        let isLost: Bool
        /// Bits of the rows of which one more is too many; none when the block is lost.
        let critical: UInt64
    }

    let rows: [Row]
    private let columns: Range<Int>
    /// Any so many rows can be lost where that alone decides: all parities are over all columns.
    private let spareRows: Int?
    /// Every loss of so many rows is survived.
    let tolerance: Int
    private var known: [UInt64: Outcome] = [:]
    /// Whether what is left without a set of rows spans the data.
    private var spanned: [UInt64: Bool] = [:]

    /// - Parameter rows: what there is of the block, at most 64.
    init(rows: [Row], columns: Range<Int>) {
        self.rows = rows
        self.columns = columns
        let isPlain = rows.allSatisfy { row in
            if case .parity(_, let span) = row { span == columns } else { true }
        }
        spareRows = isPlain ? rows.count - columns.count : nil
        tolerance = isPlain ? rows.count - columns.count : lossesSurvived(rows, columns: columns)
    }

    /// Which row a device has does not matter, only how many are lost.
    var isPlain: Bool { spareRows != nil }

    mutating func outcome(lost: UInt64) -> Outcome {
        let all = rows.count == 64 ? UInt64.max : (1 << UInt64(rows.count)) - 1
        if let spareRows {
            let count = lost.nonzeroBitCount
            return Outcome(isLost: count > spareRows, critical: count == spareRows ? all & ~lost : 0)
        }
        // Fewer rows are left than there are columns.
        if lost.nonzeroBitCount > rows.count - columns.count { return Outcome(isLost: true, critical: 0) }
        // Any one more is survived too.
        if lost.nonzeroBitCount < tolerance { return Outcome(isLost: false, critical: 0) }
        if let outcome = known[lost] { return outcome }
        var critical: UInt64 = 0
        let isLost = !isSpanned(without: lost)
        if !isLost {
            for index in rows.indices where lost & 1 << UInt64(index) == 0 {
                let isOneTooMany = lost.nonzeroBitCount == rows.count - columns.count
                if isOneTooMany || !isSpanned(without: lost | 1 << UInt64(index)) { critical |= 1 << UInt64(index) }
            }
        }
        let outcome = Outcome(isLost: isLost, critical: critical)
        known[lost] = outcome
        return outcome
    }

    /// By rank, once for each set: sets of one row more meet again and again.
    private mutating func isSpanned(without mask: UInt64) -> Bool {
        if mask.nonzeroBitCount <= tolerance { return true }
        if let known = spanned[mask] { return known }
        let left = rows.indices.filter { mask & 1 << UInt64($0) == 0 }.map { rows[$0] }
        let isSpanned = spans(left, columns: columns)
        spanned[mask] = isSpanned
        return isSpanned
    }
}

/// All subsets of one size of 0 ..< n where they are not more than `limit`; else a sample of them, the same each time.
struct Subsets {
    private let n: Int
    private let size: Int
    let isExhaustive: Bool
    /// How many `next` gives.
    let count: Int
    private var given = 0
    private var current: [Int]
    private let random: SeededRandom

    init(of n: Int, size: Int, limit: Int, sample: Int, seed: UInt64 = 1) {
        self.n = n
        self.size = size
        let total = binomial(n, size)
        isExhaustive = total <= Double(limit)
        count = isExhaustive ? Int(total) : sample
        current = Array(0..<min(size, n))
        random = SeededRandom(seed)
    }

    mutating func next() -> [Int]? {
        guard given < count else { return nil }
        given += 1
        guard isExhaustive else { return random.subset(of: n, size: size) }
        if given == 1 { return current }
        guard let last = current.indices.last(where: { current[$0] < n - size + $0 }) else { return nil }
        current[last] += 1
        for following in (last + 1)..<size { current[following] = current[following - 1] + 1 }
        return current
    }
}

extension SeededRandom {
    /// Uniform in 0 ..< 1.
    func uniform() -> Double { Double(next() >> 11) / 9_007_199_254_740_992 }

    /// Uniform in 0 ..< `count`, to within 2^-53.
    func index(below count: Int) -> Int { min(count - 1, Int(uniform() * Double(count))) }

    /// `size` different numbers of 0 ..< n in ascending order, every set alike (Floyd 1987).
    func subset(of n: Int, size: Int) -> [Int] {
        var chosen: Set<Int> = []
        for last in (n - size)..<n where size > 0 {
            let pick = index(below: last + 1)
            chosen.insert(chosen.contains(pick) ? last : pick)
        }
        return chosen.sorted()
    }
}
