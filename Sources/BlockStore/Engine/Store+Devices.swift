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
        guard let member = engine.devices[id] else {
            throw StoreError(.notFound, "replace a device", detail: "no such device", advice: "see bsctl device ls")
        }
        guard try forecast(losing: [id]).lostBlocks <= forecast(losing: []).lostBlocks else {
            throw StoreError(
                .tooFewDevices, "replace \(member.configured.label)",
                detail: "it holds shards without which blocks cannot be read",
                advice: "bring other devices back or run bsctl repair first")
        }
        guard let target = path ?? member.path else {
            throw StoreError(
                .invalid, "replace \(member.configured.label)", detail: "where it was is not known",
                advice: "name a directory: bsctl device replace \(member.configured.label) DIR")
        }
        let newID: DeviceID = environment.random.identifier()
        let configuration = self.configuration
        let known = Set(configuration.devices.map(\.id))
        let device = try environment.devices.prepare(target, creating: configuration.isSandbox) { document, _ in
            // Left over from an interrupted replacement: of this store, in no configuration. Shards of the commit that
            // would have made it real may be there; the next one bypasses it.
            guard let found = try? DeviceDocument.parse(document, at: target) else { return false }
            // A newer configuration than ours is another home's, and the device in use.
            return found.storeID == configuration.storeID && !known.contains(found.deviceID)
                && found.configuration.number <= configuration.number
        }
        if engine.devices.all.contains(where: { $0.device?.physicalIdentity == device.physicalIdentity }) {
            throw StoreError(
                .invalid, "replace \(member.configured.label)", at: target,
                detail: "it is a device of this store already")
        }
        let tenure = try startTenure(allowingAbsent: true)
        var paths = Dictionary(
            uniqueKeysWithValues: engine.devices.all.compactMap { m in m.path.map { (m.configured.id, $0) } })
        paths[id] = nil
        paths[newID] = device.place
        // Where it is comes before the commit: who does not live to say it afterwards must find it.
        var announced = paths
        announced[id] = member.path
        try environment.home.writeDocument(
            .store,
            StoreDocument(storeID: configuration.storeID, configuration: configuration, paths: announced).encode())
        var changed = configuration
        changed.number += 1
        let entry = Configuration.Device(
            id: newID, label: member.configured.label, domain: member.configured.domain,
            weight: member.configured.weight, state: .inService)
        // The new one takes the old one's place in the list; the old one stays known as gone.
        if let place = changed.devices.firstIndex(where: { $0.id == id }) {
            var gone = changed.devices[place]
            gone.state = .removed
            changed.devices[place] = entry
            changed.devices.append(gone)
        }
        do throws(StoreError) {
            try commit(changed, replacing: id, by: entry, on: device, paths, tenure)
        } catch {
            // What is true now, the shards say. Where even that cannot be asked, the store is closed.
            try? reopen()
            throw error
        }
        // Opening it writes the copies of the new configuration as well.
        try reopen()
        return ReplaceReport(label: entry.label, oldID: id, newID: newID, path: device.place)
    }

    /// Makes a configuration real in which `device` stands for the device `old`. It takes a shard of the commit itself:
    /// of two devices, one dead, the other would be too few.
    private func commit(
        _ changed: Configuration, replacing old: DeviceID, by entry: Configuration.Device, on device: any Device,
        _ paths: [DeviceID: String], _ tenure: WriterTenure
    ) throws(StoreError) {
        guard try device.tryLock() else {
            throw StoreError(.locked, "replace \(entry.label)", at: device.place, detail: "another process is using it")
        }
        defer { device.unlock() }
        // Identity first, with the configuration as it is: until the commit is real the new id is in
        // no configuration, and the directory counts as empty.
        try device.writeDocument(
            .device,
            DeviceDocument(storeID: changed.storeID, deviceID: entry.id, configuration: configuration, paths: paths)
                .encode())
        var members = engine.devices.all
        if let place = members.firstIndex(where: { $0.configured.id == old }) {
            let lane = members[place].lane
            members[place] = DeviceSet.Member(
                configured: entry, lane: lane, device: device, state: .inService, path: device.place)
        }
        let engine = Engine(
            environment: environment, configuration: configuration, devices: DeviceSet(members), index: engine.index)
        let writer = CommitWriter(WriterTenure(engine, continuing: tenure), minimumShards: nil)
        try writer.add(.configuration(changed))
        _ = try writer.commit()
    }

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
            guard case .absent = engine.devices[id]?.state else { continue }
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
