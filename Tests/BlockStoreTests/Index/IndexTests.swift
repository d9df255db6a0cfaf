import Chunker
import Erasure
import Foundation
import XCTest

@testable import BlockStore
@testable import Simulation

/// A made-up history of accepted commits, from a seed, and what it comes to.
private struct History {
    private(set) var commits: [AcceptedCommit] = []
    /// Live keys with the size of their newest version.
    private(set) var live: [Key: UInt64] = [:]
    private(set) var versions = 0
    private let devices: [DeviceID]
    private let configuration: Configuration

    /// - Parameters:
    ///   - recordsBelow: a commit has fewer.
    ///   - keys: how many there are.
    init(seed: UInt64, length: Int, recordsBelow: UInt64 = 4, keys: UInt64 = 6) throws {
        let random = SeededRandom(seed)
        devices = (0..<3).map { _ in random.identifier() }
        configuration = Configuration(
            number: 1, storeID: random.identifier(), profile: try Profile("rs:2+1"),
            chunker: try ChunkerParameters(averageBytes: 4096, seed: 1), isSandbox: false, devices: [])
        var identities: [Key: [(RecordIdentity, UInt64?)]] = [:]
        var previous: BlockName?
        for number in 1...UInt64(length) {
            let commit = CommitNumber(number)
            var records: [IdentifiedRecord] = []
            func add(_ record: Record) -> RecordIdentity {
                let identity = RecordIdentity(commit: commit, ordinal: UInt32(records.count))
                records.append(IdentifiedRecord(identity: identity, record: record))
                return identity
            }
            for _ in 0..<(random.next() % recordsBelow) {
                let key = try Key("key-\(random.next() % keys)")
                let known = identities[key] ?? []
                switch random.next() % 5 {
                case 0 where known.last?.1 != nil:
                    let record = DeleteRecord(
                        key: key, killed: known.last?.0 ?? RecordIdentity(commit: commit, ordinal: 0),
                        deleteNanoseconds: 1)
                    identities[key, default: []].append((add(.delete(record)), nil))
                case 1 where !known.isEmpty:
                    let index = Int(random.next() % UInt64(known.count))
                    _ = add(.purge(PurgeRecord(key: key, killed: known[index].0)))
                    identities[key]?.remove(at: index)
                default:
                    let size = random.next() % 1000
                    let entries = size == 0 ? [] : [ManifestEntry(digest: Self.digest(random), byteCount: size)]
                    let record = PutRecord(
                        key: key, attributes: ObjectAttributes(), putNanoseconds: 5, byteCount: size, userMetadata: [],
                        manifest: Manifest(depth: 0, entries: entries))
                    identities[key, default: []].append((add(.put(record)), size))
                }
            }
            let name = BlockName(number: BlockNumber(number), id: random.identifier())
            let chunks = (0..<(random.next() % (recordsBelow + 1))).map { index in
                ChunkEntry(
                    digest: Self.digest(random), offset: UInt32(index * 10), storedBytes: 10, plainBytes: 20,
                    codec: .lz4,
                    storedChecksum: UInt32(truncatingIfNeeded: random.next()))
            }
            let record = CommitRecord(
                number: commit, epoch: Epoch(counter: 1, writer: random.identifier()), previous: previous,
                devices: devices,
                blocks: [CommitRecord.Block(name: name, profile: configuration.profile, leastShards: 2)])
            previous = name
            let contents = TableOfContents(
                block: name, payloadBytes: UInt64(chunks.count * 10), chunks: chunks, records: records)
            let shards = Dictionary(uniqueKeysWithValues: zip(configuration.profile.rows, devices))
            commits.append(
                AcceptedCommit(
                    record: record,
                    blocks: [
                        AcceptedBlock(
                            name: name, profile: configuration.profile, columnCount: 2, firstColumn: 0,
                            shardPayloadBytes: 64,
                            payloadBytes: contents.payloadBytes, leastShards: 2, shards: shards, contents: contents)
                    ]))
        }
        for (key, list) in identities {
            versions += list.filter { $0.1 != nil }.count
            if let size = list.last?.1 { live[key] = size }
        }
    }

    static func digest(_ random: SeededRandom) -> Digest {
        (0..<32).map { _ in UInt8(truncatingIfNeeded: random.next()) }.withUnsafeBytes { Digest($0) }
    }

