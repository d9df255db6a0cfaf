import Erasure

public struct ReplaceReport: Sendable {
    public let label: String
    public let oldID: DeviceID
    public let newID: DeviceID
    public let path: String
}

public struct AbandonReport: Sendable {
    /// The commits given up, with their keys.
    public let commits: [CommitSummary]
}

extension Store {
    /// Puts an empty place into service under the label of a device that is gone. What was on the old
    /// one is owed until `repair`.
    ///
    /// - Parameter path: nil for the place where the old device was.
    public func replaceDevice(_ id: DeviceID, with path: String? = nil) throws(StoreError) -> ReplaceReport {
        let (operation, target) = try placeToReplace(id, with: path)
        let device = try prepareNewcomer(operation, at: target)
        let (changed, entry) = configuration(replacing: try member(id, operation).configured)
        try change(operation, to: changed, with: Newcomer(entry: entry, device: device))
        return ReplaceReport(label: entry.label, oldID: id, newID: entry.id, path: device.place)
    }

    /// Where the one that replaces a device is to be.
    ///
    /// - Throws: where it may not be replaced.
    func placeToReplace(
        _ id: DeviceID, with path: String?
    ) throws(StoreError) -> (operation: String, target: String) {
        let member = try member(id, "replace a device")
        let operation = "replace \(member.configured.label)"
        guard try forecast(losing: [id]).lostBlocks <= forecast(losing: []).lostBlocks else {
            throw StoreError(
                .tooFewDevices, operation, detail: "it holds shards without which blocks cannot be read",
                advice: "bring other devices back or run bsctl repair first")
        }
        guard let target = path ?? member.path else {
            throw StoreError(
                .invalid, operation, detail: "where it was is not known",
                advice: "name a directory: bsctl device replace \(member.configured.label) DIR")
        }
        return (operation, target)
    }

    /// The configuration with a new device in the place of `old`, which stays known as gone.
    func configuration(
        replacing old: Configuration.Device
    ) -> (changed: Configuration, entry: Configuration.Device) {
        let entry = Configuration.Device(
            id: environment.random.identifier(), label: old.label, domain: old.domain, weight: old.weight,
            state: .inService)
        var changed = configuration
        if let place = changed.devices.firstIndex(where: { $0.id == old.id }) {
            var gone = changed.devices[place]
            gone.state = .removed
            changed.devices[place] = entry
            changed.devices.append(gone)
        }
        return (changed, entry)
    }

    /// Puts an empty place into service. It attracts new shards from now on; `fillDevice` moves its share of the old ones there.
    ///
    /// - Returns: its id: that of the device that is there already, when the place was added before.
    public func addDevice(_ new: NewDevice) throws(StoreError) -> DeviceID {
        if let known = try addedBefore(new) { return known }
        let operation = "add a device"
        let device = try prepareNewcomer(operation, at: new.path)
        let label = new.label ?? freeLabel
        guard !engine.devices.all.contains(where: { $0.configured.label == label }) else {
            throw StoreError(
                .invalid, operation, detail: "there is a device \(label) already", advice: "choose another --label")
        }
        let entry = Configuration.Device(
            id: environment.random.identifier(), label: label, domain: new.domain ?? label,
            weight: try weight(of: new, device), state: .inService)
        var changed = configuration
        // Before the removed ones.
        changed.devices.insert(entry, at: engine.devices.order.count)
        try change(operation, to: changed, with: Newcomer(entry: entry, device: device))
        return entry.id
    }

    /// The device of this store that is at the place already; nil when there is none.
    private func addedBefore(_ new: NewDevice) throws(StoreError) -> DeviceID? {
        guard let place = try? environment.devices.open(new.path),
            let member = engine.devices.all.first(where: { $0.device?.physicalIdentity == place.physicalIdentity })
        else { return nil }
        let known = member.configured
        guard new.label ?? known.label == known.label, new.domain ?? known.domain == known.domain,
            new.weight ?? known.weight == known.weight
        else {
            throw StoreError(
                .exists, "add a device", at: new.path,
                detail: "it is \(known.label) already, of domain \(known.domain) and weight \(known.weight)",
                advice: "change it with bsctl device set")
        }
        return known.id
    }

