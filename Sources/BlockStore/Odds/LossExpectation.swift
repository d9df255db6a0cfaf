import Erasure

/// What the loss of so many domains and devices costs, in the mean over all sets of them: added up block by block, where there are
/// more sets than can be looked at.
///
/// A block asks for itself alone how many of its rows lie in the domains that are lost and on the devices beside these. So
/// no set is left out, however few of them cost data. That blocks are lost together is not seen. Pure.
struct LossExpectation {
    struct Loss {
        /// How many patterns are lost.
        var lost = 0.0
        /// How many devices' worth of bytes is at its last shard.
        var critical = 0.0
    }

    /// Rows of one shape that lie in the domains that are lost.
    private struct Hit: Hashable {
        let shape: Int
        let rows: UInt64
    }

    /// Blocks of which the same rows share a domain.
    private struct Kind: Hashable {
        let shape: Int
        /// For each domain of several devices in which the block has any: its rows.
        let groups: [UInt64]
    }

    /// How many patterns, and how many devices' worth of bytes a row of each of them is, added up.
    private struct Weight {
        var patterns = 0.0
        var rowDevices = 0.0
    }

    private struct Question: Hashable {
        let hit: Hit
        let more: Int
    }

    private let deviceCount: Int
    private let domainCount: Int
    private let meanDomainDevices: Double
    private let tolerances: [Int]
    private let kinds: [(kind: Kind, weight: Weight)]
    private var tables: [LossTable]
    private var hits: [Int: [(hit: Hit, weight: Weight)]] = [:]
    private var answers: [Question: Loss] = [:]

    /// - Complexity: the places of all patterns.
    init(_ layout: OddsLayout) {
        let domains = layout.domains.map(\.devices)
        deviceCount = layout.devices.count
        domainCount = domains.count
        meanDomainDevices =
            domains.isEmpty ? 0 : Double(domains.reduce(0) { $0 + $1.count }) / Double(domains.count)
        tables = layout.tables
        tolerances = layout.tables.map(\.tolerance)
        var domainOf = [Int](repeating: -1, count: deviceCount)
        for (index, devices) in domains.enumerated() { for device in devices { domainOf[device] = index } }
        let bytes = layout.shardBytesByDevice
        var weights: [Kind: Weight] = [:]
        for (pattern, amount) in layout.patterns {
            let kind = Self.kind(of: pattern, domainOf, isPlain: layout.tables[pattern.shape].isPlain)
            let devices = pattern.devices.reduce(0.0) { sum, device in
                sum + (bytes[Int(device)] > 0 ? amount.shardBytes / bytes[Int(device)] : 0)
            }
            weights[kind, default: Weight()].patterns += 1
            weights[kind, default: Weight()].rowDevices += devices / Double(max(1, pattern.devices.count))
        }
        // Sums of floating-point numbers depend on their order, and a dictionary's is another each time.
        kinds = weights.map { (kind: $0.key, weight: $0.value) }.sorted {
            ($0.kind.shape, $0.kind.groups.count) != ($1.kind.shape, $1.kind.groups.count)
                ? ($0.kind.shape, $0.kind.groups.count) < ($1.kind.shape, $1.kind.groups.count)
                : $0.kind.groups.lexicographicallyPrecedes($1.kind.groups)
        }
    }

    /// Where any row is as good as any other, only how many share a domain matters.
    private static func kind(of pattern: OddsLayout.Pattern, _ domainOf: [Int], isPlain: Bool) -> Kind {
        var groups: [(domain: Int, rows: UInt64)] = []
        for (row, device) in pattern.devices.enumerated() where domainOf[Int(device)] >= 0 {
            let domain = domainOf[Int(device)]
            if let index = groups.firstIndex(where: { $0.domain == domain }) {
                groups[index].rows |= 1 << UInt64(row)
            } else {
                groups.append((domain, 1 << UInt64(row)))
            }
        }
        guard isPlain else { return Kind(shape: pattern.shape, groups: groups.map(\.rows).sorted()) }
        var next: UInt64 = 0
        let counts = groups.map(\.rows.nonzeroBitCount).sorted()
        return Kind(
            shape: pattern.shape,
            groups: counts.map { count in
                defer { next += UInt64(count) }
                return (1 << UInt64(count) - 1) << next
            })
    }

