@testable import BlockStore

// Devices that join and leave.
extension StoreModel {
    /// A disk joins and takes its share: one that was a device once, if there is one, else a new one.
    func addDevice(wipingOutsiders wipes: Bool) throws {
        closeStore()
        let disk = outsiders.min() ?? "disk-\(world.state.disks.count + 1)"
        guard world.state.disks.count < 9 || outsiders.contains(disk) else { return }
        if wipes || world.state.disks[disk] == nil { world.state.disks[disk] = SimulatedDisk() }
        world.state.absent.remove(disk)
        outsiders.insert(disk)
        add(disk)
    }

    /// Whether everything moved that is to.
    @discardableResult
    func add(_ disk: String) -> Bool {
        isFragile = isFragile || !faulty.isEmpty
        let report = attempt("add \(disk)") { store throws(StoreError) in
            try store.fillDevice(try store.addDevice(NewDevice(path: disk)))
        }
        if let report {
            note("… \(report.movedShards) shards moved, \(report.rebuiltShards) made again, \(report.errors)")
        }
        // Unknown while the power is out; looked at with the next check.
        return report?.failedShards == 0
    }

    /// Whether it is safe to pull. If so nothing on it is needed any more, whatever becomes of others.
    @discardableResult
    func drain(_ disk: String) throws -> Bool {
        isFragile = isFragile || !faulty.isEmpty
        let report =
            attempt("drain \(disk)") { store throws(StoreError) -> DrainReport? in
                guard let device = Self.device(store, disk) else { return nil }
                return try store.drainDevice(device.id)
            } ?? nil
        guard let report, !world.isCrashed else { return false }
        note(
            "… \(report.moves.movedShards) shards moved, \(report.moves.rebuiltShards) made again, \(report.moves.errors), "
                + (report.verdict.isSafeToPull ? "safe to pull" : "\(report.verdict.reasons)"))
        guard report.verdict.isSafeToPull else { return false }
        forgetFaults(of: disk)
        return true
    }

    func cancelDrain(_ disk: String) {
        _ = attempt("cancel the drain of \(disk)") { store throws(StoreError) in
            guard let device = Self.device(store, disk) else { return }
            try store.cancelDrain(device.id)
            // What was drained and pulled is missed again.
            if !device.state.isInService { noteFault(of: disk) }
        }
    }

    func remove(_ disk: String) {
        let isRemoved = attempt("remove \(disk)") { store throws(StoreError) -> Bool in
            guard let device = Self.device(store, disk) else { return false }
            _ = try store.removeDevice(device.id)
            return true
        }
        guard isRemoved == true, !world.isCrashed else { return }
        outsiders.insert(disk)
        forgetFaults(of: disk)
    }

    /// Pulls what was drained, or forgets what is gone; what stands there may be put back.
    func removeSomeDevice(preferring disk: String) throws {
        let drained = attempt(
            "look", { store throws(StoreError) in store.devices.filter(\.isDraining).compactMap(\.path) })
        let chosen = drained?.first ?? disk
        if try drain(chosen), world.random.next() % 2 == 0, !outsiders.contains(chosen) {
            note("\(chosen) is pulled")
            closeStore()
            world.state.absent.insert(chosen)
        }
        remove(chosen)
    }

    /// The home is lost, and made again from its devices: those named, and the others by what these say of them. Works on in the
    /// new home.
    @discardableResult
    func recoverHome(from disks: [String]) -> Bool {
        closeStore()
        let old = world.state.homeName
        let new = old == "home" ? "other-home" : "home"
        note("\(new) is made from \(disks)")
        world.state.homes[new] = SimulatedWorld.HomeState()
        world.state.homeName = new
        do throws(StoreError) {
            let report = try Store.recover(
                world.environment, devices: disks, options: Store.Options(lockWaitSeconds: 0))
            note("… commit \(report.headCommit), \(report.objects) objects")
            if !world.isCrashed { world.endProcess() }
            if report.storeID != storeID {
                // Who names another store's device gets that store's home. Ours is where it was.
                note("… another store's")
                world.state.homeName = old
                world.state.homes[new] = nil
            }
            return true
        } catch {
            note("… failed: \(error)")
            if !world.isCrashed {
                world.endProcess()
                returnHome()
            }
            return false
        }
    }

    /// A home that was not finished is none: the other one is there still.
    func returnHome() {
        let name = world.state.homeName
        guard world.state.home.files.content(DocumentName.store.rawValue) == nil else { return }
        world.state.homeName = name == "home" ? "other-home" : "home"
        world.state.homes[name] = nil
    }

    private static func device(_ store: Store, _ disk: String) -> DeviceInfo? {
        store.devices.first { $0.path == disk }
    }

    /// Nobody is a device that was removed, and nobody is one twice.
    func checkDevices() throws {
        do throws(StoreError) {
            let store = try openStore()
            let removed = Set(store.configuration.devices.filter { $0.state == .removed }.map(\.id))
            guard removed.isDisjoint(with: store.devices.map(\.id)) else {
                throw StoreError(.invalid, "keep removed devices away", detail: "one is back")
            }
            // Only lives in which devices come and go have any.
            guard store.devices.count != world.state.disks.count || !outsiders.isEmpty else { return }
            outsiders = Set(world.state.disks.keys).subtracting(store.devices.compactMap(\.path))
        } catch {
            if world.isCrashed || error.code != .invalid { return }
            throw BrokenPromise(description: error.description)
        }
    }
}
