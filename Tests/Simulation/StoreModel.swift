@testable import BlockStore
import Erasure

/// A broken promise, with what it takes to see it again.
struct BrokenPromise: Error, CustomStringConvertible {
    let description: String
}

/// A store in a simulated world beside a dictionary that says what it must hold.
///
/// What was acknowledged must read back; what was not may be there whole or not at all; which of the two
/// is settled at the first look and must stay so.
final class StoreModel {
    let world: SimulatedWorld
    let profile: Profile
    private(set) var log: [String] = []
    /// Acknowledged contents.
    private var contents: [Key: [UInt8]] = [:]
    /// What unacknowledged operations may have made of keys: nil for deleted.
    private var pending: [Key: [[UInt8]?]] = [:]
    private var store: Store?
    /// Devices that are not whole: absent, rotten, rolled back, or owed shards since then.
    private(set) var faulty: Set<String> = []

    static let chunkBytes = 4096

    init(seed: UInt64, devices: Int, profile text: String) throws {
        profile = try Profile(text)
        world = SimulatedWorld(seed: seed, disks: (1...devices).map { "disk-\($0)" })
        _ = try Store.create(
            world.environment, devices: (1...devices).map { NewDevice(path: "disk-\($0)") }, profile: profile,
            averageChunkBytes: Self.chunkBytes)
        world.restart()
    }

    /// A copy of the model's knowledge, to try many crashes from one point.
    func fork(seed: UInt64) throws -> StoreModel { try StoreModel(copying: self, seed: seed) }

    private init(copying other: StoreModel, seed: UInt64) throws {
        profile = other.profile
        other.closeStore()
        world = SimulatedWorld(seed: seed, disks: [])
        world.state = other.world.state
        contents = other.contents
        pending = other.pending
        faulty = other.faulty
        log = other.log
    }

    var keys: [Key] { contents.keys.sorted() }

    func note(_ text: String) { log.append(text) }

    /// Repeatable contents, with parts that come again so that deduplication has something to find.
    func randomContent() -> [UInt8] {
        let size = [0, 1, 100, 511, 5_000, 20_000, 60_000][Int(world.random.next() % 7)]
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

        var key: Key {
            switch self {
            case .put(let key, _), .remove(let key): key
            }
        }
    }

    private func run(_ changes: [Change]) throws(StoreError) -> WriteReport {
        let session = try openStore().startWriting()
        for change in changes {
            switch change {
            case .put(let key, let bytes): try session.put(key, from: MemorySource(bytes))
            case .remove(let key): try session.remove(key)
            }
        }
        return try session.finish()
    }

    /// Runs changes in one session. Fully acknowledged, degraded, refused or cut off by a crash.
    @discardableResult
    func write(_ changes: [Change]) throws -> Bool {
        for change in changes {
            switch change {
            case .put(let key, let bytes):
                note("put \(key) (\(bytes.count) bytes)")
                pending[key, default: []].append(bytes)
            case .remove(let key):
                note("remove \(key)")
                pending[key, default: []].append(nil)
            }
        }
        do throws(StoreError) {
            let report = try run(changes)
            if let debt = report.debt { note("… degraded: \(debt)") }
            // Nobody hears an acknowledgement after the power went.
            if world.isCrashed { return false }
            // What a failed device missed is owed to it.
            for device in store?.devices ?? [] where !device.state.isInService { faulty.insert(device.path ?? "") }
        } catch {
            note("… refused: \(error)")
            // Refused in good order: the previous versions stay, for ever.
            if !world.isCrashed, error.code != .unknownOutcome {
                for change in changes { pending[change.key] = nil }
            }
            return false
        }
        for change in changes {
            switch change {
            case .put(let key, let bytes):
                contents[key] = bytes
                pending[key] = nil
            case .remove(let key):
                contents[key] = nil
                pending[key] = nil
            }
        }
        return true
    }

