import Erasure

/// Makes ranges of rows that are known to be lost from others, without a look at checksums: who asks compares the digest of what
/// comes of it, and goes the sure way (`BlockReader`) where it differs.
///
/// Exactly what is asked for is read, nothing is kept but the plans, and nobody waits for anybody. Any thread.
final class LostRows: Sendable {
    private struct Loss: Hashable {
        let block: BlockRef
        let row: Row
    }

    private struct Way {
        let block: BlockName
        let available: [Row]
        let rebuilder: Rebuilder
    }

    private static let maximum = 256
    private let engine: Engine
    private let ways = Monitor<[Loss: Way]>([:])

    init(_ engine: Engine) { self.engine = engine }

    /// Fills `target` with bytes of the payload of `row`, from `start` on. False when that cannot be had from shards that are
    /// not known to be damaged.
    func make(
        _ row: Row, of block: IndexedBlock, from start: Int, into target: UnsafeMutableRawBufferPointer
    ) -> Bool {
        guard let rebuilder = rebuilder(for: row, of: block) else { return false }
        let reads = rebuilder.plan.reads
        let scratch = Buffers.scratch.take(atLeast: reads.count * target.count)
        defer { Buffers.scratch.give(scratch) }
        var sources: [UnsafeRawBufferPointer] = []
        for (number, source) in reads.enumerated() {
            let part = scratch.slice((number * target.count)..<((number + 1) * target.count))
            guard let id = block.shards[source], let device = engine.devices.readable(id) else { return false }
            do throws(StoreError) {
                try device.read(
                    ShardName(block.name, source), at: ShardLayout.payloadOffset + start, into: part, from: .cache)
            } catch {
                return false
            }
            sources.append(UnsafeRawBufferPointer(part))
        }
        rebuilder.rebuild(from: sources, into: [target])
        return true
    }

    private func rebuilder(for row: Row, of block: IndexedBlock) -> Rebuilder? {
        let available = block.shards.filter { source, id in
            source != row && !block.damaged.contains(source) && engine.devices.readable(id) != nil
        }.keys.sorted()
        let loss = Loss(block: block.ref, row: row)
        let known = ways.withLock { $0[loss] }
        if let known, known.block == block.name, known.available == available { return known.rebuilder }
        guard let plan = RepairPlan.make(lost: [row], available: available, columns: block.columns) else { return nil }
        let rebuilder = Rebuilder(plan)
        ways.withLock { ways in
            if ways.count >= Self.maximum { ways = [:] }
            ways[loss] = Way(block: block.name, available: available, rebuilder: rebuilder)
        }
        return rebuilder
    }
}
