import Erasure
import XCTest

@testable import BlockStore

/// Three ways to the same odds, on layouts small enough that a fourth one, the chain over all sets of devices, is exact.
final class LayoutOddsTests: XCTestCase {
    private func layout(_ profile: String, devices: [OddsLayout.Device], _ places: [[Int]], failedNow: Set<Int> = [])
        throws
        -> OddsLayout
    {
        let profile = try Profile(profile)
        var layout = OddsLayout(devices: devices, failedNow: failedNow)
        for place in places {
            layout.add(
                Dictionary(uniqueKeysWithValues: zip(profile.rows, place)), columns: profile.columns,
                OddsLayout.Amount(blocks: 1, shardBytes: 100, payloadBytes: 100 * Double(profile.dataShards)))
        }
        return layout
    }

    private func assumptions(
        _ failures: Double, hours: Double, domains: Double = 0, latent: Double = 0
    ) -> OddsAssumptions {
        OddsAssumptions(
            failuresPerYear: failures, repairHours: hours, domainFailuresPerYear: domains,
            latentErrorsPerYear: latent, scrubDays: 365.25)
    }

    /// The chain whose states are all sets of failed devices and of failed domains, with what each set costs looked at anew.
    private func exact(_ layout: OddsLayout, _ assumptions: OddsAssumptions) -> Double {
        let judge = LossJudge(layout)
        let (count, domains) = (layout.devices.count, layout.domains.map(\.devices))
        var chain = AbsorbingChain(stateCount: 1 << (count + domains.count))
        func verdict(_ state: Int) -> LossJudge.Verdict {
            var failed = Set((0..<count).filter { state & 1 << $0 != 0 })
            for (index, devices) in domains.enumerated() where state & 1 << (count + index) != 0 {
                failed.formUnion(devices)
            }
            return judge.verdict(failed.sorted().map { UInt16($0) })
        }
        for state in 0..<(1 << (count + domains.count)) where !verdict(state).isFatal {
            let gone = domains.enumerated().filter { state & 1 << (count + $0.offset) != 0 }.flatMap { $0.element }
            for bit in 0..<(count + domains.count) {
                if state & 1 << bit != 0 {
                    chain.add(from: state, to: state & ~(1 << bit), ratePerYear: 1 / assumptions.repairYears)
                } else if bit >= count || !gone.contains(bit) {
                    let next = verdict(state | 1 << bit)
                    chain.add(
                        from: state, to: state | 1 << bit,
                        ratePerYear: bit < count ? assumptions.failuresPerYear : assumptions.domainFailuresPerYear,
                        loss: next.isFatal ? 1 : assumptions.hiddenLoss(next.criticalDevices))
                }
            }
        }
        return chain.lossProbability(withinYears: 1)
    }

    private func check(
        _ layout: OddsLayout, _ assumptions: OddsAssumptions, markovWithin: Double, formulaWithin: Double,
        line: UInt = #line
    ) {
        let exact = exact(layout, assumptions)
        let judge = LossJudge(layout)
        let grid = LossGrid(judge, mostFailures: layout.devices.count)
        XCTAssertEqual(grid.markov(assumptions) / exact, 1, accuracy: markovWithin, "Markov", line: line)
        XCTAssertEqual(grid.closedForm(assumptions) / exact, 1, accuracy: formulaWithin, "formula", line: line)
        let sampled = LossSampling(judge, assumptions, seed: 7).run(mostLives: 20_000)
        XCTAssertEqual(sampled.probability, exact, accuracy: 4 * sampled.error, "dice", line: line)
        XCTAssertLessThan(sampled.error, exact * 0.05, "dice", line: line)
    }

    func testAllWaysAgreeOnOneSetOfDevices() throws {
        let layout = try layout("rs:4+2", devices: OddsLayout.devices(6, domains: 6), [[0, 1, 2, 3, 4, 5]])
        let rates = assumptions(0.015, hours: 72)
        check(layout, rates, markovWithin: 1e-9, formulaWithin: 0.03)
        let grid = LossGrid(LossJudge(layout), mostFailures: 6)
        XCTAssertEqual(grid.markov(rates) / 1.348e-8, 1, accuracy: 5e-4)
        // Where failures are not rare the formula is too high, and the others still agree.
        check(layout, assumptions(0.5, hours: 720), markovWithin: 1e-9, formulaWithin: 0.7)
    }

