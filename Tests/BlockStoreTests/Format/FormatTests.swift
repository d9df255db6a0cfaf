import Chunker
import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// Values to encode, from a seed.
private struct Samples {
    let random: SeededRandom

    init(_ seed: UInt64) { random = SeededRandom(seed) }

    func below(_ limit: UInt64) -> UInt64 { random.next() % limit }

    func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) } }

    func digest() -> Digest { bytes(32).withUnsafeBytes { Digest($0) } }

    func block() -> BlockName { BlockName(number: BlockNumber(1 + below(1 << 40)), id: random.identifier()) }

    func key() throws -> Key { try Key(bytes(Int(1 + below(40))).map { $0 == 0 ? 1 : $0 }) }

    func identity() -> RecordIdentity {
        RecordIdentity(commit: CommitNumber(1 + below(1 << 30)), ordinal: UInt32(below(1 << 32)))
    }

    func manifest() -> (Manifest, UInt64) {
        let entries = (0..<below(20)).map { _ in ManifestEntry(digest: digest(), byteCount: 1 + below(1 << 30)) }
        return (Manifest(depth: UInt8(below(3)), entries: entries), entries.reduce(0) { $0 + $1.byteCount })
    }

    func configuration() throws -> Configuration {
        Configuration(
            number: below(1000), storeID: random.identifier(), profile: try Profile("rs:4+2"),
            chunker: try ChunkerParameters(averageBytes: 65536, seed: random.next()), isSandbox: below(2) == 0,
            devices: (0..<below(8)).map {
                Configuration.Device(
                    id: random.identifier(), label: "disk-\($0)", domain: "höst", weight: UInt32(1 + below(100)),
                    state: [.inService, .draining, .inService][Int(below(3))])
            })
    }

    func record() throws -> Record {
        switch below(7) {
        case 0:
            let (manifest, byteCount) = manifest()
            return .put(
                PutRecord(
                    key: try key(),
                    attributes: ObjectAttributes(
                        kind: [.file, .symbolicLink, .directory][Int(below(3))],
                        mode: below(2) == 0 ? nil : UInt16(below(4096)),
                        modifiedNanoseconds: below(2) == 0 ? nil : Int64(truncatingIfNeeded: random.next())),
                    putNanoseconds: Int64(truncatingIfNeeded: random.next()), byteCount: byteCount,
                    userMetadata: bytes(Int(below(30))), manifest: manifest))
        case 1: return .delete(DeleteRecord(key: try key(), killed: identity(), deleteNanoseconds: -5))
        case 2: return .purge(PurgeRecord(key: try key(), killed: identity()))
        case 3:
            return .profile(
                ProfileRecord(
                    first: BlockNumber(3), last: BlockNumber(3 + below(9)), profile: try Profile("lrc:12+2+2")))
        case 4: return .configuration(try configuration())
        case 5:
            return .retired(
                RetiredRecord(
                    intervals: [BlockNumber(1)...BlockNumber(4), BlockNumber(9)...BlockNumber(9)],
                    blocks: [block(), block()].sorted(),
                    commits: [RedundantCommits(first: CommitNumber(2), last: CommitNumber(5), below: block())]))
        default:
            return .commit(
                CommitRecord(
                    number: CommitNumber(2 + below(1000)),
                    epoch: Epoch(counter: below(1 << 40), writer: random.identifier()),
                    previous: block(), devices: (0..<below(6)).map { _ in random.identifier() },
                    blocks: try (0...below(5)).map { _ in
                        CommitRecord.Block(
                            name: block(), profile: try Profile("rs:4+2"), leastShards: UInt8(1 + below(6)))
                    }))
        }
    }

    func contents() throws -> TableOfContents {
        var offset: UInt32 = 0
        let chunks = (0..<below(10)).map { _ in
            let plain = UInt32(1 + below(100_000))
            let isStored = below(2) == 0
            let stored = isStored ? plain : UInt32(1 + below(UInt64(plain)))
            defer { offset += stored }
            return ChunkEntry(
                digest: digest(), offset: offset, storedBytes: stored, plainBytes: plain,
                codec: isStored ? .stored : .lz4,
                storedChecksum: UInt32(truncatingIfNeeded: random.next()))
        }
        return TableOfContents(
            block: block(), payloadBytes: UInt64(offset), chunks: chunks,
            records: try (0..<below(6)).map { _ in IdentifiedRecord(identity: identity(), record: try record()) })
    }

    func header() throws -> ShardHeader {
        let profile = try Profile("rs:4+2")
        return ShardHeader(
            storeID: random.identifier(), block: block(), columnCount: 4, firstColumn: 0,
            row: profile.rows[Int(below(6))], payloadBytes: Int(below(4000)) * 64,
            tableOfContentsBytes: Int(below(90_000)),
            tableOfContentsDigest: digest())
    }
}

