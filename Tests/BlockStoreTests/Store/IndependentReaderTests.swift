import Chunker
import Erasure
import XCTest

@testable import BlockStore
@testable import Simulation

/// docs/format.md is complete: who has only read it can read every store.
final class IndependentReaderTests: XCTestCase {
    /// All sets of at most `count` of `all`.
    private func subsets(of all: [String], upTo count: Int) -> [Set<String>] {
        (0..<(1 << all.count)).filter { $0.nonzeroBitCount <= count }
            .map { pattern in Set(all.indices.filter { pattern >> $0 & 1 == 1 }.map { all[$0] }) }
    }

    /// The regular files below a directory by their path in it.
    private func files(below directory: String) throws -> [String: [UInt8]] {
        var found: [String: [UInt8]] = [:]
        for path in try FileManager.default.subpathsOfDirectory(atPath: directory) {
            let whole = "\(directory)/\(path)"
            guard try FileManager.default.attributesOfItem(atPath: whole)[.type] as? FileAttributeType == .typeRegular
            else { continue }
            found[path] = Array(try XCTUnwrap(FileManager.default.contents(atPath: whole)))
        }
        return found
    }

    /// Checks that the reader extracts exactly `expected` from some devices.
    @discardableResult
    private func check(
        _ reader: IndependentReader, reads expected: [String: [UInt8]], from devices: [String], in directory: String,
        _ message: String
    ) throws -> IndependentReader.Outcome {
        let scratch = try TemporaryDirectory()
        let outcome = try reader(["--out", "\(scratch.path)/all"] + devices.map { "\(directory)/\($0)" })
        XCTAssertEqual(outcome.code, 0, "\(message): \(outcome.complaints)")
        guard outcome.code == 0 else { return outcome }
        let found = try files(below: "\(scratch.path)/all")
        XCTAssertEqual(found.keys.sorted(), expected.keys.sorted(), message)
        for (key, bytes) in expected { XCTAssert(found[key] == bytes, "\(message): \(key)") }
        return outcome
    }

    /// Checks that the reader refuses, and in words.
    private func checkRefuses(_ outcome: IndependentReader.Outcome, _ words: String, _ message: String) {
        XCTAssertEqual(outcome.code, 1, message)
        XCTAssertEqual(outcome.output, "", message)
        XCTAssert(outcome.complaints.contains(words), "\(message): \(outcome.complaints)")
        XCTAssertFalse(outcome.complaints.contains("Traceback"), "\(message): \(outcome.complaints)")
    }

    func testAReaderWrittenFromTheFormatAloneReadsTheGoldenStoreFromAnyEnoughShards() throws {
        let reader = try IndependentReader()
        for lost in subsets(of: GoldenStore.minima.disks, upTo: 3) where lost.count < 3 {
            let devices = GoldenStore.minima.disks.filter { !lost.contains($0) }
            if lost.count <= 1 {
                try check(
                    reader, reads: GoldenStore.expected, from: devices, in: GoldenStore.minima.path, "without \(lost)")
            } else {
                checkRefuses(
                    try reader(devices.map { "\(GoldenStore.minima.path)/\($0)" }), "too few shards", "without \(lost)")
            }
        }
    }

    func testItListsWhatWasPutAndHandsOutSingleObjects() throws {
        let reader = try IndependentReader()
        let devices = ["disk-2", "disk-3"].map { "\(GoldenStore.minima.path)/\($0)" }
        let lines = GoldenStore.expected.sorted { $0.key < $1.key }.map { key, bytes in
            let count = String(bytes.count)
            let digest = bytes.withUnsafeBytes { bytes in Workspaces.shared.with { $0.digest(of: bytes) } }
            return String(repeating: " ", count: 12 - count.count) + "\(count) \(digest) \(key)\n"
        }
        XCTAssertEqual(try reader(["--list"] + devices).output, lines.joined())
        XCTAssertEqual(try reader(["--key", "tiny"] + devices).output, "tiny")
        checkRefuses(try reader(["--key", "deleted"] + devices), "no object deleted", "a deleted object")
    }

