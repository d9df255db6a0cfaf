public import Chunker
public import Erasure

/// A place that is to become a device.
public struct NewDevice: Sendable {
    public var path: String
    /// Nil for the next free one: "disk-7".
    public var label: String?
    /// Nil for one of its own, named as the label.
    public var domain: String?
    /// Nil for what its capacity says.
    public var weight: UInt32?

    public init(path: String, label: String? = nil, domain: String? = nil, weight: UInt32? = nil) {
        self.path = path
        self.label = label
        self.domain = domain
        self.weight = weight
    }
}

/// What would be made.
public struct CreatePlan: Sendable {
    public struct Device: Sendable {
        public let path: String
        public let label: String
        public let domain: String
        public let weight: UInt32
    }

    public let devices: [Device]
    public let warnings: [String]
}

public struct CreateReport: Sendable {
    public let storeID: StoreID
    public let warnings: [String]
}

extension Store {
    /// Makes a store: identity and configuration on every device, commit 1, and the home.
    ///
    /// An interrupted call can be repeated with the same home. A home that has a store is refused with
    /// `.exists`, and so is a device that is not empty; nothing that is there is touched.
    public static func create(
        _ environment: StoreEnvironment, devices: [NewDevice], profile: Profile,
        averageChunkBytes: Int = ChunkerParameters.defaultAverageBytes, isSandbox: Bool = false
    ) throws(StoreError) -> CreateReport {
        try selfTest()
        try requireEnough(devices, profile)
        guard try environment.home.tryLock() else {
            throw StoreError(
                .locked, "create a store", at: environment.home.place, detail: "another process is using it")
        }
        defer { environment.home.unlock() }
        let unfinished = try unfinishedInit(environment.home, environment.devices)
        let storeID = unfinished ?? environment.random.identifier()
        let prepared = try prepare(devices, environment.devices, unfinished: unfinished, isSandbox: isSandbox)
            .compactMap(\.self)
        var configuration = try configuration(
            storeID, devices, prepared, profile, averageChunkBytes: averageChunkBytes, isSandbox: isSandbox,
            environment.random)
        let members = configuration.devices
        let paths = Dictionary(uniqueKeysWithValues: zip(members, prepared).map { ($0.id, $1.place) })
        // Number 0 until commit 1 is real: whoever opens what is left of an interrupted init knows.
        try environment.home.writeDocument(
            .store, StoreDocument(storeID: storeID, configuration: configuration, paths: paths).encode())
        for (member, device) in zip(members, prepared) {
            let document = DeviceDocument(
                storeID: storeID, deviceID: member.id, configuration: configuration, paths: paths)
            try device.writeDocument(.device, document.encode())
        }
        configuration.number = 1
        try writeFirstCommit(environment, configuration, members, prepared)
        for (member, device) in zip(members, prepared) {
            let document = DeviceDocument(
                storeID: storeID, deviceID: member.id, configuration: configuration, paths: paths)
            try device.writeDocument(.device, document.encode())
        }
        try environment.home.writeDocument(
            .store, StoreDocument(storeID: storeID, configuration: configuration, paths: paths).encode())
        return CreateReport(storeID: storeID, warnings: warnings(profile, devices) + configuration.domainWarnings)
    }

    /// What `create` would make, and its warnings. Changes nothing.
    ///
    /// - Parameter home: nil where there is none yet.
    /// - Throws: as `create` before it writes anything.
    public static func planCreation(
        home: (any Home)?, _ provider: any DeviceProvider, devices: [NewDevice], profile: Profile,
        averageChunkBytes: Int = ChunkerParameters.defaultAverageBytes, isSandbox: Bool = false
    ) throws(StoreError) -> CreatePlan {
        try requireEnough(devices, profile)
        let unfinished = try home.flatMap { home throws(StoreError) in try unfinishedInit(home, provider) }
        let prepared = try prepare(devices, provider, unfinished: unfinished, isSandbox: isSandbox, isPlan: true)
        let random = SystemRandom()
        let configuration = try configuration(
            unfinished ?? random.identifier(), devices, prepared, profile, averageChunkBytes: averageChunkBytes,
            isSandbox: isSandbox, random)
        return CreatePlan(
            devices: zip(configuration.devices, devices).map { member, device in
                CreatePlan.Device(path: device.path, label: member.label, domain: member.domain, weight: member.weight)
            }, warnings: warnings(profile, devices) + configuration.domainWarnings)
    }

    private static func requireEnough(_ devices: [NewDevice], _ profile: Profile) throws(StoreError) {
        guard devices.count >= profile.shardCount else {
            throw StoreError(
                .invalid, "create a store of profile \(profile)",
                detail:
                    "\(Count.text(devices.count, "device", one: "was", many: "were")) given, it needs at least \(profile.shardCount)",
                advice: "name more devices, or choose a profile of at most \(Count.text(devices.count, "shard"))")
        }
    }

