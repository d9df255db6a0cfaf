@testable import BlockStore
import Erasure

/// Accidents that happened to other systems, each named after the report of it: it must be impossible here.
///
/// Each is small and made by hand, and fails when the promise it stands for is broken; `mutants` are the deliberate
/// bugs by which that was proved.
struct NamedAccident: Sendable {
    let name: String
    var mutants: [Mutant] = []
    let run: @Sendable () throws -> Void

    static let all: [NamedAccident] = [
        NamedAccident(
            name: "minio#18304", mutants: [.stageSyncDropped, .nameSyncDropped, .parentSyncDropped],
            run: renameWithoutDirectorySync),
        NamedAccident(name: "minio#14380", run: purgeWhileDrivesComeUp),
        NamedAccident(
            name: "seaweedfs#6445, #9872", mutants: [.voidLeafAccepted], run: twoGenerationsMixed),
        NamedAccident(name: "minio#13803", mutants: [.repairUnproved], run: healWroteWrongPadding),
        NamedAccident(name: "rustfs#8005", run: shardCutByOneByte),
        NamedAccident(name: "rustfs#5869", mutants: [.missingRowOverlooked], run: healSucceededAShardShort),
        NamedAccident(name: "minio#17416", mutants: [.documentSyncDropped], run: truncateInPlaceOfMetadata),
        NamedAccident(name: "minio#9931", run: returningDeviceResurrectsDeletes),
        NamedAccident(name: "seaweedfs#9596", run: lostIndexMakesShardsUnreadable),
        NamedAccident(name: "seaweedfs#2472", run: lostIndexLosesNames),
        NamedAccident(name: "restic#3984", run: cleanUpBesideALiveWriter),
        NamedAccident(name: "rustfs#3296", run: fullDiskBricksMetadata),
        NamedAccident(name: "storj#2194", mutants: [.repairUnproved], run: repairFromExactlyKPieces),
    ]

    // minio#18304: renamed, the directory never synced, the machine lost power: acknowledged objects were gone.
    private static func renameWithoutDirectorySync() throws {
        for policy in [CrashPolicy.loseAllUnsynced, .torn] {
            let model = try StoreModel(seed: 3, devices: 4, profile: "rs:2+2")
            guard try model.write([.put(Key("a"), bytes(20_000))]) else { throw BrokenPromise(description: "refused") }
            model.crash(policy)
            model.world.state.index = nil
            try model.check()
            // Every shard is there, not only enough of them.
            for lost in [["disk-1", "disk-2"], ["disk-3", "disk-4"]] {
                for disk in lost { model.setAbsent(disk) }
                model.world.state.index = nil
                try model.check()
                for disk in lost { model.setPresent(disk) }
            }
        }
    }

    // minio#14380: drives came up one after the other; what seemed to have too few shards was purged as dangling.
    private static func purgeWhileDrivesComeUp() throws {
        let model = try StoreModel(seed: 4, devices: 5, profile: "rs:2+2")
        try model.write([.put(Key("a"), bytes(20_000)), .put(Key("b"), bytes(300))])
        try model.write([.put(Key("a"), bytes(9_000, 2)), .remove(Key("b"))])
        model.closeStore()
        let before = model.world.state
        for withIndex in [true, false] {
            model.world.state = before
            if !withIndex { model.world.state.index = nil }
            let disks = before.disks.keys.sorted()
            model.world.state.absent = Set(disks)
            for disk in disks {
                model.world.state.absent.remove(disk)
                // Whatever a nightly job would try; most of it is refused, as it should be.
                for job in [{ (store: Store) in _ = try? store.scrub(repairing: true) }, { _ = try? $0.repair() }] {
                    if let store = try? Store.open(model.world.environment, access: .write) {
                        job(store)
                        store.close()
                    }
                    model.world.restart()
                }
                for (name, old) in before.disks {
                    for path in old.entries.keys where path.hasPrefix("blocks/") {
                        try expect(
                            model.world.state.disks[name]?.content(path) == old.content(path),
                            "\(path) on \(name) is left alone while drives come up")
                    }
                }
            }
            try model.check()
            model.closeStore()
        }
    }

