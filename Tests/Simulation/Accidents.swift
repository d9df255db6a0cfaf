@testable import BlockStore
import Erasure
import Foundation

/// Situations in which a broken rule shows at once, each small and made by hand. Those that happened elsewhere stand in
/// NamedAccidents.swift.
enum Accidents {
    static func all() throws {
        try aRepairNeverSpreadsDamage()
        try aWrongDigestIsNeverReturned()
        try aDamagedShardIsFoundByScrub()
        try aDuplicateOnAWeakBlockIsStoredAgain()
        try aRefusedPutDoesNotComeBack()
        try aRolledBackDeviceIsNoticed()
        try anEpochStandsOnEveryDeviceBeforeAShard()
        try nothingIsAcknowledgedBelowTheLeastShards()
        try aRepairMakesWhatIsMissing()
        try whatANewerVersionWroteIsNotTakenForDamage()
        try aRepairIsReadBack()
        try aDamagedCellIsMadeAnew()
        try theMostEndangeredBlockIsRepairedFirst()
        try rowsOnOneDeviceCountOnce()
        try aFullDiskIsStillReadFrom()
        try everyPartOfAShardIsChecked()
        try twoWritersExcludeEachOther()
        try aDeadHalfOfAMirrorIsReplaced()
        try whatRecoveryAcceptedIsMadeWhole()
        try aHomeThatIsFullIsReadFromTheShards()
        try aDeviceThatReturnsAfterARebuildIsOwedNothing()
        try aForeignDeviceHasNoSay()
        try twoHomesNeverShareAnEpoch()
        try whatAWriterFoundVoidStaysVoid()
        try aReshapeIsReadBack()
        try aReshapeOwesNothingWhereverItIsCutOff()
        try aPruneLeavesWhatIsThere()
    }

    private static func expect(_ condition: Bool, _ promise: String) throws {
        guard condition else { throw BrokenPromise(description: promise) }
    }

    private static func model(devices: Int = 4) throws -> StoreModel {
        let model = try StoreModel(seed: 11, devices: devices, profile: "rs:2+2")
        guard try model.write([.put(Key("a"), SeededRandom.bytes(20_000, seed: 1))]) else {
            throw BrokenPromise(description: "a put on healthy devices is acknowledged")
        }
        model.closeStore()
        return model
    }

    /// The payload file that a device holds of the newest block.
    private static func shard(_ model: StoreModel, _ disk: String) -> String? {
        model.world.state.disks[disk]?.entries.keys.filter { $0.hasPrefix("blocks/") && $0.contains(".") }.max()
    }

    private static func flip(_ model: StoreModel, _ disk: String, at offset: Int) {
        guard let path = shard(model, disk) else { return }
        model.world.state.disks[disk]?.corrupt(path) { $0[offset] ^= 1 }
    }

    /// What is rebuilt from a damaged source must not be written.
    static func aRepairNeverSpreadsDamage() throws {
        let model = try model()
        let before = model.world.state
        model.wipe("disk-1")
        flip(model, "disk-2", at: 300)
        try expect(try model.repairAll(), "two faults of two are repaired")
        model.closeStore()
        for disk in ["disk-2", "disk-3", "disk-4"] {
            guard let path = shard(model, disk) else { continue }
            if before.disks[disk]?.content(path) == nil { continue }
            try expect(
                model.world.state.disks[disk]?.content(path) == before.disks[disk]?.content(path),
                "a repaired shard is byte-identical")
        }
        try model.check()
    }

    static func aWrongDigestIsNeverReturned() throws {
        let model = try model()
        for disk in ["disk-1", "disk-2"] { flip(model, disk, at: 260) }
        try model.check()
    }

    static func aDamagedShardIsFoundByScrub() throws {
        let model = try model()
        flip(model, "disk-3", at: 400)
        let store = try Store.open(model.world.environment, access: .read)
        defer { store.close() }
        try expect(try store.scrub().problems.count == 1, "one flipped bit is one problem")
    }