    /// A store of several commits; by default on six devices, of which five hold each block.
    private func makeStore(
        _ profile: String = "rs:3+2", disks: [String] = IndependentReaderTests.disks
    ) throws -> (directory: TemporaryDirectory, files: [String: [UInt8]]) {
        let directory = try TemporaryDirectory()
        let environment = try directory.environment(seed: 7)
        _ = try Store.create(
            environment, devices: disks.map { NewDevice(path: $0) }, profile: try Profile(profile),
            averageChunkBytes: 4096, isSandbox: true)
        let store = try Store.open(environment, access: .write)
        defer { store.close() }
        var files: [String: [UInt8]] = [:]
        func commit(_ body: (WriteSession) throws -> Void) throws {
            let session = try store.startWriting()
            try body(session)
            XCTAssertNil(try session.finish().debt)
        }
        func put(_ session: WriteSession, _ key: String, _ bytes: [UInt8]) throws {
            files[key] = bytes
            try session.put(
                Key(key), attributes: ObjectAttributes(mode: 0o640, modifiedNanoseconds: 1_000_000_007),
                from: MemorySource(bytes))
        }
        // More chunks than the record's manifest has room for: nodes.
        let big = SeededRandom.bytes(600_000, seed: 11)
        let text = (0..<4000).flatMap { Array("line \($0 % 97) of \($0): all the same\n".utf8) }
        try commit { session in
            try put(session, "big", big)
            try put(session, "directory/one byte", [0])
            try put(session, "replaced", Array(text.prefix(5000)))
            try put(session, "removed", SeededRandom.bytes(5000, seed: 12))
        }
        try commit { session in
            try put(session, "text", text)
            try put(session, "replaced", SeededRandom.bytes(70_000, seed: 13))
            try put(session, "zeros", [UInt8](repeating: 0, count: 50_000))
            try put(session, "nothing", [])
        }
        try commit { session in
            try session.remove(Key("removed"))
            files["removed"] = nil
            try session.put(
                Key("empty directory/"), attributes: ObjectAttributes(kind: .directory), from: MemorySource([]))
            try session.put(
                Key("link"), attributes: ObjectAttributes(kind: .symbolicLink),
                from: MemorySource(Array("directory/one byte".utf8)))
        }
        try commit { session in
            // Found again in an older block, between new bytes.
            try put(session, "Größe\u{1F9F1}", Array(text.prefix(999)) + Array(big[100_000..<300_000]) + text)
            try session.remove(Key("text"))
        }
        try commit { session in
            try put(session, "text", Array(text.suffix(100)))
        }
        XCTAssertEqual(try store.newestVersion(of: Key("big")).manifest.depth, 1)
        return (directory, files)
    }

    private static let disks = (1...6).map { "disk-\($0)" }

    func testItReadsEverySetOfDevicesThatTheToleranceAllows() throws {
        let reader = try IndependentReader()
        let (directory, files) = try makeStore()
        for lost in subsets(of: Self.disks, upTo: 2) {
            let devices = Self.disks.filter { !lost.contains($0) }
            try check(reader, reads: files, from: devices, in: directory.path, "without \(lost.sorted())")
        }
        checkRefuses(
            try reader(["disk-1", "disk-2"].map { "\(directory.path)/\($0)" }), "too few shards", "from two of six")
    }

    func testItReadsLocalCodesFromSetsOfDevicesThatTheToleranceAllows() throws {
        let reader = try IndependentReader()
        let disks = (1...7).map { "disk-\($0)" }
        let (directory, files) = try makeStore("lrc:4+2+1", disks: disks)
        for (number, lost) in subsets(of: disks, upTo: 2).enumerated() where number % 3 == 0 {
            let devices = disks.filter { !lost.contains($0) }
            try check(reader, reads: files, from: devices, in: directory.path, "without \(lost.sorted())")
        }
        checkRefuses(
            try reader(["disk-1", "disk-2"].map { "\(directory.path)/\($0)" }), "too few shards", "from two of seven")
    }