final class FormatTests: XCTestCase {
    private func parse(_ bytes: [UInt8]) -> ShardHeader? {
        try? bytes.withBytes { raw throws(FormatError) in try ShardHeader(parsing: raw) }
    }

    func testTheChecksumIsCRC32C() {
        XCTAssertEqual(CRC32C.of(Array("123456789".utf8)), 0xe306_9283)
        var pieces = CRC32C()
        pieces.update(Array("1234".utf8))
        pieces.update(Array("56789".utf8))
        XCTAssertEqual(pieces.value, 0xe306_9283)
    }

    func testHeadersComeBackAndNoFlippedBitIsAccepted() throws {
        for seed in UInt64(1)...20 {
            let header = try Samples(seed).header()
            let bytes = header.encode()
            XCTAssertEqual(bytes.count, ShardHeader.byteCount)
            XCTAssertEqual(parse(bytes), header)
            for position in bytes.indices {
                var damaged = bytes
                damaged[position] ^= UInt8(1 << (seed % 8))
                XCTAssertNil(parse(damaged), "seed \(seed), byte \(position)")
                XCTAssertNil(parse(Array(bytes.prefix(position))))
            }
        }
    }

    func testTablesOfContentsComeBack() throws {
        for seed in UInt64(1)...300 {
            let contents = try Samples(seed).contents()
            XCTAssertEqual(
                try TableOfContents(parsing: contents.encode(), of: contents.block), contents, "seed \(seed)")
            for record in contents.records {
                XCTAssertLessThanOrEqual(record.record.encodeBody().count, record.record.bodyBytesBound)
            }
        }
    }

    /// The digest in the header protects the contents; the parser must only stay safe on its own.
    func testHostileContentsAreErrorsNeverTraps() throws {
        for seed in UInt64(1)...3_000 {
            let samples = Samples(seed)
            let contents = try samples.contents()
            var bytes = contents.encode()
            for _ in 0...samples.below(4) {
                switch samples.below(3) {
                case 0: bytes.removeLast(Int(samples.below(UInt64(bytes.count))))
                case 1: bytes += samples.bytes(Int(samples.below(9)))
                default: break
                }
                guard !bytes.isEmpty else { break }
                let position = Int(samples.below(UInt64(bytes.count)))
                bytes[position] = [0, 0xff, 0x7f, 0x80, UInt8(samples.below(256))][Int(samples.below(5))]
            }
            _ = try? TableOfContents(parsing: bytes, of: contents.block)
            _ = parse(Array(bytes.prefix(256)))
        }
    }

    func testEveryTruncationOfContentsIsAnError() throws {
        let contents = try Samples(77).contents()
        let bytes = contents.encode()
        for count in bytes.indices {
            XCTAssertThrowsError(try TableOfContents(parsing: Array(bytes.prefix(count)), of: contents.block))
        }
    }

    func testAMisplacedCellFails() throws {
        let samples = Samples(5)
        let cell = samples.bytes(Limits.cellBytes)
        let payload = cell + cell
        let (block, row) = (samples.block(), Row.data(column: 1))
        let table = payload.withUnsafeBytes { ChecksumTable(of: $0, block: block.id, row: row) }
        cell.withUnsafeBytes { cell in
            XCTAssertTrue(table.verify(cell, cell: 0))
            XCTAssertTrue(table.verify(cell, cell: 1))
            XCTAssertFalse(table.verify(cell, cell: 2), "there is no third")
            let other = ChecksumTable(of: cell, block: block.id, row: .data(column: 2))
            XCTAssertFalse(table.cells[0] == table.cells[1], "the number of the cell is in its checksum")
            XCTAssertFalse(other.cells[0] == table.cells[0], "and so is the row")
        }
    }

