@testable import BlockStore
import Erasure

/// The rules by which commits are judged, each as a small picture of shards found on devices.
enum GraphRules {
    /// Evidence made by hand.
    struct Evidence: CommitEvidence {
        var named: [BlockName: Int] = [:]
        var readable: Set<BlockName> = []

        func namedRows(of block: BlockName) -> Int { named[block] ?? 0 }
        func isReadable(_ block: BlockName) -> Bool { readable.contains(block) }
    }

    /// Builds commits of one block each over rs:2+2 on four devices.
    struct Picture {
        var nodes: [CommitGraph.Node] = []
        var evidence = Evidence()
        let devices = (1...4).map { DeviceID(high: 7, low: UInt64($0)) }
        var inService: Set<DeviceID>

        init(inService: Int = 4) {
            self.inService = Set(devices.prefix(inService))
        }

        static func block(_ number: UInt64, _ id: UInt64) -> BlockName {
            BlockName(number: BlockNumber(number), id: BlockID(high: id, low: 0))
        }

        /// Adds a commit of which `named` rows were found, enough to read or not.
        mutating func add(
            _ number: UInt64, block: BlockName, previous: BlockName?, epoch: UInt64, writer: UInt64 = 1, named: Int,
            readable: Bool
        ) throws {
            let record = CommitRecord(
                number: CommitNumber(number), epoch: Epoch(counter: epoch, writer: WriterID(high: writer, low: 0)),
                previous: previous, devices: devices,
                blocks: [CommitRecord.Block(name: block, profile: try Profile("rs:2+2"), leastShards: 3)])
            nodes.append(CommitGraph.Node(record: record, block: block))
            evidence.named[block] = named
            if readable { evidence.readable.insert(block) }
        }

        func resolve() -> CommitGraph.Outcome {
            CommitGraph(
                root: .none, nodes: nodes, evidence: evidence, retired: nil, inService: inService
            ).resolve()
        }
    }

    private static func expect(_ condition: Bool, _ promise: String) throws {
        guard condition else { throw BrokenPromise(description: promise) }
    }

    private static let first = Picture.block(1, 1)

    private static func begun(inService: Int = 4) throws -> Picture {
        var picture = Picture(inService: inService)
        try picture.add(1, block: first, previous: nil, epoch: 1, named: 4, readable: true)
        return picture
    }

    static func all() throws {
        try aReadableLeafIsAccepted()
        try aLeafThatWasNeverAcknowledgedIsVoid()
        try aLeafThatMayHaveBeenAcknowledgedIsInDoubt()
        try leavesAreJudgedByEpochNotByNumber()
        try twoEqualEpochsThatBothMayHaveBeenAcknowledgedAreInDoubt()
        try aBypassedCommitIsNeverSilent()
        try theWalkGoesOnBelowAMissingLink()
    }

    static func aReadableLeafIsAccepted() throws {
        var picture = try begun()
        let second = Picture.block(2, 2)
        try picture.add(2, block: second, previous: first, epoch: 1, named: 2, readable: true)
        let outcome = picture.resolve()
        try expect(outcome.acceptedLeaf?.block == second, "a readable leaf is the head")
        try expect(outcome.chain.count == 2, "with everything below it")
    }

    static func aLeafThatWasNeverAcknowledgedIsVoid() throws {
        var picture = try begun()
        try picture.add(2, block: Picture.block(2, 2), previous: first, epoch: 1, named: 1, readable: false)
        let outcome = picture.resolve()
        try expect(outcome.acceptedLeaf?.block == first, "a leaf with one shard of three is void")
        try expect(outcome.bypassed.isEmpty, "and of no interest to anybody")
    }

    static func aLeafThatMayHaveBeenAcknowledgedIsInDoubt() throws {
        // One row found, two devices away: three shards may have been acknowledged.
        var picture = try begun(inService: 2)
        let second = Picture.block(2, 2)
        try picture.add(2, block: second, previous: first, epoch: 1, named: 1, readable: false)
        let outcome = picture.resolve()
        try expect(outcome.doubtful.map(\.block) == [second], "what may hide on absent devices is not thrown away")
        try expect(outcome.chain.count == 1, "and what is below it is read meanwhile")
    }

    static func leavesAreJudgedByEpochNotByNumber() throws {
        // A later writer bypassed commit 2 and 3 of epoch 1; both chains are readable by now.
        var picture = try begun()
        let old2 = Picture.block(2, 2)
        let old3 = Picture.block(3, 3)
        let new2 = Picture.block(4, 4)
        try picture.add(2, block: old2, previous: first, epoch: 1, named: 2, readable: true)
        try picture.add(3, block: old3, previous: old2, epoch: 1, named: 2, readable: true)
        try picture.add(2, block: new2, previous: first, epoch: 2, named: 4, readable: true)
        let outcome = picture.resolve()
        try expect(outcome.acceptedLeaf?.block == new2, "the highest epoch decides, not the longest chain")
    }

    static func twoEqualEpochsThatBothMayHaveBeenAcknowledgedAreInDoubt() throws {
        var picture = try begun()
        try picture.add(2, block: Picture.block(2, 2), previous: first, epoch: 5, writer: 1, named: 4, readable: true)
        try picture.add(2, block: Picture.block(3, 3), previous: first, epoch: 5, writer: 2, named: 4, readable: true)
        let outcome = picture.resolve()
        try expect(
            outcome.acceptedLeaf == nil && outcome.doubtful.count == 2, "two writers of one epoch are both in doubt")
    }

    static func aBypassedCommitIsNeverSilent() throws {
        var picture = try begun()
        let old = Picture.block(2, 2)
        try picture.add(2, block: old, previous: first, epoch: 1, named: 3, readable: false)
        try picture.add(2, block: Picture.block(3, 3), previous: first, epoch: 2, named: 4, readable: true)
        try expect(picture.resolve().bypassed.map(\.block) == [old], "three shards could have been acknowledged")
    }

    static func theWalkGoesOnBelowAMissingLink() throws {
        var picture = try begun()
        let lost = Picture.block(2, 2)
        try picture.add(3, block: Picture.block(3, 3), previous: lost, epoch: 1, named: 4, readable: true)
        let outcome = picture.resolve()
        try expect(outcome.chain.count == 3, "the chain has the lost link and what is below it")
    }
}