    /// A dedup hit counts only where the block survives what the put must survive.
    static func aDuplicateOnAWeakBlockIsStoredAgain() throws {
        let model = try StoreModel(seed: 11, devices: 4, profile: "rs:2+2")
        let content = SeededRandom.bytes(20_000, seed: 1)
        model.setAbsent("disk-1")
        try model.write([.put(Key("a"), content)])
        // Not of the newest commit: that one is completed when the store opens.
        try model.write([.put(Key("c"), SeededRandom.bytes(3_000, seed: 4))])
        model.closeStore()
        model.setPresent("disk-1")
        try expect(try model.write([.put(Key("b"), content)]), "the put is acknowledged")
        model.closeStore()
        // Fully acknowledged: two other devices may go.
        model.world.state.absent = ["disk-2", "disk-3"]
        let store = try Store.open(model.world.environment, access: .read)
        defer { store.close() }
        let sink = MemorySink()
        do throws(StoreError) {
            _ = try store.read(try store.newestVersion(of: Key("b")), into: sink)
        } catch {
            throw BrokenPromise(description: "an acknowledged object rests on a weak block: \(error)")
        }
    }

    /// A put that was refused must stay refused, whatever shards of it have names.
    static func aRefusedPutDoesNotComeBack() throws {
        // Fail the naming of the commit's last block at each step; whatever was refused must stay away.
        let base = try model()
        let whole = try base.fork(seed: 3)
        try whole.write([.put(Key("b"), SeededRandom.bytes(5_000, seed: 2))])
        for call in 1...whole.world.calls {
            let model = try base.fork(seed: 3)
            model.world.faults = ["disk-1": .readOnly, "disk-2": .readOnly]
            model.world.faultsFromCall = call
            try model.write([.put(Key("b"), SeededRandom.bytes(5_000, seed: 2))])
            model.world.endFaults()
            model.closeStore()
            model.world.state.index = nil
            try model.check()
        }
    }

    static func aRolledBackDeviceIsNoticed() throws {
        let model = try model()
        let old = model.world.state
        try model.write([.put(Key("b"), SeededRandom.bytes(5_000, seed: 2))])
        model.rollBack("disk-2", to: old)
        let store = try Store.open(model.world.environment, access: .read)
        defer { store.close() }
        try expect(try store.status().owedShards > 0, "what a rolled-back device lost is owed")
    }

    static func anEpochStandsOnEveryDeviceBeforeAShard() throws {
        let model = try model()
        for (name, disk) in model.world.state.disks {
            guard let bytes = disk.content(DocumentName.epoch.rawValue) else {
                throw BrokenPromise(description: "\(name) holds shards of an epoch it does not know")
            }
            _ = try EpochDocument.parse(bytes, at: name)
        }
    }

    static func nothingIsAcknowledgedBelowTheLeastShards() throws {
        let model = try model()
        // Two of four devices fail in the middle of the commit: two shards are too few.
        model.world.faults = ["disk-1": .readOnly, "disk-2": .readOnly]
        let isAcknowledged = try model.write([.put(Key("b"), SeededRandom.bytes(5_000, seed: 2))])
        try expect(!isAcknowledged, "two shards of rs:2+2 survive no loss: no acknowledgement")
    }

    /// A repair that reports success has looked at every shard.
    static func aRepairMakesWhatIsMissing() throws {
        let model = try model()
        try model.write([.put(Key("b"), SeededRandom.bytes(5_000, seed: 2))])
        model.closeStore()
        // Not of the newest commit: opening the store looks at that one itself.
        let paths = model.world.state.disks["disk-4"]?.entries.keys.filter {
            $0.hasPrefix("blocks/") && $0.contains(".")
        }
        guard let path = paths?.min() else { return }
        model.world.state.disks["disk-4"]?.removeForGood(path)
        let store = try Store.open(model.world.environment, access: .write)
        let report = try store.repair()
        store.close()
        model.world.restart()
        try expect(report.repairedShards >= 1, "a shard that is gone is made again")
        try expect(model.world.state.disks["disk-4"]?.content(path) != nil, "and is there")
    }

    /// Its checksums hold: it is refused, and nothing goes on below it as if it were not there.
    static func whatANewerVersionWroteIsNotTakenForDamage() throws {
        let model = try model()
        for disk in model.world.state.disks.keys.sorted() {
            guard let path = shard(model, disk) else { continue }
            model.world.state.disks[disk]?.corrupt(path) { bytes in
                bytes[20] |= 1  // An incompatible feature.
                let head = HostileStore.signed(header: Array(bytes[..<ShardHeader.byteCount]))
                bytes.replaceSubrange(..<ShardHeader.byteCount, with: head)
            }
        }
        let known = try Store.open(model.world.environment, access: .write)
        let report = try known.scrub(repairing: true)
        try expect(
            report.problems.count == 4 && report.problems.allSatisfy { $0.problem.contains("newer version") },
            "a scrub calls it what it is: \(report.problems.map(\.problem))")
        try expect(report.lostBlocks.isEmpty && report.repair?.repairedShards == 0, "and mends nothing")
        known.close()
        model.world.restart()
        let before = model.world.state.disks.mapValues(\.entries)
        model.world.state.index = nil
        for access in [Store.Access.read, .write] {
            let found = code { () throws(StoreError) in try Store.open(model.world.environment, access: access).close()
            }
            try expect(
                found == .unsupported, "a store of a newer version is refused, not \(found.map(\.rawValue) ?? "opened")"
            )
            model.world.restart()
        }
        try expect(model.world.state.disks.mapValues(\.entries) == before, "and left as it is")
    }

