import Chunker

/// One entry of a manifest: a chunk, or (above the leaves) a node that is itself a chunk.
struct ManifestEntry: Sendable, Hashable {
    static let byteCount = 40

    let digest: Digest
    /// Object bytes it covers, at least 1.
    let byteCount: UInt64
}

/// The top of one version's manifest: at most `maximumEntries` entries, kept in the put record
/// (docs/format.md §7).
///
/// `depth` 0: the entries are the object's chunks. `depth` d: each entry is a node of depth d − 1.
struct Manifest: Sendable, Hashable {
    static let maximumEntries = 102
    static let maximumDepth: UInt8 = 4

    var depth: UInt8
    var entries: [ManifestEntry]

    static let empty = Manifest(depth: 0, entries: [])

    /// Of the object.
    var byteCount: UInt64 { entries.reduce(0) { $0 + $1.byteCount } }

    func encode(into writer: inout ByteWriter) {
        writer.append(depth)
        writer.append(UInt8(entries.count))
        writer.append(entries: entries)
    }

    /// - Parameter byteCount: the object's size, which the entries must add up to.
    init(from cursor: inout ByteCursor, covering byteCount: UInt64) throws(FormatError) {
        depth = try cursor.next(UInt8.self, "manifest")
        let count = Int(try cursor.next(UInt8.self, "manifest"))
        guard depth <= Self.maximumDepth, count <= Self.maximumEntries else { throw .invalid("manifest") }
        entries = try cursor.nextEntries(count, covering: byteCount, "manifest")
    }

    init(depth: UInt8, entries: [ManifestEntry]) {
        self.depth = depth
        self.entries = entries
    }
}

/// A node below the top of a manifest: a chunk's plain bytes.
enum ManifestNode {
    static let magic: [UInt8] = Array("BSNODES1".utf8)
    static let maximumEntries = 4096
    static let headBytes = 16
    static let maximumBytes = headBytes + maximumEntries * ManifestEntry.byteCount

    static func encode(_ entries: [ManifestEntry], depth: UInt8) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(magic)
        writer.append(depth)
        writer.zeros(3)
        writer.append(UInt32(entries.count))
        writer.append(entries: entries)
        return writer.bytes
    }

    /// - Parameter byteCount: the object bytes it must cover.
    static func parse(
        _ bytes: UnsafeRawBufferPointer, depth: UInt8, covering byteCount: UInt64
    ) throws(FormatError) -> [ManifestEntry] {
        var cursor = ByteCursor(bytes)
        guard try cursor.next(bytes: 8, "manifest node").elementsEqual(magic) else {
            throw .wrongMagic("manifest node")
        }
        guard try cursor.next(UInt8.self, "manifest node") == depth else { throw .invalid("manifest node: depth") }
        try cursor.zeros(3, "manifest node's reserved room")
        let count = try cursor.nextCount("manifest node", maximum: maximumEntries)
        let entries = try cursor.nextEntries(count, covering: byteCount, "manifest node")
        try cursor.finish("manifest node")
        return entries
    }
}

extension ByteWriter {
    mutating func append(entries: [ManifestEntry]) {
        for entry in entries {
            append(entry.digest.bytes)
            append(entry.byteCount)
        }
    }
}

extension ByteCursor {
    mutating func nextEntries(
        _ count: Int, covering byteCount: UInt64, _ what: String
    ) throws(FormatError) -> [ManifestEntry] {
        guard count * ManifestEntry.byteCount <= remaining else { throw .tooShort(what) }
        var entries: [ManifestEntry] = []
        entries.reserveCapacity(count)
        var left = byteCount
        for _ in 0..<count {
            let digest = Digest(try next(bytes: Digest.byteCount, what))
            let covered = try next(UInt64.self, what)
            guard covered >= 1, covered <= left else { throw .invalid("\(what): its entries exceed the object") }
            left -= covered
            entries.append(ManifestEntry(digest: digest, byteCount: covered))
        }
        guard left == 0 else { throw .invalid("\(what): its entries fall short of the object") }
        return entries
    }
}
