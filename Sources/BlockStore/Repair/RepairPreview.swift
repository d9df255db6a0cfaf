public import Erasure

/// What a repair would do, in the order in which it would.
public struct RepairPreview: Sendable {
    public struct Block: Sendable {
        public let name: BlockName
        /// −1 when it cannot be read in full now.
        public let lossesSurvived: Int
        public let missing: [(row: Row, place: String?)]
        public let readBytes: UInt64
        public let writtenBytes: UInt64
    }

    public internal(set) var checkedBlocks = 0
    public internal(set) var endangeredBlocks = 0
    public internal(set) var unsafeBlocks = 0
    /// The first thousand of them, the most endangered first.
    public internal(set) var blocks: [Block] = []
    public internal(set) var missingShards = 0
    /// Missing shards that have no place to go.
    public internal(set) var owedShards = 0
    /// About: what is left of damaged shards is known when they are read.
    public internal(set) var readBytes: UInt64 = 0
    public internal(set) var writtenBytes: UInt64 = 0
    /// Of which so much makes every block survive one more loss.
    public internal(set) var bytesToSafe: UInt64 = 0
    /// Blocks that cannot be read from the shards that are known to be there.
    public internal(set) var lostBlocks: [BlockName] = []
    public internal(set) var lostKeys: [Key] = []
    /// Sandbox devices that would be put back.
    public internal(set) var replacedDevices: [String] = []
}

extension Store {
    /// Looks at what `repair` would do. Needs no lock.
    public func previewRepair() throws(StoreError) -> RepairPreview {
        let engine = self.engine
        var preview = RepairPreview()
        let absent = configuration.isSandbox ? engine.devices.outOfService : []
        preview.replacedDevices = absent.map { engine.devices.label($0) }
        let repairer = BlockRepairer(engine, expecting: Set(absent))
        var queue = RepairQueue()
        try forEachBlock { queue.look(at: $0, repairer) }
        queue.sort()
        preview.checkedBlocks = queue.checkedBlocks
        preview.endangeredBlocks = queue.entries.count
        preview.unsafeBlocks = queue.unsafeBlocks
        preview.readBytes = queue.readBytes
        preview.writtenBytes = queue.writtenBytes
        preview.bytesToSafe = queue.bytesToSafe
        for entry in queue.entries {
            preview.missingShards += Int(entry.missing)
            preview.owedShards += Int(entry.missing - entry.placed)
            guard let block = try engine.index.block(named: entry.name) else { continue }
            // What is damaged in part may still yield all of it, which only reading can tell.
            if entry.losses < 0, !engine.isReadable(block) { preview.lostBlocks.append(entry.name) }
            guard preview.blocks.count < 1000 else { continue }
            let missing = repairer.missingRows(of: block)
            let places = repairer.place(missing, of: block)
            preview.blocks.append(
                RepairPreview.Block(
                    name: entry.name, lossesSurvived: Int(entry.losses),
                    missing: missing.map { row in (row, places[row].map { engine.devices.label($0) }) },
                    readBytes: entry.readBytes, writtenBytes: entry.writtenBytes))
        }
        if !preview.lostBlocks.isEmpty {
            preview.lostKeys = try LossFinder(engine, losing: Set(preview.lostBlocks)).keys()
        }
        return preview
    }
}