    func testAllWaysAgreeWhereBlocksLieOnSomeOfTheDevices() throws {
        let layout = try layout(
            "rs:2+1", devices: OddsLayout.devices(6, domains: 6), [[0, 1, 2], [1, 2, 3], [2, 3, 4], [0, 4, 5]])
        check(layout, assumptions(0.02, hours: 48), markovWithin: 0.02, formulaWithin: 0.03)
    }

    func testAllWaysAgreeWithHiddenErrors() throws {
        let layout = try layout("rs:2+2", devices: OddsLayout.devices(5, domains: 5), [[0, 1, 2, 3], [1, 2, 3, 4]])
        let (with, without) = (assumptions(0.02, hours: 48, latent: 0.05), assumptions(0.02, hours: 48))
        check(layout, with, markovWithin: 0.03, formulaWithin: 0.05)
        XCTAssertGreaterThan(exact(layout, with), exact(layout, without) * 2)
    }

    func testAllWaysAgreeWhereDomainsFailAsOne() throws {
        // Three hosts with two disks each: any host may go, and one disk of another beside it may not.
        let layout = try layout(
            "rs:4+2", devices: OddsLayout.devices(6, domains: 3), [[0, 1, 2, 3, 4, 5]])
        check(
            layout, assumptions(0.02, hours: 24, domains: 0.01), markovWithin: 0.02, formulaWithin: 0.03)
        // Two hosts with three disks each: one of them is too much.
        let bad = try self.layout("rs:4+2", devices: OddsLayout.devices(6, domains: 2), [[0, 1, 2, 3, 4, 5]])
        check(bad, assumptions(0.02, hours: 24, domains: 0.01), markovWithin: 0.001, formulaWithin: 0.02)
    }

    func testAllWaysAgreeOnALocalCode() throws {
        let layout = try layout(
            "lrc:4+2+1", devices: OddsLayout.devices(7, domains: 7), [[0, 1, 2, 3, 4, 5, 6], [6, 4, 2, 0, 1, 3, 5]])
        check(layout, assumptions(0.02, hours: 72, latent: 0.01), markovWithin: 0.03, formulaWithin: 0.06)
    }

    func testADeviceThatIsDownAlreadyCounts() throws {
        let devices = OddsLayout.devices(4, domains: 4)
        let sound = try layout("rs:2+2", devices: devices, [[0, 1, 2, 3]])
        let hurt = try layout("rs:2+2", devices: devices, [[0, 1, 2, 3]], failedNow: [1])
        let rates = assumptions(0.05, hours: 100)
        func markov(_ layout: OddsLayout) -> Double {
            LossGrid(LossJudge(layout), mostFailures: 4).markov(rates, failedNow: layout.failedNow.count)
        }
        XCTAssertGreaterThan(markov(hurt), markov(sound) * 5)
        let sampled = LossSampling(LossJudge(hurt), rates, seed: 3).run(mostLives: 20_000)
        XCTAssertEqual(sampled.probability, markov(hurt), accuracy: 4 * sampled.error)
    }

    func testTheDiceFallTheSameForTheSameSeed() throws {
        let layout = try layout("rs:2+1", devices: OddsLayout.devices(4, domains: 4), [[0, 1, 2], [1, 2, 3]])
        func run(_ seed: UInt64) -> Double {
            LossSampling(LossJudge(layout), assumptions(0.02, hours: 48), seed: seed).run(mostLives: 500).probability
        }
        XCTAssertEqual(run(5), run(5))
        XCTAssertNotEqual(run(5), run(6))
    }

    func testAnImaginedLayoutSpreadsBlocksOverDevicesAndDomains() throws {
        let devices = OddsLayout.devices(12, domains: 4)
        let layout = OddsLayout.imagined(try Profile("rs:4+2"), on: devices, blocks: 5000, payloadBytes: 5e9)
        XCTAssertEqual(layout.blocks, 5000)
        let bytes = layout.shardBytesByDevice
        for share in bytes { XCTAssertEqual(share / (7.5e9 / 12), 1, accuracy: 0.1) }
        for (pattern, _) in layout.patterns {
            let perDomain = Dictionary(grouping: pattern.devices.map { devices[Int($0)].domain }, by: \.self)
            XCTAssertLessThanOrEqual(perDomain.values.map(\.count).max() ?? 9, 2)
        }
    }

