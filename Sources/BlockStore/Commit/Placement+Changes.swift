import Erasure

/// What a change of devices moves, and what the loss of a failure domain would cost. Pure functions over values.
extension Placement {
    /// Where a shard goes that leaves its device: the device that would have been next for the block. Nil where every
    /// device has a shard of it already.
    ///
    /// - Parameter others: the devices of the block's other shards.
    static func successor(for block: BlockID, among candidates: [Candidate], beside others: [Candidate]) -> DeviceID? {
        let taken = Set(others.map(\.id))
        return choose(
            1, for: block, among: candidates.filter { !taken.contains($0.id) }, occupied: others.map(\.domain)
        ).first
    }

    /// The row that `newcomer` attracts of a block, nil for none: one of those that stand where they would not be placed
    /// today, while the newcomer would have one.
    ///
    /// - Precondition: it has none yet.
    /// - Parameter places: rows that can be moved, with their devices.
    static func attracted(
        by newcomer: DeviceID, of block: BlockID, _ places: [Row: DeviceID], rowCount: Int,
        among candidates: [Candidate]
    ) -> Row? {
        let today = choose(rowCount, for: block, among: candidates)
        guard today.contains(newcomer) else { return nil }
        return places.filter { !today.contains($0.value) }.keys.min()
    }

    /// The most shards of one block that a failure domain gets, where `sizes` says how many devices each has.
    static func mostInOneDomain(_ sizes: [Int], shards: Int) -> Int {
        var limit = 1
        while limit < shards, sizes.reduce(0, { $0 + min($1, limit) }) < shards { limit += 1 }
        return limit
    }
}

extension Configuration {
    /// Failure domains that may hold more shards of a block than it can lose, with how many that are: what is stored
    /// with the profile may not survive the loss of such a domain.
    ///
    /// With local parities some losses of more than the tolerance decode as well; nothing is claimed for these.
    public var domainsAtRisk: [(domain: String, shards: Int)] {
        let sizes = devices.filter { $0.state == .inService }.reduce(into: [String: Int]()) {
            $0[$1.domain, default: 0] += 1
        }
        let most = Placement.mostInOneDomain(Array(sizes.values), shards: profile.shardCount)
        guard most > profile.tolerance else { return [] }
        return sizes.filter { $0.value > profile.tolerance }.map { ($0.key, min($0.value, most)) }
            .sorted { $0.domain < $1.domain }
    }

    /// What a person should know of them.
    public var domainWarnings: [String] {
        domainsAtRisk.map { domain, shards in
            "the loss of all of \(domain) may cost data: up to \(shards) shards of a block stand there, and \(profile) survives "
                + "the loss of \(profile.tolerance); spread the devices over more failure domains"
        }
    }
}
