@testable import BlockStore
import Erasure
import Foundation

/// A broken promise, with what it takes to see it again.
struct BrokenPromise: Error, CustomStringConvertible {
    let description: String
}

/// A store in a simulated world beside a dictionary that says what it must hold.
///
/// What was acknowledged must read back. What was not may be there whole or not at all; once seen it stays, and it must not
/// appear any more when something later was acknowledged.
final class StoreModel {
    /// What a key may have become: nil for deleted.
    private struct Pending {
        let content: [UInt8]?
        /// Something later was acknowledged: at the next look it is there, or it never will be.
        var isSettling = false
    }

    let world: SimulatedWorld
    /// Every profile that some block may have. The weakest says what the whole store survives.
    var profiles: Set<Profile>
    var tolerance: Int { profiles.map(\.tolerance).min() ?? 0 }
    var widestShardCount: Int { profiles.map(\.shardCount).max() ?? 0 }
    private(set) var log: [String] = []
    /// Acknowledged contents.
    private(set) var contents: [Key: [UInt8]] = [:]
    /// What unacknowledged operations may have made of keys, the oldest first.
    private var pending: [Key: [Pending]] = [:]
    /// Moves of which nobody heard how they ended.
    var moves: [Move] = []
    /// Every version that was seen, of keys whose versions are watched, and purges of which nobody heard.
    var watched: [Key: Set<RecordIdentity>] = [:]
    var purged: [Key: Set<RecordIdentity>] = [:]
    var perhapsPurged: [Key: Set<RecordIdentity>] = [:]
    private var store: Store?
    /// What was put last, now perhaps garbage.
    private(set) var past: [[UInt8]] = []
    /// What is in doubt is given up as soon as it is seen; otherwise `expectDoubt` and `abandon` say what happens.
    private var abandonsDoubt = true
    /// Devices that are not whole: absent, rotten, rolled back, or owed shards since then.
    private(set) var faulty: Set<String> = []
    /// Shards moved while devices were not whole: the only ones of some blocks may stand anywhere now, until all is repaired.
    var isFragile = false
    /// The index knows less than a repair has done: what that made is told as owed until the next one finds it.
    var isIndexBehindRepair = false
    private let firstDisks: Int
    let storeID: StoreID
    /// Disks that are no devices of the store: not yet, or not any more.
    var outsiders: Set<String> = []

    static let chunkBytes = 4096

    /// - Parameter largestShardBytes: so that what is put fills several blocks; nil for the usual.
    /// - Parameter nodes: which places are nodes.
    init(
        seed: UInt64, devices: Int, profile text: String, largestShardBytes: Int? = nil, nodes: Set<String> = []
    ) throws {
        let profile = try Profile(text)
        profiles = [profile]
        firstDisks = devices
        world = SimulatedWorld(seed: seed, disks: (1...devices).map { "disk-\($0)" })
        world.state.largestShardBytes = largestShardBytes
        world.state.nodes = nodes
        storeID = try Store.create(
            world.environment, devices: (1...devices).map { NewDevice(path: "disk-\($0)") }, profile: profile,
            averageChunkBytes: Self.chunkBytes
        ).storeID
        world.restart()
    }

    /// A copy of the model's knowledge, to try many crashes from one point.
    func fork(seed: UInt64) throws -> StoreModel { try StoreModel(copying: self, seed: seed) }

    private init(copying other: StoreModel, seed: UInt64) throws {
        profiles = other.profiles
        other.closeStore()
        world = SimulatedWorld(seed: seed, disks: [])
        world.state = other.world.state
        contents = other.contents
        pending = other.pending
        faulty = other.faulty
        (moves, watched, purged, perhapsPurged) = (other.moves, other.watched, other.purged, other.perhapsPurged)
        (outsiders, isFragile) = (other.outsiders, other.isFragile)
        isIndexBehindRepair = other.isIndexBehindRepair
        firstDisks = other.firstDisks
        storeID = other.storeID
        log = other.log
        past = other.past
    }

