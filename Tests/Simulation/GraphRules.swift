@testable import BlockStore
import Erasure

/// The rules by which commits are judged, each as a small picture of shards found on devices.
enum GraphRules {
    /// Evidence made by hand.
    struct Evidence: CommitEvidence {
        var named: [BlockName: Set<Row>] = [:]
        var readable: Set<BlockName> = []

        func namedRows(of block: BlockName) -> Set<Row> { named[block] ?? [] }
        func isReadable(_ block: BlockName) -> Bool { readable.contains(block) }
    }

    /// Builds commits of one block each, on as many devices as it has shards.
    struct Picture {
        var nodes: [CommitGraph.Node] = []
        var evidence = Evidence()
        let profile: Profile
        let devices: [DeviceID]
        let inService: Set<DeviceID>

        init(_ text: String = "rs:2+2", away: Int = 0) throws {
            profile = try Profile(text)
            devices = (1...profile.shardCount).map { DeviceID(high: 7, low: UInt64($0)) }
            inService = Set(devices.dropLast(away))
        }

        static func block(_ number: UInt64, _ id: UInt64) -> BlockName {
            BlockName(number: BlockNumber(number), id: BlockID(high: id, low: 0))
        }

        /// Adds a commit of which the first `named` rows were found, enough to read or not.
        mutating func add(
            _ number: UInt64, block: BlockName, previous: BlockName?, epoch: UInt64, writer: UInt64 = 1, named: Int,
            readable: Bool
        ) {
            add(
                number, block: block, previous: previous, epoch: epoch, writer: writer,
                rows: Array(profile.rows.prefix(named)), readable: readable)
        }

        /// Adds a commit of which these rows were found, enough to read or not.
        mutating func add(
            _ number: UInt64, block: BlockName, previous: BlockName?, epoch: UInt64, writer: UInt64 = 1, rows: [Row],
            readable: Bool
        ) {
            let record = CommitRecord(
                number: CommitNumber(number), epoch: Epoch(counter: epoch, writer: WriterID(high: writer, low: 0)),
                previous: previous, devices: devices,
                blocks: [CommitRecord.Block(name: block, profile: profile, leastShards: UInt8(profile.dataShards + 1))])
            nodes.append(CommitGraph.Node(record: record, block: block))
            evidence.named[block] = Set(rows)
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

    private static func begun(_ profile: String = "rs:2+2", away: Int = 0) throws -> Picture {
        var picture = try Picture(profile, away: away)
        picture.add(1, block: first, previous: nil, epoch: 1, named: picture.devices.count, readable: true)
        return picture
    }

    static func all() throws {
        try aReadableLeafIsAccepted()
        try aLeafThatWasNeverAcknowledgedIsVoid()
        try aLeafThatMayHaveBeenAcknowledgedIsInDoubt()
        try enoughRowsThatDoNotSpanWereNeverAcknowledged()
        try leavesAreJudgedByEpochNotByNumber()
        try twoEqualEpochsThatBothMayHaveBeenAcknowledgedAreInDoubt()
        try aBypassedCommitIsNeverSilent()
        try theWalkGoesOnBelowAMissingLink()
    }

    static func aReadableLeafIsAccepted() throws {
        var picture = try begun()
        let second = Picture.block(2, 2)
        picture.add(2, block: second, previous: first, epoch: 1, named: 2, readable: true)
        let outcome = picture.resolve()
        try expect(outcome.acceptedLeaf?.block == second, "a readable leaf is the head")
        try expect(outcome.chain.count == 2, "with everything below it")
    }

    static func aLeafThatWasNeverAcknowledgedIsVoid() throws {
        var picture = try begun()
        picture.add(2, block: Picture.block(2, 2), previous: first, epoch: 1, named: 1, readable: false)
        let outcome = picture.resolve()
        try expect(outcome.acceptedLeaf?.block == first, "a leaf with one shard of three is void")
        try expect(outcome.bypassed.isEmpty, "and of no interest to anybody")
    }

    static func aLeafThatMayHaveBeenAcknowledgedIsInDoubt() throws {
        // One row found, two devices away: three shards may have been acknowledged.
        var picture = try begun(away: 2)
        let second = Picture.block(2, 2)
        picture.add(2, block: second, previous: first, epoch: 1, named: 1, readable: false)
        let outcome = picture.resolve()
        try expect(outcome.doubtful.map(\.block) == [second], "what may hide on absent devices is not thrown away")
        try expect(outcome.chain.count == 1, "and what is below it is read meanwhile")
    }

    static func enoughRowsThatDoNotSpanWereNeverAcknowledged() throws {
        // Seven of ten rows, k + 1, but the first group lacks its data and its parity, and there is one global row for two columns.
        for (away, isDoubtful) in [(0, false), (1, true)] {
            var picture = try begun("lrc:6+3+1", away: away)
            let lost: Set<Row> = [.data(column: 0), .data(column: 1), .parity(index: 0, columns: 0..<2)]
            let second = Picture.block(2, 2)
            picture.add(
                2, block: second, previous: first, epoch: 1, rows: picture.profile.rows.filter { !lost.contains($0) },
                readable: false)
            let outcome = picture.resolve()
            try expect(
                (outcome.doubtful.map(\.block) == [second]) == isDoubtful,
                "rows that do not span are in doubt only while one more may be found")
            if !isDoubtful { try expect(outcome.acceptedLeaf?.block == first, "else they are void") }
        }
    }

    static func leavesAreJudgedByEpochNotByNumber() throws {
        // A later writer bypassed commit 2 and 3 of epoch 1; both chains are readable by now.
        var picture = try begun()
        let old2 = Picture.block(2, 2)
        let old3 = Picture.block(3, 3)
        let new2 = Picture.block(4, 4)
        picture.add(2, block: old2, previous: first, epoch: 1, named: 2, readable: true)
        picture.add(3, block: old3, previous: old2, epoch: 1, named: 2, readable: true)
        picture.add(2, block: new2, previous: first, epoch: 2, named: 4, readable: true)
        let outcome = picture.resolve()
        try expect(outcome.acceptedLeaf?.block == new2, "the highest epoch decides, not the longest chain")
    }

    static func twoEqualEpochsThatBothMayHaveBeenAcknowledgedAreInDoubt() throws {
        var picture = try begun()
        picture.add(2, block: Picture.block(2, 2), previous: first, epoch: 5, writer: 1, named: 4, readable: true)
        picture.add(2, block: Picture.block(3, 3), previous: first, epoch: 5, writer: 2, named: 4, readable: true)
        let outcome = picture.resolve()
        try expect(
            outcome.acceptedLeaf == nil && outcome.doubtful.count == 2, "two writers of one epoch are both in doubt")
    }

    static func aBypassedCommitIsNeverSilent() throws {
        var picture = try begun()
        let old = Picture.block(2, 2)
        picture.add(2, block: old, previous: first, epoch: 1, named: 3, readable: false)
        picture.add(2, block: Picture.block(3, 3), previous: first, epoch: 2, named: 4, readable: true)
        try expect(picture.resolve().bypassed.map(\.block) == [old], "three shards could have been acknowledged")
    }

    static func theWalkGoesOnBelowAMissingLink() throws {
        var picture = try begun()
        let lost = Picture.block(2, 2)
        picture.add(3, block: Picture.block(3, 3), previous: lost, epoch: 1, named: 4, readable: true)
        let outcome = picture.resolve()
        try expect(outcome.chain.count == 3, "the chain has the lost link and what is below it")
    }
}
