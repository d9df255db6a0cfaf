@testable import BlockStore
import Synchronization

/// Disks, homes and a clock under one seed; every call of every device is numbered, and at any of them
/// the power can go, or the call can fail.
///
/// One thread: work for other lanes is queued and run in an order the seed chooses.
final class SimulatedWorld: @unchecked Sendable {
    // @unchecked: simulations run on one thread.
    enum Failure: Sendable, CaseIterable {
        case io, noSpace, readOnly

        func error(_ what: String, _ place: String) -> StoreError {
            switch self {
            case .io: StoreError(what, at: place, .io)
            case .noSpace: StoreError(what, at: place, .noSpace)
            case .readOnly: StoreError(what, at: place, SystemError(30))
            }
        }
    }

    /// What is wrong with a disk while it is in use. Nothing of it is lost by that.
    enum Fault: Sendable, Hashable, CaseIterable {
        /// Every call fails.
        case failing
        /// Reads fail.
        case unreadable
        case full
        case readOnly
        /// Every call takes a minute.
        case slow
        /// What is written is taken and lost.
        case forgetful
    }

    /// A directory with a copy of the configuration and an index.
    struct HomeState: Sendable {
        var files = SimulatedDisk()
        /// Index states that may be found after a crash, the newest last.
        var indexes: [[UInt8]] = []
        var index: [UInt8]?
    }

    struct State: Sendable {
        var disks: [String: SimulatedDisk] = [:]
        var homes: [String: HomeState] = ["home": HomeState()]
        var absent: Set<String> = []
        /// The home that is in use.
        var homeName = "home"
        /// Blocks are no larger than this a shard; nil for the usual.
        var largestShardBytes: Int?
        /// Those of the disks' places that are nodes (`SimulatedNode`).
        var nodes: Set<String> = []
        /// What nodes were asked to write and nobody waits for any more.
        var underWay: [LateWrite] = []

        var home: HomeState {
            get { homes[homeName] ?? HomeState() }
            set { homes[homeName] = newValue }
        }

        var index: [UInt8]? {
            get { home.index }
            set { home.index = newValue }
        }
    }

    let random: SeededRandom
    var state = State()
    let executor: SimulatedExecutor
    /// Calls that change something.
    private(set) var steps = 0
    /// All calls.
    private(set) var calls = 0
    /// What was done, for the trace.
    private(set) var traceHash: UInt64 = 0xcbf2_9ce4_8422_2325
    var crashAtStep: Int?
    var failAtCall: (call: Int, failure: Failure)?
    var faults: [String: Fault] = [:]
    var nodeFaults: [String: NodeFault] = [:]
    /// The faults are there from this call on.
    var faultsFromCall = 0
    /// A disk that is pulled at that call.
    var vanishAtCall: (call: Int, disk: String)?
    /// The homes' disk is full: SQLite cannot even read.
    var isHomeFull = false
    /// What the wall clock says for now; nil for years apart from one call to the next.
    var wallNanoseconds: Int64?
    /// Homes know files that were read before.
    var remembersFiles = false
    fileprivate var knownFiles: KnownFiles?
    private(set) var isCrashed = false
    var lockedDisks: Set<String> = []
    fileprivate var lockedHomes: Set<String> = []
    fileprivate var ticks: UInt64 = 0
    /// What somebody else does while the process sleeps for the next time.
    var meanwhile: (() -> Void)?
    /// The index that is open now, to be asked at a crash.
    fileprivate var openIndex: Index?

    init(seed: UInt64, disks: [String]) {
        random = SeededRandom(seed)
        executor = SimulatedExecutor(random)
        for disk in disks { state.disks[disk] = SimulatedDisk() }
    }

    var environment: StoreEnvironment { environment(home: state.homeName) }

    func environment(home: String) -> StoreEnvironment {
        var environment = StoreEnvironment(
            home: SimulatedHome(self, home), devices: SimulatedProvider(self), clock: SimulatedClock(self),
            random: random, executor: executor)
        if let largest = state.largestShardBytes { environment.largestShardBytes = largest }
        return environment
    }

