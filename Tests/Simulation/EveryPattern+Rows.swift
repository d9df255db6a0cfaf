@testable import BlockStore
import Erasure

/// The matrix by itself: every set of lost rows by rank, and bytes through ISA-L.
extension EveryPattern {
    /// Every set of lost rows: the rows left span the data exactly when at most m are lost. The engine's own
    /// verdict is compared for sets within one of the tolerance, and for every set of a small profile.
    public static func ranks(of text: String) throws -> Tally {
        let profile = try Profile(text)
        let rows = profile.rows
        let vectors = rows.map { PlainCode.vector($0, columns: profile.dataShards) }
        var tally = Tally()
        func decide(_ index: Int, _ kept: [Row], _ span: PlainSpan) {
            guard index < rows.count else {
                tally.ranks += 1
                let lost = rows.count - kept.count
                if span.isWhole != (lost <= profile.tolerance) {
                    tally.complain(\.disagreements, "\(text) with \(kept.map(\.name)): rank")
                }
                guard rows.count <= 12 || abs(lost - profile.tolerance) <= 1 else { return }
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
        return tally
    }

    /// Every set of at most m lost rows, made again by ISA-L and compared with what the plain code says.
    public static func bytes(of text: String, every stride: Int = 1) throws -> Tally {
        let profile = try Profile(text)
        let stripe = Stripe(profile)
        var tally = Tally()
        if !stripe.parityIsPlain { tally.complain(\.wrongBytes, "\(text): the parity") }
        var number = 0
        func choose(_ first: Int, _ lost: [Row]) {
            if !lost.isEmpty {
                number += 1
                if number % stride == 0 {
                    tally.rebuilt += 1
                    if !stripe.comesBack(lost) { tally.complain(\.wrongBytes, "\(text) without \(lost.map(\.name))") }
                }
            }
            guard lost.count < profile.tolerance else { return }
            for index in first..<profile.shardCount { choose(index + 1, lost + [profile.rows[index]]) }
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