    func state(after count: Int) -> IndexState {
        let last = commits[count - 1].record
        return IndexState(
            head: CommitHead(number: last.number, block: last.blocks[0].name), epoch: last.epoch,
            configuration: configuration,
            retired: .none, highestBlock: last.blocks[0].name.number, lastInService: [:])
    }

    func apply(_ range: Range<Int>, to index: Index) throws {
        try index.apply(Array(commits[range]), state: state(after: range.upperBound))
    }
}

final class IndexTests: XCTestCase {
    func testTheFoldComesToWhatTheRecordsSay() throws {
        // Some with as many records as are entered together, of keys that lie between those that are there and beyond them.
        let shapes: [(length: Int, recordsBelow: UInt64, keys: UInt64)] = [(20, 4, 6), (5, 120, 90), (5, 120, 4000)]
        for seed in UInt64(1)...40 {
            let shape = shapes[Int(seed % 3)]
            let history = try History(
                seed: seed, length: shape.length, recordsBelow: shape.recordsBelow, keys: shape.keys)
            let index = try Index.inMemory()
            try history.apply(0..<shape.length, to: index)
            let listed = try index.list(prefix: [], after: nil, limit: 10_000, all: false).versions
            XCTAssertEqual(
                Dictionary(uniqueKeysWithValues: listed.map { ($0.key, $0.put?.byteCount ?? 0) }), history.live,
                "seed \(seed)")
            let totals = try index.totals()
            XCTAssertEqual(Int(totals.objects), history.live.count, "seed \(seed)")
            XCTAssertEqual(Int(totals.versions), history.versions, "seed \(seed)")
            XCTAssertEqual(UInt64(totals.logicalBytes), history.live.values.reduce(0, +), "seed \(seed)")
            XCTAssertEqual(
                Int(totals.chunks),
                history.commits.flatMap(\.blocks).reduce(0) { $0 + ($1.contents?.chunks.count ?? 0) })
        }
    }

    func testFoldingTwiceOrInPiecesComesToTheSame() throws {
        for seed in UInt64(1)...20 {
            let history =
                seed % 2 == 0
                ? try History(seed: seed, length: 15)
                : try History(seed: seed, length: 15, recordsBelow: 60, keys: 100)
            let whole = try Index.inMemory()
            try history.apply(0..<15, to: whole)
            let pieces = try Index.inMemory()
            try history.apply(0..<7, to: pieces)
            try history.apply(3..<12, to: pieces)
            try history.apply(0..<15, to: pieces)
            XCTAssertEqual(try pieces.dump(), try whole.dump(), "seed \(seed)")
            XCTAssertEqual(try pieces.totals(), try whole.totals(), "seed \(seed)")
        }
    }

