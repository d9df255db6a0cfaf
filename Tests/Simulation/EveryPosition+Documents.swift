@testable import BlockStore

/// Damage at every position of what stands beside the shards: the documents and the index.
extension EveryPosition {
    /// Every byte of a device's and the home's documents flipped, every length, none at all, and an older one.
    public func damageDocuments(of disk: String) {
        for (name, change) in changes(of: whole.disks[disk]?.content(DocumentName.device.rawValue) ?? []) {
            damageDeviceDocument(disk, name, change)
        }
        if let older = olderDocuments[disk] { damageDeviceDocument(disk, "an older one") { $0 = older } }
        for (name, change) in changes(of: whole.disks[disk]?.content(DocumentName.epoch.rawValue) ?? []) {
            damageEpoch(disk, name, change)
        }
        for (name, change) in changes(of: whole.home.files.content(DocumentName.store.rawValue) ?? []) {
            damageHomeDocument(name, change)
        }
    }

    private typealias Change = (inout [UInt8]) -> Void

    private func changes(of document: [UInt8]) -> [(String, Change)] {
        var changes: [(String, Change)] = []
        for position in Swift.stride(from: 0, to: document.count, by: stride) {
            for change in [UInt8(1 << (position % 8)), UInt8(1 << ((position + 3) % 8)), 0xff] {
                changes.append(("byte \(position) ^ \(change)", { $0[position] ^= change }))
            }
            changes.append(("cut to \(position)", { $0.removeLast($0.count - position) }))
        }
        changes.append(("and a byte more", { $0.append(0) }))
        return changes
    }

    /// Nothing wrong is believed, the newest configuration holds, it is told, and the next writer mends it.
    private func damageDeviceDocument(_ disk: String, _ change: String, _ damage: Change) {
        let name = "device.json on \(disk): \(change)"
        guard let before = whole.disks[disk]?.content(DocumentName.device.rawValue) else { return }
        var after = before
        damage(&after)
        world.state = whole
        world.state.disks[disk]?.corrupt(DocumentName.device.rawValue) { $0 = after }
        count()
        // A digit of the format is how a newer program says that others must keep away: that device is left alone.
        let isNewer = Self.code(after) == .unsupported
        // Blanks, and digits in capitals, may change without a change of meaning.
        let isHarmless = Self.meaning(after) == Self.meaning(before)
        attempt(name) {
            try withStore(.read) { store in
                readAll(store, name)
                if store.configuration != (try Self.configuration(before)) {
                    complain(\.otherwise, "\(name): the newest configuration is not used")
                }
                let isTold = !store.notices.isEmpty || store.devices.contains { !$0.state.isInService }
                let isOlder = (try? DeviceDocument.parse(after, at: "")) != nil
                if !isHarmless, !isOlder, !isTold { complain(\.otherwise, "\(name): nobody is told") }
            }
            try withStore(.write) { store in readAll(store, name) }
            let mended = world.state.disks[disk]?.content(DocumentName.device.rawValue)
            if !isNewer, Self.meaning(mended ?? []) != Self.meaning(before) {
                complain(\.otherwise, "\(name): it is not mended")
            }
        }
    }

    /// The epoch that stands there is nobody's: the next writer begins another, and writes it everywhere.
    private func damageEpoch(_ disk: String, _ change: String, _ damage: Change) {
        let name = "epoch.json on \(disk): \(change)"
        world.state = whole
        world.state.disks[disk]?.corrupt(DocumentName.epoch.rawValue, damage)
        count()
        attempt(name) {
            try withStore(.read) { store in readAll(store, name) }
            try withStore(.write) { store in
                let session = try store.startWriting()
                try session.put(Key("second"), from: MemorySource([4, 5, 6]))
                _ = try session.finish()
            }
            let before = try Self.epochs(whole)
            let after = try Self.epochs(world.state)
            guard Set(after).count == 1, let epoch = after.first, before.allSatisfy({ $0.counter <= epoch.counter })
            else { return complain(\.otherwise, "\(name): the epochs are \(after), they were \(before)") }
        }
    }

