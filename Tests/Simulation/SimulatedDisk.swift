@testable import BlockStore

/// What becomes of unsynced writes when the power goes.
enum CrashPolicy: Sendable, Hashable {
    case loseAllUnsynced
    case keepAll
    /// Directory entries are kept; contents that were not synced are torn.
    case torn
    /// The n-th unsynced thing of the world is lost, everything else is kept.
    case loseOne(Int)
    /// Each entry and each content by itself, kept, dropped or torn.
    case random
}

/// One disk's files: what a process sees, and what would survive a power cut now. A value: copying it
/// is a snapshot.
///
/// Contents and directory entries become durable apart, as on a real file system: contents by a sync of
/// the file, entries (names, also those of directories) by a sync of the directory they are in.
struct SimulatedDisk: Sendable {
    struct File: Sendable {
        var content: [UInt8]
        /// Nil as long as the file was never synced.
        var synced: [UInt8]?
        var isDirectory = false
    }

    private(set) var files: [Int: File] = [:]
    private var nextFile = 1
    /// Path → file, as a process sees it.
    private(set) var entries: [String: Int] = [:]
    /// Path → file, as it would be found after a power cut that loses everything unsynced.
    private(set) var durable: [String: Int] = [:]

    func content(_ path: String) -> [UInt8]? { entries[path].flatMap { files[$0] }.map(\.content) }

    func exists(_ path: String) -> Bool { entries[path] != nil }

    func names(in directory: String) -> [String] {
        let prefix = directory.isEmpty ? "" : directory + "/"
        return entries.keys.filter { $0.hasPrefix(prefix) && !$0.dropFirst(prefix.count).contains("/") }
            .map { String($0.dropFirst(prefix.count)) }.sorted()
    }

    mutating func create(_ path: String, isDirectory: Bool = false) {
        files[nextFile] = File(content: [], synced: isDirectory ? [] : nil, isDirectory: isDirectory)
        entries[path] = nextFile
        nextFile += 1
    }

    mutating func write(_ path: String, _ content: [UInt8]) {
        if let file = entries[path] { files[file]?.content = content }
    }

    mutating func sync(file path: String) {
        guard let file = entries[path] else { return }
        let content = files[file]?.content
        files[file]?.synced = content
    }

    mutating func rename(_ from: String, _ to: String) {
        entries[to] = entries.removeValue(forKey: from)
    }

    mutating func remove(_ path: String) { entries[path] = nil }

    mutating func sync(directory: String) {
        let prefix = directory.isEmpty ? "" : directory + "/"
        for path in Set(entries.keys).union(durable.keys) {
            guard path.hasPrefix(prefix), !path.dropFirst(prefix.count).contains("/") else { continue }
            durable[path] = entries[path]
        }
    }

    /// A file that is gone from the medium.
    mutating func removeForGood(_ path: String) {
        entries[path] = nil
        durable[path] = nil
    }

    /// Damage from outside: contents change on the medium.
    mutating func corrupt(_ path: String, _ change: (inout [UInt8]) -> Void) {
        guard let file = entries[path], var content = files[file]?.content else { return }
        change(&content)
        files[file]?.content = content
        files[file]?.synced = content
    }

    /// How many entries and contents a power cut could lose now.
    var unsyncedCount: Int { unsyncedEntries.count + unsyncedContents.count }

    private var unsyncedEntries: [String] {
        Set(entries.keys).union(durable.keys).sorted().filter { entries[$0] != durable[$0] }
    }

    private var unsyncedContents: [Int] {
        files.filter { !$0.value.isDirectory && $0.value.synced != $0.value.content }.map(\.key).sorted()
    }

    /// The disk as it is found after a power cut. `.loseOne` counts this disk's entries, then its contents.
    mutating func crash(_ policy: CrashPolicy, _ random: some RandomSource) {
        let (names, contents) = (unsyncedEntries, unsyncedContents)
        for (number, path) in names.enumerated() {
            let isKept: Bool
            switch policy {
            case .loseAllUnsynced: isKept = false
            case .keepAll, .torn: isKept = true
            case .loseOne(let lost): isKept = number != lost
            case .random: isKept = random.next() % 2 == 0
            }
            if isKept { durable[path] = entries[path] }
        }
        // What stands in a directory that is not there is not there.
        for path in durable.keys.sorted() {
            var parent = path
            while let slash = parent.lastIndex(of: "/") {
                parent = String(parent[..<slash])
                if durable[parent] == nil { durable[path] = nil }
            }
        }
        for (number, id) in contents.enumerated() {
            guard let file = files[id] else { continue }
            let content: [UInt8]
            switch policy {
            case .loseAllUnsynced: content = file.synced ?? []
            case .keepAll: content = file.content
            case .torn: content = Self.torn(file.content, random)
            case .loseOne(let lost): content = names.count + number == lost ? file.synced ?? [] : file.content
            case .random:
                switch random.next() % 3 {
                case 0: content = file.synced ?? []
                case 1: content = file.content
                default: content = Self.torn(file.content, random)
                }
            }
            files[id]?.content = content
            files[id]?.synced = content
        }
        entries = durable
        files = files.filter { file in durable.values.contains(file.key) }
    }

    /// The beginning is there, to the byte or to the sector. The rest is missing, zero, or what the medium held before.
    private static func torn(_ content: [UInt8], _ random: some RandomSource) -> [UInt8] {
        var count = Int(random.next() % UInt64(content.count + 1))
        if random.next() % 2 == 0 { count = count / 512 * 512 }
        let kept = Array(content.prefix(count))
        switch random.next() % 3 {
        case 0: return kept
        case 1: return kept + [UInt8](repeating: 0, count: content.count - count)
        default: return kept + (count..<content.count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        }
    }
}

/// Shards on a disk, however they came there.
extension SimulatedDisk {
    static func path(of shard: ShardName) -> String { "blocks/\(shard.directoryName)/\(shard.fileName)" }

    func read(
        _ shard: ShardName, at offset: Int, into buffer: UnsafeMutableRawBufferPointer, place: String
    ) throws(StoreError) {
        guard let content = content(Self.path(of: shard)) else {
            throw StoreError(.notFound, "read shard \(shard)", at: place, detail: "no such shard")
        }
        guard offset >= 0, offset + buffer.count <= content.count else {
            throw StoreError(.corrupt, "read shard \(shard)", at: place, detail: "it ends too early")
        }
        buffer.copyBytes(from: content[offset..<(offset + buffer.count)])
    }

    func shards(from first: BlockNumber) -> [ShardName] {
        names(in: "blocks").flatMap { names(in: "blocks/\($0)") }.compactMap { ShardName(fileName: $0) }
            .filter { $0.number >= first }.sorted()
    }
}