    // The world and the index that is open in it know each other.
    deinit { world.endProcess() }

    var keys: [Key] { contents.keys.sorted() }

    func note(_ text: String) { log.append(text) }

    /// Repeatable contents, with parts that come again so that deduplication has something to find.
    func randomContent() -> [UInt8] {
        let size = world.random.pick([0, 1, 100, 511, 5_000, 20_000, 60_000])
        guard size > 0 else { return [] }
        let style = world.random.next() % 3
        let source = SeededRandom(style == 0 ? world.random.next() % 3 : world.random.next())
        var bytes: [UInt8] = []
        while bytes.count < size {
            let word = source.next()
            for shift in 0..<8 {
                bytes.append(style == 2 ? UInt8(word >> 62) : UInt8(truncatingIfNeeded: word >> (8 * UInt64(shift))))
            }
        }
        return Array(bytes.prefix(size))
    }

    // The operations. Each returns whether it was acknowledged.

    /// One change of a session.
    enum Change: Sendable {
        case put(Key, [UInt8])
        case remove(Key)
        /// What the first key holds, under the second.
        case copy(Key, Key)
        /// Both keys at once or neither.
        case move(Key, Key)

        /// What it makes of each key that it changes; nil for deleted.
        func effects(on contents: [Key: [UInt8]]) -> [(key: Key, content: [UInt8]?)] {
            switch self {
            case .put(let key, let bytes): [(key, bytes)]
            case .remove(let key): [(key, nil)]
            case .copy(let source, let target): [(target, contents[source])]
            case .move(let source, let target): [(target, contents[source]), (source, nil)]
            }
        }

        var text: String {
            switch self {
            case .put(let key, let bytes): "put \(key) (\(bytes.count) bytes)"
            case .remove(let key): "remove \(key)"
            case .copy(let source, let target): "copy \(source) to \(target)"
            case .move(let source, let target): "move \(source) to \(target)"
            }
        }
    }

    private func run(_ changes: [Change]) throws(StoreError) -> WriteReport {
        let session = try openStore().startWriting()
        for change in changes {
            switch change {
            case .put(let key, let bytes): try session.put(key, from: MemorySource(bytes))
            case .remove(let key): try session.remove(key)
            case .copy(let source, let target): try session.copy(source, to: target)
            case .move(let source, let target): try session.move(source, to: target)
            }
        }
        return try session.finish()
    }

    /// Puts a tree with these files, and deletes what it does not hold.
    @discardableResult
    func putTree(_ files: [String: [UInt8]]) throws -> Bool {
        let root = try Key("tree")
        let directory = try TemporaryDirectory()
        var changes: [Change] = [.put(try Key("tree/"), [])]
        for (path, bytes) in files.sorted(by: { $0.key < $1.key }) {
            if let slash = path.lastIndex(of: "/") {
                let parent = path[..<slash]
                try FileManager.default.createDirectory(
                    atPath: "\(directory.path)/\(parent)", withIntermediateDirectories: true)
                changes.append(.put(try Key("tree/\(parent)/"), []))
            }
            _ = FileManager.default.createFile(atPath: "\(directory.path)/\(path)", contents: Data(bytes))
            changes.append(.put(try Key("tree/\(path)"), bytes))
        }
        let kept = Set(changes.flatMap { $0.effects(on: [:]).map(\.key) })
        changes += keys.filter { $0.bytes.starts(with: Array("tree/".utf8)) && !kept.contains($0) }
            .map { .remove($0) }
        return try perform(changes) { () throws(StoreError) in
            let store = try openStore()
            let session = try store.startWriting()
            _ = try store.putTree(Array(directory.path.utf8), as: root, in: session, deletingOthers: true)
            return try session.finish()
        }
    }

    /// Runs changes in one session. Fully acknowledged, degraded, refused or cut off by a crash.
    @discardableResult
    func write(_ changes: [Change]) throws -> Bool {
        try perform(changes) { () throws(StoreError) in try run(changes) }
    }

