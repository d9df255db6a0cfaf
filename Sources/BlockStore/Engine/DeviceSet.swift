/// Why a configured device takes no part.
public enum DeviceState: Sendable, Hashable, CustomStringConvertible {
    case inService
    /// Not found, or what was found there is not it.
    case absent(String)
    /// A lock, listing, write, sync or naming failed: nothing more is written to it in this session (design law 5), and
    /// nothing rests on it. What it holds is still read where that works: every byte is checked anyway.
    case failed(String)

    public var isInService: Bool { self == .inService }

    public var description: String {
        switch self {
        case .inService: "in service"
        case .absent(let reason): "absent: \(reason)"
        case .failed(let reason): "failed: \(reason)"
        }
    }
}

/// The configured devices and what became of each in this session.
///
/// Thread rule: any thread; all state is inside the lock. A device leaves service at most once and
/// does not come back before the store is opened again.
final class DeviceSet: Sendable {
    struct Member: Sendable {
        let configured: Configuration.Device
        /// Its I/O lane.
        let lane: Int
        var device: (any Device)?
        var state: DeviceState
        /// Path at which it was found, or is expected.
        var path: String?

        var candidate: Placement.Candidate {
            Placement.Candidate(id: configured.id, domain: configured.domain, weight: configured.weight)
        }
    }

    private let members: Monitor<[DeviceID: Member]>
    /// What made devices leave service.
    private let problems = Monitor<[DeviceID: StoreError]>([:])
    /// In the order of the configuration, without the removed ones.
    let order: [DeviceID]

    init(_ members: [Member]) {
        order = members.map(\.configured.id)
        self.members = Monitor(
            Dictionary(members.map { ($0.configured.id, $0) }, uniquingKeysWith: { first, _ in first }))
    }

    subscript(id: DeviceID) -> Member? { members.withLock { $0[id] } }

    var all: [Member] { order.compactMap { self[$0] } }

    /// The device, when it is in service.
    func device(_ id: DeviceID) -> (any Device)? {
        members.withLock { members in
            guard let member = members[id], member.state.isInService else { return nil }
            return member.device
        }
    }

    /// The device, when it is there at all: a full or read-only disk keeps what it has. A node that is set aside is not
    /// there for a while.
    func readable(_ id: DeviceID) -> (any Device)? {
        if Mutant.isActive(.failedDeviceNotRead) { return device(id) }
        guard let device = members.withLock({ $0[id]?.device }), !device.isSetAside else { return nil }
        return device
    }

    /// Whether what cannot be read from a device is missing there: of who is away nobody can tell.
    func isAskable(_ id: DeviceID) -> Bool { device(id) != nil && readable(id) != nil }

    /// Devices that can be read from, those in service first.
    var readable: [DeviceID] {
        let inService = self.inService
        return inService + order.filter { !inService.contains($0) && readable($0) != nil }
    }

    func lane(_ id: DeviceID) -> Int { self[id]?.lane ?? 0 }

    /// Devices in service, in configuration order.
    var inService: [DeviceID] { order.filter { device($0) != nil } }

    /// Configured devices that are not in service.
    var outOfService: [DeviceID] { order.filter { device($0) == nil } }

    /// Those that may take new shards.
    var candidates: [Placement.Candidate] { candidates(expecting: []) }

    /// Those that may take new shards now, or when the `expected` ones are back.
    func candidates(expecting expected: Set<DeviceID>) -> [Placement.Candidate] {
        all.filter { member in
            (member.state.isInService || expected.contains(member.configured.id))
                && (member.configured.state == .inService || Mutant.isActive(.drainingTakesShards))
        }
        .map(\.candidate)
    }

    /// Takes a device out of service for the rest of the session.
    func fail(_ id: DeviceID, _ error: StoreError) {
        members.withLock { members in
            guard members[id]?.state.isInService == true else { return }
            members[id]?.state = .failed(error.description)
            problems.withLock { $0[id] = error }
        }
    }

    /// Devices that left service, with what made them.
    var failures: [DeviceID: StoreError] { problems.withLock { $0 } }

    /// "disk-2 (/srv/d2)"
    func name(_ id: DeviceID) -> String {
        guard let member = self[id] else { return "device \(hexadecimal(id.prefix, digits: 16))" }
        return member.path.map { "\(member.configured.label) (\($0))" } ?? member.configured.label
    }

    func label(_ id: DeviceID) -> String {
        self[id]?.configured.label ?? "device \(hexadecimal(id.prefix, digits: 16))"
    }
}
