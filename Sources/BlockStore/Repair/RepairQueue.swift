import Erasure

/// The blocks that lack shards, the most endangered first: those that survive the fewest further losses, whatever the number of
/// shards they lack. With local parities a block that lacks three may survive more than one that lacks two.
///
/// Some sixty bytes for each such block. Use from one thread.
struct RepairQueue {
    struct Entry: Sendable {
        let name: BlockName
        /// How many more losses it survives, whichever they are; −1 when it cannot be read in full.
        let losses: Int16
        /// It survives one more loss at least, and has the least shards it may be acknowledged with.
        let isSafe: Bool
        let missing: Int16
        /// Of the missing rows, those that have a place to go.
        let placed: Int16
        /// About: what is left of a damaged shard is known when it is read.
        let readBytes: UInt64
        let writtenBytes: UInt64

        var bytes: UInt64 { readBytes + writtenBytes }
    }

    private(set) var entries: [Entry] = []
    private(set) var checkedBlocks = 0
    private var table = SurvivalTable()
    /// How many rows are read for some missing rows, given those there are.
    private var reads: [[[Row]]: Int] = [:]

    /// Takes a block in if it lacks something.
    mutating func look(at block: IndexedBlock, _ repairer: BlockRepairer) {
        checkedBlocks += 1
        let missing = repairer.missingRows(of: block)
        guard !missing.isEmpty else { return }
        let present = repairer.presentRows(of: block).keys.sorted()
        let losses = table.lossesSurvived(present, columns: block.columns, payloadBytes: block.shardPayloadBytes)
        let placed = repairer.place(missing, of: block).keys.sorted()
        let gone = placed.filter { !block.damaged.contains($0) }
        let size = UInt64(block.shardPayloadBytes)
        entries.append(
            Entry(
                name: block.name, losses: Int16(losses), isSafe: losses >= 1 && present.count >= block.leastShards,
                missing: Int16(missing.count), placed: Int16(placed.count),
                // What is damaged is read itself, and little else.
                readBytes: size * UInt64(readCount(gone, present, block) + placed.count - gone.count),
                writtenBytes: size * UInt64(placed.count)))
    }

    private mutating func readCount(_ lost: [Row], _ present: [Row], _ block: IndexedBlock) -> Int {
        guard !lost.isEmpty else { return 0 }
        if let known = reads[[lost, present]] { return known }
        let plan = RepairPlan.make(lost: lost, available: present, columns: block.columns)
        let count = plan?.reads.count ?? present.count
        reads[[lost, present]] = count
        return count
    }

    mutating func sort() {
        entries.sort { left, right in
            (left.isSafe ? 1 : 0, left.losses, left.name) < (right.isSafe ? 1 : 0, right.losses, right.name)
        }
        if Mutant.isActive(.endangeredLast) { entries.reverse() }
    }

    var readBytes: UInt64 { entries.reduce(0) { $0 + $1.readBytes } }
    var writtenBytes: UInt64 { entries.reduce(0) { $0 + $1.writtenBytes } }
    /// Until no block is below its least redundancy.
    var bytesToSafe: UInt64 { entries.reduce(0) { $0 + ($1.isSafe ? 0 : $1.bytes) } }
    var unsafeBlocks: Int { entries.reduce(0) { $0 + ($1.isSafe ? 0 : 1) } }
}