    /// - Parameters:
    ///   - isHeard: whether everybody who waited was told so before the power went.
    ///   - isCommitted: whether there was anything to commit: else nothing was acknowledged, and what is open stays so.
    @discardableResult
    func perform(
        _ changes: [Change], isHeard: () -> Bool = { false }, isCommitted: () -> Bool = { true },
        _ body: () throws(StoreError) -> WriteReport
    ) throws -> Bool {
        /// As the session sees it: what it did before included.
        var seen = contents
        var effects: [(key: Key, content: [UInt8]?)] = []
        for change in changes {
            note(change.text)
            let made = change.effects(on: seen)
            for effect in made {
                if let content = effect.content { past = past.suffix(11) + [content] }
                seen[effect.key] = effect.content
                pending[effect.key, default: []].append(Pending(content: effect.content))
            }
            moves.removeAll { move in made.contains { $0.key == move.source || $0.key == move.target } }
            // A process that is gone moves nothing.
            if case .move(let source, let target) = change, !world.isCrashed {
                moves.append(Move(source, target, in: contents))
            }
            effects += made
        }
        do throws(StoreError) {
            let report = try body()
            if let debt = report.debt { note("… degraded: \(debt)") }
            // Nobody hears an acknowledgement after the power went.
            if world.isCrashed, !isHeard() { return false }
            noteFailedDevices()
            guard isCommitted() else { return true }
        } catch {
            note("… refused: \(error)")
            // It may appear with fewer shards than it should have, and hide older versions: until it is repaired one more loss is
            // one too many (docs/testing.md, T1).
            if error.code == .unknownOutcome, !world.isCrashed { isFragile = true }
            // Refused in good order: the previous versions stay, for ever.
            if !world.isCrashed, error.code != .unknownOutcome {
                for effect in effects { pending[effect.key]?.removeLast() }
                moves.removeAll { move in effects.contains { $0.key == move.source || $0.key == move.target } }
            }
            return false
        }
        for key in pending.keys {
            for index in pending[key, default: []].indices { pending[key]?[index].isSettling = true }
        }
        for effect in effects {
            contents[effect.key] = effect.content
            pending[effect.key] = nil
        }
        return true
    }

    /// What a failed device missed is owed to it.
    func noteFailedDevices() {
        for device in store?.devices ?? [] where !device.state.isInService && !device.isDraining {
            faulty.insert(device.path ?? "")
        }
    }

    func crash(_ policy: CrashPolicy) {
        powerGoes()
        powerReturns(policy)
    }

    /// The process is gone in the middle of something. What becomes of unsynced writes is open.
    func powerGoes() {
        world.rememberIndex()
        store = nil
    }

    func powerReturns(_ policy: CrashPolicy) {
        note("power cut (\(policy))")
        world.reboot(policy)
        returnHome()
    }

    /// Ends the process in good order; what the step planned to happen stays planned.
    func closeStore() {
        store?.close()
        store = nil
        if !world.isCrashed { world.executor.drain() }
        world.endProcess()
    }

    /// Whether faults may hit these disks without going beyond the tolerance.
    func mayHit(_ disks: String...) -> Bool { !isFragile && faulty.union(disks).count <= tolerance }