    private static func code(_ body: () throws(StoreError) -> Void) -> StoreError.Code? {
        do throws(StoreError) {
            try body()
            return nil
        } catch {
            return error.code
        }
    }

    /// Success is what was read from the medium, not what was written.
    static func aRepairIsReadBack() throws {
        let model = try model()
        // Not of the newest commit: opening the store makes that one whole.
        let paths = model.world.state.disks["disk-1"]?.entries.keys.filter {
            $0.hasPrefix("blocks/") && $0.contains(".")
        }
        guard let path = paths?.min() else { return }
        model.world.state.disks["disk-1"]?.removeForGood(path)
        model.world.faults = ["disk-1": .forgetful]
        let store = try Store.open(model.world.environment, access: .write)
        let report = try store.repair()
        store.close()
        model.world.restart()
        try expect(report.repairedShards == 0, "what was not read back is not repaired")
        try expect(report.owedShards == 1 && report.errors.count == 1, "it is owed, and said")
    }

    /// A profile is said of no block whose new shards were only written.
    static func aReshapeIsReadBack() throws {
        let model = try model(devices: 5)
        try model.write([.put(Key("b"), SeededRandom.bytes(5_000, seed: 2))])
        model.closeStore()
        let store = try Store.open(model.world.environment, access: .write)
        let block = try store.engine.index.blocks(after: nil, limit: 10).first { $0.shardPayloadBytes > 0 }
        // Where the new shard of a block must go: it holds none of it yet.
        for device in store.devices where block?.shards.values.contains(device.id) == false {
            model.world.faults[device.path ?? ""] = .forgetful
        }
        let report = try store.reshape(to: Profile("rs:2+3"))
        store.close()
        model.world.restart()
        try expect(!report.isComplete && report.left > 0, "what is not read back has no new profile")
        let again = try Store.open(model.world.environment, access: .write)
        let wrong = try again.scrub().problems.filter { $0.row == .parity(index: 2, columns: 0..<2) }
        again.close()
        try expect(wrong.isEmpty, "a shard of a new profile that was never there is missed: \(wrong)")
    }

    /// What is sound of a shard is taken over, and what is not is made again, of parities too.
    static func aDamagedCellIsMadeAnew() throws {
        let model = try model()
        let whole = model.world.state
        for disk in whole.disks.keys.sorted() {
            guard let path = shard(model, disk) else { continue }
            flip(model, disk, at: 300)
            let store = try Store.open(model.world.environment, access: .write)
            _ = try store.scrub(repairing: true)
            store.close()
            model.world.restart()
            try expect(
                model.world.state.disks[disk]?.content(path) == whole.disks[disk]?.content(path),
                "\(path) is again what it was")
        }
    }

    /// Not the block that lacks the most shards, nor the oldest: the one that the next loss may take.
    static func theMostEndangeredBlockIsRepairedFirst() throws {
        let model = try model()
        for (seed, name) in ["b", "c", "d"].enumerated() {
            try model.write([.put(Key(name), SeededRandom.bytes(5_000, seed: UInt64(seed) + 2))])
        }
        model.closeStore()
        // The third of the blocks with payload lacks two shards of rs:2+2, the others one; the newest is made whole by opening.
        var lacking: [String: Int] = [:]
        for (disk, numbers) in [("disk-1", [1, 2, 3]), ("disk-2", [3])] {
            let paths = model.world.state.disks[disk]?.entries.keys.filter {
                $0.hasPrefix("blocks/") && $0.contains(".")
            }
            for number in numbers where (paths?.count ?? 0) > number {
                guard let path = paths?.sorted()[number] else { continue }
                model.world.state.disks[disk]?.removeForGood(path)
                lacking[String(path.split(separator: ".")[0]), default: 0] += 1
            }
        }
        let store = try Store.open(model.world.environment, access: .write)
        let order = try store.previewRepair().blocks.map(\.lossesSurvived)
        let report = try store.repair()
        store.close()
        model.world.restart()
        try expect(lacking.values.max() == 2, "one block lacks two")
        try expect(
            order.first == 0 && order == order.sorted() && order.count > 1, "the most endangered first: \(order)")
        try expect(report.unsafeBlocks == 1 && report.owedShards == 0, "all is repaired")
    }