    func testItKnowsWhatProfileRecordsSay() throws {
        let reader = try IndependentReader()
        let (directory, files) = try makeStore("rs:3+2")
        let store = try Store.open(try directory.environment(seed: 8), access: .write)
        defer { store.close() }
        func lines() throws -> [String] {
            try store.engine.index.blocks(after: nil, limit: 1000).map { block in
                let missing = block.profile.rows.filter { block.shards[$0] == nil }.sorted().map(\.name)
                return "\(ShardName(block.name, .data(column: 0)).fileName.dropLast(4)) \(block.profile) missing "
                    + "[\(missing.joined(separator: " "))] beyond "
                    + "[\(block.rowsBeyondProfile.map(\.name).joined(separator: " "))]\n"
            }
        }
        let devices = Self.disks.map { "\(directory.path)/\($0)" }
        for profile in ["rs:3+3", "lrc:3+3+1", "rs:3+1"] where try Profile(profile).shardCount <= 6 {
            XCTAssertTrue(try store.reshape(to: Profile(profile)).isComplete, profile)
            XCTAssertEqual(try reader(["--blocks"] + devices).output, try lines().joined(), profile)
            try check(reader, reads: files, from: Array(Self.disks.dropFirst()), in: directory.path, profile)
        }
        // A row that is in no profile of its block, as an interrupted reshape leaves it, is no damage.
        let block = try XCTUnwrap(store.engine.index.blocks(after: nil, limit: 1).first)
        let extra = ShardName(block.name, .parity(index: 1, columns: 0..<3))
        XCTAssertNil(block.shards[extra.row])
        let reshaper = BlockReshaper(store.engine, to: try Profile("rs:3+2"))
        XCTAssertTrue(reshaper.prepare(block).isWhole)
        let told = try reader(["--blocks"] + devices).output
        XCTAssertTrue(told.contains("beyond [p01-00-03]"), told)
        XCTAssertEqual(told, try lines().joined())
    }

    func testItReadsWhatWasCollected() throws {
        let reader = try IndependentReader()
        var (directory, files) = try makeStore()
        let before = try TemporaryDirectory()
        func open(_ seed: UInt64) throws -> Store {
            try Store.open(try directory.environment(seed: seed), access: .write)
        }
        let store = try open(8)
        for key in ["replaced", "removed", "text"] {
            for version in try store.versions(of: Key(key)).dropFirst() {
                let session = try store.startWriting()
                try session.purge(Key(key), version: version.identity)
                _ = try session.finish()
            }
        }
        store.close()
        for disk in Self.disks {
            try FileManager.default.copyItem(atPath: "\(directory.path)/\(disk)", toPath: "\(before.path)/\(disk)")
        }
        let collecting = try open(9)
        XCTAssertGreaterThan(try collecting.collect(CollectOptions(isFull: true)).retiredBlocks, 3)
        collecting.close()
        try check(reader, reads: files, from: Array(Self.disks.dropFirst(2)), in: directory.path, "collected")
        // Deleting was cut off: some files of what is retired are there again, of commits and of purged versions.
        for (number, disk) in Self.disks.enumerated() {
            let old = try self.files(below: "\(before.path)/\(disk)").filter { $0.key.hasPrefix("blocks/") }
            for path in old.keys.sorted() where number < 4 {
                let target = "\(directory.path)/\(disk)/\(path)"
                if !FileManager.default.fileExists(atPath: target) {
                    try FileManager.default.copyItem(atPath: "\(before.path)/\(disk)/\(path)", toPath: target)
                }
            }
        }
        try check(reader, reads: files, from: Self.disks, in: directory.path, "with remnants")
        let again = try open(10)
        let session = try again.startWriting()
        try session.put(Key("later"), from: MemorySource([1, 2, 3]))
        _ = try session.finish()
        again.close()
        files["later"] = [1, 2, 3]
        try FileManager.default.removeItem(atPath: "\(directory.path)/home/index.db")
        let rebuilt = try open(11)
        XCTAssertEqual(rebuilt.notices, [])
        XCTAssertEqual(try rebuilt.collect().removedStrays > 0, true)
        rebuilt.close()
        try check(reader, reads: files, from: Self.disks, in: directory.path, "collected again")
    }

