/// A change of configuration is a record in a commit; the copies of it follow when the store is opened again, now or by
/// whoever comes next.
extension Store {
    /// An empty place that is a device from the change on.
    struct Newcomer {
        let entry: Configuration.Device
        let device: any Device
    }

    /// Makes `changed` real and opens the store again with it.
    ///
    /// With a newcomer, in this order: where it is stands in the home, who it is on the device itself, and then the commit,
    /// of which it takes a shard: of two devices, one dead, the other alone would be too few. Until the commit is real the
    /// new id is in no configuration, and the directory counts as empty.
    ///
    /// - Precondition: `changed` is the configuration with other devices or another profile; the number is set here.
    func change(
        _ operation: String, to changed: Configuration, with newcomer: Newcomer? = nil
    ) throws(StoreError) {
        let changed = try numbered(changed, operation)
        let tenure = try startTenure(allowingAbsent: true)
        do throws(StoreError) {
            if let newcomer { try announce(newcomer) }
            try commit(changed, operation, newcomer, tenure)
        } catch {
            // What is true now, the shards say. Where even that cannot be asked, the store is closed.
            try? reopen()
            throw error
        }
        // Opening it writes the copies of the new configuration as well.
        try reopen()
    }

    /// Throws where `change` would, before it does anything.
    func requireChangeable(_ operation: String, to changed: Configuration) throws(StoreError) {
        _ = try numbered(changed, operation)
        try requireWritable(allowingAbsent: true)
    }

    /// `changed` as the next configuration, if it is one.
    private func numbered(_ changed: Configuration, _ operation: String) throws(StoreError) -> Configuration {
        var changed = changed
        changed.number = configuration.number + 1
        do throws(FormatError) {
            try changed.validate()
        } catch {
            throw StoreError(.invalid, operation, detail: error.description)
        }
        return changed
    }

    /// Who does not live to say it after the commit must find the newcomer.
    private func announce(_ newcomer: Newcomer) throws(StoreError) {
        var paths = knownPaths
        paths[newcomer.entry.id] = newcomer.device.place
        try environment.home.writeDocument(
            .store, StoreDocument(storeID: configuration.storeID, configuration: configuration, paths: paths).encode())
    }

    private var knownPaths: [DeviceID: String] {
        Dictionary(uniqueKeysWithValues: engine.devices.all.compactMap { m in m.path.map { (m.configured.id, $0) } })
    }

    private func commit(
        _ changed: Configuration, _ operation: String, _ newcomer: Newcomer?, _ tenure: WriterTenure
    ) throws(StoreError) {
        if let newcomer {
            guard try newcomer.device.tryLock() else {
                throw StoreError(
                    .locked, operation, at: newcomer.device.place, detail: "another process is using it")
            }
        }
        defer { newcomer?.device.unlock() }
        let present = changed.devices.filter { $0.state != .removed }
        if let newcomer {
            var paths = knownPaths.filter { path in present.contains { $0.id == path.key } }
            paths[newcomer.entry.id] = newcomer.device.place
            let document = DeviceDocument(
                storeID: changed.storeID, deviceID: newcomer.entry.id, configuration: configuration, paths: paths)
            try newcomer.device.writeDocument(.device, document.encode())
        }
        let members = present.enumerated().map { lane, entry in
            let known = engine.devices[entry.id]
            let joins = newcomer?.entry.id == entry.id
            return DeviceSet.Member(
                configured: entry, lane: lane, device: joins ? newcomer?.device : known?.device,
                state: joins ? .inService : known?.state ?? .absent("not found"),
                path: joins ? newcomer?.device.place : known?.path)
        }
        let changing = Engine(
            environment: environment, configuration: changed, devices: DeviceSet(members, environment.executor),
            index: engine.index)
        // A device that fails in it stays failed.
        defer { for (id, problem) in changing.devices.failures { engine.devices.fail(id, problem) } }
        let writer = CommitWriter(WriterTenure(changing, continuing: tenure), minimumShards: nil)
        try writer.add(.configuration(changed))
        _ = try writer.commit()
    }

    /// An empty place fit to be a device of this store, that is none yet. What an interrupted change left there counts as
    /// empty: a device of this store in no configuration. Shards of the commit that would have made it real may be there;
    /// the next one bypasses it.
    ///
    /// - Parameter creating: in a sandbox the directory is made.
    func prepareNewcomer(
        _ operation: String, at path: String, creating: Bool = true
    ) throws(StoreError) -> any Device {
        let configuration = self.configuration
        let known = Set(configuration.devices.map(\.id))
        let device = try environment.devices.prepare(path, creating: creating && configuration.isSandbox) {
            document, _ in
            guard let found = try? DeviceDocument.parse(document, at: path) else { return false }
            // A newer configuration than ours is another home's, and the device in use.
            return found.storeID == configuration.storeID && !known.contains(found.deviceID)
                && found.configuration.number <= configuration.number
        }
        if engine.devices.all.contains(where: { $0.device?.physicalIdentity == device.physicalIdentity }) {
            throw StoreError(.invalid, operation, at: path, detail: "it is a device of this store already")
        }
        return device
    }

    /// As `prepareNewcomer`, without making anything.
    ///
    /// - Returns: nil where there is no directory, and a sandbox will make one.
    func lookAtNewcomer(_ operation: String, at path: String) throws(StoreError) -> (any Device)? {
        do throws(StoreError) {
            return try prepareNewcomer(operation, at: path, creating: false)
        } catch {
            guard configuration.isSandbox, error.code == .notFound else { throw error }
            return nil
        }
    }

    /// A configured device.
    func member(_ id: DeviceID, _ operation: String) throws(StoreError) -> DeviceSet.Member {
        guard let member = engine.devices[id] else {
            throw StoreError(.notFound, operation, detail: "no such device", advice: "see bsctl device ls")
        }
        return member
    }

    /// The configuration with one device changed.
    func configuration(
        changing id: DeviceID, _ body: (inout Configuration.Device) -> Void
    ) -> Configuration {
        var changed = configuration
        for place in changed.devices.indices where changed.devices[place].id == id { body(&changed.devices[place]) }
        return changed
    }
}
