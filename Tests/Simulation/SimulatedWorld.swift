@testable import BlockStore
import Synchronization

/// Disks, a home and a clock under one seed; every primitive step of every device is numbered, and at
/// any of them the power can go, or the call can fail.
///
/// One thread.
final class SimulatedWorld: @unchecked Sendable {
    // @unchecked: simulations run on one thread.
    enum Failure: Sendable { case io, noSpace, readOnly }

    struct State: Sendable {
        var disks: [String: SimulatedDisk] = [:]
        var home = SimulatedDisk()
        var absent: Set<String> = []
        /// Index states that may be found after a crash, the newest last.
        var indexes: [[UInt8]] = []
        var index: [UInt8]?
    }

    let random: SeededRandom
    var state = State()
    private(set) var steps = 0
    /// What was done, for the trace.
    private(set) var traceHash: UInt64 = 0xcbf2_9ce4_8422_2325
    var crashAtStep: Int?
    var failAtStep: (step: Int, failure: Failure)?
    /// From that step on every write to these disks fails.
    var failFrom: (step: Int, disks: Set<String>)?
    private(set) var isCrashed = false
    fileprivate var lockedDisks: Set<String> = []
    fileprivate var isHomeLocked = false
    fileprivate var ticks: UInt64 = 0
    /// The index that is open now, to be asked at a crash.
    fileprivate var openIndex: Index?

    init(seed: UInt64, disks: [String]) {
        random = SeededRandom(seed)
        for disk in disks { state.disks[disk] = SimulatedDisk() }
    }

    var environment: StoreEnvironment {
        StoreEnvironment(
            home: SimulatedHome(self), devices: SimulatedProvider(self), clock: SimulatedClock(self), random: random,
            executor: InlineExecutor())
    }