    func testItRestoresDirectoriesLinksAndAttributes() throws {
        let reader = try IndependentReader()
        let (directory, _) = try makeStore()
        let outcome = try reader(
            ["--out", "\(directory.path)/all"] + Self.disks.map { "\(directory.path)/\($0)" })
        XCTAssertEqual(outcome.code, 0, outcome.complaints)
        let link = try FileManager.default.destinationOfSymbolicLink(atPath: "\(directory.path)/all/link")
        XCTAssertEqual(link, "directory/one byte")
        XCTAssertEqual(
            try FileManager.default.contentsOfDirectory(atPath: "\(directory.path)/all/empty directory"), [])
        var status = stat()
        XCTAssertEqual(stat("\(directory.path)/all/big", &status), 0)
        XCTAssertEqual(status.st_mode & 0o7777, 0o640)
        XCTAssertEqual(status.st_mtim.tv_sec, 1)
        XCTAssertEqual(status.st_mtim.tv_nsec, 7)
    }

    func testItRefusesADamagedShardByNameAndUsesOthers() throws {
        let reader = try IndependentReader()
        for damage in Damage.allCases {
            let directory = try GoldenStore.minima.copy()
            // The data column of the newest block's only text, which is read first where it is sound.
            let shard = try XCTUnwrap(
                DirectoryDevice(path: "\(directory.path)/disk-1").shards(from: .none).last)
            let path = "\(directory.path)/disk-1/blocks/\(shard.directoryName)/\(shard.fileName)"
            var bytes = Array(try XCTUnwrap(FileManager.default.contents(atPath: path)))
            damage.apply(to: &bytes)
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            let outcome = try check(
                reader, reads: GoldenStore.expected, from: GoldenStore.minima.disks, in: directory.path, "\(damage)")
            XCTAssert(
                outcome.complaints.contains("refused") && outcome.complaints.contains(shard.fileName),
                "\(damage): \(outcome.complaints)")
            guard damage == .payload else { continue }
            checkRefuses(
                try reader(["disk-1", "disk-2"].map { "\(directory.path)/\($0)" }), "may have been acknowledged",
                "without disk-3")
        }
    }

    private enum Damage: CaseIterable {
        case magic, reservedRoom, headerChecksum, payload, table, contents, footer, cutShort, empty

        func apply(to bytes: inout [UInt8]) {
            switch self {
            case .magic: bytes[0] ^= 1
            case .reservedRoom: bytes[130] = 1
            case .headerChecksum: bytes[255] ^= 0x80
            case .payload: bytes[256 + 5] ^= 0x10
            case .table: bytes[bytes.count - 64 - Self.contentsBytes(bytes) - 1] ^= 1
            case .contents: bytes[bytes.count - 64 - 9] ^= 2
            case .footer: bytes[bytes.count - 10] ^= 4
            case .cutShort: bytes.removeLast()
            case .empty: bytes = []
            }
        }

        /// From the header (docs/format.md §3).
        private static func contentsBytes(_ bytes: [UInt8]) -> Int {
            (0..<4).reduce(0) { $0 | Int(bytes[84 + $1]) << (8 * $1) }
        }
    }

    /// Takes all shards of the `position`-th block of the golden store from some disks.
    private func remove(block position: Int, from disks: [String], in directory: TemporaryDirectory) throws {
        for disk in disks {
            let device = try DirectoryDevice(path: "\(directory.path)/\(disk)")
            try device.remove(try device.shards(from: .none)[position])
        }
    }

