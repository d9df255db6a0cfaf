@testable import BlockStore

extension Workload {
    /// Another store is copied into this one, and only this one's power goes.
    static let syncing: [Workload] = [
        Workload(
            name: "sync from another store", largestShardBytes: 8192,
            prepare: { try $0.sync(from: OtherStore.shared.earlier, OtherStore.earlierChanges) },
            run: { try $0.sync(from: OtherStore.shared.later, OtherStore.laterChanges) },
            afterwards: { model in
                try model.check()
                guard try model.sync(from: OtherStore.shared.later, OtherStore.laterEffects) else {
                    throw BrokenPromise(description: "a sync that was cut off cannot be run again")
                }
                try model.requireLevel(with: OtherStore.shared.later, failures: 1)
            })
    ]
}

/// A store in a world of its own, at two moments. One of its versions cannot be read.
struct OtherStore: Sendable {
    static let shared: OtherStore = {
        do {
            return try OtherStore()
        } catch {
            preconditionFailure("a small store can be made: \(error)")
        }
    }()

    let earlier: SimulatedWorld.State
    let later: SimulatedWorld.State

    private static func key(_ text: String) -> Key {
        do throws(StoreError) {
            return try Key(text)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    static let earlierChanges: [StoreModel.Change] = [
        .put(key("a"), SeededRandom.bytes(9_000, seed: 1)), .put(key("b"), SeededRandom.bytes(300, seed: 2)),
        .put(key("b"), SeededRandom.bytes(40, seed: 3)),
    ]
    /// After the move of "a" to "c", which is one commit.
    private static let rest: [StoreModel.Change] = [
        .put(key("d"), SeededRandom.bytes(30_000, seed: 4)), .remove(key("b")), .put(key("e"), [1, 2, 3]),
    ]
    static let laterChanges: [StoreModel.Change] = [.move(key("a"), key("c"))] + rest
    /// The same, wherever one is on the way there.
    static let laterEffects: [StoreModel.Change] =
        [.put(key("c"), SeededRandom.bytes(9_000, seed: 1)), .remove(key("a"))] + rest

    private init() throws {
        let model = try StoreModel(seed: 11, devices: 3, profile: "rs:2+1")
        try model.write(Array(Self.earlierChanges.prefix(2)))
        try model.write(Array(Self.earlierChanges.suffix(1)))
        model.closeStore()
        earlier = model.world.state
        try model.write([.move(Self.key("a"), Self.key("c"))])
        model.closeStore()
        let shards = model.world.state.disks.mapValues { Set($0.entries.keys) }
        try model.write([.put(Self.key("unreadable"), SeededRandom.bytes(20_000, seed: 5))])
        model.closeStore()
        for (disk, known) in shards {
            for path in model.world.state.disks[disk]?.entries.keys.sorted() ?? [] where !known.contains(path) {
                model.world.state.disks[disk]?.corrupt(path) { bytes in
                    for place in stride(from: ShardLayout.payloadOffset, to: ShardLayout.payloadOffset + 5_000, by: 50)
                    where bytes.indices.contains(place) { bytes[place] ^= 0x5a }
                }
            }
        }
        try model.write(Self.rest)
        model.closeStore()
        later = model.world.state
    }
}

extension StoreModel {
    /// Copies what `other` has and this store lacks. `changes` are what that makes of this one.
    @discardableResult
    func sync(from other: SimulatedWorld.State, _ changes: [Change]) throws -> Bool {
        note("sync from another store:")
        return try perform(changes) { () throws(StoreError) in try copy(other).written }
    }

    private func copy(
        _ other: SimulatedWorld.State
    ) throws(StoreError) -> (report: SyncReport, written: WriteReport) {
        let elsewhere = SimulatedWorld(seed: 12, disks: [])
        elsewhere.state = other
        let source = try Store.open(elsewhere.environment, access: .read)
        defer { source.close() }
        let session = try openStore().startWriting()
        let report = try source.sync(to: session)
        return (report, try session.finish())
    }

    /// Another sync copies nothing, and says so of what cannot be read.
    func requireLevel(with other: SimulatedWorld.State, failures: Int) throws {
        let (report, written) = try copy(other)
        guard report.versions + report.deleteMarkers + written.commits == 0, report.failures.count == failures else {
            throw BrokenPromise(
                description:
                    "a sync after a sync copies \(report.versions) versions and \(report.deleteMarkers) markers, "
                    + "and \(report.failures.count) failed: \(report.failures.map(\.error))")
        }
    }
}
