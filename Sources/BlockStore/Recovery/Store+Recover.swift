/// What came back of a store from its devices.
public struct RecoverReport: Sendable {
    public let storeID: StoreID
    public let configurationNumber: UInt64
    public let devices: [DeviceInfo]
    /// 0 where nothing was opened yet.
    public var headCommit: UInt64 = 0
    public var objects = 0
    public var versions = 0
    /// Why nothing can be written; nil when it can.
    public var writeRefusal: String?
    public var notices: [String] = []
}

extension Store {
    /// Makes a home for a store from its devices, or tells a home where they are now. Configuration, names, versions and
    /// index come back from any sufficient set of them; those that are not given are looked for where they were last seen.
    ///
    /// A home of this store that is sound keeps its index. An interrupted call can be repeated.
    ///
    /// - Throws: `.exists` when the home is another store's, `.invalid` when a directory is no device or the directories are not
    ///   devices of one store, `.locked` while another home of the store writes. Until it is known what they are nothing is changed.
    public static func recover(
        _ environment: StoreEnvironment, devices places: [String], options: Options = Options(),
        progress: ProgressHandler? = nil
    ) throws(StoreError) -> RecoverReport {
        try selfTest()
        guard try environment.home.tryLock() else {
            throw StoreError(
                .locked, "recover a store", at: environment.home.place, detail: "another process is using it")
        }
        let found: FoundDevices
        do throws(StoreError) {
            found = try FoundDevices(environment, places)
            try environment.home.writeDocument(.store, found.document.encode())
        } catch {
            environment.home.unlock()
            throw error
        }
        environment.home.unlock()
        var opening = Opening(environment: environment, access: .write, options: options, progress: progress)
        opening.discardsIndex = !found.isKnownHome
        let store = Store(environment: environment, access: .write, options: options, session: try opening.run())
        defer { store.close() }
        let status = try store.status()
        var report = RecoverReport(
            storeID: status.storeID, configurationNumber: status.configurationNumber, devices: status.devices)
        report.headCommit = status.headCommit.value
        report.objects = status.totals.objects
        report.versions = status.totals.versions
        report.writeRefusal = status.writeRefusal
        report.notices = found.notices(store.configuration) + store.notices
        return report
    }

    /// Which devices `recover` would find. Changes nothing.
    public static func planRecovery(
        _ environment: StoreEnvironment, devices places: [String]
    ) throws(StoreError) -> RecoverReport {
        let found = try FoundDevices(environment, places)
        let discovery = Discovery(environment, home: found.document)
        var report = RecoverReport(
            storeID: found.document.storeID, configurationNumber: discovery.configuration.number,
            devices: Self.info(discovery.deviceSet()))
        report.notices = found.notices(discovery.configuration) + discovery.notices
        return report
    }
}

/// The devices that somebody says are a store's, and what they say of it.
private struct FoundDevices {
    /// As the home should have it: the newest configuration among the copies, and where each device is.
    let document: StoreDocument
    /// The home was one of this store before, with a sound document.
    let isKnownHome: Bool
    private let given: [(place: String, id: DeviceID)]

    init(_ environment: StoreEnvironment, _ places: [String]) throws(StoreError) {
        var documents: [(place: String, document: DeviceDocument)] = []
        var damaged: [String] = []
        var seen: [String: String] = [:]
        for place in places {
            let device: any Device
            do throws(StoreError) {
                device = try environment.devices.open(place)
            } catch {
                guard error.code == .notFound else { throw error }
                throw StoreError(
                    .notFound, "recover a store", at: place, detail: "there is no such directory",
                    advice: "name devices that are there, or mount their disks")
            }
            guard seen.updateValue(place, forKey: device.physicalIdentity) == nil else { continue }
            guard let bytes = try device.readDocument(.device) else {
                throw StoreError(
                    .invalid, "recover a store", at: place,
                    detail: "there is no device.json in it: it is no device, or its disk is not mounted",
                    advice:
                        "name devices of one store behind --device; the home comes before it: bsctl recover HOME --device DIR …"
                )
            }
            do throws(StoreError) {
                documents.append((place, try DeviceDocument.parse(bytes, at: place)))
            } catch {
                guard error.code == .corrupt else { throw error }
                damaged.append(place)
            }
        }
        let home = try Self.soundDocument(environment.home)
        try Self.requireOneStore(documents, home, environment.home.place)
        let copies =
            documents.map { ($0.document.configuration, $0.document.paths) }
            + [home].compactMap {
                $0.map { ($0.configuration, $0.paths) }
            }
        guard let newest = copies.max(by: { $0.0.number < $1.0.number })?.0 else {
            throw StoreError(
                .corrupt, "recover a store", at: places.first, detail: "no device.json can be read",
                advice: "name a device whose device.json is sound as well")
        }
        var paths: [DeviceID: String] = [:]
        for (_, hints) in copies.sorted(by: { $0.0.number < $1.0.number }) { paths.merge(hints) { $1 } }
        for (place, document) in documents { paths[document.deviceID] = place }
        // Who stands behind a damaged document can be told where only one is missing; its shards have to agree.
        let missing = newest.devices.filter { device in
            device.state != .removed && !documents.contains { $0.document.deviceID == device.id }
        }
        for place in damaged where !paths.values.contains(place) {
            guard missing.count == 1 else {
                throw Self.refusal(
                    place,
                    "its device.json is damaged, and \(Count.text(missing.count, "device", one: "is", many: "are")) missing: it could be any"
                )
            }
            paths[missing[0].id] = place
        }
        document = StoreDocument(storeID: newest.storeID, configuration: newest, paths: paths)
        isKnownHome = home != nil
        given = documents.map { ($0.place, $0.document.deviceID) }
    }

    /// What is left alone of what was named.
    func notices(_ configuration: Configuration) -> [String] {
        given.filter { device in !configuration.devices.contains { $0.id == device.id && $0.state != .removed } }
            .map { "\($0.place) is no device of this store any more and is left alone" }
    }

    private static func soundDocument(_ home: any Home) throws(StoreError) -> StoreDocument? {
        guard let bytes = try home.readDocument(.store) else { return nil }
        do throws(StoreError) {
            return try StoreDocument.parse(bytes, at: home.place)
        } catch {
            if error.code == .corrupt { return nil }
            throw error
        }
    }

    private static func requireOneStore(
        _ documents: [(place: String, document: DeviceDocument)], _ home: StoreDocument?, _ homePlace: String
    ) throws(StoreError) {
        var places: [DeviceID: String] = [:]
        for (place, document) in documents {
            if let other = documents.first, other.document.storeID != document.storeID {
                throw refusal(
                    place, "it belongs to store \(document.storeID), and \(other.place) to \(other.document.storeID)")
            }
            if let other = places.updateValue(place, forKey: document.deviceID) {
                throw refusal(place, "it is a copy of the device at \(other)")
            }
        }
        if let home, let other = documents.first?.document, other.storeID != home.storeID {
            throw StoreError(
                .exists, "recover a store", at: homePlace,
                detail: "it is the home of another store, \(home.storeID)", advice: "choose another directory")
        }
    }

    private static func refusal(_ place: String, _ detail: String) -> StoreError {
        StoreError(
            .invalid, "recover a store", at: place, detail: detail, advice: "name devices of one store, each once")
    }
}
