import Chunker
import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// An index of so many commits, each of one block with eight keys and eight chunks.
private final class GrownIndex {
    static let keysOfCommit = 8

    let index: Index
    private let random = SeededRandom(9)
    private let devices: [DeviceID]
    private let configuration: Configuration
    private(set) var blocks: [BlockName] = []
    private(set) var digests: [Digest] = []

    init(commits: Int) throws {
        let random = self.random
        index = try Index.inMemory()
        devices = (0..<3).map { _ in random.identifier() }
        configuration = Configuration(
            number: 1, storeID: random.identifier(), profile: try Profile("rs:2+1"),
            chunker: try ChunkerParameters(averageBytes: 4096, seed: 1), isSandbox: false, devices: [])
        for _ in 0..<commits { try commit([]) }
    }

    var head: CommitNumber { CommitNumber(UInt64(blocks.count)) }
    var device: DeviceID { devices[0] }

    func key(_ number: Int) throws -> Key { try Key("key-\(1_000_000 + number)") }

    /// The put of key `number`, as the index was filled.
    func identity(_ number: Int) -> RecordIdentity {
        RecordIdentity(
            commit: CommitNumber(UInt64(1 + number / Self.keysOfCommit)), ordinal: UInt32(number % Self.keysOfCommit))
    }

    /// Another commit with new keys, and with `records`.
    func commit(_ records: [Record]) throws {
        let number = CommitNumber(UInt64(blocks.count + 1))
        let name = BlockName(number: BlockNumber(number.value), id: random.identifier())
        let first = blocks.count * Self.keysOfCommit
        var chunks: [ChunkEntry] = []
        var all: [Record] = []
        for key in 0..<Self.keysOfCommit {
            let digest = (0..<32).map { _ in UInt8(truncatingIfNeeded: random.next()) }.withUnsafeBytes { Digest($0) }
            digests.append(digest)
            chunks.append(
                ChunkEntry(
                    digest: digest, offset: UInt32(key * 10), storedBytes: 10, plainBytes: 20, codec: .lz4,
                    storedChecksum: 7))
            all.append(
                .put(
                    PutRecord(
                        key: try self.key(first + key), attributes: ObjectAttributes(), putNanoseconds: 5,
                        byteCount: 20, userMetadata: [],
                        manifest: Manifest(depth: 0, entries: [ManifestEntry(digest: digest, byteCount: 20)]))))
        }
        all += records
        let record = CommitRecord(
            number: number, epoch: Epoch(counter: 1, writer: BlockStore.WriterID(high: 1, low: 1)),
            previous: blocks.last, devices: devices,
            blocks: [CommitRecord.Block(name: name, profile: configuration.profile, leastShards: 2)])
        blocks.append(name)
        let contents = TableOfContents(
            block: name, payloadBytes: 80, chunks: chunks,
            records: all.enumerated().map {
                IdentifiedRecord(identity: RecordIdentity(commit: number, ordinal: UInt32($0)), record: $1)
            })
        try index.apply(
            [
                AcceptedCommit(
                    record: record,
                    blocks: [
                        AcceptedBlock(
                            name: name, profile: configuration.profile, columnCount: 2, firstColumn: 0,
                            shardPayloadBytes: 64, payloadBytes: 80, leastShards: 2,
                            shards: Dictionary(uniqueKeysWithValues: zip(configuration.profile.rows, devices)),
                            contents: contents)
                    ])
            ],
            state: IndexState(
                head: CommitHead(number: number, block: name), epoch: record.epoch, configuration: configuration,
                retired: .none, highestBlock: name.number, lastInService: [:]))
    }

    func steps() throws -> Int { try index.steps() }
}

extension Index {
    /// The instructions that SQLite has run for this index in memory since it was opened.
    fileprivate func steps() throws -> Int {
        try write { connection throws(StoreError) in connection.work.reduce(0) { $0 + $1.steps } }
    }
}