    /// What a block had goes when what it has now is said, and not before.
    static func aReshapeOwesNothingWhereverItIsCutOff() throws {
        let base = try model(devices: 5)
        let local = try Profile("lrc:2+2+1")
        let whole = try base.fork(seed: 6)
        try whole.requireReshape(to: local)
        for step in stride(from: whole.world.steps, to: whole.world.steps / 2, by: -5) {
            let model = try base.fork(seed: 6)
            model.world.crashAtStep = step
            try model.reshape(to: local)
            model.crash(.keepAll)
            try model.expectNothingOwed()
        }
    }

    static func aPruneLeavesWhatIsThere() throws {
        let model = try model()
        try model.write([.put(Key("a"), SeededRandom.bytes(300, seed: 2))])
        try model.prune(keepLast: 0)
        try model.check()
        try expect(
            try model.openStore().versions(of: Key("a")).count == 1, "the newest version stays, and it alone")
        model.closeStore()
    }

    /// Two rows on one device are lost together.
    static func rowsOnOneDeviceCountOnce() throws {
        let model = try model()
        guard let path = shard(model, "disk-1"), let bytes = model.world.state.disks["disk-1"]?.content(path),
            let other = model.world.state.disks["disk-2"].map({ _ in "disk-2" })
        else { return }
        // Carried over by hand, as a repair from another home may have done.
        model.world.state.disks[other]?.create(path)
        model.world.state.disks[other]?.corrupt(path) { $0 = bytes }
        model.world.state.disks[other]?.sync(directory: (path as NSString).deletingLastPathComponent)
        model.world.state.disks["disk-1"]?.removeForGood(path)
        model.world.state.index = nil
        let store = try Store.open(model.world.environment, access: .read)
        let survives = try store.status().lossesSurvivedNow
        store.close()
        model.world.restart()
        try expect(survives == 1, "three rows of four count, not \(survives)")
    }

    /// rustfs#3296: nothing can be written to it, and everything is there.
    static func aFullDiskIsStillReadFrom() throws {
        let model = try model()
        for disk in model.world.state.disks.keys { model.world.faults[disk] = .full }
        try model.write([.put(Key("b"), SeededRandom.bytes(5_000, seed: 2))])
        try model.check()
    }

    /// rustfs#8005: cut by a byte, a byte too many, or a bit anywhere: scrub finds it.
    static func everyPartOfAShardIsChecked() throws {
        let base = try model()
        guard let path = shard(base, "disk-2"), let bytes = base.world.state.disks["disk-2"]?.content(path),
            let header = bytes.withBytes({ try? ShardHeader(parsing: $0.prefixed(ShardHeader.byteCount)) })
        else { throw BrokenPromise(description: "a shard is there") }
        let layout = ShardLayout(header)
        let parts = [
            0..<ShardHeader.byteCount, layout.payload, layout.checksumTable, layout.tableOfContents, layout.footer,
        ]
        var changes: [(inout [UInt8]) -> Void] = [{ $0.removeLast() }, { $0.append(0) }]
        for part in parts where !part.isEmpty { changes.append { $0[(part.lowerBound + part.upperBound) / 2] ^= 4 } }
        for (number, change) in changes.enumerated() {
            let model = try base.fork(seed: 4)
            model.world.state.disks["disk-2"]?.corrupt(path, change)
            let store = try Store.open(model.world.environment, access: .read)
            let problems = try store.scrub().problems
            store.close()
            try expect(problems.count == 1, "damage \(number) to a shard is found: \(problems)")
        }
    }

    static func twoWritersExcludeEachOther() throws {
        let model = try model()
        try model.write([.put(Key("b"), [1])])
        try model.collide()
    }

    /// Of two devices, one dead, the other alone is too few to say so: the new one helps.
    static func aDeadHalfOfAMirrorIsReplaced() throws {
        let model = try StoreModel(seed: 11, devices: 2, profile: "rs:1+1")
        try model.write([.put(Key("a"), SeededRandom.bytes(20_000, seed: 1))])
        model.wipe("disk-2")
        try model.requireRepair()
        model.setAbsent("disk-1")
        try model.check()
    }

