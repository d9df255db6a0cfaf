@testable import BlockStore

/// What must not happen while devices join and leave, each small and made by hand. On six disks with `rs:2+2`.
enum DeviceAccidents {
    static func all() throws {
        try aDeviceIsNotCalledSafeWhileAnotherIsAway()
        try aDrainingDeviceGetsNothingNew()
        try aRemovedDeviceStaysAway()
        try aFailingTargetCostsNothing()
        try aDamagedShardIsMadeAgainOnTheWay()
        try aDeviceThatTakesNothingAnyMoreIsDrained()
        try aFillThatWasCutOffLeavesNothingBehind()
        try aFailedMoveLosesNoShard()
        try anIndexOlderThanAMoveIsNoReasonToKeepADevice()
    }

    private static func expect(_ condition: Bool, _ promise: String) throws {
        guard condition else { throw BrokenPromise(description: promise) }
    }

    private static func model() throws -> StoreModel {
        let model = try StoreModel(seed: 21, devices: 6, profile: "rs:2+2")
        for number in 1...3 {
            try model.write([.put(Key("\(number)"), SeededRandom.bytes(4_000, seed: UInt64(number)))])
        }
        model.closeStore()
        return model
    }

    private static func shards(_ model: StoreModel, _ disk: String) -> [String] {
        (model.world.state.disks[disk]?.entries.keys.filter { $0.hasPrefix("blocks/") && $0.contains(".") } ?? [])
            .sorted()
    }

    /// What others owe is no reason to call a device empty; the drain says so instead.
    static func aDeviceIsNotCalledSafeWhileAnotherIsAway() throws {
        let model = try model()
        model.setAbsent("disk-5")
        try expect(try !model.drain("disk-2"), "with another device away nothing is called safe to pull")
        model.setPresent("disk-5")
        try expect(try model.drain("disk-2"), "with all of them here it is")
        try expect(shards(model, "disk-2").isEmpty, "nothing is left on a drained device")
        model.closeStore()
        // It and two others are gone: the store lost two.
        for disk in ["disk-2", "disk-1", "disk-4"] { model.world.state.absent.insert(disk) }
        model.world.state.index = nil
        try model.check()
    }

    static func aDrainingDeviceGetsNothingNew() throws {
        let model = try model()
        try model.drain("disk-3")
        for number in 4...8 { try model.write([.put(Key("\(number)"), SeededRandom.bytes(900, seed: UInt64(number)))]) }
        model.wipe("disk-1")
        try model.requireRepair()
        try expect(shards(model, "disk-3").isEmpty, "a draining device gets no shards, not even by repair")
        model.cancelDrain("disk-3")
        for number in 4...8 { try model.write([.put(Key("\(number)"), SeededRandom.bytes(950, seed: UInt64(number)))]) }
        try expect(!shards(model, "disk-3").isEmpty, "one that is back in service does")
    }

    /// Whatever it holds: deletes that it missed stay deletes.
    static func aRemovedDeviceStaysAway() throws {
        let model = try model()
        let before = model.world.state.disks["disk-2"]
        try model.drain("disk-2")
        model.remove("disk-2")
        try model.write([.remove(Key("1")), .put(Key("2"), SeededRandom.bytes(800, seed: 9))])
        model.closeStore()
        model.world.state.disks["disk-2"] = before
        model.world.state.index = nil
        try model.check()
        let store = try model.openStore()
        try expect(!store.devices.contains { $0.path == "disk-2" }, "a removed device is no device")
        try expect(!model.add("disk-2"), "it does not become one by being added as it is")
        // Emptied, it is as good as any other, under another id.
        model.wipe("disk-2")
        model.forgetFaults(of: "disk-2")
        try expect(model.add("disk-2"), "an empty directory is added wherever it is")
    }

    /// A disk that takes nothing any more in the middle of a drain: what could not move is where it was.
    static func aFailingTargetCostsNothing() throws {
        let base = try model()
        let whole = try base.fork(seed: 4)
        try whole.drain("disk-2")
        for call in stride(from: 1, through: whole.world.calls, by: 37) {
            let model = try base.fork(seed: 4)
            for disk in ["disk-1", "disk-3"] { model.world.faults[disk] = .readOnly }
            model.world.faultsFromCall = call
            try model.drain("disk-2")
            model.world.endFaults()
            model.closeStore()
            model.world.state.absent = ["disk-5", "disk-6"]
            try model.check()
        }
    }