    /// From now on, or from some call on, disks misbehave. What makes a disk unreadable counts against the
    /// tolerance; what only keeps it from being written to does not.
    func startFaults(mayReadsFail: Bool) {
        let random = world.random
        if random.next() % 2 == 0 { closeStore() }
        let all = Set(world.state.disks.keys)
        for disk in all.sorted() where random.next() % 3 == 0 {
            let fault = random.pick(SimulatedWorld.Fault.allCases)
            switch fault {
            case .failing, .unreadable, .forgetful:
                // A degraded put survives one such disk more, not two.
                guard mayReadsFail, mayHit(disk), fault != .forgetful || !world.faults.values.contains(.forgetful)
                else {
                    continue
                }
                faulty.insert(disk)
            case .full, .readOnly, .slow: break
            }
            world.faults[disk] = fault
        }
        for node in world.state.nodes.intersection(all).sorted() where random.next() % 2 == 0 {
            let fault = random.pick(SimulatedWorld.NodeFault.allCases)
            switch fault {
            // What is written late may be a document that is older than the one that stands there by then.
            case .late, .garbled, .silent, .stale:
                guard mayReadsFail, mayHit(node), !world.faults.values.contains(.forgetful) else { continue }
                faulty.insert(node)
            case .unheard, .lingering: break
            }
            world.nodeFaults[node] = fault
        }
        world.faultsFromCall = world.calls + Int(random.next() % 80)
        let pulled = random.pick(all.sorted())
        // A degraded put survives a disk that forgets or one that is pulled afterwards, not both.
        if random.next() % 4 == 0, mayHit(pulled), !world.faults.values.contains(.forgetful) {
            faulty.insert(pulled)
            world.vanishAtCall = (world.calls + 1 + Int(random.next() % 80), pulled)
        }
        note(
            "faults from call \(world.faultsFromCall): \(world.faults.sorted { $0.key < $1.key })"
                + (world.nodeFaults.isEmpty ? "" : ", nodes: \(world.nodeFaults.sorted { $0.key < $1.key })")
                + (world.vanishAtCall.map { ", \($0.disk) is pulled at call \($0.call)" } ?? ""))
    }

    /// The faults are over; a device that failed stays failed until the store is opened again.
    func endFaults() {
        world.endFaults()
        if world.random.next() % 2 == 0, !world.isCrashed { closeStore() }
    }

    func swapPlaces(_ one: String, _ other: String) {
        note("\(one) and \(other) change places")
        closeStore()
        func swap(_ set: inout Set<String>) {
            let (hadOne, hadOther) = (set.contains(one), set.contains(other))
            if hadOne != hadOther { set.formSymmetricDifference([one, other]) }
        }
        let kept = world.state.disks[one]
        world.state.disks[one] = world.state.disks[other]
        world.state.disks[other] = kept
        swap(&world.state.absent)
        swap(&faulty)
    }

    /// A disk is overwritten with a copy of another: one is gone, the other there twice.
    func copy(_ disk: String, over other: String) {
        note("\(disk) is copied over \(other)")
        closeStore()
        guard !world.state.absent.contains(disk), !world.state.absent.contains(other) else { return }
        world.state.disks[other] = world.state.disks[disk]
        faulty.formUnion([disk, other])
    }

    func replaceByStranger(_ disk: String) throws {
        note("a device of another store stands in the place of \(disk)")
        closeStore()
        world.state.absent.remove(disk)
        world.state.disks[disk] = try Self.stranger()
        faulty.insert(disk)
    }

    private static func stranger() throws -> SimulatedDisk {
        let world = SimulatedWorld(seed: 99, disks: ["a", "b"])
        _ = try Store.create(
            world.environment, devices: [NewDevice(path: "a"), NewDevice(path: "b")], profile: Profile("rs:1+1"),
            averageChunkBytes: chunkBytes)
        return world.state.disks["a"] ?? SimulatedDisk()
    }

    func damageDocument(_ disk: String) {
        let name = world.random.pick([DocumentName.device, .epoch])
        let random = world.random
        note("\(name) on \(disk) is damaged")
        closeStore()
        faulty.insert(disk)
        if random.next() % 4 == 0 {
            world.state.disks[disk]?.removeForGood(name.rawValue)
            return
        }
        world.state.disks[disk]?.corrupt(name.rawValue) { bytes in
            guard !bytes.isEmpty else { return }
            switch random.next() % 3 {
            case 0: bytes.removeLast(Int(1 + random.next() % UInt64(bytes.count)))
            case 1: bytes = SeededRandom.bytes(bytes.count, seed: random.next())
            default: bytes[Int(random.next() % UInt64(bytes.count))] ^= UInt8(1 + random.next() % 255)
            }
        }
    }