    /// "disk-7" where no device ever had a higher number, so that no two are taken for each other.
    var freeLabel: String {
        let numbers = configuration.devices.compactMap { device in
            device.label.hasPrefix("disk-") ? Int(device.label.dropFirst(5)) : nil
        }
        return "disk-\(max(numbers.max() ?? 0, engine.devices.order.count) + 1)"
    }

    /// What was asked for, or as much for each byte as the other devices have, whatever theirs was taken from.
    func weight(of new: NewDevice, _ device: (any Device)?) throws(StoreError) -> UInt32 {
        if let weight = new.weight { return weight }
        var weights = 0.0
        var capacities = 0.0
        for member in engine.devices.all where member.state.isInService {
            guard let space = try? member.device?.space() else { continue }
            weights += Double(member.configured.weight)
            capacities += Double(space.weight)
        }
        guard let own = try device?.space().weight, capacities > 0 else { return 1 }
        return UInt32(min(max(1, (Double(own) * weights / capacities).rounded()), Double(UInt32.max)))
    }

    /// Gives a device another label, failure domain or weight; nil leaves each as it is. What is stored stays where it is.
    public func setDevice(
        _ id: DeviceID, label: String? = nil, domain: String? = nil, weight: UInt32? = nil
    ) throws(StoreError) {
        let (operation, changed) = try configuration(setting: id, label: label, domain: domain, weight: weight)
        if changed != configuration { try change(operation, to: changed) }
    }

    /// The configuration with one device relabelled, or otherwise changed.
    func configuration(
        setting id: DeviceID, label: String?, domain: String?, weight: UInt32?
    ) throws(StoreError) -> (operation: String, changed: Configuration) {
        let member = try member(id, "change a device")
        let old = member.configured
        let operation = "change \(old.label)"
        if let label, engine.devices.all.contains(where: { $0.configured.label == label && $0.configured.id != id }) {
            throw StoreError(
                .invalid, operation, detail: "there is a device \(label) already", advice: "choose another label")
        }
        let changed = configuration(changing: id) { device in
            device.label = label ?? old.label
            // A domain of its own goes by the label.
            device.domain = domain ?? (old.domain == old.label ? device.label : old.domain)
            device.weight = weight ?? old.weight
        }
        return (operation, changed)
    }

    /// What `abandonDoubt` would give up. Changes nothing.
    public func planAbandoning() -> AbandonReport { AbandonReport(commits: recovery?.doubtful ?? []) }

    /// Gives up commits in doubt: a commit of a new epoch bypasses them.
    public func abandonDoubt() throws(StoreError) -> AbandonReport {
        guard access == .write, let recovery else {
            throw StoreError(.locked, "abandon", detail: "the store was opened for reading")
        }
        guard !recovery.doubtful.isEmpty else { return AbandonReport(commits: []) }
        let tenure = WriterTenure(engine, recovery)
        try tenure.beginEpoch()
        _ = try CommitWriter(tenure, minimumShards: nil).commit()
        try reopen()
        return AbandonReport(commits: recovery.doubtful)
    }

    /// Puts the directories of lost sandbox devices back, each as a new device.
    func putSandboxDevicesBack() throws(StoreError) -> [String] {
        var labels: [String] = []
        for id in engine.devices.outOfService {
            // One that was to be emptied is not wanted back.
            guard let member = engine.devices[id], case .absent = member.state, member.configured.state == .inService
            else {
                continue
            }
            labels.append(try replaceDevice(id).label)
        }
        return labels
    }

    /// Brings the index level with the shards. The locks stay: nobody writes in between.
    func recoverAgain() throws(StoreError) {
        let engine = self.engine
        let found = try Recovery(
            devices: engine.devices, storeID: engine.storeID, index: engine.index, progress: nil
        ).run()
        session.withLock { session in
            session.recovery = found
            session.tenure = nil
        }
    }
}