    func testACommitThatWasNeverAcknowledgedIsPassedOver() throws {
        let reader = try IndependentReader()
        let directory = try GoldenStore.minima.copy()
        try remove(block: 3, from: ["disk-2", "disk-3"], in: directory)
        var expected = GoldenStore.expected
        expected["text"] = nil
        let outcome = try check(
            reader, reads: expected, from: GoldenStore.minima.disks, in: directory.path, "one row of three")
        XCTAssert(outcome.complaints.contains("never acknowledged"), outcome.complaints)
    }

    func testAMissingCommitIsSaidNotHidden() throws {
        let reader = try IndependentReader()
        let directory = try GoldenStore.minima.copy()
        try remove(block: 2, from: GoldenStore.minima.disks, in: directory)
        let outcome = try reader(GoldenStore.minima.disks.map { "\(directory.path)/\($0)" })
        XCTAssertEqual(outcome.code, 1)
        XCTAssert(outcome.complaints.contains("commit 3"), outcome.complaints)
        XCTAssert(outcome.output.contains(" text\n"), "what is there is read: \(outcome.complaints)")
    }

    func testAShardOfALaterFormatStopsItRatherThanBeingPassedOver() throws {
        let reader = try IndependentReader()
        for (offset, words) in [(8, "version 3 is unknown"), (20, "unknown incompatible features 0x2")] {
            let directory = try GoldenStore.minima.copy()
            let shard = try XCTUnwrap(DirectoryDevice(path: "\(directory.path)/disk-1").shards(from: .none).last)
            let path = "\(directory.path)/disk-1/blocks/\(shard.directoryName)/\(shard.fileName)"
            var bytes = Array(try XCTUnwrap(FileManager.default.contents(atPath: path)))
            bytes[offset] ^= 2
            let checksum = CRC32C.of(Array(bytes[..<252]))
            for byte in 0..<4 { bytes[252 + byte] = UInt8(truncatingIfNeeded: checksum >> (8 * byte)) }
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            checkRefuses(try reader(GoldenStore.minima.disks.map { "\(directory.path)/\($0)" }), words, words)
        }
    }

    func testBadInputGetsAClearErrorAndNoTraceback() throws {
        let reader = try IndependentReader()
        let directory = try GoldenStore.minima.copy()
        let disk = "\(directory.path)/disk-1"
        checkRefuses(try reader(["\(directory.path)/nowhere"]), "No such file", "a directory that is not there")
        checkRefuses(try reader([disk, disk]), "given twice", "a device twice")
        let document = try String(contentsOfFile: "\(disk)/device.json", encoding: .utf8)
        for (text, words) in [
            ("", "is no device document"), ("[]", "is no device document"),
            ("{\"format\": 1}", "is no device document"),
            (document.replacingOccurrences(of: "\"format\" : 1", with: "\"format\" : 2"), "format 2 is unknown"),
            (document.replacingOccurrences(of: "\"disk-2\"", with: "\"disk-9\""), "is wrong"),
            (document.replacingOccurrences(of: "4096", with: "4097"), "digest is wrong"),
        ] {
            try text.write(toFile: "\(disk)/device.json", atomically: true, encoding: .utf8)
            checkRefuses(try reader([disk]), words, text)
        }
    }

    /// What it imports is Python's own: neither the engine nor a library stands behind it.
    func testItSharesNoCodeWithTheEngine() throws {
        let standard: Set = [
            "__future__", "argparse", "collections", "dataclasses", "hashlib", "json", "os", "re", "struct", "sys",
            "typing",
        ]
        let sources = try FileManager.default.contentsOfDirectory(atPath: IndependentReader.directory)
            .filter { $0.hasSuffix(".py") }
        XCTAssertFalse(sources.isEmpty)
        let allowed = standard.union(sources.map { String($0.dropLast(3)) })
        for source in sources {
            let text = try String(contentsOfFile: "\(IndependentReader.directory)/\(source)", encoding: .utf8)
            for line in text.split(separator: "\n") {
                let words = line.split(separator: " ").map(String.init)
                guard words.count > 1, words[0] == "import" || (words[0] == "from" && words.contains("import")) else {
                    continue
                }
                XCTAssert(allowed.contains(words[1]), "\(source): \(line)")
            }
        }
    }
}