    /// Works on in another home of the same store: its index is older, or not there.
    func changeHome() {
        closeStore()
        let other = world.state.homeName == "home" ? "other-home" : "home"
        note("from now on in \(other)")
        if world.state.homes[other] == nil {
            world.state.homes[other] = SimulatedWorld.HomeState(files: world.state.home.files)
        }
        world.state.homeName = other
    }

    /// A second writer from another home finds the first at work.
    func collide() throws {
        changeHome()
        let first = world.state.homeName
        let holder: Store
        do throws(StoreError) {
            holder = try openStore()
        } catch {
            return note("… refused: \(error)")
        }
        // A store none of whose devices is in service has nothing to lock.
        guard holder.devices.contains(where: \.state.isInService) else { return }
        let second = first == "home" ? "other-home" : "home"
        let before = world.state.disks.mapValues(\.entries)
        for home in [first, second] {
            guard let code = openAgain(in: home) else {
                throw BrokenPromise(description: "two writers at once, in \(first) and \(home)")
            }
            guard code == .locked || world.isCrashed else {
                throw BrokenPromise(description: "a second writer in \(home) is told \(code)")
            }
        }
        guard world.state.disks.mapValues(\.entries) == before else {
            throw BrokenPromise(description: "a second writer changed something")
        }
    }

    /// How a writer fails; nil when it does not.
    private func openAgain(in home: String) -> StoreError.Code? {
        do throws(StoreError) {
            try Store.open(
                world.environment(home: home), access: .write, options: Store.Options(lockWaitSeconds: 0)
            ).close()
            return nil
        } catch {
            return error.code
        }
    }

    /// Makes again what can be, on the devices there are.
    func repairInPlace(_ options: RepairOptions = RepairOptions()) throws {
        guard let report = attempt("repair", { store throws(StoreError) in try store.repair(options) }) else { return }
        note("… \(report.repairedShards) shards, \(report.owedShards) owed, \(report.errors)")
        try requireNothingLost(report)
    }

    func scrub(_ options: ScrubOptions = ScrubOptions()) throws {
        guard let report = attempt("scrub", { store throws(StoreError) in try store.scrub(options) }) else { return }
        note("… \(report.shards) shards, \(report.problems.count) problems, \(report.skippedBlocks) blocks read lately")
        if !world.isCrashed, !report.lostBlocks.isEmpty {
            throw BrokenPromise(description: "scrub finds \(report.lostBlocks) lost")
        }
    }

    /// Does something with the open store; nil when that fails.
    func attempt<Value>(
        _ what: String, _ body: (Store) throws(StoreError) -> Value
    ) -> Value? {
        note(what)
        do throws(StoreError) {
            return try body(try openStore())
        } catch {
            note("… failed: \(error)")
            return nil
        }
    }

    /// Puts an empty disk in the place of one.
    func replace(_ disk: String) {
        _ = attempt("replace \(disk)") { store throws(StoreError) in
            for device in store.devices where device.path == disk { _ = try store.replaceDevice(device.id) }
        }
    }

    /// A commit that was acknowledged stands on devices that are away: what is older reads, nothing is written, and
    /// nothing is given up.
    func expectDoubt() throws {
        abandonsDoubt = false
        defer {
            abandonsDoubt = true
            closeStore()
        }
        guard let store = attempt("look", { store throws(StoreError) in store }) else {
            if world.isCrashed { return }
            throw BrokenPromise(description: "a store with a commit in doubt does not open")
        }
        do throws(StoreError) {
            _ = try store.startWriting()
        } catch {
            if !world.isCrashed, error.code != .inDoubt {
                throw BrokenPromise(description: "writing is refused as \(error.code): \(error)")
            }
            return
        }
        throw BrokenPromise(description: "with a commit in doubt writing is refused")
    }