    /// One primitive step that changes something. Throws at the chosen one, and for ever after a crash.
    func step(_ what: String, on place: String) throws(StoreError) {
        try requireAlive(what, place)
        steps += 1
        if steps == crashAtStep {
            isCrashed = true
            throw StoreError(.io, what, at: place, detail: "the power went")
        }
        try call(what, on: place, isRead: false)
    }

    /// One primitive step that only looks.
    func look(_ what: String, on place: String) throws(StoreError) {
        try requireAlive(what, place)
        try call(what, on: place, isRead: true)
    }

    private func call(_ what: String, on place: String, isRead: Bool) throws(StoreError) {
        calls += 1
        for byte in "\(place) \(what)".utf8 { traceHash = (traceHash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        if let vanishAtCall, calls == vanishAtCall.call { state.absent.insert(vanishAtCall.disk) }
        if let failAtCall, failAtCall.call == calls { throw failAtCall.failure.error(what, place) }
        guard calls >= faultsFromCall, let fault = faults[place] else { return }
        switch fault {
        case .failing: throw Failure.io.error(what, place)
        case .unreadable: if isRead { throw Failure.io.error(what, place) }
        case .full: if !isRead, !what.hasPrefix("remove") { throw Failure.noSpace.error(what, place) }
        case .readOnly: if !isRead { throw Failure.readOnly.error(what, place) }
        case .slow: ticks += 60_000_000_000
        case .forgetful: break
        }
    }

    func isForgetful(_ place: String) -> Bool { calls >= faultsFromCall && faults[place] == .forgetful }

    func requireAlive(_ what: String, _ place: String) throws(StoreError) {
        if isCrashed { throw StoreError(.io, what, at: place, detail: "the power is out") }
    }

    /// Starts counting from 0, with nothing planned.
    func resetSteps() {
        steps = 0
        calls = 0
        crashAtStep = nil
        failAtCall = nil
        faults = [:]
        nodeFaults = [:]
        faultsFromCall = 0
        vanishAtCall = nil
    }

    /// How many entries and contents a power cut could lose now.
    var unsyncedCount: Int {
        state.disks.values.reduce(0) { $0 + $1.unsyncedCount }
            + state.homes.values.reduce(0) { $0 + $1.files.unsyncedCount }
    }

    /// The machine comes back: disks as the policy leaves them, any earlier index or none.
    func reboot(_ policy: CrashPolicy) {
        rememberIndex()
        var policy = policy
        func crash(_ disk: inout SimulatedDisk) {
            let count = disk.unsyncedCount
            disk.crash(policy, random)
            if case .loseOne(let lost) = policy { policy = .loseOne(lost - count) }
        }
        for name in state.disks.keys.sorted() {
            guard var disk = state.disks[name] else { continue }
            crash(&disk)
            state.disks[name] = disk
        }
        // The nodes went on meanwhile.
        land { random.next() % 2 == 0 }
        for name in state.homes.keys.sorted() {
            guard var home = state.homes[name] else { continue }
            crash(&home.files)
            switch policy {
            case .keepAll, .loseOne: home.index = home.indexes.last
            case .loseAllUnsynced: home.index = home.indexes.count > 1 ? home.indexes[home.indexes.count - 2] : nil
            case .torn, .random:
                let choice = Int(random.next() % UInt64(home.indexes.count + 1))
                home.index = choice == home.indexes.count ? nil : home.indexes[choice]
            }
            state.homes[name] = home
        }
        restart()
    }

    /// A new process, with nothing planned.
    func restart() {
        isCrashed = false
        endProcess()
        resetSteps()
    }

    /// The process is gone, nothing else: locks and what was in memory.
    func endProcess() {
        rememberIndex()
        openIndex = nil
        executor.drop()
        lockedDisks = []
        lockedHomes = []
    }

    func endFaults() {
        faults = [:]
        nodeFaults = [:]
        vanishAtCall = nil
    }

    /// Keeps the state of the open index as one that may be found after a crash.
    func rememberIndex() {
        guard let bytes = try? openIndex?.snapshot() else { return }
        keep(index: bytes, of: state.homeName)
    }

    fileprivate func keep(index bytes: [UInt8], of name: String) {
        guard var home = state.homes[name] else { return }
        home.index = bytes
        if home.indexes.last != bytes { home.indexes.append(bytes) }
        if home.indexes.count > 4 { home.indexes.removeFirst() }
        state.homes[name] = home
    }
}

/// Runs queued work, one piece at a time, in an order chosen by the seed, whenever somebody waits.
///
/// `@unchecked`: simulations run on one thread.
final class SimulatedExecutor: Executor, @unchecked Sendable {
    let width = 2
    private var queue: [@Sendable () -> Void] = []
    private var isRunning = false
    private let random: SeededRandom

    init(_ random: SeededRandom) { self.random = random }

    func submit(_: Lane, _ work: @escaping @Sendable () -> Void) { queue.append(work) }

    func wait(for completion: Completion) {
        precondition(!isRunning, "work never waits for other work")
        while !completion.isDone {
            precondition(!queue.isEmpty, "somebody waits for what nobody does")
            runOne()
        }
    }

    /// What nobody waits for is done as well.
    func drain() { while !queue.isEmpty { runOne() } }

    /// The process is gone, and with it what it had not begun.
    func drop() { queue = [] }

    private func runOne() {
        isRunning = true
        queue.remove(at: Int(random.next() % UInt64(queue.count)))()
        isRunning = false
    }
}

final class SimulatedClock: Clock {
    private let world: SimulatedWorld

    init(_ world: SimulatedWorld) { self.world = world }

    /// Years apart from one call to the next, in both directions: no decision may rest on it.
    func wallNanoseconds() -> Int64 {
        world.wallNanoseconds ?? Int64(truncatingIfNeeded: world.random.next() >> 2)
    }

    func monotonicNanoseconds() -> UInt64 {
        world.ticks += 1_000_000
        return world.ticks
    }

    func sleep(nanoseconds: UInt64) {
        world.ticks += nanoseconds
        let meanwhile = world.meanwhile
        world.meanwhile = nil
        meanwhile?()
    }
}

/// `@unchecked`: simulations run on one thread.
final class SimulatedHome: Home, @unchecked Sendable {
    let place: String
    private let world: SimulatedWorld
    /// By this process.
    private var isLocked = false

    init(_ world: SimulatedWorld, _ name: String) {
        self.world = world
        place = name
    }

    private var files: SimulatedDisk {
        get { world.state.homes[place]?.files ?? SimulatedDisk() }
        set { world.state.homes[place]?.files = newValue }
    }

    func readDocument(_ name: DocumentName) throws(StoreError) -> [UInt8]? {
        try world.look("read \(name)", on: place)
        return files.content(name.rawValue)
    }

    func writeDocument(_ name: DocumentName, _ bytes: [UInt8]) throws(StoreError) {
        let temporary = name.rawValue + ".new"
        try world.step("create \(temporary)", on: place)
        files.create(temporary)
        files.write(temporary, bytes)
        try world.step("sync \(temporary)", on: place)
        files.sync(file: temporary)
        try world.step("rename \(temporary)", on: place)
        files.rename(temporary, name.rawValue)
        try world.step("sync home", on: place)
        files.sync(directory: "")
    }

    func tryLock() throws(StoreError) -> Bool {
        try world.look("lock", on: place)
        isLocked = world.lockedHomes.insert(place).inserted
        return isLocked
    }

    func unlock() {
        if isLocked { world.lockedHomes.remove(place) }
        isLocked = false
    }

    func lockHolder() -> String? { "somebody" }

    func openIndex() throws(StoreError) -> Index {
        try world.look("open the index", on: place)
        if world.isHomeFull { throw StoreError(.noSpace, "use the index", at: place, detail: "no space left for it") }
        let (world, place) = (world, place)
        let index = try Index.inMemory(world.state.homes[place]?.index) { bytes in world.keep(index: bytes, of: place) }
        world.openIndex = index
        return index
    }

    func openKnownFiles() throws(StoreError) -> KnownFiles? {
        guard world.remembersFiles else { return nil }
        if world.knownFiles == nil { world.knownFiles = try KnownFiles(path: nil) }
        return world.knownFiles
    }

    func discardIndex() throws(StoreError) {
        try world.look("delete the index", on: place)
        world.openIndex = nil
        world.state.homes[place]?.index = nil
    }
}

final class SimulatedProvider: DeviceProvider {
    private let world: SimulatedWorld

    init(_ world: SimulatedWorld) { self.world = world }

    func open(_ hint: String) throws(StoreError) -> any Device {
        try world.look("open \(hint)", on: hint)
        guard world.state.disks[hint] != nil, !world.state.absent.contains(hint) else {
            throw StoreError(.notFound, "open the device", at: hint, detail: "no such device")
        }
        return world.state.nodes.contains(hint) ? SimulatedNode(world, hint) : SimulatedDevice(world, hint)
    }

    func isRemote(_ hint: String) -> Bool { world.state.nodes.contains(hint) }

    func prepare(
        _ hint: String, creating: Bool, isLeftover: ([UInt8], Bool) -> Bool
    ) throws(StoreError) -> any Device {
        try world.look("prepare \(hint)", on: hint)
        if creating, world.state.disks[hint] == nil { world.state.disks[hint] = SimulatedDisk() }
        let device = try open(hint)
        let disk = world.state.disks[hint] ?? SimulatedDisk()
        let isEmpty = disk.names(in: "").allSatisfy { ["tmp", "blocks", "uploads"].contains($0) }
        if isEmpty, try device.shards(from: .none).isEmpty { return device }
        if let document = disk.content(DocumentName.device.rawValue),
            isLeftover(document, try !device.shards(from: .none).isEmpty)
        {
            return device
        }
        throw StoreError(.exists, "use this device", at: hint, detail: "it is not empty")
    }
}

/// A device whose every call is made of the primitive steps of the real one.
///
/// `@unchecked`: simulations run on one thread.
final class SimulatedDevice: Device, @unchecked Sendable {
    let place: String
    var physicalIdentity: String { place }
    private let world: SimulatedWorld
    private let nextTicket = Atomic<UInt64>(1)
    /// By this process.
    private var isLocked = false

    init(_ world: SimulatedWorld, _ place: String) {
        self.world = world
        self.place = place
    }

    /// Changed in place: a disk is a large value.
    private var disk: SimulatedDisk {
        get { world.state.disks[place] ?? SimulatedDisk() }
        _modify { yield &world.state.disks[place, default: SimulatedDisk()] }
    }

    /// Whether it can still be tidied up.
    private var isReachable: Bool { !world.isCrashed && !world.state.absent.contains(place) }

    /// A call that only looks.
    private func look(_ what: String) throws(StoreError) {
        try world.look(what, on: place)
        try requirePresent(what)
    }

    /// A call that changes something.
    private func step(_ what: String) throws(StoreError) {
        try world.step(what, on: place)
        try requirePresent(what)
    }

    private func requirePresent(_ what: String) throws(StoreError) {
        guard !world.state.absent.contains(place) else { throw StoreError(what, at: place, .io) }
    }

    func readDocument(_ name: DocumentName) throws(StoreError) -> [UInt8]? {
        try look("read \(name)")
        return disk.content(name.rawValue)
    }

    func writeDocument(_ name: DocumentName, _ bytes: [UInt8]) throws(StoreError) {
        try makeDirectory("tmp")
        let temporary = "tmp/\(name.rawValue).new"
        do throws(StoreError) {
            try step("create \(temporary)")
            disk.create(temporary)
            disk.write(temporary, bytes)
            try step("sync \(temporary)")
            if !Mutant.isActive(.documentSyncDropped) { disk.sync(file: temporary) }
            try step("rename \(temporary)")
            disk.rename(temporary, name.rawValue)
        } catch {
            if isReachable { disk.remove(temporary) }
            throw error
        }
        try step("sync root")
        if !Mutant.isActive(.documentSyncDropped) { disk.sync(directory: "") }
    }

    func tryLock() throws(StoreError) -> Bool {
        try look("lock")
        isLocked = world.lockedDisks.insert(place).inserted
        return isLocked
    }

    func unlock() {
        if isLocked { world.lockedDisks.remove(place) }
        isLocked = false
    }

    func byteCount(of shard: ShardName) throws(StoreError) -> Int? {
        try look("look for \(shard)")
        return disk.content(path(shard))?.count
    }

    func read(
        _ shard: ShardName, at offset: Int, into buffer: UnsafeMutableRawBufferPointer, from source: ReadSource
    ) throws(StoreError) {
        try look("read \(shard)")
        try disk.read(shard, at: offset, into: buffer, place: place)
    }

    func stage(_ pieces: [UnsafeRawBufferPointer], as shard: ShardName) throws(StoreError) -> StagedShard {
        try look("stage \(shard)")
        guard disk.exists(DocumentName.device.rawValue) else {
            throw StoreError("write shard \(shard)", at: place, SystemError(19))
        }
        let staged = StagedShard(shard: shard, ticket: nextTicket.wrappingAdd(1, ordering: .relaxed).oldValue)
        try makeDirectory("tmp")
        try step("create \(shard)")
        disk.create(temporary(staged))
        do throws(StoreError) {
            try step("write \(shard)")
        } catch {
            if isReachable { disk.remove(temporary(staged)) }
            throw error
        }
        let bytes = pieces.flatMap { Array($0) }
        disk.write(temporary(staged), world.isForgetful(place) ? [UInt8](repeating: 0, count: bytes.count) : bytes)
        return staged
    }

    func sync(_ staged: [StagedShard]) throws(StoreError) {
        for shard in staged {
            try step("sync \(shard.shard)")
            if !Mutant.isActive(.stageSyncDropped) { disk.sync(file: temporary(shard)) }
        }
    }

    func name(_ staged: [StagedShard], replacing: Bool) throws(StoreError) {
        var touched: Set<String> = []
        for shard in staged {
            try makeDirectory("blocks")
            let directory = "blocks/\(shard.shard.directoryName)"
            try makeDirectory(directory)
            try step("rename \(shard.shard)")
            guard replacing || !disk.exists(path(shard.shard)) else {
                throw StoreError("name shards", at: place, SystemError(17))
            }
            disk.rename(temporary(shard), path(shard.shard))
            touched.insert(directory)
        }
        for directory in touched.sorted() {
            try step("sync \(directory)")
            if !Mutant.isActive(.nameSyncDropped) { disk.sync(directory: directory) }
        }
    }

    func discard(_ staged: [StagedShard]) {
        guard isReachable else { return }
        for shard in staged { disk.remove(temporary(shard)) }
    }

    func clearStaging() throws(StoreError) {
        try look("list tmp")
        for name in disk.names(in: "tmp") {
            try step("remove tmp/\(name)")
            disk.remove("tmp/\(name)")
        }
    }

    func remove(_ shard: ShardName) throws(StoreError) {
        try step("remove \(shard)")
        disk.remove(path(shard))
    }

    func shards(from first: BlockNumber) throws(StoreError) -> [ShardName] {
        try look("list")
        return disk.shards(from: first)
    }

    func space() throws(StoreError) -> DeviceSpace {
        try look("measure space")
        return DeviceSpace(totalBytes: 1 << 30, freeBytes: world.faults[place] == .full ? 0 : 1 << 29)
    }

    private func path(_ shard: ShardName) -> String { SimulatedDisk.path(of: shard) }

    private func temporary(_ staged: StagedShard) -> String { "tmp/\(staged.shard.fileName).\(staged.ticket)" }

    /// Made and made durable in its parent, as the real device does it once per session.
    private func makeDirectory(_ path: String) throws(StoreError) {
        guard !disk.exists(path) || disk.durable[path] == nil else { return }
        try step("mkdir \(path)")
        if !disk.exists(path) { disk.create(path, isDirectory: true) }
        try step("sync the parent of \(path)")
        let parent = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
        if !Mutant.isActive(.parentSyncDropped) { disk.sync(directory: parent) }
    }
}