    // seaweedfs#6445, #9872: shards of two generations of a volume were decoded together.
    private static func twoGenerationsMixed() throws {
        let base = try StoreModel(seed: 5, devices: 4, profile: "rs:2+2")
        try base.write([.put(Key("a"), bytes(9_000, 1))])
        let old = try base.fork(seed: 6)
        let one = try base.fork(seed: 7)
        let other = try base.fork(seed: 8)
        // Two writers that saw the same: the same numbers and epochs, other ids and bytes of the same lengths.
        try one.write([.put(Key("a"), bytes(9_000, 2))])
        try other.write([.put(Key("a"), bytes(9_000, 3))])
        for model in [one, other] { model.closeStore() }
        let generations = (1...3).map { bytes(9_000, UInt64($0)) }
        let disks = one.world.state.disks.keys.sorted()
        for (source, tolerated) in [(old, 2), (other, 1)] {
            for pattern in 1..<(1 << disks.count) {
                let world = SimulatedWorld(seed: 9, disks: [])
                world.state = one.world.state
                let mixed = disks.indices.filter { pattern >> $0 & 1 == 1 }
                for index in mixed { world.state.disks[disks[index]] = source.world.state.disks[disks[index]] }
                for withIndex in [true, false] {
                    if !withIndex { world.state.index = nil }
                    let found = try? read("a", in: world)
                    try expect(found.map(generations.contains) ?? true, "no object is made of two generations")
                    try expect(
                        mixed.count > tolerated || found == generations[1],
                        "with \(mixed.count) disks of another generation the acknowledged one reads")
                }
            }
        }
        // And under the very names: a shard of the other generation where one of ours should be.
        let world = one.world
        for disk in disks.prefix(2) {
            guard let ours = payloads(world, disk).last, let theirs = payloads(other.world, disk).last else { continue }
            let content = other.world.state.disks[disk]?.content(theirs) ?? []
            world.state.disks[disk]?.corrupt(ours) { $0 = content }
        }
        try one.check()
    }

    // minio#13803: heal wrote other padding than the put had, and the shard failed its checksum for ever.
    private static func healWroteWrongPadding() throws {
        for size in [1, 63, 64, 65, 127, 129, 4_095] {
            let model = try StoreModel(seed: 6, devices: 4, profile: "rs:2+2")
            try model.write([.put(Key("a"), bytes(size))])
            model.closeStore()
            let whole = model.world.state
            for disk in whole.disks.keys.sorted() {
                model.world.state = whole
                for path in payloads(model.world, disk) { model.world.state.disks[disk]?.removeForGood(path) }
                // Of what is read for the repair, the padding of one shard is not what it was.
                let source = disk == "disk-1" ? "disk-2" : "disk-1"
                if let path = payloads(model.world, source).last {
                    let end = try header(whole.disks[source]?.content(path) ?? []).payloadBytes
                    model.world.state.disks[source]?.corrupt(path) { $0[ShardLayout.payloadOffset + end - 1] ^= 1 }
                }
                try repairs(model, to: whole, "\(size) bytes, \(disk) lost, padding of \(source) changed")
            }
        }
        // Padding that is wrong under checksums that agree with it is not spread either.
        let model = try StoreModel(seed: 6, devices: 4, profile: "rs:2+2")
        try model.write([.put(Key("a"), bytes(129))])
        model.closeStore()
        let whole = model.world.state
        guard let (disk, path) = holder(of: .data(column: 1), in: model.world) else { return }
        forge(model.world, disk, path) { $0[$0.count - 1] ^= 1 }
        let forged = model.world.state.disks[disk]?.content(path)
        for lost in whole.disks.keys.sorted() where lost != disk {
            for gone in payloads(model.world, lost) { model.world.state.disks[lost]?.removeForGood(gone) }
            try repairs(model, to: whole, "padding of \(disk) forged, \(lost) lost", except: (disk, path, forged))
        }
        try model.check()
    }

    // rustfs#8005: heal did not see that a shard was one byte short.
    private static func shardCutByOneByte() throws {
        let model = try StoreModel(seed: 7, devices: 4, profile: "rs:2+2")
        try model.write([.put(Key("a"), bytes(9_000))])
        try model.write([.remove(Key("a")), .put(Key("b"), bytes(100))])
        model.closeStore()
        let whole = model.world.state
        for disk in whole.disks.keys.sorted() {
            for path in shards(model.world, disk) {
                for change: (inout [UInt8]) -> Void in [{ $0.removeLast() }, { $0.removeFirst() }, { $0.append(0) }] {
                    model.world.state = whole
                    model.world.state.disks[disk]?.corrupt(path, change)
                    let store = try Store.open(model.world.environment, access: .read)
                    let problems = try store.scrub().problems.count
                    store.close()
                    model.world.restart()
                    try expect(problems == 1, "scrub finds \(path) on \(disk) a byte short: \(problems) problems")
                    try repairs(model, to: whole, "\(path) on \(disk), one byte")
                }
            }
        }
    }

