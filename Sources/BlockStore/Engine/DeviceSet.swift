import Erasure

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
    /// Whether some device is far away, and whether reading costs more on some than on others.
    let hasRemote: Bool
    let hasDifferentCosts: Bool
    private let executor: any Executor

    /// - Parameter executor: on whose lanes devices far away are asked.
    init(_ members: [Member], _ executor: any Executor) {
        self.executor = executor
        order = members.map(\.configured.id)
        hasRemote = members.contains { $0.device?.isRemote ?? false }
        hasDifferentCosts = Set(members.compactMap { $0.device?.readCost }).count > 1
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

    /// What a byte read from there costs; nil where nothing can be read.
    func readCost(of id: DeviceID?) -> Double? { id.flatMap { readable($0) }?.readCost }

    /// Rows by what it costs to read them: first those that cost least, with each step those that cost more as well, at last all.
    func cheapestFirst(_ holders: [Row: DeviceID]) -> [[Row]] {
        guard hasDifferentCosts else { return [Array(holders.keys)] }
        let costs = holders.mapValues { readCost(of: $0) ?? .infinity }
        return Set(costs.values).sorted().map { most in costs.filter { $0.value <= most }.map(\.key) }
    }

    /// How long `id` is waited for before what it has is made from others: twice what almost all their answers to reads took
    /// lately.
    func patience(with id: DeviceID) -> UInt64 {
        let others = members.withLock { members in
            members.compactMap { other, member in other == id ? nil : member.device?.answerTimes?.readTailNanoseconds }
        }
        guard let longest = others.max() else { return Limits.usualPatienceNanoseconds }
        return max(Limits.leastPatienceNanoseconds, 2 * longest)
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

extension DeviceSet {
    /// What `body` makes of each device in service, in their order. Those far away are asked side by side: asking all of them takes
    /// no longer than asking one. A device that fails leaves service where `failing`.
    func ask<Value: Sendable>(
        _ ids: [DeviceID]? = nil, failing: Bool = true,
        _ body: @escaping @Sendable (DeviceID, any Device) throws(StoreError) -> Value
    ) -> [(id: DeviceID, answer: Result<Value, StoreError>)] {
        let asked = (ids ?? inService).compactMap { id in device(id).map { (id: id, device: $0) } }
        let jobs = asked.map { id, device in
            device.isRemote
                ? Job(executor, on: .device(lane(id))) { () throws(StoreError) in try body(id, device) } : nil
        }
        return zip(asked, jobs).map { asked, job in
            let answer = job?.outcome() ?? Result { () throws(StoreError) in try body(asked.id, asked.device) }
            if failing, case .failure(let error) = answer { fail(asked.id, error) }
            return (asked.id, answer)
        }
    }

    /// Takes the locks of all devices in service; nil when that is done, else one that another has. Who cannot have them all may have some.
    ///
    /// In order and the first alone, so that of two who come at the same time one has them all; then those far away side by
    /// side.
    func lock() -> DeviceID? {
        let all = inService
        let alone = all.enumerated().filter { $0.offset == 0 || device($0.element)?.isRemote == false }.map(\.element)
        for ids in alone.map({ [$0] }) + [all.filter { !alone.contains($0) }] {
            let answers = ask(ids) { _, device throws(StoreError) in try device.tryLock() }
            for case (let id, .success(false)) in answers { return id }
        }
        return nil
    }

    /// Gives the locks of all devices back that have one.
    func unlock() {
        let places = all.compactMap { member in member.device.map { (lane: member.lane, device: $0) } }
        let jobs = places.map { lane, device in
            device.isRemote ? Job(executor, on: .device(lane)) { () throws(StoreError) in device.unlock() } : nil
        }
        for (place, job) in zip(places, jobs) {
            if let job { _ = job.outcome() } else { place.device.unlock() }
        }
    }
}
