import Glibc

/// The probability of loss within a year by playing lives of a layout with dice: which devices and domains are down, exactly,
/// and what lies on them.
///
/// Losses are far too rare to wait for. So lives are steered towards them and counted for less in the same measure
/// (importance sampling with balanced failure biasing; Shahabuddin 1994, Heidelberger 1995): each begins with a
/// first failure at some moment of the year, whenever anything is down the next event is a failure as often as a repair, and
/// of a domain as often as of a device. The mean is right whatever the steering; `error` says how far off it may be.
public struct SampledOdds: Sendable {
    /// Within a year.
    public let probability: Double
    /// One standard error of it.
    public let error: Double
    /// Of all data, what is gone when anything is, in the mean.
    public let lostShare: Double
    public let lives: Int
    public let seed: UInt64
}

/// Use from one thread.
struct LossSampling {
    private let judge: LossJudge
    private let assumptions: OddsAssumptions
    private let domains: [[Int]]
    private let domainOf: [Int]
    private let random: SeededRandom
    private let seed: UInt64

    /// Devices that failed by themselves, and domains.
    private struct Down {
        var devices: [Int] = []
        var domains: [Int] = []

        var isEmpty: Bool { devices.isEmpty && domains.isEmpty }
    }

    init(_ judge: LossJudge, _ assumptions: OddsAssumptions, seed: UInt64) {
        self.judge = judge
        self.assumptions = assumptions
        self.seed = seed
        random = SeededRandom(seed)
        domains = judge.layout.domains.map(\.devices)
        var domainOf = [Int](repeating: -1, count: judge.layout.devices.count)
        for (index, devices) in domains.enumerated() { for device in devices { domainOf[device] = index } }
        self.domainOf = domainOf
    }

    /// - Parameter mostLives: fewer where the layout is so large that they would take long.
    func run(mostLives: Int) -> SampledOdds {
        let failedNow = judge.layout.failedNow.sorted()
        let deviceCount = judge.layout.devices.count
        // Where something is down most of the time, lives are played as they come, from the beginning to the end of the year.
        let isBusy = Double(deviceCount) * assumptions.failuresPerYear * assumptions.repairYears > 0.5
        var (sum, squares, share, lives) = (0.0, 0.0, 0.0, 0)
        let mostLooks = judge.looks + 10_000_000
        while lives < mostLives, lives < 200 || judge.looks < mostLooks {
            lives += 1
            var life = Life()
            if isBusy {
                play(&life, Down(devices: failedNow), from: 0, steered: false)
            } else {
                if !failedNow.isEmpty { play(&life, Down(devices: failedNow), from: 0, steered: true) }
                begin(&life, initiallyDown: failedNow.count)
            }
            sum += life.loss
            squares += life.loss * life.loss
            share += life.lostShare
        }
        let mean = sum / Double(lives)
        let variance = max(0, squares / Double(lives) - mean * mean) / Double(lives)
        // Steered lives count losses, of which a year may see several.
        let probability = isBusy ? mean : -expm1(-mean)
        return SampledOdds(
            probability: probability, error: variance.squareRoot() * (isBusy ? 1 : exp(-mean)),
            lostShare: sum > 0 ? share / sum : 0, lives: lives, seed: seed)
    }

    private struct Life {
        var weight = 1.0
        var loss = 0.0
        var lostShare = 0.0
    }

    private func failureRates(_ down: Down) -> (devices: Double, domains: Double) {
        let gone = Set(down.domains)
        let downDevices =
            down.devices.count { domainOf[$0] < 0 || !gone.contains(domainOf[$0]) }
            + down.domains.reduce(0) { $0 + domains[$1].count }
        return (
            Double(judge.layout.devices.count - downDevices) * assumptions.failuresPerYear,
            Double(domains.count - down.domains.count) * assumptions.domainFailuresPerYear
        )
    }

    /// A first failure somewhere in the year, when everything was sound, and what follows from it.
    private func begin(_ life: inout Life, initiallyDown: Int) {
        let start = random.uniform()
        let rates = failureRates(Down())
        let total = rates.devices + rates.domains
        guard total > 0 else { return }
        // Each device, and each domain, goes down and comes back by itself: how likely it is that none is down then.
        func up(_ rate: Double, isDownAtFirst: Bool = false) -> Double {
            let repair = 1 / assumptions.repairYears
            let settled = exp(-(rate + repair) * start)
            return isDownAtFirst
                ? repair * (1 - settled) / (rate + repair) : (repair + rate * settled) / (rate + repair)
        }
        let sound = judge.layout.devices.count - initiallyDown
        life.weight =
            total * pow(up(assumptions.failuresPerYear), Double(sound))
            * pow(up(assumptions.failuresPerYear, isDownAtFirst: true), Double(initiallyDown))
            * pow(up(assumptions.domainFailuresPerYear), Double(domains.count))
        var down = Down()
        fail(&life, &down, rates, steered: true)
        if judges(&life, down) { return }
        play(&life, down, from: start, steered: true)
    }

    /// Plays until everything is sound again, the year is over or data is lost.
    private func play(_ life: inout Life, _ start: Down, from time: Double, steered: Bool) {
        var (down, time) = (start, time)
        while true {
            let rates = failureRates(down)
            let failing = rates.devices + rates.domains
            let repairing = Double(down.devices.count + down.domains.count) / assumptions.repairYears
            guard failing + repairing > 0 else { return }
            time += -log(1 - random.uniform()) / (failing + repairing)
            if time > 1 { return }
            let natural = failing / (failing + repairing)
            let chance = steered && failing > 0 ? max(natural, 0.5) : natural
            if random.uniform() < chance {
                life.weight *= natural / chance
                fail(&life, &down, rates, steered: steered)
                if judges(&life, down) { return }
            } else {
                life.weight *= (1 - natural) / (1 - chance)
                let index = random.index(below: down.devices.count + down.domains.count)
                if index < down.devices.count {
                    down.devices.remove(at: index)
                } else {
                    down.domains.remove(at: index - down.devices.count)
                }
                if steered, down.isEmpty { return }
            }
        }
    }

    private func fail(
        _ life: inout Life, _ down: inout Down, _ rates: (devices: Double, domains: Double), steered: Bool
    ) {
        let natural = rates.domains / (rates.devices + rates.domains)
        let chance = !steered || rates.domains == 0 || rates.devices == 0 ? natural : 0.5
        if random.uniform() < chance {
            life.weight *= natural / chance
            var index = random.index(below: domains.count)
            while down.domains.contains(index) { index = random.index(below: domains.count) }
            down.domains.append(index)
        } else {
            life.weight *= (1 - natural) / (1 - chance)
            func isDown(_ device: Int) -> Bool {
                down.devices.contains(device) || domainOf[device] >= 0 && down.domains.contains(domainOf[device])
            }
            var device = random.index(below: domainOf.count)
            while isDown(device) { device = random.index(below: domainOf.count) }
            down.devices.append(device)
        }
    }

    /// Whether data is lost now. What hidden errors may cost is counted as the part of the life that it is.
    private func judges(_ life: inout Life, _ down: Down) -> Bool {
        let failed = Set(down.devices).union(down.domains.flatMap { domains[$0] }).sorted().map { UInt16($0) }
        let verdict = judge.verdict(failed)
        if verdict.isFatal {
            life.loss += life.weight
            life.lostShare += life.weight * verdict.lostShare
            return true
        }
        let hidden = assumptions.hiddenLoss(verdict.criticalDevices)
        life.loss += life.weight * hidden
        life.weight *= 1 - hidden
        return false
    }
}
