import Chunker
import Erasure

/// What every operation of an open store shares. Any thread.
///
/// The devices and the configuration of an engine never change: a change of configuration ends it
/// and a new one begins.
final class Engine: Sendable {
    let environment: StoreEnvironment
    let storeID: StoreID
    let configuration: Configuration
    let devices: DeviceSet
    let index: Index
    let chunkBuffers: ChunkBuffers
    /// For the payload of blocks of any profile: what a smaller block does not touch costs nothing.
    let blockBuffers: BufferPool
    /// For the parity of blocks of the configured profile.
    private let usualParityBuffers: BufferPool

    init(environment: StoreEnvironment, configuration: Configuration, devices: DeviceSet, index: Index) {
        self.environment = environment
        storeID = configuration.storeID
        self.configuration = configuration
        self.devices = devices
        self.index = index
        chunkBuffers = ChunkBuffers(
            usualBytes: max(configuration.chunker.maximumBytes, 256 << 10), kept: 64)
        blockBuffers = BufferPool(byteCount: Limits.blockPayloadBytes, kept: 3)
        usualParityBuffers = Self.makeParityBuffers(configuration.profile)
    }

    /// Buffers for the parity of blocks of `profile`: shared for the configured one, else the caller's own.
    func parityBuffers(for profile: Profile) -> BufferPool {
        profile == configuration.profile ? usualParityBuffers : Self.makeParityBuffers(profile)
    }

    private static func makeParityBuffers(_ profile: Profile) -> BufferPool {
        BufferPool(
            byteCount: Limits.fullShardBytes(columns: profile.dataShards) * profile.parityShards, kept: 3)
    }

    /// So many devices may be out of service while the store is written to: the tolerance of the strongest profile in use.
    func absencesTolerated() throws(StoreError) -> Int {
        try index.totals().blocksByProfile.keys.map(\.tolerance).reduce(configuration.profile.tolerance, max)
    }

    /// The device that has `shard`: the one where it is expected, else whichever is found to hold it.
    func locate(_ shard: ShardName, expectedOn expected: DeviceID?) -> (any Device)? {
        holders(of: shard, expectedOn: expected).first { _ in true }.flatMap { devices.readable($0) }
    }

    /// Everybody who has `shard`, the device where it is expected first. Repair from another home may have put it elsewhere
    /// than the index of this one knows, and a copy that was left behind may be worse than the new one.
    func holders(of shard: ShardName, expectedOn expected: DeviceID?) -> some Sequence<DeviceID> {
        ([expected].compactMap { $0 } + devices.readable.filter { $0 != expected }).lazy.filter { id in
            self.devices.readable(id).map { Self.has($0, shard) } ?? false
        }
    }

    static func has(_ device: any Device, _ shard: ShardName) -> Bool {
        do throws(StoreError) {
            return try device.byteCount(of: shard) != nil
        } catch {
            // Unreadable is not absent, but it cannot be used either.
            return false
        }
    }

    /// Rows of `block` that protect it: of its profile, on distinct devices in service, not known to be damaged. What it has
    /// beyond its profile may go at any time.
    func soundRows(of block: IndexedBlock) -> [Row] {
        let wanted = Set(block.profile.rows)
        let sound = block.shards.filter {
            wanted.contains($0.key) && !block.damaged.contains($0.key) && devices.device($0.value) != nil
        }
        return Array(Protection.onDistinctDevices(sound).keys)
    }

    /// Rows of `block` that can be had now, also from devices that are not written to any more.
    func readableRows(of block: IndexedBlock) -> [Row] {
        block.shards.filter { !block.damaged.contains($0.key) && devices.readable($0.value) != nil }.map(\.key)
    }

    /// Whether `block` can be read in full now, as far as the index knows: what is damaged in part may still yield all of it.
    func isReadable(_ block: IndexedBlock) -> Bool {
        Protection.isReadable(readableRows(of: block), columns: block.columns, payloadBytes: block.shardPayloadBytes)
    }

    /// Header and table of contents of a block, from any sound shard.
    ///
    /// - Throws: `.lost` when there is none, `.unsupported` when a newer version wrote what there is.
    func head(of block: IndexedBlock, to verb: String) throws(StoreError) -> ShardHead {
        var problem: StoreError?
        for row in Set(block.shards.keys).union(block.profile.rows).sorted() {
            let name = ShardName(block.name, row)
            guard let device = locate(name, expectedOn: block.shards[row]) else { continue }
            do throws(StoreError) {
                let head = try ShardReader.head(of: name, on: device, storeID: storeID)
                guard head.header.block == block.name else { continue }
                return head
            } catch {
                problem = error
            }
        }
        if let problem, problem.code == .unsupported { throw problem }
        throw StoreError(
            .lost, "\(verb) block \(block.name)",
            detail: problem.map(\.description) ?? "no shard of it was found on the devices in service")
    }

    /// Remembers damage found while reading, so that repair starts there and no duplicate rests on it. The
    /// index is a cache: that this cannot be written down must not fail the read.
    ///
    /// What cannot be had because its device is out of service is not damaged: the device may return.
    func remember(_ damaged: [DamagedShard]) {
        let marks = damaged.filter { shard in
            guard let block = try? index.block(shard.block), block.name == shard.name, let id = block.shards[shard.row]
            else { return false }
            return devices.isAskable(id)
        }
        guard !marks.isEmpty else { return }
        try? index.markDamaged(marks.map { ($0.block, $0.row) })
    }
}
