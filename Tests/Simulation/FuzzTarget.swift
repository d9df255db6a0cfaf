@testable import BlockStore
import Chunker
import Erasure

/// T8: everything that reads bytes it did not write. Each target takes any bytes at all and must return;
/// where bytes are accepted, what they mean must survive being written and read again.
///
/// The suite runs every target over the corpus of `Tests/Corpus` and over mutations of it; `scripts/fuzz` runs them
/// under libFuzzer. Checksums and digests are made right before parsing, so that what they protect is
/// reached.
public enum FuzzTarget: String, CaseIterable, Sendable {
    case header, contents, manifest, documents, codec, names, answers, store

    /// Returns, or traps where something is wrong.
    public func run(_ bytes: [UInt8]) {
        switch self {
        case .header: Self.header(bytes)
        case .contents: Self.contents(bytes)
        case .manifest: Self.manifest(bytes)
        case .documents: Self.documents(bytes)
        case .codec: Self.codec(bytes)
        case .names: Self.names(bytes)
        case .answers: Self.answers(bytes)
        case .store: HostileStore.shared.run(bytes)
        }
    }

    /// Inputs that are accepted, to start from.
    public var seeds: [[UInt8]] {
        switch self {
        case .header, .contents:
            return HostileStore.shared.shards.compactMap { shard in
                guard let header = shard.withBytes({ try? ShardHeader(parsing: $0.prefixed(ShardHeader.byteCount)) })
                else { return nil }
                let layout = ShardLayout(header)
                if self == .contents { return Array(shard[layout.tableOfContents]) }
                return Array(shard[..<ShardHeader.byteCount]) + Array(shard[layout.checksumTable])
            }
        case .manifest:
            let entries = (1...3).map {
                ManifestEntry(digest: Digest.of(byte: UInt8($0)), byteCount: UInt64($0) * 1000)
            }
            return [ManifestNode.encode(entries, depth: 0), ManifestNode.encode(entries, depth: 1)]
        case .documents: return HostileStore.shared.documents
        case .codec:
            let plain = [UInt8](repeating: 7, count: 300) + SeededRandom.bytes(50, seed: 3)
            return [[UInt8(plain.count & 0xff), UInt8(plain.count >> 8)] + ChunkWorkspace().lz4(plain)]
        case .names:
            return [
                "0000000000000001-00000000000000ff.d00", "0000000000000001-00000000000000ff.p00-00-04", "rs:4+2",
                "lrc:6+2+2",
                "a/b/c", "00112233445566778899aabbccddeeff",
            ].map { Array($0.utf8) }
        case .answers:
            return [
                "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>a &lt;b&gt; &#233;</Message></Error>",
                "<ListBucketResult xmlns='x'><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><Contents><Key>d/a%20b"
                    + "</Key></Contents><Contents><Key>d/c</Key></Contents><!-- x --></ListBucketResult>",
                "s3://bucket/a/b%20c?endpoint=https://[::1]:8333&region=r&profile=p&capacity=2TB",
                "Thu, 26 Nov 2026 07:36:54 GMT", "bytes 0-99/1000",
                "[default]\naws_access_key_id = A\n[profile x]\nregion=r\n",
            ].map { Array($0.utf8) }
        case .store: return [[0, 0, 16, 0, 1], [1, 1, 200, 1, 255, 3, 0, 9]]
        }
    }

    private static func header(_ bytes: [UInt8]) {
        guard bytes.count >= ShardHeader.byteCount else { return }
        let head = HostileStore.signed(header: Array(bytes[..<ShardHeader.byteCount]))
        guard let header = head.withBytes({ try? ShardHeader(parsing: $0) }) else { return }
        let again = header.encode().withBytes { try? ShardHeader(parsing: $0) }
        precondition(again == header, "a header comes back")
        precondition(ShardLayout(header).byteCount <= Limits.shardPayloadBytes * 2 + Limits.contentsBytes, "bounded")
        precondition(ShardName(fileName: ShardName(header.block, header.row).fileName)?.row == header.row, "named")
        _ = try? ChecksumTable(parsing: Array(bytes[ShardHeader.byteCount...]), for: header)
        _ = try? ShardFooter.check(Array(bytes.suffix(ShardFooter.byteCount)), for: header)
    }

    private static func contents(_ bytes: [UInt8]) {
        guard bytes.count >= 32 else { return }
        // The block is what the bytes say it is.
        let block = bytes.withBytes { raw -> BlockName? in
            var cursor = ByteCursor(UnsafeRawBufferPointer(rebasing: raw[8...]))
            return try? cursor.nextBlockName("block")
        }
        guard let block, let contents = try? TableOfContents(parsing: bytes, of: block) else { return }
        let again = try? TableOfContents(parsing: contents.encode(), of: block)
        precondition(again == contents, "contents come back")
    }