    private static func configuration(
        _ storeID: StoreID, _ devices: [NewDevice], _ prepared: [(any Device)?], _ profile: Profile,
        averageChunkBytes: Int, isSandbox: Bool, _ random: any RandomSource
    ) throws(StoreError) -> Configuration {
        var seed = ByteWriter()
        seed.append(storeID)
        let chunker: ChunkerParameters
        do throws(ChunkSizesError) {
            chunker = try ChunkerParameters(
                averageBytes: averageChunkBytes, seed: storeID.high ^ storeID.low.byteSwapped)
        } catch {
            throw StoreError(.invalid, "create a store", detail: error.description)
        }
        var members: [Configuration.Device] = []
        for (index, device) in devices.enumerated() {
            let label = device.label ?? "disk-\(index + 1)"
            // Disks of a sandbox are one disk.
            let capacity = isSandbox ? 1 : try prepared[index]?.space().weight ?? 1
            members.append(
                Configuration.Device(
                    id: random.identifier(), label: label, domain: device.domain ?? label,
                    weight: device.weight ?? capacity, state: .inService))
        }
        let configuration = Configuration(
            number: 0, storeID: storeID, profile: profile, chunker: chunker, isSandbox: isSandbox, devices: members)
        do throws(FormatError) {
            try configuration.validate()
        } catch {
            throw StoreError(.invalid, "create a store", detail: error.description)
        }
        return configuration
    }

    /// The id of a store whose init in this home was interrupted before commit 1.
    private static func unfinishedInit(_ home: any Home, _ provider: any DeviceProvider) throws(StoreError) -> StoreID?
    {
        guard let bytes = try home.readDocument(.store) else { return nil }
        let document = try StoreDocument.parse(bytes, at: home.place)
        var hasCommit = false
        for path in document.paths.values {
            guard let device = try? provider.open(path) else { continue }
            if let shards = try? device.shards(from: .none), !shards.isEmpty { hasCommit = true }
        }
        guard document.configuration.number == 0, !hasCommit else {
            throw StoreError(
                .exists, "create a store", at: home.place, detail: "there is a store already",
                advice: "choose another directory")
        }
        return document.storeID
    }

    private static func prepare(
        _ devices: [NewDevice], _ provider: any DeviceProvider, unfinished: StoreID?, isSandbox: Bool,
        isPlan: Bool = false
    ) throws(StoreError) -> [(any Device)?] {
        var prepared: [(any Device)?] = []
        var seen: [String: String] = [:]
        for device in devices {
            let place: any Device
            do throws(StoreError) {
                place = try provider.prepare(device.path, creating: isSandbox && !isPlan) { document, hasShards in
                    guard let unfinished, !hasShards else { return false }
                    return (try? DeviceDocument.parse(document, at: device.path))?.storeID == unfinished
                }
            } catch {
                // A sandbox makes what is not there.
                guard isPlan, isSandbox, error.code == .notFound else { throw error }
                prepared.append(nil)
                continue
            }
            if let other = seen[place.physicalIdentity] {
                throw StoreError(
                    .invalid, "create a store", at: device.path, detail: "it is the same directory as \(other)",
                    advice: "name each device once")
            }
            seen[place.physicalIdentity] = device.path
            prepared.append(place)
        }
        return prepared
    }

    private static func writeFirstCommit(
        _ environment: StoreEnvironment, _ configuration: Configuration, _ members: [Configuration.Device],
        _ prepared: [any Device]
    ) throws(StoreError) {
        try environment.home.discardIndex()
        let index = try environment.home.openIndex()
        defer { index.close() }
        let set = DeviceSet(
            zip(members, prepared).enumerated().map { lane, pair in
                DeviceSet.Member(
                    configured: pair.0, lane: lane, device: pair.1, state: .inService, path: pair.1.place)
            }, environment.executor)
        defer { set.unlock() }
        if let id = set.lock() {
            throw StoreError(.locked, "create a store", at: set.name(id), detail: "another process is using it")
        }
        if let problem = set.order.compactMap({ set.failures[$0] }).first { throw problem }
        let engine = Engine(environment: environment, configuration: configuration, devices: set, index: index)
        let nobody = Epoch(counter: 0, writer: WriterID(high: 0, low: 0))
        let tenure = WriterTenure(
            engine,
            state: IndexState(
                head: .none, epoch: nobody, configuration: configuration, retired: .none, highestBlock: .none,
                lastInService: [:]),
            highestBlock: .none, highestEpoch: 0, isEpochWritten: false)
        let writer = CommitWriter(tenure, minimumShards: nil)
        try writer.add(.configuration(configuration))
        let outcome = try writer.commit()
        guard outcome.owedShards == 0, set.outOfService.isEmpty else {
            throw StoreError(
                .io, "create a store",
                detail: set.outOfService.map { "\(set.name($0)) \(set[$0]?.state.description ?? "")" }.joined(
                    separator: "; "),
                advice: "mend the device and use a new home")
        }
    }

    private static func warnings(_ profile: Profile, _ new: [NewDevice]) -> [String] {
        var warnings = PlaceProvider.warnings(for: new.map(\.path))
        let devices = new.count
        if devices == profile.shardCount {
            warnings.append(
                profile.tolerance == 1
                    ? "with \(devices) devices and \(profile) nothing can be stored while a device is missing"
                    : "with \(devices) devices and \(profile) puts are degraded while a device is missing")
        }
        if devices <= 2 * profile.tolerance {
            warnings.append(
                "with \(devices) devices and \(profile), never write from two homes that see different devices")
        }
        return warnings
    }
}