    func testAFleetsRepairsTakeAsLongAsTheBytesOfADeviceWhateverIsPlaced() throws {
        // A hundred devices and forty million blocks: they hold as much as each other, though of those that are placed some have more.
        let even = try OddsSubject.imagined(
            try Profile("rs:4+2"), on: OddsLayout.devices(100, domains: 100), payloadBytes: 1e15)
        XCTAssertEqual(even.shardBytesToRepair / 1.5e13, 1, accuracy: 1e-9)
        // In the smaller of two domains each has more.
        let uneven = try OddsSubject.imagined(
            try Profile("rs:1+1"), on: OddsLayout.devices(5, domains: 2), payloadBytes: 1e15)
        XCTAssertEqual(uneven.shardBytesToRepair / 5e14, 1, accuracy: 0.01)
    }

    func testManyBlocksMeetMoreSetsThanFew() throws {
        let profile = try Profile("rs:4+2")
        let devices = OddsLayout.devices(200, domains: 200)
        func odds(_ blocks: Int) -> Odds {
            var subject = OddsSubject(
                layout: OddsLayout.imagined(profile, on: devices, blocks: blocks, payloadBytes: 1e9), profile: profile,
                payloadBytes: 1e9, hasSpareDevice: true, scrubDays: OddsFigure(30, .assumed))
            subject.latentErrorsPerYear.value = 0
            return Odds(of: subject, lives: 300, findsChanges: false)
        }
        let (few, many, most) = (odds(10).markov, odds(1000).markov, odds(1_000_000_000).markov)
        XCTAssertEqual(many / few, 100, accuracy: 10)
        XCTAssertGreaterThan(most, many * 10)
        // So many blocks meet every set: as if all devices were one set that survives two losses.
        let days = OddsAssumptions.Defaults.repairStartHours / 24
        XCTAssertEqual(
            most / DeviceSetOdds(try Profile("rs:4+2"), failuresPerYear: 0.015, repairYears: days / 365.25).closedForm,
            binomial(200, 3) / 20, accuracy: binomial(200, 3) / 20 * 0.1)
    }

