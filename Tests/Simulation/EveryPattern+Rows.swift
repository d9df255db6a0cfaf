@testable import BlockStore
import Erasure

/// The matrix by itself: every set of lost rows by rank, and bytes through ISA-L.
extension EveryPattern {
    /// Sets of four lost rows that decode, where more losses than the tolerance may: no code with these groups has more.
    private static let decodableFours = ["lrc:6+2+2": 180, "lrc:8+2+2": 425, "lrc:10+2+2": 861, "lrc:12+2+2": 1568]

    /// Every set of lost rows: the rows left span the data where no more than the tolerance are lost, never where more than
    /// all parities are, and in between as often as is known; for Reed–Solomon there is nothing in between. The
    /// engine's own verdict is compared for sets within one of these bounds, and for every set of a small profile.
    public static func ranks(of text: String) throws -> Tally {
        let profile = try Profile(text)
        let rows = profile.rows
        let vectors = rows.map { PlainCode.vector($0, columns: profile.dataShards) }
        var tally = Tally()
        var fours = 0
        func decide(_ index: Int, _ kept: [Row], _ span: PlainSpan) {
            guard index < rows.count else {
                tally.ranks += 1
                let lost = rows.count - kept.count
                if lost == 4, span.isWhole { fours += 1 }
                if span.isWhole ? lost > profile.parityShards : lost <= profile.tolerance {
                    tally.complain(\.disagreements, "\(text) with \(kept.map(\.name)): rank")
                }
                let isNear = (profile.tolerance - 1...profile.parityShards + 1).contains(lost)
                guard rows.count <= 12 || isNear else { return }
                if spans(kept, columns: profile.columns) != span.isWhole {
                    tally.complain(\.disagreements, "\(text) with \(kept.map(\.name)): the engine says otherwise")
                }
                return
            }
            var with = span
            with.add(vectors[index])
            decide(index + 1, kept + [rows[index]], with)
            decide(index + 1, kept, span)
        }
        decide(0, [], PlainSpan(columns: profile.dataShards))
        if let expected = decodableFours[text], fours != expected {
            tally.complain(\.disagreements, "\(text): \(fours) sets of four decode, not \(expected)")
        }
        return tally
    }

    /// Every set of lost rows, no more than there are parities, made again by ISA-L and compared with what the plain code
    /// says; where that finds no way, there must be no plan.
    public static func bytes(of text: String, every stride: Int = 1) throws -> Tally {
        let profile = try Profile(text)
        let stripe = Stripe(profile)
        var tally = Tally()
        if !stripe.parityIsPlain { tally.complain(\.wrongBytes, "\(text): the parity") }
        var number = 0
        func choose(_ first: Int, _ lost: [Row]) {
            if !lost.isEmpty {
                number += 1
                if number % stride == 0 { attempt(lost) }
            }
            guard lost.count < profile.parityShards else { return }
            for index in first..<profile.shardCount { choose(index + 1, lost + [profile.rows[index]]) }
        }
        func attempt(_ lost: [Row]) {
            let left = profile.rows.filter { !lost.contains($0) }
            if lost.count > profile.tolerance, !PlainSpan(left, columns: profile.dataShards).isWhole {
                tally.ranks += 1
                if RepairPlan.make(lost: lost, available: left, columns: profile.columns) != nil {
                    tally.complain(\.disagreements, "\(text) without \(lost.map(\.name)): there is a plan")
                }
            } else {
                tally.rebuilt += 1
                if !stripe.comesBack(lost) { tally.complain(\.wrongBytes, "\(text) without \(lost.map(\.name))") }
            }
        }
        choose(0, [])
        return tally
    }
}

/// One stripe in memory, encoded by the engine.
private final class Stripe {
    private static let byteCount = 97
    private let profile: Profile
    private let memory: UnsafeMutableRawBufferPointer
    private let scratch: UnsafeMutableRawBufferPointer

    init(_ profile: Profile) {
        self.profile = profile
        memory = .allocate(byteCount: profile.shardCount * Self.byteCount, alignment: 64)
        scratch = .allocate(byteCount: profile.parityShards * Self.byteCount, alignment: 64)
        memory.copyBytes(from: SeededRandom.bytes(memory.count, seed: UInt64(memory.count)))
        let parity = profile.rows.filter(\.isParity)
        Encoder(parity: parity, columns: profile.columns).encode(
            profile.columns.map { part(memory, $0) },
            into: parity.indices.map { part(memory, profile.dataShards + $0) }, byteCount: Self.byteCount)
    }

    deinit {
        memory.deallocate()
        scratch.deallocate()
    }

    private func part(_ buffer: UnsafeMutableRawBufferPointer, _ index: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: buffer[(index * Self.byteCount)..<((index + 1) * Self.byteCount)])
    }

    private func shard(_ row: Row) -> UnsafeMutableRawBufferPointer {
        part(memory, profile.rows.firstIndex(of: row) ?? 0)
    }

    var parityIsPlain: Bool {
        profile.rows.filter(\.isParity).allSatisfy { row in
            let factors = PlainCode.vector(row, columns: profile.dataShards)
            return (0..<Self.byteCount).allSatisfy { byte in
                let sum = profile.columns.reduce(UInt8(0)) { sum, column in
                    sum ^ PlainCode.times(factors[column], part(memory, column)[byte])
                }
                return shard(row)[byte] == sum
            }
        }
    }

    func comesBack(_ lost: [Row]) -> Bool {
        let left = profile.rows.filter { !lost.contains($0) }
        guard let plan = RepairPlan.make(lost: lost, available: left, columns: profile.columns),
            Set(plan.reads).isSubset(of: left)
        else { return false }
        let targets = lost.indices.map { part(scratch, $0) }
        Rebuilder(plan).rebuild(from: plan.reads.map { UnsafeRawBufferPointer(shard($0)) }, into: targets)
        return zip(lost, targets).allSatisfy { row, bytes in bytes.elementsEqual(shard(row)) }
    }
}