    /// Gives up what is in doubt, and with it `keys`.
    func abandon(_ keys: [Key]) throws {
        abandonsDoubt = false
        defer { abandonsDoubt = true }
        for key in keys { pending[key, default: []].append(Pending(content: nil)) }
        let report = attempt("abandon") { store throws(StoreError) in try store.abandonDoubt() }
        if world.isCrashed { return }
        guard let report, Set(report.commits.flatMap(\.keys)) == Set(keys) else {
            throw BrokenPromise(description: "abandoning names \(keys), not \(String(describing: report))")
        }
        for key in keys {
            contents[key] = nil
            pending[key] = nil
        }
    }

    /// Frees what no version needs. Between two batches another process may put something.
    func collect(isFull: Bool, meanwhile: (key: Key, content: [UInt8])? = nil) throws {
        var failure: (any Error)?
        if let (key, content) = meanwhile {
            world.meanwhile = { [unowned self] in
                do {
                    note("meanwhile:")
                    try perform([.put(key, content)]) { () throws(StoreError) in try putFromOutside(key, content) }
                } catch { failure = error }
            }
        }
        defer { world.meanwhile = nil }
        guard
            let report = attempt(
                isFull ? "collect --full" : "collect",
                { store throws(StoreError) in try store.collect(CollectOptions(isFull: isFull)) })
        else { return }
        if let failure { throw failure }
        note("… \(report.retiredBlocks) blocks retired, \(report.removedStrays) strays, kept \(report.kept)")
    }

    /// As another process does, while this one lets go of the locks.
    private func putFromOutside(_ key: Key, _ content: [UInt8]) throws(StoreError) -> WriteReport {
        let other = try Store.open(world.environment, access: .write, options: Store.Options(lockWaitSeconds: 0))
        defer { other.close() }
        let session = try other.startWriting()
        try session.put(key, from: MemorySource(content))
        return try session.finish()
    }

    func rebuildIndex() throws {
        note("rebuild the index")
        closeStore()
        do throws(StoreError) {
            _ = try Store.rebuildIndex(world.environment, options: Store.Options(lockWaitSeconds: 0))
            isIndexBehindRepair = false
        } catch {
            note("… failed: \(error)")
        }
        if !world.isCrashed { world.endProcess() }
    }

    func setAbsent(_ disk: String) {
        note("\(disk) goes away")
        closeStore()
        world.state.absent.insert(disk)
        faulty.insert(disk)
    }

    /// What failed or is away counts.
    func noteFault(of disk: String) { faulty.insert(disk) }

    /// Nobody counts on what stands there.
    func forgetFaults(of disk: String) { faulty.remove(disk) }

    func setPresent(_ disk: String) {
        note("\(disk) comes back")
        closeStore()
        world.state.absent.remove(disk)
    }

    /// A new, empty disk in the same place.
    func wipe(_ disk: String) {
        note("\(disk) is wiped")
        closeStore()
        world.state.absent.remove(disk)
        world.state.disks[disk] = SimulatedDisk()
        faulty.insert(disk)
    }

    func rollBack(_ disk: String, to old: SimulatedWorld.State) {
        // What stood there then may stand elsewhere by now: that would be a copy.
        let elsewhere = world.state.disks.filter { $0.key != disk }.compactMap(\.value.deviceID)
        guard let past = old.disks[disk], let id = past.deviceID, !elsewhere.contains(id) else { return }
        note("\(disk) is rolled back")
        closeStore()
        world.state.absent.remove(disk)
        world.state.disks[disk] = old.disks[disk]
        faulty.insert(disk)
    }

