/// Finds the configured devices behind their path hints and the newest configuration among the
/// copies. Identity decides, never the path.
struct Discovery {
    private struct Found {
        let device: any Device
        let document: DeviceDocument
    }

    let environment: StoreEnvironment
    let storeID: StoreID
    private(set) var configuration: Configuration
    private(set) var notices: [String] = []
    private var hints: [DeviceID: [String]] = [:]
    private var tried: [String: String] = [:]  // hint → why it is no device of ours
    private var found: [DeviceID: Found] = [:]
    private var physical: Set<String> = []
    /// What stands at places far away, which are asked side by side.
    private var far: [String: (device: any Device, document: Result<[UInt8]?, StoreError>)] = [:]
    /// Places that the home knows, of devices in no configuration.
    private var strangers: [DeviceID: String] = [:]
    /// Places with a damaged document, judged last.
    private var damaged: [String] = []
    private var judgesDamaged = false
    /// Devices whose document must be written anew.
    private var isDamaged: Set<DeviceID> = []

    /// Looks at every hint, and at those that the documents found there give, until nothing new
    /// appears.
    ///
    /// - Parameter atLeast: a configuration already known to be real, from the commits.
    init(_ environment: StoreEnvironment, home: StoreDocument, atLeast known: Configuration? = nil) {
        self.environment = environment
        storeID = home.storeID
        configuration = home.configuration
        if let known, known.number > configuration.number { configuration = known }
        for (id, path) in home.paths.sorted(by: { $0.key < $1.key }) { addHint(path, for: id) }
        lookFarAway(at: members.compactMap { home.paths[$0.id] })
        // The likely places first. Devices that changed places are found as well: where one is missing, it is looked for
        // at every hint, whosever it is.
        while let hint = untriedHint(anyones: false) ?? untriedHint(anyones: true) { look(at: hint) }
        // Who stands behind a damaged document is told from who is missing when all others are known.
        judgesDamaged = true
        for hint in damaged { look(at: hint) }
        strangers = home.paths.filter { path in !configuration.devices.contains { $0.id == path.key } }
        for (id, found) in found.sorted(by: { $0.key < $1.key }) where isRemoved(id) {
            notices.append("\(found.device.place) was removed from this store and is left alone")
        }
    }

    /// Gone for good, whoever shows it.
    private func isRemoved(_ id: DeviceID) -> Bool {
        if Mutant.isActive(.removedDeviceAccepted) { return false }
        return configuration.devices.contains { $0.id == id && $0.state == .removed }
    }

    /// Devices that the store knows of, without those that are gone for good.
    private var members: [Configuration.Device] { configuration.devices.filter { !isRemoved($0.id) } }

    /// The next place to look at: those where missing devices should be, then everybody's.
    private func untriedHint(anyones: Bool) -> String? {
        if anyones, Mutant.isActive(.swappedDeviceNotFound) { return nil }
        let missing = members.map(\.id).filter { found[$0] == nil }
        guard !missing.isEmpty else { return nil }
        // Also of who was removed: another may stand in its place.
        let places = anyones ? hints.sorted { $0.key < $1.key }.flatMap(\.value) : missing.flatMap { hints[$0] ?? [] }
        return places.first { tried[$0] == nil }
    }

    /// The devices of the configuration, those found in service and the others absent.
    func deviceSet() -> DeviceSet {
        let members = members.enumerated().map { lane, configured in
            let match = found[configured.id]
            let expected = hints[configured.id]?.first
            let state: DeviceState =
                match != nil
                ? .inService
                : .absent(expected.flatMap { tried[$0] }.flatMap { $0.isEmpty ? nil : $0 } ?? "not found")
            return DeviceSet.Member(
                configured: configured, lane: lane, device: match?.device, state: state,
                path: match?.device.place ?? expected)
        }
        return DeviceSet(members, environment.executor)
    }

    /// Where each device was found or is expected, for the copies. A place is kept for everyone: where another device stands now
    /// in the place of one that was not found, that one may stand where the other was.
    func paths() -> [DeviceID: String] {
        var result = found.filter { !isRemoved($0.key) }.mapValues(\.device.place)
        let missing = members.filter { found[$0.id] == nil }.map(\.id)
        for id in missing { result[id] = hints[id]?.first { !result.values.contains($0) } }
        let places = configuration.devices.flatMap { hints[$0.id] ?? [] }
        for id in missing where result[id] == nil {
            result[id] = places.first { !result.values.contains($0) } ?? hints[id]?.first
        }
        // Where a device was to be whose commit may yet turn out real.
        for (id, path) in strangers where result[id] == nil { result[id] = path }
        return result
    }

