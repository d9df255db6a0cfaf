import Foundation

@testable import BlockStore

/// A store of many keys: ten made-up chunks each, in blocks of 512 chunks, as a full block holds of chunks of 64 KiB. All that it
/// lacks of a real one is the data.
enum Catalogue {
    static let chunksOfKey = 10
    /// Keys with one prefix.
    static let keysOfGroup = 1000
    private static let keysOfCommit = 5120
    private static let shardBytes = 512 * 4

    static func environment(_ place: String, creating: Bool = false) throws -> StoreEnvironment {
        try SyntheticStore.environment(place, creating: creating, shardBytes: shardBytes)
    }

    static func make(at place: String, chunkCount: Int) throws {
        let keys = max(1, chunkCount / chunksOfKey)
        var next = 0
        try SyntheticStore.make(in: try environment(place, creating: true)) { maker in
            guard next < keys else { return false }
            try commit(next..<min(keys, next + keysOfCommit), to: &maker)
            next = min(keys, next + keysOfCommit)
            // Nobody asks this index: it is made from the shards afterwards.
            try maker.engine.index.clear()
            return true
        }
    }

    /// Commits objects with new chunks.
    static func commit(_ numbers: Range<Int>, to maker: inout SyntheticStore) throws {
        let writer = maker.newCommit()
        for number in numbers {
            var entries: [ManifestEntry] = []
            for _ in 0..<chunksOfKey { entries.append(try maker.addChunk(isTrue: false, to: writer)) }
            let put = PutRecord(
                key: try key(number), attributes: ObjectAttributes(), putNanoseconds: 0,
                byteCount: entries.reduce(0) { $0 + $1.byteCount }, userMetadata: [],
                manifest: Manifest(depth: 0, entries: entries))
            try writer.add(.put(put))
        }
        try maker.finish(writer)
    }

    static func prefix(ofGroup group: Int) -> String { "group-" + padded(group, 6) + "/" }

    static func key(_ number: Int) throws -> Key {
        try Key(prefix(ofGroup: number / keysOfGroup) + "object-" + padded(number % keysOfGroup, 3))
    }

    private static func padded(_ number: Int, _ digits: Int) -> String {
        let text = "\(number)"
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