    static func aDamagedShardIsMadeAgainOnTheWay() throws {
        let model = try model()
        for path in shards(model, "disk-2") {
            model.world.state.disks["disk-2"]?.corrupt(path) { $0[300 % $0.count] ^= 1 }
        }
        try expect(try model.drain("disk-2"), "a device whose shards are all damaged can be drained")
        model.closeStore()
        let store = try Store.open(model.world.environment, access: .read)
        defer { store.close() }
        try expect(try store.scrub().problems.isEmpty, "damage is not copied")
    }

    static func aDeviceThatTakesNothingAnyMoreIsDrained() throws {
        let model = try model()
        model.world.faults["disk-2"] = .readOnly
        try expect(try model.drain("disk-2"), "a read-only device can be drained")
        model.world.endFaults()
        model.closeStore()
        model.world.state.absent = ["disk-2", "disk-3", "disk-6"]
        try model.check()
    }

    /// The shards that stayed behind are removed when the device is added again.
    static func aFillThatWasCutOffLeavesNothingBehind() throws {
        let model = try model()
        let before = model.world.state.disks
        model.wipe("disk-7")
        model.forgetFaults(of: "disk-7")
        try expect(model.add("disk-7"), "a device is added")
        model.closeStore()
        let disks = (1...6).map { "disk-\($0)" }
        let moved = disks.flatMap { disk in
            Set(shards(model, disk)).symmetricDifference(
                before[disk]?.entries.keys.filter { $0.hasPrefix("blocks/") && $0.contains(".") } ?? []
            ).filter { shards(model, "disk-7").contains($0) }.map { (disk, $0) }
        }
        try expect(!moved.isEmpty, "a new device takes some shards")
        for (disk, path) in moved {
            guard let bytes = before[disk]?.content(path) else { continue }
            model.world.state.disks[disk]?.create(path)
            model.world.state.disks[disk]?.write(path, bytes)
        }
        try expect(model.add("disk-7"), "it is added again")
        for (disk, path) in moved {
            try expect(!shards(model, disk).contains(path), "\(path) stands on \(disk) as well")
        }
    }

    /// A new disk that turns out full while it is filled: each shard stands where it was, or there.
    static func aFailedMoveLosesNoShard() throws {
        let base = try model()
        base.world.state.disks["disk-7"] = SimulatedDisk()
        let disks = (1...7).map { "disk-\($0)" }
        let before = Set(disks.flatMap { shards(base, $0) })
        let whole = try base.fork(seed: 4)
        whole.add("disk-7")
        for call in stride(from: 1, through: whole.world.calls, by: 23) {
            let model = try base.fork(seed: 4)
            model.world.faults["disk-7"] = .full
            model.world.faultsFromCall = call
            model.add("disk-7")
            model.world.endFaults()
            model.closeStore()
            try expect(
                before.isSubset(of: disks.flatMap { shards(model, $0) }),
                "a shard is removed before its copy is durable")
        }
    }

    /// The power took what the index knew of a move: where shards are now is found by looking for them.
    static func anIndexOlderThanAMoveIsNoReasonToKeepADevice() throws {
        var repaired = 0
        for seed in 1...12 {
            let model = try StoreModel(seed: UInt64(seed), devices: 5, profile: "rs:2+2")
            model.world.state.disks["disk-6"] = SimulatedDisk()
            model.outsiders.insert("disk-6")
            try model.write([.put(Key("a"), SeededRandom.bytes(4_000, seed: 1))])
            model.closeStore()
            let old = model.world.state.index
            try expect(model.add("disk-6"), "a disk joins")
            model.closeStore()
            model.world.state.index = old
            try model.write([.put(Key("b"), SeededRandom.bytes(4_000, seed: 2))])
            // Where the index did not know that a device has a shard of a block, another may have been moved there: that is moved once
            // more.
            let isSafe = try model.drain("disk-1")
            if !isSafe {
                repaired += 1
                try model.repairInPlace()
            }
            try expect(try isSafe || model.drain("disk-1"), "and then it is safe, seed \(seed)")
            model.closeStore()
            model.world.state.absent.insert("disk-1")
            try model.check()
        }
        try expect(repaired <= 3, "what was moved is found where it is: \(repaired) of 12")
    }
}