    private static func manifest(_ bytes: [UInt8]) {
        guard let depth = bytes.first else { return }
        // The bytes it must cover: what the entries add up to, as far as that is a number.
        var total: UInt64 = 0
        var position = ManifestNode.headBytes
        while position + ManifestEntry.byteCount <= bytes.count {
            let count = bytes.withUnsafeBytes { raw in
                UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: position + 32, as: UInt64.self))
            }
            total = total.addingReportingOverflow(count).partialValue
            position += ManifestEntry.byteCount
        }
        for depth in [depth, 0, 1] {
            let entries = bytes.withBytes { raw in try? ManifestNode.parse(raw, depth: depth, covering: total) }
            guard let entries else { continue }
            precondition(ManifestNode.encode(entries, depth: depth) == bytes, "a node comes back")
        }
    }

    private static func documents(_ bytes: [UInt8]) {
        if let found = try? DeviceDocument.parse(bytes, at: "here") {
            precondition((try? DeviceDocument.parse(found.encode(), at: "here")) == found, "a document comes back")
        }
        _ = try? StoreDocument.parse(bytes, at: "here")
        _ = try? EpochDocument.parse(bytes, at: "here")
        // Behind the checksum.
        _ = try? Document.decode(Document.self, bytes, "device.json", "here").common("device.json", "here")
    }

    private static func codec(_ bytes: [UInt8]) {
        guard bytes.count >= 2 else { return }
        let count = Int(bytes[0]) | Int(bytes[1]) << 8
        var plain = [UInt8](repeating: 0, count: count)
        let stored = Array(bytes[2...])
        for codec in [Codec.stored, .lz4] {
            stored.withUnsafeBytes { stored in
                plain.withUnsafeMutableBytes { plain in _ = try? decompress(stored, codec: codec, into: plain) }
            }
        }
    }

    /// What a node, an address or a file of credentials may say.
    private static func answers(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        for status in [200, 206, 301, 404, 503] {
            let answer = S3Answer(
                HTTPAnswer(
                    status: status,
                    headers: ["content-range": text, "date": text, "last-modified": text, "etag": text],
                    body: bytes))
            precondition(status < 300 || answer.error != nil, "an error is one")
            let error = answer.storeError(S3Call("ask", "GET", nil), at: "x", clock: CalendarTime(seconds: 0))
            precondition(!error.description.contains("\n") && !error.description.contains("\u{1b}"), "one line")
            if let page = ListingPage(answer, prefix: "d/") {
                precondition(page.keys.allSatisfy { $0.hasPrefix("d/") }, "what was asked for")
            }
            _ = S3Object(answer)
            _ = BodyDigest.empty.agrees(with: answer.md5)
        }
        if let range = ContentRange(text) { precondition(!range.bytes.isEmpty) }
        if let address = try? BucketAddress(text) {
            precondition((try? BucketAddress(address.description)) == address, "an address comes back")
        }
        if let time = CalendarTime(http: text) {
            precondition(time.text.count == 23 && time.compact.count == 16, "a time")
        }
        _ = CredentialSource.section("default", of: bytes)
    }

    private static func names(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self)
        if let shard = ShardName(fileName: text) { precondition(shard.fileName == text, "a shard's name comes back") }
        if let profile = try? Profile(text) { precondition((try? Profile(profile.description)) == profile) }
        if let id = BlockID(hex: text) { precondition(BlockID(hex: id.description) == id) }
        if let row = Row(name: text) { precondition(Row(name: row.name) == row) }
        guard let key = try? Key(bytes) else { return }
        for isDirectory in [false, true] {
            for prefix in [[UInt8](), Array("a".utf8), Array("/".utf8), bytes] {
                guard let names = try? TreePath.names(of: key, isDirectory: isDirectory, below: prefix) else {
                    continue
                }
                for name in names {
                    precondition(!name.isEmpty && !name.contains(0) && !name.contains(UInt8(ascii: "/")), "one name")
                    precondition(name != Array("..".utf8) && name != Array(".".utf8), "never leaves its directory")
                }
            }
        }
    }
}

/// A small store whose shards and documents an input changes, with checksums made right again; then
/// everything a user can do is done with it.
///
/// `@unchecked`: used by one thread.
final class HostileStore: @unchecked Sendable {
    static let shared = HostileStore()

    private let state: SimulatedWorld.State
    private let files: [(disk: String, path: String)]

    var shards: [[UInt8]] { files.compactMap { state.disks[$0.disk]?.content($0.path) } }

    var documents: [[UInt8]] {
        let disk = state.disks["disk-1"]
        return [disk?.content("device.json"), disk?.content("epoch.json"), state.home.files.content("store.json")]
            .compactMap { $0 }
    }

    private init() {
        do {
            let model = try StoreModel(seed: 5, devices: 3, profile: "rs:2+1")
            try model.write([.put(Key("a"), SeededRandom.bytes(9_000, seed: 1)), .put(Key("b/c"), [1, 2, 3])])
            try model.write([.put(Key("a"), [UInt8](repeating: 9, count: 20_000)), .remove(Key("b/c"))])
            model.closeStore()
            state = model.world.state
        } catch {
            preconditionFailure("a small store can be made: \(error)")
        }
        var files: [(disk: String, path: String)] = []
        for (name, disk) in state.disks.sorted(by: { $0.key < $1.key }) {
            for path in disk.entries.keys.sorted() where path.hasPrefix("blocks/") && path.contains(".") {
                files.append((name, path))
            }
        }
        self.files = files
    }

