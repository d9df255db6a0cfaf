import XCTest

@testable import BlockStore
@testable import Simulation

/// T4: the slice of every commit; `scripts/sim --positions` tries them all.
final class EveryPositionTests: XCTestCase {
    private func requireClean(_ damage: EveryPosition, atLeast count: Int) {
        XCTAssertTrue(damage.tally.isClean, damage.tally.complaints.joined(separator: "\n"))
        XCTAssertGreaterThanOrEqual(damage.tally.damages, count)
    }

    func testADamagedByteOfAShardIsFoundHarmlessAndRepairedIdentically() throws {
        let damage = try EveryPosition(profile: "rs:2+1", devices: 3, stride: 211)
        damage.damageShards(of: "disk-2")
        requireClean(damage, atLeast: 80)
    }

    func testTwoDamagedShardsOfEveryBlockAreFoundHarmlessAndRepairedIdentically() throws {
        let damage = try EveryPosition(profile: "rs:2+2", devices: 4, stride: 229)
        damage.damagePairs("disk-2", "disk-4")
        requireClean(damage, atLeast: 25)
    }

    func testExchangedAndStaleShardsAreNotBelieved() throws {
        let damage = try EveryPosition(profile: "rs:2+2", devices: 4, stride: 23)
        damage.exchangeShards()
        try damage.putStaleShardsBack()
        requireClean(damage, atLeast: 25)
    }

    func testDamagedDocumentsAreNotBelievedAndMended() throws {
        let damage = try EveryPosition(profile: "rs:2+1", devices: 3, stride: 97)
        damage.damageDocuments(of: "disk-2")
        requireClean(damage, atLeast: 90)
    }

    func testADamagedIndexIsFoundOutOrHarmless() throws {
        let damage = try EveryPosition(profile: "rs:2+1", devices: 3, stride: 449)
        damage.damageIndex()
        requireClean(damage, atLeast: 100)
    }
}
