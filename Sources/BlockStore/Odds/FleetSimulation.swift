public import Erasure
import Glibc

/// Plays a fleet through many years: devices and whole domains fail and are repaired, places go bad unnoticed until they are
/// scrubbed or wanted, and blocks are lost or not. What happens to the devices depends on the seed alone, so that
/// profiles can be compared on the same fate.
///
/// Repairs take a fixed time. That the rate of loss does not depend on how repair times are distributed is a result of
/// queueing theory; here it can be seen, as the Markov chain has them exponential. Pure.
public struct FleetSimulation: Sendable {
    public struct Outcome: Sendable {
        public var years = 0
        public var deviceFailures = 0
        public var domainFailures = 0
        public var latentErrors = 0
        public var mostDevicesDown = 0
        /// Hours in which some block had a shard that it could not do without.
        public var exposedHours = 0.0
        /// Moments at which blocks were lost.
        public var losses = 0
        /// Of these, moments at which only a place that had gone bad made the difference.
        public var lossesByLatentErrors = 0
        public var lostBlocks = 0
        public var yearsWithLoss = 0
        /// How many blocks were placed.
        public var blocks = 0

        /// Years with a loss among all, and between which bounds that lies in truth, with 95 % confidence (Wilson 1927; with no
        /// loss at all, the rule of three).
        public var annual: (probability: Double, low: Double, high: Double) {
            let n = Double(max(1, years))
            let p = Double(yearsWithLoss) / n
            guard yearsWithLoss > 0 else { return (0, 0, min(1, 3 / n)) }
            let z2 = 1.96 * 1.96
            let middle = (p + z2 / (2 * n)) / (1 + z2 / n)
            let width = 1.96 * (p * (1 - p) / n + z2 / (4 * n * n)).squareRoot() / (1 + z2 / n)
            return (p, max(0, middle - width), min(1, middle + width))
        }
    }

    private let profile: Profile
    private let assumptions: OddsAssumptions
    private let fate: SeededRandom
    private let domains: [[Int]]
    private let domainOf: [Int]
    private var table: LossTable
    private let tolerance: Int
    /// The device of each row of each block, row after row.
    private var devices: [Int32] = []
    private var places: [[(block: Int32, row: UInt8)]]

    private var now = 0.0
    private var isDown: [Bool]
    private var downCount = 0
    /// In the order of failure, which is that of repair.
    private var repairs: [(time: Double, devices: [Int])] = []
    private var firstRepair = 0
    /// Rows of each block whose device is down.
    private var missing: [UInt64]
    private var isLost: [Bool]
    private var isExposed: [Bool]
    private var exposedBlocks = 0
    /// Places gone bad, and when the next scrub finds them.
    private var bad: [Int: [(row: Int, until: Double)]] = [:]
    /// Whether a block may have any: most have none, and need not be looked for.
    private var hasBad: [Bool]
    private var lastYearWithLoss = -1
    private var outcome = Outcome()

    /// - Parameter blocks: placed at random, spread over the domains as real ones are.
    /// - Precondition: at least as many devices as the profile has shards.
    public init(
        _ profile: Profile, on devices: [OddsLayout.Device], blocks: Int, _ assumptions: OddsAssumptions, seed: UInt64
    ) {
        precondition(devices.count >= profile.shardCount)
        self.profile = profile
        self.assumptions = assumptions
        fate = SeededRandom(seed)
        let layout = OddsLayout(devices: devices)
        domains = layout.domains.map(\.devices)
        table = LossTable(rows: profile.rows, columns: profile.columns)
        tolerance = profile.tolerance
        places = Array(repeating: [], count: devices.count)
        isDown = Array(repeating: false, count: devices.count)
        missing = Array(repeating: 0, count: blocks)
        isLost = Array(repeating: false, count: blocks)
        isExposed = Array(repeating: false, count: blocks)
        hasBad = Array(repeating: false, count: blocks)
        outcome.blocks = blocks
        let spread = DomainSpread(devices)
        // Chances of its own: what becomes of the devices is the same whatever lies on them.
        let random = SeededRandom(seed ^ 0x9e37_79b9)
        for block in 0..<blocks {
            for (row, device) in spread.choose(profile.shardCount, random).enumerated() {
                self.devices.append(Int32(device))
                places[device].append((Int32(block), UInt8(row)))
            }
        }
        var domainOf = [Int](repeating: -1, count: devices.count)
        for (index, members) in domains.enumerated() { for device in members { domainOf[device] = index } }
        self.domainOf = domainOf
    }

    /// Plays so many years.
    ///
    /// - Parameter onYear: called at the end of each.
    /// - Complexity: the events, each times the blocks on a device.
    public mutating func run(years: Int, onYear: () -> Void = {}) -> Outcome {
        let rates = [
            Double(isDown.count) * assumptions.failuresPerYear,
            Double(domains.count) * assumptions.domainFailuresPerYear,
            Double(isDown.count) * assumptions.latentErrorsPerYear,
        ]
        let total = rates.reduce(0, +)
        let end = now + Double(years)
        outcome.years += years
        guard total > 0 else { return outcome }
        while true {
            let next = now - log(1 - fate.uniform()) / total
            let kind = fate.uniform() * total
            let pick = fate.uniform()
            let detail = fate.uniform()
            for _ in Int(now)..<Int(min(next, end)) { onYear() }
            repairUntil(min(next, end))
            advance(to: min(next, end))
            guard next < end else { return outcome }
            if kind < rates[0] {
                fail([Int(pick * Double(isDown.count))], byDomain: false)
            } else if kind < rates[0] + rates[1] {
                fail(domains[Int(pick * Double(domains.count))], byDomain: true)
            } else {
                spoil(Int(pick * Double(isDown.count)), detail)
            }
        }
    }