    func rot(_ disk: String, atLeastBytes least: Int = 1) {
        closeStore()
        guard let simulated = world.state.disks[disk] else { return }
        let paths = simulated.entries.keys.filter {
            $0.hasPrefix("blocks/") && simulated.content($0)?.count ?? 0 >= least
        }
        .filter { simulated.files[simulated.entries[$0] ?? 0]?.isDirectory == false }.sorted()
        guard !paths.isEmpty else { return }
        faulty.insert(disk)
        for _ in 0..<(1 + world.random.next() % 4) {
            let path = paths[Int(world.random.next() % UInt64(paths.count))]
            let random = world.random
            note("bit rot in \(path) on \(disk)")
            world.state.disks[disk]?.corrupt(path) { bytes in
                // Cut to nothing before.
                guard !bytes.isEmpty else { return }
                switch random.next() % 4 {
                case 0: bytes.removeLast(Int(1 + random.next() % UInt64(bytes.count)))
                case 1: bytes.append(0)
                default: bytes[Int(random.next() % UInt64(bytes.count))] ^= UInt8(1 + random.next() % 255)
                }
            }
        }
    }

    /// A byte changes in these cells of the largest shard of each disk.
    func damageCells(_ cells: [(disk: String, cell: Int)]) {
        closeStore()
        for (disk, cell) in cells {
            guard let simulated = world.state.disks[disk] else { continue }
            let paths = simulated.entries.keys.filter { $0.hasPrefix("blocks/") }.sorted()
            let largest = paths.max { simulated.content($0)?.count ?? 0 < simulated.content($1)?.count ?? 0 }
            guard let largest else { continue }
            note("damage in cell \(cell) of \(largest) on \(disk)")
            world.state.disks[disk]?.corrupt(largest) { bytes in
                let place = ShardLayout.payloadOffset + cell * Limits.cellBytes + 5
                if bytes.indices.contains(place) { bytes[place] ^= 1 }
            }
            faulty.insert(disk)
        }
    }

    func damageIndex() {
        closeStore()
        switch world.random.next() % 3 {
        case 0:
            note("the index is deleted")
            world.state.index = nil
        case 1:
            note("the index is rolled back")
            world.state.index = world.state.home.indexes.first
            isIndexBehindRepair = true
        default:
            note("the index is damaged")
            if var bytes = world.state.index, !bytes.isEmpty {
                for _ in 0..<4 { bytes[Int(world.random.next() % UInt64(min(bytes.count, 4096)))] ^= 0x5a }
                world.state.index = bytes
            }
        }
    }

    /// Replaces what is absent or wiped and makes everything whole; false when it was cut off or could not.
    func repairAll() throws -> Bool {
        let repair = attempt("replace and repair") { _ throws(StoreError) in try replaceAndScrub() } ?? nil
        guard let repair else {
            note("… there is no place for a device")
            return false
        }
        if world.isCrashed { return false }
        note("… \(repair.repairedShards) shards, \(repair.owedShards) owed, \(repair.errors)")
        try requireNothingLost(repair)
        guard repair.owedShards == 0, repair.errors.isEmpty else { return false }
        // Pulled meanwhile, and not needed.
        faulty = world.state.absent.subtracting(outsiders)
        isFragile = false
        isIndexBehindRepair = false
        return true
    }

    /// With nothing in the way, everything can be made whole.
    func requireRepair() throws {
        if try repairAll() || world.isCrashed { return }
        if world.state.index != nil {
            // A scrub that finds the index damaged says so; it is made again.
            closeStore()
            world.state.index = nil
            if try repairAll() || world.isCrashed { return }
        }
        throw BrokenPromise(description: "what can be repaired is not: \(log.last ?? "")")
    }

    /// Nothing is called lost while the faults are within the tolerance.
    private func requireNothingLost(_ report: RepairReport) throws {
        if !world.isCrashed, !report.lostBlocks.isEmpty {
            throw BrokenPromise(description: "repair lost \(report.lostBlocks): \(report.errors)")
        }
    }

    /// Where devices come and go, a new one may have taken the place that was free.
    private var newPlace: String? {
        world.state.disks.keys.contains { $0 == "disk-\(firstDisks + 1)" } ? "disk-\(world.state.disks.count + 1)" : nil
    }