    // rustfs#5869: heal said it was done and one shard was still not there.
    private static func healSucceededAShardShort() throws {
        let base = try StoreModel(seed: 8, devices: 4, profile: "rs:2+2")
        try base.write([.put(Key("a"), bytes(9_000))])
        try base.write([.put(Key("b"), bytes(5_000, 2))])
        base.closeStore()
        let whole = base.world.state
        for path in shards(base.world, "disk-4") { base.world.state.disks["disk-4"]?.removeForGood(path) }
        // Of an older block too, which no open looks at by itself.
        if let path = payloads(base.world, "disk-3").first { base.world.state.disks["disk-3"]?.removeForGood(path) }
        func repair(_ call: Int?, _ failure: SimulatedWorld.Failure) throws -> Int {
            let model = try base.fork(seed: 9)
            model.world.failAtCall = call.map { ($0, failure) }
            if let store = try? Store.open(model.world.environment, access: .write) {
                if let report = try? store.repair(), report.owedShards == 0, report.errors.isEmpty {
                    try requireWhole(model.world, whole, "a repair that reports success has made every shard")
                }
                store.close()
            }
            let calls = model.world.calls
            model.world.restart()
            // Without the failure, and without a scrub, nothing stays owed.
            try repairs(model, to: whole, "after \(failure) at call \(call ?? 0)", scrubs: false)
            return calls
        }
        let calls = try repair(nil, .io)
        let failures = SimulatedWorld.Failure.allCases
        for call in 1...calls { _ = try repair(call, failures[call % failures.count]) }
    }

    // minio#17416: metadata was truncated and written in place; a power cut left it empty.
    private static func truncateInPlaceOfMetadata() throws {
        let base = try StoreModel(seed: 10, devices: 4, profile: "rs:2+1")
        try base.write([.put(Key("a"), bytes(5_000))])
        base.wipe("disk-2")
        // A new device: a new epoch, a new configuration, every document written anew.
        func replace(_ model: StoreModel) {
            guard let store = try? Store.open(model.world.environment, access: .write) else { return }
            if let gone = store.devices.first(where: { !$0.state.isInService }) {
                _ = try? store.replaceDevice(gone.id)
            }
        }
        let whole = try base.fork(seed: 11)
        replace(whole)
        let steps = whole.world.steps
        let old = base.world.state
        for step in 1...steps {
            for policy in [CrashPolicy.torn, step % 2 == 0 ? .loseAllUnsynced : .random] {
                let model = try base.fork(seed: UInt64(step))
                model.world.crashAtStep = step
                replace(model)
                model.crash(policy)
                for (name, disk) in model.world.state.disks {
                    let documents = [DocumentName.device, .epoch].compactMap { disk.content($0.rawValue) }
                    try expect(
                        old.disks[name]?.content(DocumentName.device.rawValue) == nil || documents.count == 2,
                        "no document of \(name) is lost at step \(step)")
                    if let bytes = disk.content(DocumentName.device.rawValue) {
                        _ = try DeviceDocument.parse(bytes, at: name)
                    }
                    if let bytes = disk.content(DocumentName.epoch.rawValue) {
                        _ = try EpochDocument.parse(bytes, at: name)
                    }
                }
                let home = model.world.state.home.files.content(DocumentName.store.rawValue) ?? []
                _ = try StoreDocument.parse(home, at: "home")
                try expect(try read("a", in: model.world) == bytes(5_000), "what was there reads")
            }
        }
    }