    private mutating func advance(to time: Double) {
        if exposedBlocks > 0 { outcome.exposedHours += (time - now) * OddsAssumptions.hoursPerYear }
        now = time
    }

    private mutating func repairUntil(_ time: Double) {
        while firstRepair < repairs.count, repairs[firstRepair].time <= time {
            advance(to: repairs[firstRepair].time)
            for device in repairs[firstRepair].devices {
                isDown[device] = false
                downCount -= 1
                for (block, row) in places[device] {
                    let block = Int(block)
                    missing[block] &= ~(1 << UInt64(row))
                    // What was lost is put anew when all of its devices are back.
                    if missing[block] == 0 { isLost[block] = false }
                    if isExposed[block] { setExposed(block, isCritical(block)) }
                }
            }
            firstRepair += 1
        }
        if firstRepair > 1000 {
            repairs.removeFirst(firstRepair)
            firstRepair = 0
        }
    }

    private mutating func fail(_ members: [Int], byDomain: Bool) {
        let failing = members.filter { !isDown[$0] }
        if byDomain { outcome.domainFailures += 1 }
        guard !failing.isEmpty else { return }
        outcome.deviceFailures += byDomain ? 0 : 1
        var endangered: [Int] = []
        for device in failing {
            isDown[device] = true
            for (block, row) in places[device] {
                let block = Int(block)
                missing[block] |= 1 << UInt64(row)
                // Made again elsewhere: what was bad there is gone.
                if hasBad[block] { forgetBad(block, row: Int(row)) }
                if missing[block].nonzeroBitCount >= tolerance { endangered.append(block) }
            }
        }
        downCount += failing.count
        outcome.mostDevicesDown = max(outcome.mostDevicesDown, downCount)
        repairs.append((now + assumptions.repairYears, failing))
        judge(byDomain ? Array(Set(endangered)) : endangered)
    }

    /// Forgets what is bad in a row, and what scrubs have found since.
    private mutating func forgetBad(_ block: Int, row: Int) {
        bad[block]?.removeAll { $0.row == row || $0.until <= now }
        if bad[block]?.isEmpty ?? true {
            bad[block] = nil
            hasBad[block] = false
        }
    }

    /// A place on a device goes bad.
    private mutating func spoil(_ device: Int, _ detail: Double) {
        outcome.latentErrors += 1
        guard !isDown[device], !places[device].isEmpty else { return }
        let place = places[device][min(places[device].count - 1, Int(detail * Double(places[device].count)))]
        let (block, row) = (Int(place.block), Int(place.row))
        // Each block has its own day of the scrub.
        let interval = assumptions.scrubDays / 365.25
        let phase = Double(block * 7919 % 1000) / 1000
        let until = ((now / interval - phase).rounded(.down) + 1 + phase) * interval
        bad[block, default: []].removeAll { $0.until <= now }
        bad[block, default: []].append((row, until))
        hasBad[block] = true
        if missing[block].nonzeroBitCount >= tolerance { judge([block]) }
    }

    private mutating func judge(_ blocks: [Int]) {
        var (lost, byDevices) = (0, false)
        for block in blocks where !isLost[block] {
            let devices = table.outcome(lost: missing[block])
            var spoiled = missing[block]
            if hasBad[block], let places = bad[block] {
                for place in places where place.until > now { spoiled |= 1 << UInt64(place.row) }
            }
            if devices.isLost || spoiled != missing[block] && table.outcome(lost: spoiled).isLost {
                lost += 1
                isLost[block] = true
                bad[block] = nil
                byDevices = byDevices || devices.isLost
                setExposed(block, false)
            } else {
                setExposed(block, devices.critical != 0)
            }
        }
        guard lost > 0 else { return }
        outcome.losses += 1
        outcome.lostBlocks += lost
        if !byDevices { outcome.lossesByLatentErrors += 1 }
        if Int(now) != lastYearWithLoss {
            lastYearWithLoss = Int(now)
            outcome.yearsWithLoss += 1
        }
    }

    private mutating func isCritical(_ block: Int) -> Bool {
        missing[block].nonzeroBitCount >= tolerance && table.outcome(lost: missing[block]).critical != 0
    }

    private mutating func setExposed(_ block: Int, _ exposed: Bool) {
        guard exposed != isExposed[block] else { return }
        isExposed[block] = exposed
        exposedBlocks += exposed ? 1 : -1
    }
}

/// Chooses devices for blocks as `Placement` does where all weigh the same: by chance, as few in one domain as can be.
struct DomainSpread {
    private let domainOf: [Int]
    /// How many domains have more than so many devices.
    private var domainsAbove: [Int] = []

    init(_ devices: [OddsLayout.Device]) {
        var numbers: [String: Int] = [:]
        for device in devices where numbers[device.domain] == nil { numbers[device.domain] = numbers.count }
        domainOf = devices.map { numbers[$0.domain] ?? 0 }
        let sizes = Dictionary(grouping: domainOf, by: \.self).values.map(\.count)
        domainsAbove = (0..<(sizes.max() ?? 0)).map { round in sizes.count { $0 > round } }
    }

    /// - Precondition: there are so many devices.
    func choose(_ count: Int, _ random: SeededRandom) -> [Int] {
        var chosen: [Int] = []
        var inDomain: [Int: Int] = [:]
        var (round, inRound) = (0, 0)
        while chosen.count < count {
            let device = random.index(below: domainOf.count)
            guard inDomain[domainOf[device], default: 0] <= round, !chosen.contains(device) else { continue }
            chosen.append(device)
            inDomain[domainOf[device], default: 0] += 1
            inRound += 1
            if inRound == domainsAbove[round] { (round, inRound) = (round + 1, 0) }
        }
        return chosen
    }
}
