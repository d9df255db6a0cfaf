import Glibc

/// For each number of lost domains h and of lost devices i beside them: the share of all such sets that costs data, and how
/// many devices' worth of bytes has no redundancy left in the others.
///
/// Every set is looked at where there are few, else a sample, the same each time. Where a sample would meet none of the sets that matter, and
/// where the blocks of the layout stand for more, what is expected is added up block by block, as if each block were lost or not by
/// itself (`LossExpectation`).
struct LossGrid {
    let deviceCount: Int
    let domainCount: Int
    let meanDomainDevices: Double
    /// `fatal[h][i]`; the last of a row is 1, or as far as anything was looked at.
    private(set) var fatal: [[Double]] = []
    private(set) var critical: [[Double]] = []
    private(set) var isExact = true

    /// - Parameter mostFailures: of single devices, to be looked at.
    init(_ judge: LossJudge, mostFailures: Int, mostDomains: Int = 2) {
        let layout = judge.layout
        let domains = layout.domains.map(\.devices)
        deviceCount = layout.devices.count
        domainCount = domains.count
        meanDomainDevices =
            domains.isEmpty ? 0 : Double(domains.reduce(0) { $0 + $1.count }) / Double(domains.count)
        var expectation: LossExpectation?
        for lostDomains in 0...min(mostDomains, domains.count) {
            var (fatalRow, criticalRow): ([Double], [Double]) = ([], [])
            for failures in 0...min(mostFailures, deviceCount) {
                var cell = look(judge, &expectation, domains, lostDomains, failures)
                // Sets only get worse when they grow; a sample may say otherwise.
                cell.fatal = max(cell.fatal, fatalRow.last ?? 0)
                if let above = fatal.last, failures < above.count { cell.fatal = max(cell.fatal, above[failures]) }
                fatalRow.append(min(1, cell.fatal))
                criticalRow.append(cell.critical)
                if cell.fatal >= 1 { break }
            }
            fatal.append(fatalRow)
            critical.append(criticalRow)
            if fatalRow[0] >= 1 { break }
        }
    }

    /// Beyond what was looked at everything is as bad as there.
    func fatalShare(domains: Int, devices: Int) -> Double {
        guard domains >= 0, devices >= 0 else { return 0 }
        guard domains < fatal.count else { return 1 }
        return fatal[domains][min(devices, fatal[domains].count - 1)]
    }

    /// Devices that are not in lost domains, in the mean.
    func devicesBeside(domains: Int) -> Double {
        max(0, Double(deviceCount) - Double(domains) * meanDomainDevices)
    }

    private mutating func look(
        _ judge: LossJudge, _ expectation: inout LossExpectation?, _ domains: [[Int]], _ lostDomains: Int,
        _ failures: Int
    ) -> (fatal: Double, critical: Double) {
        if lostDomains == 0, failures < judge.layout.tolerance { return (0, 0) }
        let looks = judge.meanLooks(failures) + Double(lostDomains) * judge.meanLooks(1) * meanDomainDevices
        let limit = max(100, min(4000, Int(5e5 / max(1, looks))))
        var chosen = Subsets(of: domains.count, size: lostDomains, limit: limit, sample: limit)
        let limitEach = max(1, limit / chosen.count)
        let beside = Int(devicesBeside(domains: lostDomains).rounded())
        if !chosen.isExhaustive || binomial(beside, failures) > Double(limitEach) {
            isExact = false
            if expectation == nil { expectation = LossExpectation(judge.layout) }
            if let expected = expectation?.loss(domains: lostDomains, devices: failures),
                judge.layout.scale > 1 || expected.lost < 0.05
            {
                return (-expm1(-expected.lost * judge.layout.scale), expected.critical)
            }
        }
        var (sets, fatal, harmless, critical) = (0, 0.0, 0.0, 0.0)
        var seed: UInt64 = 0
        while let lost = chosen.next() {
            let down = Set(lost.flatMap { domains[$0] })
            let others = (0..<deviceCount).filter { !down.contains($0) }
            guard failures <= others.count else { continue }
            seed += 1
            var subsets = Subsets(of: others.count, size: failures, limit: limitEach, sample: limitEach, seed: seed)
            isExact = isExact && subsets.isExhaustive
            while let failed = subsets.next() {
                let verdict = judge.verdict((down + failed.map { others[$0] }).sorted().map { UInt16($0) })
                sets += 1
                if verdict.isFatal {
                    fatal += 1
                } else {
                    harmless += 1
                    critical += verdict.criticalDevices
                }
            }
        }
        // Fewer devices are left than are to fail.
        guard sets > 0 else { return (1, 0) }
        return (fatal / Double(sets), harmless > 0 ? critical / harmless : 0)
    }
}