    private func replaceAndScrub() throws(StoreError) -> RepairReport? {
        // What only failed in this session is whole, and comes back.
        closeStore()
        for device in try openStore().devices {
            // Who replaces a disk that is only full gives up what it holds: one loss more.
            guard Self.isAbsent(device), !device.isDraining else { continue }
            // Identity decides, not the place: a new disk goes where none of ours is, one that failed neither.
            let taken = try openStore().devices.filter { !Self.isAbsent($0) }.compactMap(\.path)
            // Without power nobody is in service, and nobody takes anybody's place.
            if world.isCrashed { return nil }
            guard let free = faulty.subtracting(taken).min() ?? newPlace else { return nil }
            world.state.absent.remove(free)
            world.state.disks[free] = SimulatedDisk()
            _ = try openStore().replaceDevice(device.id, with: free)
        }
        return try openStore().scrub(repairing: true).repair
    }

    private static func isAbsent(_ device: DeviceInfo) -> Bool {
        if case .absent = device.state { true } else { false }
    }

    func openStore() throws(StoreError) -> Store {
        if let store, store.isOpen { return store }
        let opened: Store
        do throws(StoreError) {
            var options = Store.Options(lockWaitSeconds: 0)
            // Maintenance lets go of the locks after each batch.
            options.turnNanoseconds = 1
            (options.collectedBytes, options.collectedBlocks) = (8 << 10, 3)
            opened = try Store.open(world.environment, access: .write, options: options)
        } catch {
            world.restartAfterFailedOpen()
            throw error
        }
        store = opened
        for device in opened.devices where !device.state.isInService {
            note("… \(device.label) at \(device.path ?? "?") is \(device.state)")
        }
        if let doubt = opened.recovery?.doubtful, !doubt.isEmpty {
            note("in doubt: \(doubt)")
            guard abandonsDoubt else { return opened }
            _ = try opened.abandonDoubt()
        }
        return opened
    }

    /// Every promise about what can be read, now.
    func check() throws {
        guard let found = try readAll() else { return }
        for key in Set(contents.keys).union(found.keys).union(pending.keys).sorted() {
            let candidates = pending[key] ?? []
            let allowed: [[UInt8]?] = [contents[key]] + candidates.map(\.content)
            guard allowed.contains(where: { $0 == found[key] }) else {
                throw BrokenPromise(
                    description:
                        "\(key) is \(Self.text(found[key])), expected \(allowed.map(Self.text).joined(separator: " or "))"
                )
            }
            // What is older than what appeared is past.
            let seen = candidates.lastIndex { $0.content == found[key] && $0.content != contents[key] }
            pending[key] = candidates.suffix(from: seen.map { $0 + 1 } ?? 0).filter { !$0.isSettling }
            contents[key] = found[key]
        }
        try checkMoves(found)
        try checkVersions()
        try checkDevices()
    }

    /// Every live object; nil when the power went meanwhile.
    private func readAll() throws -> [Key: [UInt8]]? {
        do throws(StoreError) {
            do throws(StoreError) {
                return try readEverything()
            } catch {
                guard error.code == .indexDamaged else { throw error }
                note("the index turns out damaged: rebuilt")
                closeStore()
                world.state.index = nil
                return try readEverything()
            }
        } catch {
            if world.isCrashed { return nil }
            throw BrokenPromise(description: "the store does not open or an object does not read: \(error)")
        }
    }

    private func readEverything() throws(StoreError) -> [Key: [UInt8]] {
        let store = try openStore()
        var found: [Key: [UInt8]] = [:]
        var after: Key?
        while true {
            let page = try store.list(after: after, limit: 100)
            for object in page {
                let sink = MemorySink()
                _ = try store.read(object, into: sink)
                found[object.key] = sink.bytes
            }
            guard let last = page.last else { return found }
            after = last.key
        }
    }

    private static func text(_ bytes: [UInt8]?) -> String {
        bytes.map { "\($0.count) bytes (\(CRC32C.of($0)))" } ?? "absent"
    }
}

extension SimulatedWorld {
    /// An open that failed has given its locks back; what a crash left locked is another process's.
    func restartAfterFailedOpen() { if !isCrashed { restart() } }
}
