/// A profile that does not exist: what was given and what is allowed.
public struct ProfileError: Error, Sendable, CustomStringConvertible {
    public let description: String
}

/// How blocks should be coded: `rs:4+2` is Reed–Solomon with 4 data and 2 parity shards.
public struct Profile: Hashable, Sendable, CustomStringConvertible {
    public static let maximumShards = 64

    /// k
    public let dataShards: Int
    /// m
    public let parityShards: Int

    /// Reads `rs:K+M`, with 1 ≤ K, 1 ≤ M and K + M ≤ 64.
    public init(_ text: String) throws(ProfileError) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let numbers = (parts.count == 2 ? parts[1] : "").split(separator: "+", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "rs", numbers.count == 2,
            let data = Self.number(numbers[0]), let parity = Self.number(numbers[1])
        else {
            throw ProfileError(
                description: "\"\(text)\" is no profile: expected rs:K+M, K data and M parity shards, such as rs:4+2")
        }
        try self.init(dataShards: data, parityShards: parity)
    }

    public init(dataShards: Int, parityShards: Int) throws(ProfileError) {
        guard dataShards >= 1, parityShards >= 1, dataShards <= Self.maximumShards,
            parityShards <= Self.maximumShards, dataShards + parityShards <= Self.maximumShards
        else {
            throw ProfileError(
                description: "rs:\(dataShards)+\(parityShards) is out of bounds: at least 1 data and 1 parity shard, "
                    + "at most \(Self.maximumShards) together")
        }
        self.dataShards = dataShards
        self.parityShards = parityShards
    }

    /// `{kind, k, m, l}`: kind 1 is Reed–Solomon, with l = 0.
    public var encoded: [UInt8] { [1, UInt8(dataShards), UInt8(parityShards), 0] }

    public init(kind: UInt8, k: UInt8, m: UInt8, l: UInt8) throws(ProfileError) {
        guard kind == 1, l == 0 else { throw ProfileError(description: "unknown kind of profile \(kind)") }
        try self.init(dataShards: Int(k), parityShards: Int(m))
    }

    public var shardCount: Int { dataShards + parityShards }

    /// Every loss of so many shards of a block decodes.
    public var tolerance: Int { parityShards }

    public var columns: Range<Int> { 0..<dataShards }

    /// What a block should have: the data columns, then the parity rows.
    public var rows: [Row] {
        columns.map { Row.data(column: $0) }
            + (0..<parityShards).map { Row.parity(index: $0, columns: columns) }
    }

    public var description: String { "rs:\(dataShards)+\(parityShards)" }

    private static func number(_ text: Substring) -> Int? {
        guard (1...3).contains(text.count), text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int(text)
    }
}
