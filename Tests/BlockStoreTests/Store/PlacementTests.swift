import Chunker
import Erasure
import XCTest

@testable import BlockStore

/// Where shards go and what a change of devices moves: a pure function, tested as one.
final class PlacementTests: XCTestCase {
    private let random = SeededRandom(5)

    private func candidates(_ weights: [UInt32], domains: Int? = nil) -> [Placement.Candidate] {
        weights.enumerated().map { index, weight in
            Placement.Candidate(
                id: random.identifier(), domain: "\(domains.map { index % $0 } ?? index)", weight: weight)
        }
    }

    private func blocks(_ count: Int) -> [BlockID] { (0..<count).map { _ in random.identifier() } }

    /// A random set of devices in random domains.
    private func randomCandidates() -> [Placement.Candidate] {
        let domains = 1 + random.next() % 5
        return (0..<(5 + random.next() % 8)).map { _ in
            Placement.Candidate(
                id: random.identifier(), domain: "\(random.next() % domains)", weight: UInt32(1 + random.next() % 9))
        }
    }

    func testLosingAnyOneDomainDecodesWheneverItCan() throws {
        for _ in 0..<60 {
            let candidates = randomCandidates()
            let sizes = Dictionary(grouping: candidates, by: \.domain).mapValues(\.count)
            for profile in [try Profile("rs:2+1"), try Profile("rs:2+2"), try Profile("rs:3+2")] {
                // It can where the domains hold enough with no more than the tolerance in each.
                let can = sizes.values.reduce(0) { $0 + min($1, profile.tolerance) } >= profile.shardCount
                for block in blocks(10) {
                    let chosen = Placement.choose(profile.shardCount, for: block, among: candidates)
                    XCTAssertEqual(Set(chosen).count, profile.shardCount)
                    for domain in sizes.keys {
                        let left = zip(profile.rows, chosen).filter { _, id in
                            candidates.first { $0.id == id }?.domain != domain
                        }
                        let decodes = Protection.isReadable(
                            left.map(\.0), columns: profile.columns, payloadBytes: 64)
                        if can { XCTAssertTrue(decodes, "\(profile) without domain \(domain) of \(sizes)") }
                    }
                }
                let most = Placement.mostInOneDomain(Array(sizes.values), shards: profile.shardCount)
                XCTAssertEqual(most <= profile.tolerance, can, "\(sizes) \(profile)")
            }
        }
    }

    func testAddingADeviceMovesOnlyOntoItAndOneShardABlock() {
        for _ in 0..<40 {
            var candidates = randomCandidates()
            let newcomer = candidates.removeLast()
            for block in blocks(10) {
                let before = Set(Placement.choose(4, for: block, among: candidates))
                let after = Set(Placement.choose(4, for: block, among: candidates + [newcomer]))
                XCTAssertTrue(after.subtracting(before).isSubset(of: [newcomer.id]))
            }
        }
    }

    func testRemovingADeviceMovesOnlyWhatStandsOnIt() {
        for _ in 0..<40 {
            let candidates = randomCandidates()
            let leaving = candidates[0]
            for block in blocks(10) {
                let before = Placement.choose(4, for: block, among: candidates)
                let after = Placement.choose(4, for: block, among: Array(candidates.dropFirst()))
                let others = candidates.filter { before.contains($0.id) && $0.id != leaving.id }
                guard before.contains(leaving.id) else {
                    XCTAssertEqual(Set(before), Set(after))
                    continue
                }
                // One shard goes, to where the block would have been placed without the device.
                let heir = Placement.successor(for: block, among: Array(candidates.dropFirst()), beside: others)
                XCTAssertEqual(Set(others.map(\.id)).union([heir].compactMap { $0 }), Set(after))
            }
        }
    }

    func testWhatANewDeviceAttractsIsWhatItWouldHaveGotFromTheStart() {
        let candidates = candidates([3, 3, 3, 3, 3, 3, 6])
        let newcomer = candidates[6]
        let rows = (0..<4).map { Row.data(column: $0) }
        var attracted = 0
        for block in blocks(2_000) {
            let before = Placement.choose(4, for: block, among: Array(candidates.dropLast()))
            let places = Dictionary(uniqueKeysWithValues: zip(rows, before))
            let row = Placement.attracted(by: newcomer.id, of: block, places, rowCount: 4, among: candidates)
            let today = Set(Placement.choose(4, for: block, among: candidates))
            XCTAssertEqual(row != nil, today.contains(newcomer.id))
            guard let row else { continue }
            attracted += 1
            var after = places
            after[row] = newcomer.id
            XCTAssertEqual(Set(after.values), today)
        }
        XCTAssertGreaterThan(attracted, 1_400)
    }

    func testShardsFollowTheWeights() {
        let weights: [UInt32] = [100, 100, 200, 200, 400, 400, 800, 800]
        let candidates = candidates(weights)
        var counts: [DeviceID: Int] = [:]
        let total = 20_000
        for block in blocks(total) {
            for id in Placement.choose(1, for: block, among: candidates) { counts[id, default: 0] += 1 }
        }
        for candidate in candidates {
            let share = Double(candidate.weight) / Double(weights.reduce(0, +))
            XCTAssertEqual(Double(counts[candidate.id] ?? 0) / Double(total), share, accuracy: share * 0.15)
        }
    }

    func testTheConfigurationSaysWhichDomainsItCannotLose() throws {
        func warnings(_ domains: [String], _ profile: String) throws -> [String] {
            let devices = domains.enumerated().map { index, domain in
                Configuration.Device(
                    id: random.identifier(), label: "disk-\(index)", domain: domain, weight: 1, state: .inService)
            }
            return Configuration(
                number: 1, storeID: random.identifier(), profile: try Profile(profile),
                chunker: try ChunkerParameters(averageBytes: 65536, seed: 1), isSandbox: false, devices: devices
            ).domainsAtRisk.map(\.domain)
        }
        XCTAssertEqual(try warnings(["a", "b", "c", "d"], "rs:2+2"), [])
        XCTAssertEqual(try warnings(["a", "a", "b", "b"], "rs:2+2"), [])
        XCTAssertEqual(try warnings(["a", "a", "a", "b"], "rs:2+2"), ["a"])
        XCTAssertEqual(try warnings(["a", "a", "b", "b"], "rs:3+1"), ["a", "b"])
        XCTAssertEqual(try warnings(["a", "a", "a", "a", "b", "c"], "rs:2+2"), [])
    }
}