    /// The home's copy names the places: without it the store does not open, says so, and touches nothing.
    private func damageHomeDocument(_ change: String, _ damage: Change) {
        let name = "store.json: \(change)"
        let before = whole.home.files.content(DocumentName.store.rawValue) ?? []
        var after = before
        damage(&after)
        world.state = whole
        world.state.homes["home"]?.files.corrupt(DocumentName.store.rawValue) { $0 = after }
        count()
        let isHarmless = (try? StoreDocument.parse(after, at: "")) == (try? StoreDocument.parse(before, at: ""))
        attempt(name) {
            do {
                try withStore(.write) { store in readAll(store, name) }
                if !isHarmless { complain(\.otherwise, "\(name): it is believed") }
            } catch let error as StoreError {
                world.restart()
                guard !isHarmless, error.code == .corrupt || error.code == .unsupported else { throw error }
                let isUntouched = world.state.disks.allSatisfy { $0.value.entries == whole.disks[$0.key]?.entries }
                if !isUntouched { complain(\.otherwise, "\(name): something was written") }
                world.state.homes["home"]?.files.corrupt(DocumentName.store.rawValue) { $0 = before }
                try withStore(.write) { store in readAll(store, name) }
            }
        }
    }

    /// Every byte of the index flipped, and every length: detected or harmless, the listing the same.
    public func damageIndex() {
        guard let index = whole.index else { return complain(\.otherwise, "there is no index") }
        for position in Swift.stride(from: 0, to: index.count, by: stride) {
            var flipped = index
            flipped[position] ^= UInt8(1 << (position % 8))
            tryIndex(flipped, "byte \(position) of the index")
            if position % 16 == 0 { tryIndex(Array(index.prefix(position)), "the index cut to \(position)") }
        }
        tryIndex(nil, "no index")
        tryIndex(index + [0], "the index and a byte more")
    }

    private func tryIndex(_ index: [UInt8]?, _ name: String) {
        world.state = whole
        world.state.index = index
        count()
        attempt(name) {
            do {
                let isSame = try lookThrough(name)
                // A page that hides rows tells a reader nothing; scrub looks at every page.
                guard !isSame else { return }
                noteHidden()
                try withStore(.write) { store in _ = try store.scrub() }
                complain(\.otherwise, "\(name): the listing is another, and scrub says nothing")
            } catch let error as StoreError where error.code == .indexDamaged {
                // Found on the way: what a person is told to do is to make it again.
                world.restart()
                world.state.index = nil
                if try !lookThrough(name) { complain(\.otherwise, "\(name): the listing is another after a rebuild") }
            }
        }
    }

    /// Whether the listing is as it was and everything reads; what reads is never wrong.
    private func lookThrough(_ name: String) throws -> Bool {
        try withStore(.write) { store in
            guard try store.engine.index.dump() == expectedListing else { return false }
            let objects = try store.list()
            for object in objects {
                let sink = MemorySink()
                _ = try store.read(object, into: sink)
                requireExpected(sink.bytes, object.key, name)
            }
            return holdsEveryKey(objects.map(\.key))
        }
    }

    // What documents say

    private static func meaning(_ bytes: [UInt8]) -> DeviceDocument? { try? DeviceDocument.parse(bytes, at: "") }

    private static func configuration(_ bytes: [UInt8]) throws -> Configuration {
        try DeviceDocument.parse(bytes, at: "").configuration
    }

    private static func code(_ bytes: [UInt8]) -> StoreError.Code? {
        do throws(StoreError) {
            _ = try DeviceDocument.parse(bytes, at: "")
            return nil
        } catch {
            return error.code
        }
    }

    private static func epochs(_ state: SimulatedWorld.State) throws -> [Epoch] {
        try state.disks.sorted { $0.key < $1.key }.map { name, disk in
            try EpochDocument.parse(disk.content(DocumentName.epoch.rawValue) ?? [], at: name).epoch
        }
    }
}