    /// One primitive step that changes something. Throws at the chosen one, and for ever after a crash.
    func step(_ what: String, on place: String) throws(StoreError) {
        try requireAlive(what, place)
        steps += 1
        for byte in "\(place) \(what)".utf8 { traceHash = (traceHash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        if steps == crashAtStep {
            isCrashed = true
            throw StoreError(.io, what, at: place, detail: "the power went")
        }
        if let failFrom, steps >= failFrom.step, failFrom.disks.contains(place) {
            throw StoreError(what, at: place, .io)
        }
        if let failAtStep, failAtStep.step == steps {
            switch failAtStep.failure {
            case .io: throw StoreError(what, at: place, .io)
            case .noSpace: throw StoreError(what, at: place, .noSpace)
            case .readOnly: throw StoreError(what, at: place, SystemError(30))
            }
        }
    }

    func requireAlive(_ what: String, _ place: String) throws(StoreError) {
        if isCrashed { throw StoreError(.io, what, at: place, detail: "the power is out") }
    }

    /// Starts counting steps from 0.
    func resetSteps() {
        steps = 0
        crashAtStep = nil
        failAtStep = nil
    }

    /// The machine comes back: disks as the policy leaves them, any earlier index or none.
    func reboot(_ policy: CrashPolicy) {
        rememberIndex()
        for name in state.disks.keys.sorted() { state.disks[name]?.crash(policy, random) }
        state.home.crash(policy, random)
        switch policy {
        case .keepAll: state.index = state.indexes.last
        case .loseAllUnsynced: state.index = state.indexes.count > 1 ? state.indexes[state.indexes.count - 2] : nil
        case .torn, .random:
            let choice = Int(random.next() % UInt64(state.indexes.count + 1))
            state.index = choice == state.indexes.count ? nil : state.indexes[choice]
        }
        restart()
    }

    /// The process is gone, nothing else: locks and what was in memory.
    func restart() {
        rememberIndex()
        openIndex = nil
        isCrashed = false
        lockedDisks = []
        isHomeLocked = false
        resetSteps()
    }

    /// Keeps the state of the open index as one that may be found after a crash.
    func rememberIndex() {
        guard let bytes = try? openIndex?.snapshot() else { return }
        keep(index: bytes)
    }

    fileprivate func keep(index bytes: [UInt8]) {
        state.index = bytes
        if state.indexes.last != bytes { state.indexes.append(bytes) }
        if state.indexes.count > 4 { state.indexes.removeFirst() }
    }
}

final class SimulatedClock: Clock {
    private let world: SimulatedWorld

    init(_ world: SimulatedWorld) { self.world = world }

    /// Years apart from one call to the next, in both directions: no decision may rest on it.
    func wallNanoseconds() -> Int64 { Int64(truncatingIfNeeded: world.random.next() >> 2) }

    func monotonicNanoseconds() -> UInt64 {
        world.ticks += 1_000_000
        return world.ticks
    }

    func sleep(nanoseconds: UInt64) { world.ticks += nanoseconds }
}

final class SimulatedHome: Home {
    let place = "home"
    private let world: SimulatedWorld

    init(_ world: SimulatedWorld) { self.world = world }

    func readDocument(_ name: DocumentName) throws(StoreError) -> [UInt8]? {
        try world.requireAlive("read \(name)", place)
        return world.state.home.content(name.rawValue)
    }

    func writeDocument(_ name: DocumentName, _ bytes: [UInt8]) throws(StoreError) {
        let temporary = name.rawValue + ".new"
        try world.step("create \(temporary)", on: place)
        world.state.home.create(temporary)
        world.state.home.write(temporary, bytes)
        try world.step("sync \(temporary)", on: place)
        world.state.home.sync(file: temporary)
        try world.step("rename \(temporary)", on: place)
        world.state.home.rename(temporary, name.rawValue)
        try world.step("sync home", on: place)
        world.state.home.sync(directory: "")
    }

    func tryLock() throws(StoreError) -> Bool {
        try world.requireAlive("lock", place)
        if world.isHomeLocked { return false }
        world.isHomeLocked = true
        return true
    }

    func unlock() { world.isHomeLocked = false }

    func lockHolder() -> String? { "somebody" }

    func openIndex() throws(StoreError) -> Index {
        try world.requireAlive("open the index", place)
        let world = self.world
        let index = try Index.inMemory(world.state.index) { bytes in world.keep(index: bytes) }
        world.openIndex = index
        return index
    }

    func discardIndex() throws(StoreError) {
        try world.requireAlive("delete the index", place)
        world.openIndex = nil
        world.state.index = nil
    }
}

final class SimulatedProvider: DeviceProvider {
    private let world: SimulatedWorld

    init(_ world: SimulatedWorld) { self.world = world }

    func open(_ hint: String) throws(StoreError) -> any Device {
        try world.requireAlive("open \(hint)", hint)
        guard world.state.disks[hint] != nil, !world.state.absent.contains(hint) else {
            throw StoreError(.notFound, "open the device", at: hint, detail: "no such device")
        }
        return SimulatedDevice(world, hint)
    }

    func prepare(
        _ hint: String, creating: Bool, isLeftover: ([UInt8]) -> Bool
    ) throws(StoreError) -> any Device {
        try world.requireAlive("prepare \(hint)", hint)
        if creating, world.state.disks[hint] == nil { world.state.disks[hint] = SimulatedDisk() }
        let device = try open(hint)
        let disk = world.state.disks[hint] ?? SimulatedDisk()
        let isEmpty = disk.names(in: "").allSatisfy { ["tmp", "blocks"].contains($0) }
        if isEmpty, try device.shards(from: .none).isEmpty { return device }
        if let document = disk.content(DocumentName.device.rawValue), isLeftover(document),
            try device.shards(from: .none).isEmpty
        {
            return device
        }
        throw StoreError(.exists, "use this device", at: hint, detail: "it is not empty")
    }
}

/// A device whose every call is made of the primitive steps of the real one.
final class SimulatedDevice: Device {
    let place: String
    var physicalIdentity: String { place }
    private let world: SimulatedWorld
    private let nextTicket = Atomic<UInt64>(1)

    init(_ world: SimulatedWorld, _ place: String) {
        self.world = world
        self.place = place
    }

    private var disk: SimulatedDisk {
        get { world.state.disks[place] ?? SimulatedDisk() }
        set { world.state.disks[place] = newValue }
    }

    private func requirePresent(_ what: String) throws(StoreError) {
        try world.requireAlive(what, place)
        guard !world.state.absent.contains(place) else { throw StoreError(what, at: place, .io) }
    }

    func readDocument(_ name: DocumentName) throws(StoreError) -> [UInt8]? {
        try requirePresent("read \(name)")
        return disk.content(name.rawValue)
    }

    func writeDocument(_ name: DocumentName, _ bytes: [UInt8]) throws(StoreError) {
        try requirePresent("write \(name)")
        try makeDirectory("tmp")
        let temporary = "tmp/\(name.rawValue).new"
        do throws(StoreError) {
            try world.step("create \(temporary)", on: place)
            disk.create(temporary)
            disk.write(temporary, bytes)
            try world.step("sync \(temporary)", on: place)
            if !Mutant.isActive(.documentSyncDropped) { disk.sync(file: temporary) }
            try world.step("rename \(temporary)", on: place)
            disk.rename(temporary, name.rawValue)
        } catch {
            if !world.isCrashed { disk.remove(temporary) }
            throw error
        }
        try world.step("sync root", on: place)
        if !Mutant.isActive(.documentSyncDropped) { disk.sync(directory: "") }
    }

    func tryLock() throws(StoreError) -> Bool {
        try requirePresent("lock")
        return world.lockedDisks.insert(place).inserted
    }

    func unlock() { world.lockedDisks.remove(place) }

    func byteCount(of shard: ShardName) throws(StoreError) -> Int? {
        try requirePresent("look for \(shard)")
        return disk.content(path(shard))?.count
    }

    func read(
        _ shard: ShardName, at offset: Int, into buffer: UnsafeMutableRawBufferPointer, from source: ReadSource
    ) throws(StoreError) {
        try requirePresent("read \(shard)")
        guard let content = disk.content(path(shard)) else {
            throw StoreError(.notFound, "read shard \(shard)", at: place, detail: "no such shard")
        }
        guard offset >= 0, offset + buffer.count <= content.count else {
            throw StoreError(.corrupt, "read shard \(shard)", at: place, detail: "it ends too early")
        }
        buffer.copyBytes(from: content[offset..<(offset + buffer.count)])
    }

    func stage(_ pieces: [UnsafeRawBufferPointer], as shard: ShardName) throws(StoreError) -> StagedShard {
        try requirePresent("stage \(shard)")
        guard disk.exists(DocumentName.device.rawValue) else {
            throw StoreError("write shard \(shard)", at: place, SystemError(19))
        }
        let staged = StagedShard(shard: shard, ticket: nextTicket.wrappingAdd(1, ordering: .relaxed).oldValue)
        try makeDirectory("tmp")
        try world.step("create \(shard)", on: place)
        disk.create(temporary(staged))
        do throws(StoreError) {
            try world.step("write \(shard)", on: place)
        } catch {
            if !world.isCrashed { disk.remove(temporary(staged)) }
            throw error
        }
        disk.write(temporary(staged), pieces.flatMap { Array($0) })
        return staged
    }

    func sync(_ staged: [StagedShard]) throws(StoreError) {
        for shard in staged {
            try requirePresent("sync \(shard.shard)")
            try world.step("sync \(shard.shard)", on: place)
            if !Mutant.isActive(.stageSyncDropped) { disk.sync(file: temporary(shard)) }
        }
    }

    func name(_ staged: [StagedShard], replacing: Bool) throws(StoreError) {
        try requirePresent("name shards")
        var touched: Set<String> = []
        for shard in staged {
            try makeDirectory("blocks")
            let directory = "blocks/\(shard.shard.directoryName)"
            try makeDirectory(directory)
            try world.step("rename \(shard.shard)", on: place)
            guard replacing || !disk.exists(path(shard.shard)) else {
                throw StoreError("name shards", at: place, SystemError(17))
            }
            disk.rename(temporary(shard), path(shard.shard))
            touched.insert(directory)
        }
        for directory in touched.sorted() {
            try world.step("sync \(directory)", on: place)
            if !Mutant.isActive(.nameSyncDropped) { disk.sync(directory: directory) }
        }
    }

    func discard(_ staged: [StagedShard]) {
        guard !world.isCrashed else { return }
        for shard in staged { disk.remove(temporary(shard)) }
    }

    func clearStaging() throws(StoreError) {
        try requirePresent("clear tmp")
        for name in disk.names(in: "tmp") {
            try world.step("remove tmp/\(name)", on: place)
            disk.remove("tmp/\(name)")
        }
    }

    func remove(_ shard: ShardName) throws(StoreError) {
        try requirePresent("remove \(shard)")
        try world.step("remove \(shard)", on: place)
        disk.remove(path(shard))
    }

    func shards(from first: BlockNumber) throws(StoreError) -> [ShardName] {
        try requirePresent("list")
        var result: [ShardName] = []
        for directory in disk.names(in: "blocks") {
            for name in disk.names(in: "blocks/\(directory)") {
                if let shard = ShardName(fileName: name), shard.number >= first { result.append(shard) }
            }
        }
        return result.sorted()
    }

    func space() throws(StoreError) -> DeviceSpace { DeviceSpace(totalBytes: 1 << 40, freeBytes: 1 << 39) }

    private func path(_ shard: ShardName) -> String { "blocks/\(shard.directoryName)/\(shard.fileName)" }

    private func temporary(_ staged: StagedShard) -> String { "tmp/\(staged.shard.fileName).\(staged.ticket)" }

    /// Made and made durable in its parent, as the real device does it once per session.
    private func makeDirectory(_ path: String) throws(StoreError) {
        guard !disk.exists(path) || disk.durable[path] == nil else { return }
        try world.step("mkdir \(path)", on: place)
        if !disk.exists(path) { disk.create(path, isDirectory: true) }
        try world.step("sync the parent of \(path)", on: place)
        let parent = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
        if !Mutant.isActive(.parentSyncDropped) { disk.sync(directory: parent) }
    }
}