    static func signed(header: [UInt8]) -> [UInt8] {
        var header = header
        let covered = header.count - 4
        let checksum = CRC32C.of(Array(header[..<covered]))
        for byte in 0..<4 { header[covered + byte] = UInt8(truncatingIfNeeded: checksum >> (8 * UInt32(byte))) }
        return header
    }

    /// Edits of three bytes (where, in two; what) after a byte that picks the file and one that says how.
    func run(_ bytes: [UInt8]) {
        guard bytes.count >= 5 else { return }
        let world = SimulatedWorld(seed: 1, disks: [])
        world.state = state
        world.state.index = nil
        let first = Int(bytes[0]) % files.count
        // One file, or the same part of the same block on every disk.
        let chosen =
            bytes[1] & 1 == 0 ? [files[first]] : files.filter { $0.path.prefix(48) == files[first].path.prefix(48) }
        for file in chosen {
            world.state.disks[file.disk]?.corrupt(file.path) { content in
                Self.edit(&content, bytes[2...], inContents: bytes[1] & 2 != 0)
                Self.sign(&content)
            }
        }
        exercise(world)
    }

    private static func edit(_ content: inout [UInt8], _ edits: ArraySlice<UInt8>, inContents: Bool) {
        var base = 0
        if inContents, let header = content.withBytes({ try? ShardHeader(parsing: $0.prefixed(ShardHeader.byteCount)) })
        {
            base = ShardLayout(header).tableOfContents.lowerBound
        }
        var edits = edits
        while edits.count >= 3 {
            let position = base + Int(edits.removeFirst()) + Int(edits.removeFirst()) << 8
            let value = edits.removeFirst()
            if position < content.count { content[position] = value }
        }
    }

    /// Digest of the contents, checksum of the header: as a writer with bad intentions would set them.
    private static func sign(_ content: inout [UInt8]) {
        guard content.count >= ShardHeader.byteCount else { return }
        content.replaceSubrange(
            ..<ShardHeader.byteCount, with: signed(header: Array(content[..<ShardHeader.byteCount])))
        guard let header = content.withBytes({ try? ShardHeader(parsing: $0.prefixed(ShardHeader.byteCount)) }),
            ShardLayout(header).byteCount == content.count
        else { return }
        let contents = Array(content[ShardLayout(header).tableOfContents])
        let digest = contents.withUnsafeBytes { ChunkWorkspace().digest(of: $0) }
        let right = ShardHeader(
            storeID: header.storeID, block: header.block, columnCount: header.columnCount,
            firstColumn: header.firstColumn,
            row: header.row, payloadBytes: header.payloadBytes, tableOfContentsBytes: header.tableOfContentsBytes,
            tableOfContentsDigest: digest)
        content.replaceSubrange(..<ShardHeader.byteCount, with: right.encode())
        content.replaceSubrange(ShardLayout(right).footer, with: ShardFooter.encode(for: right))
    }

    /// Into a store of good faith, which is empty.
    private static func copy(_ store: Store) throws {
        let world = SimulatedWorld(seed: 2, disks: [])
        world.state = try empty.get()
        let target = try Store.open(
            world.environment, access: .write, options: Store.Options(lockWaitSeconds: 0))
        defer { target.close() }
        let session = try target.startWriting()
        defer { session.cancel() }
        _ = try store.sync(to: session)
        _ = try session.finish()
    }

    private static let empty = Result {
        let model = try StoreModel(seed: 6, devices: 2, profile: "rs:1+1")
        model.closeStore()
        return model.world.state
    }

    private func exercise(_ world: SimulatedWorld) {
        for access in [Store.Access.read, .write] {
            guard
                let store = try? Store.open(
                    world.environment, access: access, options: Store.Options(lockWaitSeconds: 0))
            else {
                world.restart()
                continue
            }
            for object in (try? store.list(after: nil, limit: 100)) ?? [] {
                _ = try? store.read(object, into: MemorySink())
            }
            _ = try? store.status()
            _ = try? store.scrub(repairing: access == .write)
            if access == .read { try? Self.copy(store) }
            if access == .write {
                let session = try? store.startWriting()
                try? session?.put(Key("new"), from: MemorySource([1, 2, 3]))
                _ = try? session?.finish()
            }
            store.close()
            world.restart()
        }
    }
}

extension UnsafeRawBufferPointer {
    /// The first `count` bytes, or fewer.
    func prefixed(_ count: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: prefix(count)) }
}

extension Digest {
    fileprivate static func of(byte: UInt8) -> Digest {
        [UInt8](repeating: byte, count: Digest.byteCount).withUnsafeBytes { Digest($0) }
    }
}

extension ChunkWorkspace {
    /// `plain` as one LZ4 block; empty where it does not get shorter.
    fileprivate func lz4(_ plain: [UInt8]) -> [UInt8] {
        var compressed = [UInt8](repeating: 0, count: plain.count)
        let count = plain.withUnsafeBytes { plain in
            compressed.withUnsafeMutableBytes { compress(plain, into: $0) }
        }
        return Array(compressed.prefix(count ?? 0))
    }
}
