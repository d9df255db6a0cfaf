import Erasure

/// Makes ranges of rows from others, without a look at checksums: of rows that are known to be lost, that do not come, or that cost
/// more. Who asks compares the digest of what comes of it, and goes the sure way (`BlockReader`) where it differs.
///
/// From devices near by exactly what is asked for is read; nothing is kept here but the plans. Any thread.
final class LostRows: Sendable {
    private struct Loss: Hashable {
        let block: BlockRef
        let row: Row
    }

    private struct Way {
        let block: BlockName
        /// What the plan was made from: rows that are to be preferred first.
        let available: [[Row]]
        let rebuilder: Rebuilder
    }

    private static let maximum = 256
    private let engine: Engine
    private let ways = Monitor<[Loss: Way]>([:])

    init(_ engine: Engine) { self.engine = engine }

    /// Fills `target` with bytes of the payload of `row`, from `start` on. False when that cannot be had from shards that are
    /// not known to be damaged.
    ///
    /// - Parameter isAhead: whether more of it will be made soon: what is far away is fetched in longer stretches.
    func make(
        _ row: Row, of block: IndexedBlock, from start: Int, into target: UnsafeMutableRawBufferPointer,
        isAhead: Bool = false
    ) -> Bool {
        // A source that lets wait is replaced by another, as long as there are others.
        for _ in 0..<block.shards.count {
            guard let rebuilder = rebuilder(for: row, of: block) else { return false }
            let reads = rebuilder.plan.reads
            let range = start..<(start + target.count)
            // Where all are late there is no way round, and asking others only adds to what is in the way.
            if isAhead, reads.contains(where: { isLate(block.shards[$0]) }) { return false }
            expect(reads, of: block, range, aheadBytes: isAhead ? Limits.readAheadBytes / 4 : 0)
            guard areAtHand(reads, of: block, range) else { continue }
            return make(rebuilder, of: block, from: start, into: target)
        }
        return rebuilder(for: row, of: block).map { make($0, of: block, from: start, into: target) } ?? false
    }

    private func make(
        _ rebuilder: Rebuilder, of block: IndexedBlock, from start: Int, into target: UnsafeMutableRawBufferPointer
    ) -> Bool {
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

    /// Whether this part of all `rows` can be read without waiting long.
    private func areAtHand(_ rows: [Row], of block: IndexedBlock, _ range: Range<Int>) -> Bool {
        guard engine.devices.hasRemote else { return true }
        return rows.allSatisfy { row in
            guard let id = block.shards[row], let device = engine.devices.readable(id), device.isRemote else {
                return true
            }
            let read = ExpectedRead(payload: range, of: ShardName(block.name, row))
            return device.isAtHand(read.shard, read.range, patience: engine.devices.patience(with: id))
        }
    }

    /// From which rows `row` is made; nil when it cannot be.
    func sources(for row: Row, of block: IndexedBlock) -> [Row]? { rebuilder(for: row, of: block)?.plan.reads }

    /// Whether reading what `row` is made from costs less than reading it, which costs `cost` a byte.
    func isCheaper(than cost: Double, _ row: Row, of block: IndexedBlock) -> Bool {
        guard let sources = sources(for: row, of: block) else { return false }
        return sources.reduce(0) { $0 + (engine.devices.readCost(of: block.shards[$1]) ?? cost) } < cost
    }

    private func expect(_ rows: [Row], of block: IndexedBlock, _ range: Range<Int>, aheadBytes: Int) {
        guard engine.devices.hasRemote else { return }
        for row in rows {
            guard let id = block.shards[row], let device = engine.devices.readable(id), device.isRemote else {
                continue
            }
            let left = max(0, block.shardPayloadBytes - range.upperBound)
            device.expect([
                ExpectedRead(payload: range, of: ShardName(block.name, row), aheadBytes: min(aheadBytes, left))
            ])
        }
    }

    private func isLate(_ id: DeviceID?) -> Bool {
        guard let id, let device = engine.devices.readable(id), device.isRemote else { return false }
        return device.isLate(patience: engine.devices.patience(with: id))
    }

    private func rebuilder(for row: Row, of block: IndexedBlock) -> Rebuilder? {
        let available = available(for: row, of: block)
        let loss = Loss(block: block.ref, row: row)
        let known = ways.withLock { $0[loss] }
        if let known, known.block == block.name, known.available == available { return known.rebuilder }
        guard let plan = Self.plan(row, available, block.columns) else { return nil }
        let rebuilder = Rebuilder(plan)
        ways.withLock { ways in
            if ways.count >= Self.maximum { ways = [:] }
            ways[loss] = Way(block: block.name, available: available, rebuilder: rebuilder)
        }
        return rebuilder
    }

    /// How `row` is made from as few as possible of the rows that come last in `available`, and of those before them as it costs
    /// least.
    static func plan(_ row: Row, _ available: [[Row]], _ columns: Range<Int>) -> RepairPlan? {
        var candidates: [Row] = []
        for more in available {
            candidates += more
            guard var plan = RepairPlan.make(lost: [row], available: candidates, columns: columns) else { continue }
            // The plan prefers data, whatever it costs: what is not needed of the last is taken away.
            for dear in more.reversed() where available.count > 1 {
                let fewer = candidates.filter { $0 != dear }
                if let other = RepairPlan.make(lost: [row], available: fewer, columns: columns) {
                    (plan, candidates) = (other, fewer)
                }
            }
            return plan
        }
        return nil
    }

    /// The rows that can be read: what costs less first, and last of all those that let others wait.
    private func available(for row: Row, of block: IndexedBlock) -> [[Row]] {
        struct Preference: Hashable, Comparable {
            let isLate: Bool
            let cost: Double

            static func < (left: Self, right: Self) -> Bool {
                (left.isLate ? 1 : 0, left.cost) < (right.isLate ? 1 : 0, right.cost)
            }
        }
        var rows: [Preference: [Row]] = [:]
        for (source, id) in block.shards where source != row && !block.damaged.contains(source) {
            guard let device = engine.devices.readable(id) else { continue }
            rows[Preference(isLate: isLate(id), cost: device.readCost), default: []].append(source)
        }
        return rows.sorted { $0.key < $1.key }.map { $0.value.sorted() }
    }
}

extension ExpectedRead {
    /// A part of the shard's payload.
    init(payload range: Range<Int>, of shard: ShardName, aheadBytes: Int? = nil) {
        let offset = ShardLayout.payloadOffset
        self.init(
            shard: shard, range: (offset + range.lowerBound)..<(offset + range.upperBound), aheadBytes: aheadBytes)
    }
}