/// What an operation costs does not depend on how much is stored. Counted in instructions of SQLite's machine, of which a look-up
/// takes as many in a large tree as in a small one; no time is measured (`perf/scale` does that).
final class FlatCostTests: XCTestCase {
    /// Every look and change that is not a walk over everything by its nature.
    private static var operations: [(name: String, run: (GrownIndex) throws -> Void)] {
        let anywhere = 21
        return [
            ("newestVersion", { _ = try $0.index.newestVersion(of: $0.key(anywhere)) }),
            (
                "newestVersions",
                { grown in
                    _ = try grown.index.newestVersions(of: try (0..<9).map { try grown.key($0 * 3) })
                }
            ),
            ("version", { _ = try $0.index.version(of: $0.key(anywhere), $0.identity(anywhere)) }),
            ("versions", { _ = try $0.index.versions(of: $0.key(anywhere)) }),
            ("block of a version", { _ = try $0.index.block(ofVersion: $0.key(anywhere), $0.identity(anywhere)) }),
            ("purge", { _ = try $0.index.purge(of: $0.key(anywhere), $0.identity(anywhere)) }),
            ("places", { _ = try $0.index.places(of: $0.digests[anywhere]) }),
            (
                "many places",
                { grown in
                    let found = try grown.index.numberedPlaces(of: (0..<16).map { grown.digests[$0 * 4] })
                    XCTAssertEqual(found.count, 16)
                }
            ),
            (
                "many places of what is not there",
                { grown in
                    let random = SeededRandom(77)
                    let asked = (0..<16).map { _ in
                        (0..<32).map { _ in UInt8(truncatingIfNeeded: random.next()) }.withUnsafeBytes { Digest($0) }
                    }
                    XCTAssertTrue(try grown.index.numberedPlaces(of: asked).isEmpty)
                }
            ),
            ("chunks of a block", { _ = try $0.index.chunks(in: try $0.block(5).ref) }),
            ("block", { _ = try $0.index.block(try $0.block(5).ref) }),
            ("blocks", { _ = try $0.index.blocks([try $0.block(5).ref, try $0.block(7).ref]) }),
            ("blocks by number", { _ = try $0.index.blocks(from: BlockNumber(3), to: BlockNumber(5)) }),
            ("a page of blocks", { _ = try $0.index.blocks(after: $0.blocks[4], limit: 5) }),
            (
                "blocks of a commit",
                { grown in
                    XCTAssertEqual(
                        try grown.index.blocks(ofCommit: grown.head, upTo: BlockNumber(grown.head.value)).map(\.name),
                        [grown.blocks[grown.blocks.count - 1]])
                }
            ),
            ("other blocks of a commit", { _ = try $0.index.hasSibling(of: try $0.block(6), outside: []) }),
            ("newest block of a device", { _ = try $0.index.newestBlock(on: $0.device) }),
            (
                "a list of a prefix",
                { grown in
                    XCTAssertEqual(
                        try grown.index.list(prefix: Array("key-100001".utf8), after: nil, limit: 99, all: false)
                            .versions
                            .count, 10)
                }
            ),
            (
                "a page of a list",
                { grown in
                    XCTAssertEqual(
                        try grown.index.list(prefix: [], after: grown.key(anywhere), limit: 9, all: false).versions
                            .count, 9)
                }
            ),
            ("a page of versions", { _ = try $0.index.list(prefix: [], after: $0.key(3), limit: 9, all: true) }),
            ("outlines", { _ = try $0.index.outlines(prefix: [], after: $0.key(3), limit: 9) }),
            (
                "changes near the end",
                { grown in
                    let last = RecordIdentity(commit: CommitNumber(grown.head.value - 2), ordinal: .max)
                    XCTAssertEqual(try grown.index.changes(after: last, limit: 1000).count, 16)
                }
            ),
            ("a page of changes", { _ = try $0.index.changes(after: $0.identity(anywhere), limit: 10) }),
            (
                "missing commits near the end",
                { grown in
                    XCTAssertNil(
                        try grown.index.newestMissingCommit(from: CommitNumber(grown.head.value - 2), to: grown.head))
                }
            ),
            ("state", { _ = try $0.index.state() }), ("totals", { _ = try $0.index.totals() }),
            ("generation", { _ = try $0.index.generation() }),
            ("block of a commit", { _ = try $0.index.commitBlock(CommitNumber(3)) }),
            ("damage", { try $0.index.markDamaged([(try $0.block(5).ref, try $0.aRow(5))]) }),
            ("shards", { try $0.index.setShards([(try $0.block(5).ref, try $0.aRow(5), $0.device)]) }),
            ("verified", { try $0.index.noteVerified([try $0.block(5)], at: 9) }),
            ("a commit of puts", { try $0.commit([]) }),
            (
                "a commit of a delete and a purge",
                { grown in
                    try grown.commit([
                        .delete(
                            DeleteRecord(key: grown.key(9), killed: grown.identity(9), deleteNanoseconds: 1)),
                        .purge(PurgeRecord(key: grown.key(10), killed: grown.identity(10))),
                    ])
                }
            ),
            (
                "a commit that retires a block",
                { grown in
                    try grown.commit([
                        .retired(
                            RetiredRecord(
                                intervals: [grown.blocks[1].number...grown.blocks[1].number], blocks: [], commits: []))
                    ])
                }
            ),
        ]
    }

    func testNoOperationOfTheIndexTakesLongerInALargerStore() throws {
        let few = try GrownIndex(commits: 20)
        let many = try GrownIndex(commits: 400)
        for (name, run) in Self.operations {
            let (fewBefore, manyBefore) = (try few.steps(), try many.steps())
            try run(few)
            try run(many)
            let (fewSteps, manySteps) = (try few.steps() - fewBefore, try many.steps() - manyBefore)
            XCTAssertGreaterThan(fewSteps, 0, name)
            XCTAssertLessThanOrEqual(manySteps, fewSteps + fewSteps / 10 + 10, name)
        }
    }