    /// Devices outside of so many domains, in the mean.
    private func devicesBeside(_ domains: Int) -> Int {
        max(0, deviceCount - Int((Double(domains) * meanDomainDevices).rounded()))
    }

    /// With so many domains lost and so many devices that stand in none of them; nil where there are not so many.
    ///
    /// - Complexity: the different sets of rows that lie in so many domains.
    mutating func loss(domains: Int, devices: Int) -> Loss? {
        let beside = devicesBeside(domains)
        guard domains <= domainCount, devices <= beside else { return nil }
        let sets = binomial(beside, devices)
        var sum = Loss()
        for (hit, weight) in hits(domains) {
            let left = tables[hit.shape].rows.count - hit.rows.nonzeroBitCount
            for more in 0...min(left, devices) {
                let chance = binomial(left, more) * binomial(beside - left, devices - more) / sets
                guard chance > 0 else { continue }
                let loss = answer(Question(hit: hit, more: more))
                sum.lost += chance * loss.lost * weight.patterns
                sum.critical += chance * loss.critical * weight.rowDevices
            }
        }
        return sum
    }

    /// Which rows lie in `count` domains that are lost, each with how often that is.
    private mutating func hits(_ count: Int) -> [(hit: Hit, weight: Weight)] {
        if let known = hits[count] { return known }
        var weights: [Hit: Weight] = [:]
        for (kind, weight) in kinds {
            let groups = kind.groups
            for met in 0...min(count, groups.count) {
                let chance = binomial(domainCount - groups.count, count - met) / binomial(domainCount, count)
                guard chance > 0 else { continue }
                var sets = Subsets(of: groups.count, size: met, limit: .max, sample: 0)
                while let set = sets.next() {
                    let rows = set.reduce(UInt64(0)) { $0 | groups[$1] }
                    let isPlain = tables[kind.shape].isPlain
                    let hit = Hit(shape: kind.shape, rows: isPlain ? 1 << UInt64(rows.nonzeroBitCount) - 1 : rows)
                    weights[hit, default: Weight()].patterns += chance * weight.patterns
                    weights[hit, default: Weight()].rowDevices += chance * weight.rowDevices
                }
            }
        }
        let found = weights.map { (hit: $0.key, weight: $0.value) }.sorted {
            ($0.hit.shape, $0.hit.rows) < ($1.hit.shape, $1.hit.rows)
        }
        hits[count] = found
        return found
    }

    /// What becomes of one block that has lost the rows of a hit and so many others: the chance that it cannot be read, and how many of
    /// its rows are the last that it can do without, in the mean over all that the others may be.
    private mutating func answer(_ question: Question) -> Loss {
        let (hit, more) = (question.hit, question.more)
        let lost = hit.rows.nonzeroBitCount + more
        let rows = tables[hit.shape].rows
        if lost < tolerances[hit.shape] { return Loss() }
        if tables[hit.shape].isPlain {
            let outcome = tables[hit.shape].outcome(lost: lost == 64 ? .max : 1 << UInt64(lost) - 1)
            return Loss(lost: outcome.isLost ? 1 : 0, critical: Double(outcome.critical.nonzeroBitCount))
        }
        if let known = answers[question] { return known }
        let left = rows.indices.filter { hit.rows & 1 << UInt64($0) == 0 }
        var sets = Subsets(of: left.count, size: more, limit: 2000, sample: 500)
        var sum = Loss()
        let count = Double(sets.count)
        while let set = sets.next() {
            let outcome = tables[hit.shape].outcome(lost: set.reduce(hit.rows) { $0 | 1 << UInt64(left[$1]) })
            sum.lost += outcome.isLost ? 1 : 0
            sum.critical += Double(outcome.critical.nonzeroBitCount)
        }
        let mean = Loss(lost: sum.lost / count, critical: sum.critical / count)
        answers[question] = mean
        return mean
    }
}
