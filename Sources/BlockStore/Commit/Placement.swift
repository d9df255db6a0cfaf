import Glibc

/// Chooses the devices for a block's shards: weighted rendezvous hashing of the block id, spread over
/// failure domains. A pure function over values.
///
/// Rendezvous hashing gives each device a score of its own for each block, so that adding a device
/// moves only what it attracts. What was chosen is recorded in the index and can be read off the
/// devices: this function may change without changing the format.
enum Placement {
    struct Candidate: Sendable, Hashable {
        let id: DeviceID
        let domain: String
        let weight: UInt32
    }

    /// Up to `count` devices in the order in which rows should take them.
    ///
    /// No device twice. As few per failure domain as the number of domains allows, counting those
    /// in `occupied` (domains that hold shards of this block already).
    static func choose(
        _ count: Int, for block: BlockID, among candidates: [Candidate], occupied: [String] = []
    ) -> [DeviceID] {
        let ranked =
            candidates
            .map { (candidate: $0, score: score(block, $0)) }
            .sorted { ($0.score, $1.candidate.id) > ($1.score, $0.candidate.id) }
            .map(\.candidate)
        var inDomain: [String: Int] = [:]
        for domain in occupied { inDomain[domain, default: 0] += 1 }
        var chosen: [DeviceID] = []
        var left = ranked
        var limit = 1
        while chosen.count < count, !left.isEmpty {
            var passedOver: [Candidate] = []
            for candidate in left {
                if chosen.count < count, inDomain[candidate.domain, default: 0] < limit {
                    inDomain[candidate.domain, default: 0] += 1
                    chosen.append(candidate.id)
                } else {
                    passedOver.append(candidate)
                }
            }
            left = passedOver
            limit += 1
        }
        return chosen
    }

    /// −weight / ln(u) for u uniform in (0, 1): the largest of these falls on a device with
    /// probability proportional to its weight.
    private static func score(_ block: BlockID, _ candidate: Candidate) -> Double {
        var hash = mix(block.high)
        hash = mix(hash ^ block.low)
        hash = mix(hash ^ candidate.id.high)
        hash = mix(hash ^ candidate.id.low)
        let uniform = (Double(hash >> 11) + 0.5) / 9_007_199_254_740_992  // 2^53
        return -Double(max(1, candidate.weight)) / log(uniform)
    }

    /// The finaliser of SplitMix64.
    private static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value &+ 0x9e37_79b9_7f4a_7c15
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