    // minio#9931: a drive that was away during a delete brought the object back.
    private static func returningDeviceResurrectsDeletes() throws {
        for away in [["disk-1"], ["disk-2", "disk-4"], ["disk-1", "disk-5"]] {
            let model = try StoreModel(seed: 12, devices: 5, profile: "rs:2+2")
            try model.write([.put(Key("a"), bytes(9_000)), .put(Key("b"), bytes(900))])
            for disk in away { model.setAbsent(disk) }
            guard try model.write([.remove(Key("a")), .put(Key("b"), bytes(901, 2))]) else {
                throw BrokenPromise(description: "a delete with \(away) away is acknowledged")
            }
            model.closeStore()
            for disk in away { model.setPresent(disk) }
            for withIndex in [true, false] {
                let back = try model.fork(seed: 13)
                if !withIndex { back.world.state.index = nil }
                try back.check()
                // The returning ones are made whole, and then others go.
                guard try back.repairAll() else { throw BrokenPromise(description: "nothing is repaired") }
                for disk in ["disk-3", away == ["disk-1"] ? "disk-2" : "disk-1"] where back.mayHit(disk) {
                    back.setAbsent(disk)
                }
                back.closeStore()
                back.world.state.index = nil
                try back.check()
            }
        }
    }

    // seaweedfs#9596: the shards were whole and their index was gone: nothing could be read.
    private static func lostIndexMakesShardsUnreadable() throws {
        let model = try StoreModel(seed: 14, devices: 5, profile: "rs:2+2")
        try model.write([.put(Key("a"), bytes(20_000)), .put(Key("b"), bytes(10))])
        try model.write([.put(Key("c"), bytes(7_000, 2))])
        model.closeStore()
        let whole = model.world.state
        let disks = whole.disks.keys.sorted()
        for one in disks.indices {
            for other in disks.indices where other >= one {
                model.world.state = whole
                model.world.state.absent = [disks[one], disks[other]]
                model.world.state.index = nil
                try model.check()
                model.closeStore()
            }
        }
    }

    // seaweedfs#2472: the data was there, the names were only in the index.
    private static func lostIndexLosesNames() throws {
        let model = try StoreModel(seed: 15, devices: 4, profile: "rs:2+2")
        for number in 0..<4 {
            try model.write([
                .put(Key("tree/\(number)"), bytes(200 * number)), .put(Key("again"), bytes(50, UInt64(number + 1))),
                .put(Key("na\u{301}me \u{1F5C4}"), bytes(number)),
            ])
        }
        try model.write([.remove(Key("tree/2"))])
        model.closeStore()
        func listing() throws -> [String] {
            let store = try Store.open(model.world.environment, access: .write)
            defer {
                store.close()
                model.world.restart()
            }
            let versions = try store.list(allVersions: true).map {
                "\($0.key.bytes) \($0.identity) \($0.isDeleteMarker) \($0.attributes) \($0.byteCount) "
                    + "\($0.writtenNanoseconds)"
            }
            return try versions + store.engine.index.dump()
        }
        let before = try listing()
        try expect(before.count > 20, "there is something to lose")
        for lost in [[], ["disk-1", "disk-3"], ["disk-2", "disk-4"]] {
            model.world.state.index = nil
            model.world.state.absent = Set(lost)
            try expect(try listing() == before, "every name and every version is in the shards, without \(lost)")
        }
    }

    // restic#3984 and kin: a clean-up took away what a live writer had written and not yet named. There is no
    // collection here; what cleans up is a writer's open, and two writers exclude each other.
    private static func cleanUpBesideALiveWriter() throws {
        let model = try StoreModel(seed: 16, devices: 4, profile: "rs:2+2")
        try model.write([.put(Key("a"), bytes(5_000))])
        model.closeStore()
        let world = model.world
        world.state.homes["other"] = SimulatedWorld.HomeState(files: world.state.home.files)
        let live = try Store.open(world.environment, access: .write)
        let session = try live.startWriting()
        try session.put(Key("b"), from: MemorySource(bytes(6_000, 2)))
        var staged: [(any Device, StagedShard)] = []
        for id in live.engine.devices.inService {
            guard let device = live.engine.devices.device(id) else { continue }
            let name = ShardName(number: BlockNumber(4_000), idPrefix: 1, row: .data(column: 0))
            let shard = try [UInt8](repeating: 7, count: 100).withBytes { raw throws(StoreError) in
                try device.stage([raw], as: name)
            }
            staged.append((device, shard))
        }
        func temporaries() -> Int { world.state.disks.values.reduce(0) { $0 + $1.names(in: "tmp").count } }
        func refusal(_ home: String) -> StoreError.Code? {
            do throws(StoreError) {
                try Store.open(
                    world.environment(home: home), access: .write, options: Store.Options(lockWaitSeconds: 0)
                ).close()
                return nil
            } catch {
                return error.code
            }
        }
        let before = temporaries()
        try expect(before == 4, "a live writer has staged shards")
        for home in ["home", "other"] {
            for attempt in 1...3 {
                try expect(refusal(home) == .locked, "a second writer in \(home) is refused, attempt \(attempt)")
                try? Store.open(world.environment(home: home), access: .read).close()
                try expect(temporaries() == before, "nobody else clears what a live writer staged")
            }
        }
        for (device, shard) in staged { try device.sync([shard]) }
        for (device, shard) in staged { device.discard([shard]) }
        _ = try session.finish()
        live.close()
        world.restart()
        try expect(try read("b", in: world) == bytes(6_000, 2), "the live writer's object is whole")
        try expect(try read("a", in: world) == bytes(5_000), "and so is what it found")
    }

