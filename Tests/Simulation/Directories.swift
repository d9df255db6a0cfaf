@testable import BlockStore
import Foundation

/// Real directories with everything else given: the same bytes from the same seed.
struct RebasedProvider: DeviceProvider {
    let base: String
    private let provider = DirectoryProvider()

    init(base: String) { self.base = base }

    func open(_ hint: String) throws(StoreError) -> any Device {
        RebasedDevice(try provider.open("\(base)/\(hint)"), hint)
    }

    func prepare(
        _ hint: String, creating: Bool, isLeftover: ([UInt8], Bool) -> Bool
    ) throws(StoreError) -> any Device {
        RebasedDevice(try provider.prepare("\(base)/\(hint)", creating: creating, isLeftover: isLeftover), hint)
    }
}

/// A device that gives its hint for its place, so that no absolute path is written down.
final class RebasedDevice: Device {
    let place: String
    private let device: any Device

    init(_ device: any Device, _ place: String) {
        self.device = device
        self.place = place
    }

    var physicalIdentity: String { device.physicalIdentity }
    func readDocument(_ name: DocumentName) throws(StoreError) -> [UInt8]? { try device.readDocument(name) }
    func writeDocument(_ name: DocumentName, _ bytes: [UInt8]) throws(StoreError) {
        try device.writeDocument(name, bytes)
    }
    func tryLock() throws(StoreError) -> Bool { try device.tryLock() }
    func unlock() { device.unlock() }
    func byteCount(of shard: ShardName) throws(StoreError) -> Int? { try device.byteCount(of: shard) }
    func read(
        _ shard: ShardName, at offset: Int, into buffer: UnsafeMutableRawBufferPointer, from source: ReadSource
    ) throws(StoreError) { try device.read(shard, at: offset, into: buffer, from: source) }
    func stage(_ pieces: [UnsafeRawBufferPointer], as shard: ShardName) throws(StoreError) -> StagedShard {
        try device.stage(pieces, as: shard)
    }
    func sync(_ staged: [StagedShard]) throws(StoreError) { try device.sync(staged) }
    func name(_ staged: [StagedShard], replacing: Bool) throws(StoreError) {
        try device.name(staged, replacing: replacing)
    }
    func discard(_ staged: [StagedShard]) { device.discard(staged) }
    func clearStaging() throws(StoreError) { try device.clearStaging() }
    func remove(_ shard: ShardName) throws(StoreError) { try device.remove(shard) }
    func shards(from first: BlockNumber) throws(StoreError) -> [ShardName] { try device.shards(from: first) }
    func space() throws(StoreError) -> DeviceSpace { try device.space() }
}

/// Every second a new one, from a fixed start.
final class SteadyClock: Clock, @unchecked Sendable {
    // @unchecked: tests with this clock run on one thread.
    private var now: Int64 = 1_700_000_000_000_000_000

    func wallNanoseconds() -> Int64 {
        now += 1_000_000_000
        return now
    }

    func monotonicNanoseconds() -> UInt64 { UInt64(wallNanoseconds()) / 1_000_000 }
    func sleep(nanoseconds: UInt64) {}
}

/// A directory that is gone when the test is.
final class TemporaryDirectory {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "blockstore-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The same with real time and threads.
    func environment(_ executor: any Executor) throws -> StoreEnvironment {
        StoreEnvironment(
            home: try DirectoryHome(path: path + "/home", creating: true), devices: RebasedProvider(base: path),
            clock: SystemClock(), random: SystemRandom(), executor: executor)
    }

    /// A store's surroundings below this directory.
    func environment(seed: UInt64) throws -> StoreEnvironment {
        StoreEnvironment(
            home: try DirectoryHome(path: path + "/home", creating: true), devices: RebasedProvider(base: path),
            clock: SteadyClock(), random: SeededRandom(seed), executor: InlineExecutor())
    }
}