    func crash(_ policy: CrashPolicy) {
        note("power cut (\(policy))")
        world.rememberIndex()
        store = nil
        world.reboot(policy)
    }

    func closeStore() {
        store?.close()
        store = nil
        world.restart()
    }

    /// Device names a fault may still hit without going beyond the tolerance.
    func mayHit(_ disk: String) -> Bool {
        faulty.contains(disk) || faulty.count < profile.tolerance
    }

    func setAbsent(_ disk: String) {
        note("\(disk) goes away")
        closeStore()
        world.state.absent.insert(disk)
        faulty.insert(disk)
    }

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
        note("\(disk) is rolled back")
        closeStore()
        world.state.absent.remove(disk)
        world.state.disks[disk] = old.disks[disk]
        faulty.insert(disk)
    }

    func rot(_ disk: String) {
        closeStore()
        guard let simulated = world.state.disks[disk] else { return }
        let paths = simulated.entries.keys.filter { $0.hasPrefix("blocks/") && simulated.content($0)?.isEmpty == false }
            .filter { simulated.files[simulated.entries[$0] ?? 0]?.isDirectory == false }.sorted()
        guard !paths.isEmpty else { return }
        faulty.insert(disk)
        for _ in 0..<(1 + world.random.next() % 4) {
            let path = paths[Int(world.random.next() % UInt64(paths.count))]
            let random = world.random
            note("bit rot in \(path) on \(disk)")
            world.state.disks[disk]?.corrupt(path) { bytes in
                switch random.next() % 4 {
                case 0: bytes.removeLast(Int(1 + random.next() % UInt64(bytes.count)))
                case 1: bytes.append(0)
                default: bytes[Int(random.next() % UInt64(bytes.count))] ^= UInt8(1 + random.next() % 255)
                }
            }
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
            world.state.index = world.state.indexes.first
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
        note("replace and repair")
        let repair: RepairReport?
        do throws(StoreError) {
            repair = try replaceAndScrub()
        } catch {
            note("… failed: \(error)")
            return false
        }
        guard let repair else { return false }
        if world.isCrashed { return false }
        if !repair.lostBlocks.isEmpty {
            throw BrokenPromise(description: "repair lost \(repair.lostBlocks): \(repair.errors)")
        }
        guard repair.owedShards == 0, repair.errors.isEmpty else { return false }
        faulty = []
        return true
    }

    private func replaceAndScrub() throws(StoreError) -> RepairReport? {
        for device in try openStore().devices where !device.state.isInService {
            guard let path = device.path else { continue }
            if world.state.absent.contains(path) {
                world.state.absent.remove(path)
                world.state.disks[path] = SimulatedDisk()
            }
            _ = try openStore().replaceDevice(device.id)
        }
        return try openStore().scrub(repairing: true).repair
    }

    private func openStore() throws(StoreError) -> Store {
        if let store { return store }
        let opened: Store
        do throws(StoreError) {
            opened = try Store.open(world.environment, access: .write, options: Store.Options(lockWaitSeconds: 0))
        } catch {
            world.restartAfterFailedOpen()
            throw error
        }
        store = opened
        if let doubt = opened.recovery?.doubtful, !doubt.isEmpty {
            note("in doubt: \(doubt)")
            _ = try opened.abandonDoubt()
        }
        return opened
    }

    /// Every promise about what can be read, now.
    func check() throws {
        guard let found = try readAll() else { return }
        for key in Set(contents.keys).union(found.keys).union(pending.keys).sorted() {
            let allowed: [[UInt8]?] = [contents[key]] + (pending[key] ?? [])
            guard allowed.contains(where: { $0 == found[key] }) else {
                throw BrokenPromise(
                    description:
                        "\(key) is \(Self.text(found[key])), expected \(allowed.map(Self.text).joined(separator: " or "))"
                )
            }
            contents[key] = found[key]
        }
        pending = [:]
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