    // rustfs#3296: a full disk left metadata that nothing could start from.
    private static func fullDiskBricksMetadata() throws {
        let base = try StoreModel(seed: 17, devices: 4, profile: "rs:2+2")
        try base.write([.put(Key("a"), bytes(9_000))])
        base.closeStore()
        let disks = base.world.state.disks.keys.sorted()
        let calls = try base.fork(seed: 18)
        try calls.write([.put(Key("b"), bytes(5_000, 2))])
        for full in [disks, Array(disks.prefix(1)), Array(disks.suffix(2))] {
            // From the beginning, and from every few calls on.
            for call in stride(from: 0, through: calls.world.calls, by: 5) {
                let model = try base.fork(seed: 18)
                model.world.faults = Dictionary(uniqueKeysWithValues: full.map { ($0, .full) })
                model.world.faultsFromCall = call
                try model.write([.put(Key("b"), bytes(5_000, 2))])
                model.closeStore()
                // Still full: it opens, for a reader and for a writer, and reads.
                try expect(try read("a", in: model.world, restarts: false) == bytes(9_000), "a full disk still reads")
                try model.check()
                model.closeStore()
                if full.count == 1 {
                    guard try model.write([.remove(Key("a"))]) else {
                        throw BrokenPromise(description: "with one disk full a key can be removed")
                    }
                    try model.check()
                }
                model.closeStore()
                model.world.endFaults()
                guard try model.write([.put(Key("c"), bytes(700, 3))]) else {
                    throw BrokenPromise(description: "with room again the store works, full from call \(call)")
                }
                try model.check()
                model.closeStore()
                model.world.state.index = nil
                try model.check()
                for (name, disk) in model.world.state.disks where !disk.names(in: "tmp").isEmpty {
                    throw BrokenPromise(description: "temporaries stay on \(name)")
                }
            }
        }
    }

    // storj#2194: a repair from exactly k pieces had nothing to see a corrupt one by, and spread it.
    private static func repairFromExactlyKPieces() throws {
        let model = try StoreModel(seed: 19, devices: 5, profile: "rs:3+2")
        try model.write([.put(Key("a"), bytes(20_000))])
        model.closeStore()
        let whole = model.world.state
        let disks = whole.disks.keys.sorted()
        for isForged in [false, true] {
            for bad in disks {
                model.world.state = whole
                let gone = disks.filter { $0 != bad }.prefix(2)
                for disk in gone {
                    if let path = payloads(model.world, disk).last {
                        model.world.state.disks[disk]?.removeForGood(path)
                    }
                }
                guard let path = payloads(model.world, bad).last else { continue }
                // What a medium does, and what nothing in the shard itself can tell.
                if isForged {
                    forge(model.world, bad, path) { $0[17] ^= 1 }
                } else {
                    model.world.state.disks[bad]?.corrupt(path) { $0[ShardLayout.payloadOffset + 17] ^= 1 }
                }
                let damaged = model.world.state
                let store = try Store.open(model.world.environment, access: .write)
                let report = try store.scrub(repairing: true).repair
                store.close()
                model.world.restart()
                for disk in disks {
                    for path in payloads(model.world, disk) {
                        let now = model.world.state.disks[disk]?.content(path)
                        try expect(
                            now == whole.disks[disk]?.content(path) || now == damaged.disks[disk]?.content(path),
                            "nothing is made of a corrupt piece: \(path) on \(disk)")
                    }
                }
                try expect(report?.lostKeys == [try Key("a")], "what exactly k pieces cannot prove is called lost")
                let found = try? read("a", in: model.world)
                try expect(found == nil || found == bytes(20_000), "never wrong bytes")
                // One more piece comes back: that is enough to see and to mend it.
                guard let back = gone.first, let name = payloads(whole, back).last else { continue }
                let content = whole.disks[back]?.content(name) ?? []
                if model.world.state.disks[back]?.exists(name) != true { model.world.state.disks[back]?.create(name) }
                model.world.state.disks[back]?.corrupt(name) { $0 = content }
                model.world.state.index = nil
                try expect(try read("a", in: model.world) == bytes(20_000), "with one more piece it reads")
                guard !isForged else { continue }
                try repairs(model, to: whole, "with one more piece it is repaired")
            }
        }
    }
}