/// The odds of a layout by formula, from its grid of losses.
extension LossGrid {
    /// The rate of loss a year while failures are rare: for every number of domains and devices, each of them the last to go,
    /// the sets that it turns into a loss, times the rates, times the repair time for each that is down already.
    ///
    /// For one set of devices it is `DeviceSetOdds.closedForm`. Hidden errors add what is at its last shard whenever
    /// one more device goes.
    func closedForm(_ assumptions: OddsAssumptions) -> Double {
        let repair = assumptions.repairYears
        var rate = 0.0
        for domains in fatal.indices where domains == 0 || assumptions.domainFailuresPerYear > 0 {
            let beside = Int(devicesBeside(domains: domains))
            for devices in 0..<fatal[domains].count where domains + devices > 0 {
                let here = fatalShare(domains: domains, devices: devices)
                let comesByDomain = domains > 0 ? here - fatalShare(domains: domains - 1, devices: devices) : 0
                let comesByDevice = devices > 0 ? here - fatalShare(domains: domains, devices: devices - 1) : 0
                let hidden = (1 - here) * assumptions.hiddenLoss(critical[domains][devices])
                let sets = binomial(domainCount, domains) * binomial(beside, devices)
                let ways =
                    Double(domains) * (max(0, comesByDomain) + hidden)
                    + Double(devices) * (max(0, comesByDevice) + hidden)
                rate +=
                    sets * ways * pow(assumptions.domainFailuresPerYear, Double(domains))
                    * pow(assumptions.failuresPerYear, Double(devices)) * pow(repair, Double(domains + devices - 1))
            }
        }
        return rate
    }

    /// The probability of loss within so many years, by a Markov chain on the numbers of lost domains and devices. Between
    /// the sets of one size it does not tell: `LossSampling` does.
    ///
    /// - Parameter failedNow: devices that are down at the beginning.
    func markov(_ assumptions: OddsAssumptions, failedNow: Int = 0, years: Double = 1) -> Double {
        var states: [[Int]] = []
        var count = 0
        let rows = assumptions.domainFailuresPerYear > 0 ? fatal.count : 1
        for domains in 0..<rows {
            states.append(
                fatal[domains].map { share in
                    guard share < 1 else { return -1 }
                    count += 1
                    return count - 1
                })
        }
        guard count > 0, states[0][0] >= 0 else { return 1 }
        var chain = AbsorbingChain(stateCount: count)
        func loss(from: (Int, Int), to: (Int, Int)) -> Double {
            let before = fatalShare(domains: from.0, devices: from.1)
            let after = fatalShare(domains: to.0, devices: to.1)
            guard after < 1 else { return 1 }
            let dies = max(0, after - before) / (1 - before)
            let known = to.0 < rows && to.1 < critical[to.0].count
            return dies + (1 - dies) * (known ? assumptions.hiddenLoss(critical[to.0][to.1]) : 0)
        }
        for domains in 0..<rows {
            for devices in states[domains].indices where states[domains][devices] >= 0 {
                let state = states[domains][devices]
                func go(_ toDomains: Int, _ toDevices: Int, _ rate: Double, isFailure: Bool) {
                    let isKnown = toDomains < rows && toDevices < states[toDomains].count
                    let to = isKnown ? max(0, states[toDomains][toDevices]) : state
                    // Beyond the grid nothing was looked at, and hardly anything gets there.
                    if isKnown || fatalShare(domains: toDomains, devices: toDevices) >= 1 {
                        chain.add(
                            from: state, to: to, ratePerYear: rate,
                            loss: isFailure ? loss(from: (domains, devices), to: (toDomains, toDevices)) : 0)
                    }
                }
                let left = max(0, devicesBeside(domains: domains) - Double(devices))
                go(domains, devices + 1, left * assumptions.failuresPerYear, isFailure: true)
                if rows > 1 {
                    // Some of the devices that are down may stand in the domain that goes: they are counted with it then.
                    let members = Int(meanDomainDevices.rounded())
                    for inside in 0...min(devices, members) {
                        let share =
                            binomial(members, inside) * binomial(Int(left) + devices - members, devices - inside)
                            / binomial(Int(left) + devices, devices)
                        go(
                            domains + 1, devices - inside,
                            share * Double(domainCount - domains) * assumptions.domainFailuresPerYear, isFailure: true)
                    }
                }
                if devices > 0 { go(domains, devices - 1, Double(devices) / assumptions.repairYears, isFailure: false) }
                if domains > 0 { go(domains - 1, devices, Double(domains) / assumptions.repairYears, isFailure: false) }
            }
        }
        let start = states[0].prefix(failedNow + 1).last { $0 >= 0 } ?? 0
        return chain.lossProbability(from: start, withinYears: years)
    }
}