    func testNoStatementOfAnOperationScansATableOrSorts() throws {
        let grown = try GrownIndex(commits: 30)
        for (_, run) in Self.operations { try run(grown) }
        // These have a row for each device, profile and sum.
        try grown.index.requireNoScans(except: ["totals", "devices"])
    }

    func testAKeyWithManyVersionsIsListedAsOneWithFew() throws {
        func steps(versions: Int) throws -> Int {
            let grown = try GrownIndex(commits: 3)
            let put = PutRecord(
                key: try Key("key-0"), attributes: ObjectAttributes(), putNanoseconds: 5, byteCount: 0,
                userMetadata: [], manifest: .empty)
            for _ in 0..<versions { try grown.commit([.put(put)]) }
            let before = try grown.steps()
            let page = try grown.index.list(prefix: [], after: nil, limit: 2, all: false)
            XCTAssertEqual(page.versions.map(\.key), [put.key, try grown.key(0)])
            XCTAssertEqual(page.versions[0].identity.commit, grown.head)
            XCTAssertEqual(page.last, try grown.key(0))
            return try grown.steps() - before
        }
        let few = try steps(versions: 30)
        XCTAssertLessThanOrEqual(try steps(versions: 600), few)
    }

    /// Opening, and what is asked of an open store first.
    func testOpeningAStoreNeverScansIt() throws {
        func steps(objects: Int) throws -> (reading: Int, writing: Int, put: Int, look: Int) {
            let world = SimulatedWorld(seed: 5, disks: ["a", "b", "c"])
            _ = try Store.create(
                world.environment, devices: ["a", "b", "c"].map { NewDevice(path: $0) }, profile: try Profile("rs:2+1"),
                averageChunkBytes: 4096, isSandbox: false)
            var options = Store.Options()
            options.toleratedSmallBlocks = .max
            let first = try Store.open(world.environment, access: .write, options: options)
            for number in 0..<objects {
                let session = try first.startWriting()
                try session.put(
                    try Key("key-\(number)"), from: MemorySource(SeededRandom.bytes(500, seed: UInt64(number))))
                _ = try session.finish()
            }
            first.close()
            let reader = try Store.open(world.environment, access: .read)
            let reading = try reader.engine.index.steps()
            _ = try reader.versions(of: Key("key-1"))
            _ = try reader.list(prefix: Array("key-1".utf8), limit: 1)
            _ = try reader.changes(after: RecordIdentity(commit: try reader.newestCommit(), ordinal: 0))
            let look = try reader.engine.index.steps() - reading
            reader.close()
            let writer = try Store.open(world.environment, access: .write, options: options)
            let writing = try writer.engine.index.steps()
            let session = try writer.startWriting()
            try session.put(
                try Key("key-1"), from: MemorySource(SeededRandom.bytes(600, seed: 1)), skippingUnchanged: true)
            _ = try session.finish()
            let put = try writer.engine.index.steps() - writing
            try writer.engine.index.requireNoScans(except: ["totals", "devices"])
            writer.close()
            return (reading, writing, put, look)
        }
        let few = try steps(objects: 12)
        let many = try steps(objects: 240)
        XCTAssertLessThanOrEqual(many.reading, few.reading + few.reading / 10 + 10)
        XCTAssertLessThanOrEqual(many.writing, few.writing + few.writing / 10 + 10)
        XCTAssertLessThanOrEqual(many.put, few.put + few.put / 10 + 10)
        XCTAssertLessThanOrEqual(many.look, few.look + few.look / 10 + 10)
    }
}

extension GrownIndex {
    fileprivate func block(_ place: Int) throws -> IndexedBlock {
        try XCTUnwrap(try index.block(named: blocks[place]))
    }

    fileprivate func aRow(_ place: Int) throws -> Row { try XCTUnwrap(try block(place).shards.keys.min()) }
}

extension Index {
    /// Fails for each statement run so far that looks at every row of a table, but of those named, or that sorts.
    fileprivate func requireNoScans(except small: Set<String>) throws {
        let plans = try write { connection throws(StoreError) in
            var plans: [(sql: String, step: String)] = []
            // Of the tables themselves there are always as many.
            for work in connection.work where !work.sql.hasPrefix("PRAGMA") && !work.sql.contains("sqlite_master") {
                let plan = try connection.statement("EXPLAIN QUERY PLAN \(work.sql)")
                while try plan.step() { plans.append((work.sql, String(decoding: plan.bytes(3), as: UTF8.self))) }
            }
            return plans
        }
        XCTAssertGreaterThan(plans.count, 10)
        for (sql, step) in plans {
            XCTAssertFalse(step.contains("TEMP B-TREE"), "\(sql): \(step)")
            guard step.hasPrefix("SCAN ") else { continue }
            let table = step.split(separator: " ")[1]
            // Each row that it comes to counts, and of those it takes so many.
            if sql.contains(" LIMIT "), !sql.contains("WHERE") { continue }
            XCTAssertTrue(small.contains(String(table)), "\(sql): \(step)")
        }
    }
}