    func testWhatIsAddedUpBlockByBlockIsTheMeanOverAllSets() throws {
        for (profile, seed) in [("rs:4+2", 1), ("lrc:4+2+1", 2)] as [(String, UInt64)] {
            let devices = OddsLayout.devices(12, domains: 4)
            let layout = OddsLayout.imagined(
                try Profile(profile), on: devices, blocks: 12, payloadBytes: 1200, seed: seed)
            XCTAssertEqual(layout.patterns.count, 12, "no two blocks lie alike")
            let judge = LossJudge(layout)
            var expectation = LossExpectation(layout)
            let domains = layout.domains.map(\.devices)
            for (lostDomains, failures) in [(0, 2), (0, 3), (0, 4), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1)] {
                var (sets, lost, critical) = (0.0, 0.0, 0.0)
                var chosen = Subsets(of: 4, size: lostDomains, limit: .max, sample: 0)
                while let some = chosen.next() {
                    let down = some.flatMap { domains[$0] }
                    let others = devices.indices.filter { !down.contains($0) }
                    var failed = Subsets(of: others.count, size: failures, limit: .max, sample: 0)
                    while let set = failed.next() {
                        let verdict = judge.verdict((down + set.map { others[$0] }).sorted().map { UInt16($0) })
                        sets += 1
                        lost += verdict.lostShare * 12
                        critical += verdict.criticalDevices
                    }
                }
                let found = try XCTUnwrap(expectation.loss(domains: lostDomains, devices: failures))
                let place = "\(profile): \(lostDomains) domains, \(failures) devices"
                XCTAssertEqual(found.lost, lost / sets, accuracy: 1e-9, place)
                // Devices hold about as much as each other, and what a row is of its device is taken as the same for all of a block.
                XCTAssertEqual(found.critical, critical / sets, accuracy: 0.05 * critical / sets + 1e-9, place)
            }
            XCTAssertNil(expectation.loss(domains: 0, devices: 13))
            XCTAssertNil(expectation.loss(domains: 2, devices: 7))
        }
    }

    func testBlocksThatStandForMoreMeetTheSetsThatAllOfThemWould() throws {
        // One host and three devices elsewhere: hardly any of the blocks that are placed lies there, and of a billion many do.
        let devices = OddsLayout.devices(400, domains: 40)
        func share(_ blocks: Int) throws -> Double {
            let layout = OddsLayout.imagined(try Profile("rs:4+3"), on: devices, blocks: blocks, payloadBytes: 1e15)
            return LossGrid(LossJudge(layout), mostFailures: 3).fatalShare(domains: 1, devices: 3)
        }
        XCTAssertLessThan(try share(10_000), 0.02)
        XCTAssertGreaterThan(try share(1_000_000_000), 0.99)
    }

    func testTheRisksAddUpAndWhatHelpsIsBetter() throws {
        let profile = try Profile("rs:4+2")
        let subject = try OddsSubject.imagined(profile, on: OddsLayout.devices(8, domains: 4), payloadBytes: 8e12)
        let odds = Odds(of: subject, lives: 2000)
        XCTAssertEqual(odds.risks.reduce(0) { $0 + $1.probability }, odds.markov, accuracy: odds.markov * 1e-6)
        XCTAssertEqual(odds.risks.count, 3)
        for change in odds.changes {
            if case .profile(let other, _) = change.kind, other.localGroups > 0 { continue }
            XCTAssertLessThan(change.probability, odds.markov, "\(change.kind)")
        }
        guard case .profile(let stronger, let devices)? = odds.changes.first?.kind else { return XCTFail("no change") }
        XCTAssertEqual(stronger.description, "rs:4+3")
        XCTAssertEqual(devices, 0)
    }

    func testAFleetThatIsPlayedMeetsWhatTheFormulasSay() throws {
        let profile = try Profile("rs:2+1")
        let devices = OddsLayout.devices(12, domains: 12)
        let rates = assumptions(0.3, hours: 240)
        var fleet = FleetSimulation(profile, on: devices, blocks: 40, rates, seed: 11)
        let outcome = fleet.run(years: 4000)
        XCTAssertEqual(Double(outcome.deviceFailures) / 4000, 12 * 0.3, accuracy: 0.1)
        let layout = OddsLayout.imagined(profile, on: devices, blocks: 40, payloadBytes: 1e9)
        let expected = LossGrid(LossJudge(layout), mostFailures: 12).closedForm(rates)
        XCTAssertEqual(Double(outcome.losses) / 4000 / expected, 1, accuracy: 0.15)
        XCTAssertGreaterThan(outcome.exposedHours, 0)
        XCTAssertEqual(outcome.lossesByLatentErrors, 0)
        var again = FleetSimulation(profile, on: devices, blocks: 40, rates, seed: 11)
        var years = 0
        XCTAssertEqual(again.run(years: 4000) { years += 1 }.lostBlocks, outcome.lostBlocks)
        XCTAssertEqual(years, 4000)
    }

    func testAFleetLosesToDomainsAndHiddenErrorsAsWell() throws {
        let profile = try Profile("rs:2+1")
        let devices = OddsLayout.devices(8, domains: 2)
        var fleet = FleetSimulation(
            profile, on: devices, blocks: 40, assumptions(0.2, hours: 200, domains: 0.1, latent: 2), seed: 1)
        let outcome = fleet.run(years: 500)
        // Two shards of each block stand in one domain: it may not go.
        XCTAssertGreaterThanOrEqual(outcome.losses, outcome.domainFailures)
        XCTAssertGreaterThan(outcome.lossesByLatentErrors, 0)
        XCTAssertGreaterThan(outcome.mostDevicesDown, 3)
        let annual = outcome.annual
        XCTAssertTrue(annual.low < annual.probability && annual.probability < annual.high)
    }

    func testNoLossAtAllIsNotCalledNoRisk() throws {
        var fleet = FleetSimulation(
            try Profile("rs:4+4"), on: OddsLayout.devices(8, domains: 8), blocks: 10, assumptions(0.01, hours: 10),
            seed: 1)
        let annual = fleet.run(years: 100).annual
        XCTAssertEqual(annual.probability, 0)
        XCTAssertEqual(annual.high, 0.03)
    }
}