// What accidents are made of
extension NamedAccident {
    private static func bytes(_ count: Int, _ seed: UInt64 = 1) -> [UInt8] { SeededRandom.bytes(count, seed: seed) }

    private static func expect(_ condition: Bool, _ promise: String) throws {
        guard condition else { throw BrokenPromise(description: promise) }
    }

    private static func read(_ key: String, in world: SimulatedWorld, restarts: Bool = true) throws -> [UInt8] {
        defer { if restarts { world.restart() } else { world.endProcess() } }
        let store = try Store.open(world.environment, access: .read)
        defer { store.close() }
        let sink = MemorySink()
        _ = try store.read(try store.newestVersion(of: Key(key)), into: sink)
        return sink.bytes
    }

    private static func shards(_ world: SimulatedWorld, _ disk: String) -> [String] { shards(world.state, disk) }

    private static func shards(_ state: SimulatedWorld.State, _ disk: String) -> [String] {
        (state.disks[disk]?.entries.keys.filter { $0.hasPrefix("blocks/") && $0.contains(".") } ?? []).sorted()
    }

    private static func header(_ bytes: [UInt8]) throws -> ShardHeader {
        try bytes.withUnsafeBytes { raw in
            try ShardHeader(parsing: UnsafeRawBufferPointer(rebasing: raw[..<ShardHeader.byteCount]))
        }
    }

    /// Shards with payload, the newest last.
    private static func payloads(_ world: SimulatedWorld, _ disk: String) -> [String] { payloads(world.state, disk) }

    private static func payloads(_ state: SimulatedWorld.State, _ disk: String) -> [String] {
        shards(state, disk).filter { path in
            guard let bytes = state.disks[disk]?.content(path), let header = try? header(bytes) else { return false }
            return header.payloadBytes > 0
        }
    }

    private static func holder(of row: Row, in world: SimulatedWorld) -> (disk: String, path: String)? {
        for disk in world.state.disks.keys.sorted() {
            if let path = payloads(world, disk).last(where: { $0.hasSuffix("." + row.name) }) { return (disk, path) }
        }
        return nil
    }

    /// Changes a payload and makes every checksum of the shard agree.
    private static func forge(
        _ world: SimulatedWorld, _ disk: String, _ path: String, _ change: (inout [UInt8]) -> Void
    ) {
        world.state.disks[disk]?.corrupt(path) { bytes in
            guard let header = try? header(bytes) else { return }
            let layout = ShardLayout(header)
            var payload = Array(bytes[layout.payload])
            let contents = Array(bytes[layout.tableOfContents])
            change(&payload)
            bytes = payload.withUnsafeBytes { ShardFile(header: header, payload: $0, contents: contents).bytes }
        }
    }

    /// A repair succeeds and leaves every shard as it was.
    private static func repairs(
        _ model: StoreModel, to whole: SimulatedWorld.State, _ name: String, scrubs: Bool = true,
        except: (disk: String, path: String, content: [UInt8]?)? = nil
    ) throws {
        let store = try Store.open(model.world.environment, access: .write)
        let report = scrubs ? try store.scrub(repairing: true).repair : try store.repair()
        store.close()
        model.world.restart()
        try expect(report?.owedShards == 0 && report?.errors.isEmpty == true, "\(name): it is repaired")
        try requireWhole(model.world, whole, "\(name): byte-identical", except: except)
    }

    private static func requireWhole(
        _ world: SimulatedWorld, _ whole: SimulatedWorld.State, _ promise: String,
        except: (disk: String, path: String, content: [UInt8]?)? = nil
    ) throws {
        for disk in whole.disks.keys.sorted() {
            for path in shards(whole, disk) {
                let now = world.state.disks[disk]?.content(path)
                if disk == except?.disk, path == except?.path, now == except?.content { continue }
                try expect(now == whole.disks[disk]?.content(path), "\(promise): \(path) on \(disk)")
            }
        }
    }
}
