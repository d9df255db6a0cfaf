/// A profile that does not exist: what was given and what is allowed.
public struct ProfileError: Error, Sendable, CustomStringConvertible {
    public let description: String
}

/// How blocks should be coded: `rs:4+2` is Reed–Solomon with 4 data and 2 parity shards, `lrc:12+2+2` a locally
/// repairable code with 12 data shards in 2 local groups, a parity for each group, and 2 global parities.
///
/// Reed–Solomon `rs:k+m` has the parity rows 0 … m − 1 of the fixed matrix over all columns. `lrc:k+l+g` has row 0
/// over each of l groups of k/l consecutive columns, and the rows 1 … g over all of them. One lost data shard is made
/// again from the k/l others of its group and parity.
///
/// Any value. Never changes: any thread.
public struct Profile: Hashable, Sendable, CustomStringConvertible {
    public static let maximumShards = 64

    /// k
    public let dataShards: Int
    /// l: local groups, each with a parity of its own; 0 for Reed–Solomon.
    public let localGroups: Int
    /// Parity rows over all columns: m of Reed–Solomon, g of an LRC.
    public let globalParities: Int

    /// - Parameter localGroups: l of an LRC; 0 for Reed–Solomon.
    /// - Throws: where a part is missing, the groups are not of one size, or there are more than 64 shards. One group
    ///   is refused because it is Reed–Solomon under another name.
    public init(dataShards: Int, localGroups: Int = 0, globalParities: Int) throws(ProfileError) {
        let parts = [dataShards, localGroups, globalParities]
        let name = Self.name(parts)
        func refuse(_ reason: String) -> ProfileError {
            ProfileError(description: "\(name) is out of bounds: \(reason)")
        }
        // Each part is bounded before they are added up.
        guard parts.allSatisfy({ (0...Self.maximumShards).contains($0) }), parts.reduce(0, +) <= Self.maximumShards,
            dataShards >= 1, globalParities >= 1
        else {
            let what = localGroups == 0 ? "1 data and 1 parity shard" : "2 data shards, 2 local and 1 global parity"
            throw refuse("at least \(what), at most \(Self.maximumShards) together")
        }
        guard localGroups != 1 else {
            throw refuse("with one local group it is \(Self.name([dataShards, 0, globalParities + 1]))")
        }
        guard localGroups == 0 || dataShards.isMultiple(of: localGroups) else {
            throw refuse("\(dataShards) data shards do not make \(localGroups) local groups of one size")
        }
        self.dataShards = dataShards
        self.localGroups = localGroups
        self.globalParities = globalParities
    }

    /// All parity shards: m, or l + g.
    public var parityShards: Int { localGroups + globalParities }

    public var shardCount: Int { dataShards + parityShards }

    /// Every loss of so many shards of a block decodes, and not every loss of one more: m, or g + 1.
    ///
    /// For every LRC, of whatever shape: lose d data shards, a local and b global parities, d + a + b ≤ g + 1. Where
    /// a = 0, the local parities add up to row 0 over all columns, so g + 1 − b ≥ d rows are left; where a ≥ 1, g − b ≥ d of
    /// the global ones are. Any d rows of a Cauchy matrix determine any d columns, and the data determine the rest.
    /// One more is too many: a data shard, its local parity and all g global ones are g + 2, and nothing else knows
    /// that column.
    public var tolerance: Int { localGroups == 0 ? globalParities : globalParities + 1 }

    public var columns: Range<Int> { 0..<dataShards }

    /// What a block should have.
    public var rows: [Row] { rows(over: columns) }

    /// The rows of a block on other columns than the first k, as many.
    ///
    /// The data come first, then the parities over all columns, then the local ones. Where there are devices for some only,
    /// the first are written: k and the first r parities survive the loss of any min(r, g), which is the most
    /// that r parities can do while one is missing.
    /// - Precondition: `columns.count == dataShards`.
    public func rows(over columns: Range<Int>) -> [Row] {
        precondition(columns.count == dataShards)
        let data = columns.map { Row.data(column: $0) }
        guard localGroups > 0 else { return data + (0..<globalParities).map { .parity(index: $0, columns: columns) } }
        let size = dataShards / localGroups
        let global = (1...globalParities).map { Row.parity(index: $0, columns: columns) }
        let local = (0..<localGroups).map { group in
            let first = columns.lowerBound + group * size
            return Row.parity(index: 0, columns: first..<(first + size))
        }
        return data + global + local
    }

    public var description: String { Self.name([dataShards, localGroups, globalParities]) }

    private static func name(_ parts: [Int]) -> String {
        parts[1] == 0 ? "rs:\(parts[0])+\(parts[2])" : "lrc:\(parts[0])+\(parts[1])+\(parts[2])"
    }
}

/// Texts and bytes (docs/format.md §5.2).
extension Profile {
    /// Reads `rs:K+M` or `lrc:K+L+G`.
    public init(_ text: String) throws(ProfileError) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let texts = (parts.count == 2 ? parts[1] : "").split(separator: "+", omittingEmptySubsequences: false)
        let numbers = texts.compactMap(Self.number)
        switch (parts[0], numbers.count, texts.count) {
        case ("rs", 2, 2):
            try self.init(dataShards: numbers[0], globalParities: numbers[1])
        case ("lrc", 3, 3) where numbers[1] > 0:
            try self.init(dataShards: numbers[0], localGroups: numbers[1], globalParities: numbers[2])
        default:
            throw ProfileError(
                description: "\"\(text)\" is no profile: expected rs:K+M, K data and M parity shards, such as rs:4+2, "
                    + "or lrc:K+L+G, K data shards in L local groups and G global parities, such as lrc:6+2+2")
        }
    }

    private static func number(_ text: Substring) -> Int? {
        guard (1...3).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int(text)
    }

    /// `{1, k, m, 0}` for Reed–Solomon, `{2, k, g, l}` for an LRC.
    public var encoded: [UInt8] {
        [localGroups == 0 ? 1 : 2, UInt8(dataShards), UInt8(globalParities), UInt8(localGroups)]
    }

    public init(kind: UInt8, k: UInt8, m: UInt8, l: UInt8) throws(ProfileError) {
        guard kind == 1 && l == 0 || kind == 2 && l > 0 else {
            throw ProfileError(description: "unknown kind of profile \(kind), with \(l) local groups")
        }
        try self.init(dataShards: Int(k), localGroups: Int(l), globalParities: Int(m))
    }
}