    /// Devices whose copy of the configuration is older than the newest, or damaged.
    func outdated(than configuration: Configuration) -> [DeviceID] {
        found.filter { $0.value.document.configuration != configuration || isDamaged.contains($0.key) }.map(\.key)
            .sorted()
    }

    /// Whether the device was away when the configuration changed.
    func isOlder(_ id: DeviceID, than configuration: Configuration) -> Bool {
        guard let own = found[id]?.document.configuration.number, !isDamaged.contains(id) else { return false }
        return own > 0 && own < configuration.number
    }

    /// The device's own document; where that is damaged, who it must be by where it stands and what it holds.
    private mutating func parse(
        _ bytes: [UInt8], of device: any Device, at hint: String
    ) throws(StoreError) -> DeviceDocument {
        do throws(StoreError) {
            return try DeviceDocument.parse(bytes, at: device.place)
        } catch {
            let expected = hints.filter { $0.value.contains(hint) && found[$0.key] == nil && !isRemoved($0.key) }.map(
                \.key)
            guard error.code == .corrupt, judgesDamaged, expected.count == 1, let id = expected.first,
                holdsShards(device)
            else {
                throw error
            }
            notices.append("\(hint): device.json is damaged (\(error.detail)); known by its shards, and written anew")
            isDamaged.insert(id)
            return DeviceDocument(storeID: storeID, deviceID: id, configuration: configuration, paths: [:])
        }
    }

    /// Whether one of the newest shards there is readable and of this store.
    private func holdsShards(_ device: any Device) -> Bool {
        guard let shards = try? device.shards(from: .none) else { return false }
        return shards.suffix(8).contains { shard in
            (try? ShardReader.header(of: shard, on: device, storeID: storeID)) != nil
        }
    }

    private mutating func addHint(_ path: String, for id: DeviceID) {
        if hints[id]?.contains(path) != true { hints[id, default: []].append(path) }
    }

    private mutating func lookFarAway(at hints: [String]) {
        var places: [(hint: String, device: any Device)] = []
        for hint in hints where environment.devices.isRemote(hint) {
            if let device = try? environment.devices.open(hint) { places.append((hint, device)) }
        }
        let jobs = places.enumerated().map { number, place in
            Job(environment.executor, on: .device(number)) { [device = place.device] () throws(StoreError) in
                try device.readDocument(.device)
            }
        }
        for (place, job) in zip(places, jobs) { far[place.hint] = (place.device, job.outcome()) }
    }

    private mutating func look(at hint: String) {
        tried[hint] = ""
        let device: any Device
        let document: DeviceDocument
        do throws(StoreError) {
            let known = far[hint]
            device = if let known { known.device } else { try environment.devices.open(hint) }
            guard !physical.contains(device.physicalIdentity) else { return }
            guard let bytes = if let known { try known.document.get() } else { try device.readDocument(.device) } else {
                tried[hint] = "nothing but an empty place is there; is the disk mounted?"
                return
            }
            document = try parse(bytes, of: device, at: hint)
        } catch {
            tried[hint] = error.description
            if error.code == .corrupt, !judgesDamaged { return damaged.append(hint) }
            if error.code != .notFound { notices.append(error.description) }
            return
        }
        guard document.storeID == storeID || Mutant.isActive(.foreignDeviceAccepted) else {
            tried[hint] = "it belongs to another store, \(document.storeID)"
            notices.append("\(hint) belongs to another store and is left alone")
            return
        }
        guard found[document.deviceID] == nil else {
            tried[hint] = "it is a copy of a device already in use"
            notices.append("\(hint) is a second copy of device \(document.deviceID) and is left alone")
            return
        }
        physical.insert(device.physicalIdentity)
        found[document.deviceID] = Found(device: device, document: document)
        addHint(hint, for: document.deviceID)
        if document.configuration.number > configuration.number { configuration = document.configuration }
        for (id, path) in document.paths.sorted(by: { $0.key < $1.key }) { addHint(path, for: id) }
    }
}