    /// A commit that just about reads is completed before anything rests on it.
    static func whatRecoveryAcceptedIsMadeWhole() throws {
        let model = try model()
        try model.write([.put(Key("b"), SeededRandom.bytes(5_000, seed: 2))])
        model.closeStore()
        for disk in ["disk-1", "disk-2"] {
            guard let path = shard(model, disk) else { return }
            model.world.state.disks[disk]?.removeForGood(path)
        }
        model.world.state.index = nil
        try model.check()
        for disk in ["disk-3", "disk-4"] { model.setAbsent(disk) }
        try model.check()
    }

    /// Without a usable index everything still reads.
    static func aHomeThatIsFullIsReadFromTheShards() throws {
        let model = try model()
        model.world.isHomeFull = true
        let store = try Store.open(model.world.environment, access: .read)
        defer { store.close() }
        let sink = MemorySink()
        _ = try store.read(try store.newestVersion(of: Key("a")), into: sink)
        try expect(sink.bytes == SeededRandom.bytes(20_000, seed: 1), "what was put is read")
        try expect(store.notices.count == 1, "and it is said why it takes longer")
    }

    static func aDeviceThatReturnsAfterARebuildIsOwedNothing() throws {
        let model = try model()
        for disk in ["disk-1", "disk-2"] { model.setAbsent(disk) }
        model.world.state.index = nil
        try model.check()
        for disk in ["disk-1", "disk-2"] { model.setPresent(disk) }
        let store = try Store.open(model.world.environment, access: .read)
        defer { store.close() }
        try expect(try store.status().owedShards == 0, "what is there is not owed")
    }

    /// Nor has its configuration, however often that was changed.
    static func aForeignDeviceHasNoSay() throws {
        let model = try model()
        let foreign = try StoreModel(seed: 12, devices: 2, profile: "rs:1+1")
        for disk in ["disk-2", "disk-2"] {
            foreign.wipe(disk)
            try foreign.requireRepair()
        }
        foreign.closeStore()
        model.world.state.disks["disk-1"] = foreign.world.state.disks["disk-1"]
        model.world.state.index = nil
        try model.check()
        model.closeStore()
        try expect(
            model.world.state.disks["disk-1"]?.entries == foreign.world.state.disks["disk-1"]?.entries,
            "a foreign device is left alone")
    }

    /// A put cut off in one home, and a delete acknowledged in the other that could not see it: the later epoch decides.
    static func twoHomesNeverShareAnEpoch() throws {
        let base = try model()
        base.changeHome()
        try everyCut(from: base, leavingShardsOn: 2) { model, named in
            model.changeHome()
            for disk in named { model.setAbsent(disk) }
            try expect(try model.write([.remove(Key("a"))]), "a delete is acknowledged by two devices")
            for disk in named { model.setPresent(disk) }
            model.closeStore()
            for home in model.world.state.homes.keys { model.world.state.homes[home]?.index = nil }
            try model.check()
        }
    }

    /// A put cut off with one shard named is void, and later losses do not bring it into doubt.
    static func whatAWriterFoundVoidStaysVoid() throws {
        try everyCut(from: try model(), leavingShardsOn: 1) { model, named in
            try model.check()
            model.closeStore()
            for disk in model.world.state.disks.keys.sorted() where !named.contains(disk) && model.mayHit(disk) {
                model.setAbsent(disk)
            }
            model.world.state.index = nil
            let store = try Store.open(model.world.environment, access: .write)
            try expect(store.recovery?.doubtful.isEmpty == true, "what was void is not in doubt")
            store.close()
        }
    }

    /// A put cut off wherever that leaves its newest block with a name on so many disks, which `body` is told.
    private static func everyCut(
        from base: StoreModel, leavingShardsOn count: Int, _ body: (StoreModel, [String]) throws -> Void
    ) throws {
        let change = StoreModel.Change.put(try Key("b"), SeededRandom.bytes(5_000, seed: 2))
        let whole = try base.fork(seed: 5)
        try whole.write([change])
        let newest = base.world.state.disks.keys.compactMap { shard(whole, $0) }.max()?.prefix { $0 != "." } ?? ""
        var tried = 0
        for step in 1...whole.world.steps {
            let model = try base.fork(seed: 5)
            model.world.crashAtStep = step
            try model.write([change])
            guard model.world.isCrashed else { continue }
            model.crash(.keepAll)
            let named = model.world.state.disks.filter { disk in
                disk.value.entries.keys.contains { $0.hasPrefix(newest) }
            }
            guard named.count == count else { continue }
            tried += 1
            try body(model, named.keys.sorted())
        }
        try expect(tried > 0, "some cut leaves the commit on \(count) disks")
    }
}