    func testShardNamesSortInTheOrderWrittenAndStrangersAreNone() throws {
        let names = (1...300).map { ShardName(Samples(UInt64($0)).block(), Row.data(column: 3)) }
        for name in names { XCTAssertEqual(ShardName(fileName: name.fileName), name) }
        XCTAssertEqual(names.sorted().map(\.fileName), names.map(\.fileName).sorted())
        for stranger in [
            "", "x", ".d00", "0000000000000001-0000000000000002", "1-2.d00", "0000000000000001-0000000000000002.d0",
        ] {
            XCTAssertNil(ShardName(fileName: stranger))
        }
        XCTAssertNil(ShardName(fileName: "ffffffffffffffff-0000000000000002.d00"), "beyond the highest number")
    }

    func testDocumentsComeBackAndNoChangedFieldIsAccepted() throws {
        let samples = Samples(9)
        let configuration = try samples.configuration()
        let paths = Dictionary(uniqueKeysWithValues: configuration.devices.map { ($0.id, "/mnt/\($0.label)") })
        let document = DeviceDocument(
            storeID: configuration.storeID, deviceID: samples.random.identifier(), configuration: configuration,
            paths: paths)
        let bytes = document.encode()
        XCTAssertEqual(try DeviceDocument.parse(bytes, at: "here"), document)
        for position in bytes.indices {
            var damaged = bytes
            damaged[position] ^= 1
            // White space and the spelling of field names aside, nothing may change unseen.
            if let found = try? DeviceDocument.parse(damaged, at: "here") {
                XCTAssertEqual(found, document, "byte \(position)")
            }
        }
        let epoch = EpochDocument(epoch: Epoch(counter: 7, writer: samples.random.identifier()))
        XCTAssertEqual(try EpochDocument.parse(epoch.encode(), at: "here"), epoch)
    }

    func testTheWorkedExampleIsWhatTheDocumentSays() throws {
        let storeID = try XCTUnwrap(StoreID(hex: "00112233445566778899aabbccddeeff"))
        let block = BlockName(
            number: BlockNumber(1), id: try XCTUnwrap(BlockID(hex: "ffeeddccbbaa99887766554433221100")))
        let contents = TableOfContents(
            block: block, payloadBytes: 0, chunks: [],
            records: [
                IdentifiedRecord(
                    identity: RecordIdentity(commit: CommitNumber(2), ordinal: 0),
                    record: .delete(
                        DeleteRecord(
                            key: try Key("k"), killed: RecordIdentity(commit: CommitNumber(1), ordinal: 0),
                            deleteNanoseconds: 0)))
            ]
        ).encode()
        XCTAssertEqual(
            Self.hex(contents),
            "4253434f4e5453310100000000000000ffeeddccbbaa9988776655443322110000000000000000000000000001000000"
                + "020001001700000002000000000000000000000000000000" + "01006b010000000000000000000000"
                + "0000000000000000")
        let digest = ChunkWorkspace().digest(of: UnsafeRawBufferPointer(start: nil, count: 0))
        XCTAssertEqual(digest.description.prefix(8), "e3b0c442")
        let header = ShardHeader(
            storeID: storeID, block: block, columnCount: 1, firstColumn: 0, row: .data(column: 0), payloadBytes: 0,
            tableOfContentsBytes: contents.count,
            tableOfContentsDigest: contents.withUnsafeBytes { ChunkWorkspace().digest(of: $0) })
        let file = ShardFile(header: header, payload: UnsafeRawBufferPointer(start: nil, count: 0), contents: contents)
        XCTAssertEqual(file.bytes.count, 419)
        XCTAssertEqual(file.bytes.withUnsafeBytes { ChunkWorkspace().digest(of: $0) }.description, Self.example)
    }

    /// SHA-256 of the example's shard d00.
    private static let example = "8ae2f755215eaad69904145cb9443c425ae50411888c971b1e723651df847181"

    private static func hex(_ bytes: [UInt8]) -> String { bytes.map { hexadecimal(UInt64($0), digits: 2) }.joined() }
}