    func testAnIndexFilledAtOnceIsLikeOneFoldedBitByBit() throws {
        let path = NSTemporaryDirectory() + "bs-fill-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        for seed in UInt64(1)...10 {
            let history = try History(seed: seed, length: 30)
            let folded = try Index.inMemory()
            try history.apply(0..<30, to: folded)
            let state = try XCTUnwrap(try folded.state())
            let filled = try Index.open(path: "\(path)/\(seed)")
            XCTAssertThrowsError(
                try filled.fill { filling throws(StoreError) in
                    try filling.apply(Array(history.commits[0..<9]), state: state)
                    throw StoreError(.io, "read", detail: "the disk is gone")
                })
            XCTAssertNil(try filled.state(), "all or nothing")
            try filled.fill { filling throws(StoreError) in
                try filling.apply(Array(history.commits[0..<13]), state: state)
                try filling.apply(Array(history.commits[13...]), state: state)
            }
            XCTAssertEqual(try filled.dump(), try folded.dump(), "seed \(seed)")
            XCTAssertEqual(try filled.totals(), try folded.totals(), "seed \(seed)")
            for chunk in history.commits.flatMap(\.blocks).flatMap({ $0.contents?.chunks ?? [] }) {
                XCTAssertFalse(try filled.places(of: chunk.digest).isEmpty)
            }
            try filled.check()
            filled.close()
            // Its tables are what every index has.
            try Index.open(path: "\(path)/\(seed)").close()
        }
    }

    func testTheSameIdentityWithOtherContentsIsCorruption() throws {
        let one = try History(seed: 1, length: 12)
        let other = try History(seed: 2, length: 12)
        let index = try Index.inMemory()
        try one.apply(0..<12, to: index)
        let before = try index.dump()
        XCTAssertThrowsError(try other.apply(0..<12, to: index)) {
            XCTAssertEqual(($0 as? StoreError)?.code, .indexDamaged)
        }
        XCTAssertEqual(try index.dump(), before, "all or nothing")
    }

    func testASnapshotIsTheIndex() throws {
        let history = try History(seed: 3, length: 10)
        let index = try Index.inMemory()
        try history.apply(0..<10, to: index)
        let copy = try Index.inMemory(try index.snapshot())
        XCTAssertEqual(try copy.dump(), try index.dump())
        XCTAssertEqual(try copy.state(), try index.state())
    }

    func testPagesOfAListNeverSplitAKeyAndMeetEnd() throws {
        let history = try History(seed: 4, length: 60)
        let index = try Index.inMemory()
        try history.apply(0..<60, to: index)
        let whole = try index.list(prefix: [], after: nil, limit: 1000, all: true).versions
        for limit in 1...7 {
            var found: [IndexedVersion] = []
            var after: Key?
            repeat {
                let page = try index.list(prefix: [], after: after, limit: limit, all: true)
                found += page.versions
                after = page.last
            } while after != nil
            XCTAssertEqual(found, whole)
        }
        XCTAssertEqual(
            try index.list(prefix: Array("key-3".utf8), after: nil, limit: 9, all: true).versions,
            whole.filter { $0.key.description == "key-3" })
        XCTAssertTrue(try index.list(prefix: [0xff], after: nil, limit: 9, all: true).versions.isEmpty)
    }

    /// What comes back from a damaged file is an error or the truth.
    func testFlippedBytesAreNoticedOrHarmless() throws {
        let history = try History(seed: 5, length: 40)
        let index = try Index.inMemory()
        try history.apply(0..<40, to: index)
        let bytes = try index.snapshot()
        let rows = Set(try index.dump())
        let random = SeededRandom(6)
        for _ in 0..<400 {
            var damaged = bytes
            damaged[Int(random.next() % UInt64(damaged.count))] ^= UInt8(1 << (random.next() % 8))
            do throws(StoreError) {
                // Rows may go missing, as in an older index; none may come back wrong.
                let found = try Index.inMemory(damaged).dump()
                XCTAssertTrue(Set(found).isSubset(of: rows))
            } catch {
                XCTAssertTrue([.indexDamaged, .io].contains(error.code), "\(error)")
            }
        }
    }

    /// What a damaged page hides from a reader, and rows that are gone, are missed by a check of the whole.
    func testAHiddenRowIsFoundByACheckOfTheWhole() throws {
        let history = try History(seed: 5, length: 40)
        let index = try Index.inMemory()
        try history.apply(0..<40, to: index)
        XCTAssertNoThrow(try index.check())
        let bytes = try index.snapshot()
        let rows = try index.dump()
        var hidden = 0
        // Where a page says what is in it, and a few places more.
        for position in bytes.indices where position % 4096 < 12 || position % 1_009 == 0 {
            var damaged = bytes
            damaged[position] ^= UInt8(1 << (position % 8))
            guard let found = try? Index.inMemory(damaged), let lines = try? found.dump(), lines != rows else {
                continue
            }
            hidden += 1
            XCTAssertThrowsError(try found.check(), "byte \(position)") {
                XCTAssertEqual(($0 as? StoreError)?.code, .indexDamaged)
            }
        }
        XCTAssertGreaterThan(hidden, 0)
        let aPut = "key = (SELECT max(key) FROM versions WHERE substr(value, 1, 2) = x'0100')"
        for change in [
            "DELETE FROM versions WHERE \(aPut)", "UPDATE versions SET key = CAST(key AS TEXT) WHERE \(aPut)",
            "DELETE FROM blocks WHERE ref = (SELECT max(ref) FROM blocks)",
            "DELETE FROM chunks WHERE id = (SELECT max(id) FROM chunks)",
            "UPDATE chunks SET tag = tag + 1 WHERE id = (SELECT max(id) FROM chunks)",
        ] {
            let index = try Index.inMemory(bytes)
            try index.write { connection throws(StoreError) in try connection.run(change) }
            XCTAssertThrowsError(try index.check(), change) { XCTAssertEqual(($0 as? StoreError)?.code, .indexDamaged) }
        }
    }

    /// A chunk that its tag does not lead to would be taken for garbage.
    func testAChunkThatCannotBeLookedUpIsFoundByACheckOfTheWhole() throws {
        let history = try History(seed: 6, length: 40)
        let index = try Index.inMemory()
        try history.apply(0..<40, to: index)
        let bytes = try index.snapshot()
        let digests = history.commits.flatMap { $0.blocks }.flatMap { $0.contents?.chunks ?? [] }.map(\.digest)
        let places = try index.numberedPlaces(of: digests).map(\.number)
        XCTAssertEqual(places.count, digests.count)
        var hidden = 0
        for position in stride(from: 0, to: bytes.count, by: 17) {
            var damaged = bytes
            damaged[position] ^= UInt8(1 << (position % 8))
            guard let found = try? Index.inMemory(damaged),
                let numbers = try? found.numberedPlaces(of: digests).map(\.number), numbers != places
            else { continue }
            hidden += 1
            XCTAssertThrowsError(try found.check(), "byte \(position)")
        }
        XCTAssertGreaterThan(hidden, 0)
    }

    func testNewestVersionsOfManyAreThoseOfEach() throws {
        for seed in UInt64(1)...6 {
            let history = try History(seed: seed, length: 4, recordsBelow: 40, keys: 300)
            let index = try Index.inMemory()
            try history.apply(0..<4, to: index)
            let random = SeededRandom(seed)
            var keys = try (0..<400).map { _ in try Key("key-\(random.next() % 310)") }
            for isSorted in [false, true] {
                if isSorted { keys.sort { $0.bytes.lexicographicallyPrecedes($1.bytes) } }
                let found = try index.newestVersions(of: keys)
                let one = try keys.map { try index.newestVersion(of: $0) }
                XCTAssertEqual(found, one, "seed \(seed), sorted: \(isSorted)")
                XCTAssertTrue(one.contains { $0 != nil } && one.contains(nil))
            }
        }
    }

    func testManyPlacesAreFoundAsOneByOne() throws {
        let history = try History(seed: 7, length: 60)
        let index = try Index.inMemory()
        try history.apply(0..<60, to: index)
        let known = history.commits.flatMap { $0.blocks }.flatMap { $0.contents?.chunks ?? [] }.map(\.digest)
        let random = SeededRandom(7)
        let asked = (0..<300).map { _ in
            random.next() % 4 == 0 ? History.digest(random) : known[Int(random.next() % UInt64(known.count))]
        }
        let found = try index.numberedPlaces(of: asked)
        for (position, digest) in asked.enumerated() {
            let places = found.filter { $0.position == position }
            XCTAssertEqual(places.map(\.block), try index.places(of: digest).map(\.block))
            for place in places {
                XCTAssertTrue(
                    try index.chunks(in: place.block).contains { $0.number == place.number && $0.digest == digest })
            }
        }
        XCTAssertEqual(found.map(\.position), found.map(\.position).sorted())
    }

    func testAnotherDatabaseIsNoIndex() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/index.db"
        let connection = try Connection(path: path)
        try connection.run("CREATE TABLE songs (title TEXT)")
        XCTAssertThrowsError(try Index.open(path: path)) { XCTAssertEqual(($0 as? StoreError)?.code, .indexDamaged) }
        try Data("not a database at all, and long enough to be looked at as one".utf8).write(
            to: URL(fileURLWithPath: directory.path + "/x"))
        XCTAssertThrowsError(try Index.open(path: directory.path + "/x"))
    }

    func testReadersSeeWholeCommitsBesideAWriter() throws {
        let directory = try TemporaryDirectory()
        let index = try Index.open(path: directory.path + "/index.db")
        let history = try History(seed: 7, length: 60)
        try history.apply(0..<1, to: index)
        let done = Completion()
        let executor = ThreadedExecutor(computeThreads: 2)
        executor.submit(.compute) {
            while !done.isDone {
                guard let state = try? index.state(), let totals = try? index.totals() else { continue }
                // One block a commit.
                XCTAssertLessThanOrEqual(state.head.number.value, UInt64(totals.blocks))
            }
        }
        for count in 1..<60 { try history.apply(count..<(count + 1), to: index) }
        done.raise()
        XCTAssertEqual(try index.totals().blocks, 60)
        index.close()
    }
}
