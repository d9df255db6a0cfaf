@testable import BlockStore
import Synchronization

/// A write that a node was asked for, and that comes to pass some time later, or never.
struct LateWrite: Sendable {
    let place: String
    /// Of the device that was there: another in its place is another bucket.
    let device: DeviceID?
    let path: String
    let bytes: [UInt8]
    /// Only where nothing has the name.
    let isConditional: Bool
}

extension SimulatedWorld {
    /// What is wrong with a node, or with the way to it, while it is in use.
    enum NodeFault: Sendable, Hashable, CaseIterable {
        /// What is asked for is done, and the answer is lost, every other time.
        case unheard
        /// What is to be written is written later, or never; nobody hears of it.
        case late
        /// Some bytes of what is read are others.
        case garbled
        /// Nothing is answered; after the first time nobody asks.
        case silent
        /// Reads take so long that others are asked.
        case lingering
        /// Listings lack what was written last.
        case stale
    }

    func nodeFault(_ place: String) -> NodeFault? { faultsFromCall <= calls ? nodeFaults[place] : nil }

    /// What is under way arrives, as far as `chosen` says.
    func land(_ chosen: () -> Bool) {
        guard !state.underWay.isEmpty else { return }
        var left: [LateWrite] = []
        for write in state.underWay {
            guard chosen() else {
                left.append(write)
                continue
            }
            guard let disk = state.disks[write.place], disk.deviceID == write.device else { continue }
            if write.isConditional, disk.exists(write.path) { continue }
            state.disks[write.place]?.put(write.path, write.bytes)
        }
        state.underWay = left
    }
}

extension SimulatedDisk {
    /// Who it says it is.
    var deviceID: DeviceID? {
        content(DocumentName.device.rawValue).flatMap { try? DeviceDocument.parse($0, at: "") }.map(\.deviceID)
    }

    /// An object is there whole, and durably, or it is not.
    mutating func put(_ path: String, _ bytes: [UInt8]) {
        var parent = ""
        for name in path.split(separator: "/").dropLast() {
            let directory = parent.isEmpty ? String(name) : "\(parent)/\(name)"
            if !exists(directory) { create(directory, isDirectory: true) }
            sync(directory: parent)
            parent = directory
        }
        create(path)
        write(path, bytes)
        sync(file: path)
        sync(directory: parent)
    }
}

/// A device as a bucket on a node is one: nothing is renamed, each write is whole or not there, and what was asked for may come to
/// pass after nobody waits for it.
///
/// `@unchecked`: simulations run on one thread.
final class SimulatedNode: Device, @unchecked Sendable {
    let place: String
    var physicalIdentity: String { place }
    private let world: SimulatedWorld
    private let nextTicket = Atomic<UInt64>(1)
    private var kept: [UInt64: [UInt8]] = [:]
    private var isLocked = false
    private var wasSilent = false

    init(_ world: SimulatedWorld, _ place: String) {
        self.world = world
        self.place = place
    }

    private var disk: SimulatedDisk {
        get { world.state.disks[place] ?? SimulatedDisk() }
        _modify { yield &world.state.disks[place, default: SimulatedDisk()] }
    }

    private var fault: SimulatedWorld.NodeFault? { world.nodeFault(place) }

    private func look(_ what: String) throws(StoreError) {
        try world.look(what, on: place)
        try arrive(what)
    }

    /// Nothing of it happens where this throws.
    private func arrive(_ what: String) throws(StoreError) {
        guard !world.state.absent.contains(place), fault != .silent else {
            wasSilent = true
            throw StoreError(.io, what, at: place, detail: "it did not answer")
        }
        world.land { world.random.next() % 8 == 0 }
    }

    /// Something that changes the node, as the client sees it.
    private func change(_ what: String, _ body: () -> Void, later: LateWrite? = nil) throws(StoreError) {
        let isAlive = !world.isCrashed
        do throws(StoreError) {
            try world.step(what, on: place)
        } catch {
            // The power went while it was on its way.
            if isAlive, world.isCrashed, !world.state.absent.contains(place) {
                switch world.random.next() % 3 {
                case 0: body()
                case 1: if let later { world.state.underWay.append(later) }
                default: break
                }
            }
            throw error
        }
        try arrive(what)
        let lost = StoreError(.io, what, at: place, detail: "the answer was lost")
        switch fault {
        case .unheard where world.random.next() % 2 == 0:
            body()
            throw lost
        case .late:
            if let later { world.state.underWay.append(later) }
            throw lost
        default: body()
        }
    }

    private func put(_ path: String, _ bytes: [UInt8], isConditional: Bool, _ what: String) throws(StoreError) {
        try change(
            what, { disk.put(path, bytes) },
            later: LateWrite(
                place: place, device: disk.deviceID, path: path, bytes: bytes, isConditional: isConditional))
    }

    var isRemote: Bool { true }
    var listsEverything: Bool { false }
    var isSetAside: Bool { wasSilent && (fault == .silent || world.state.absent.contains(place)) }
    func isLate(patience nanoseconds: UInt64) -> Bool { fault == .lingering }

    func isAtHand(_ shard: ShardName, _ range: Range<Int>, patience nanoseconds: UInt64) -> Bool {
        fault != .lingering || world.random.next() % 2 == 0
    }

    func readDocument(_ name: DocumentName) throws(StoreError) -> [UInt8]? {
        try look("read \(name)")
        return disk.content(name.rawValue)
    }

    func writeDocument(_ name: DocumentName, _ bytes: [UInt8]) throws(StoreError) {
        try put(name.rawValue, bytes, isConditional: false, "write \(name)")
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
        if fault == .garbled, !buffer.isEmpty, world.random.next() % 2 == 0 {
            buffer[Int(world.random.next() % UInt64(buffer.count))] ^= 1
        }
    }

    /// Short ones are kept in memory until they get their names, long ones are uploads that wait for it.
    func stage(_ pieces: [UnsafeRawBufferPointer], as shard: ShardName) throws(StoreError) -> StagedShard {
        try look("stage \(shard)")
        guard disk.exists(DocumentName.device.rawValue) else {
            throw StoreError(.notFound, "write shard \(shard)", at: place, detail: "it is no device any more")
        }
        let staged = StagedShard(shard: shard, ticket: nextTicket.wrappingAdd(1, ordering: .relaxed).oldValue)
        let bytes = pieces.flatMap { Array($0) }
        if bytes.count > 1000 {
            try put(upload(staged), bytes, isConditional: false, "upload \(shard)")
        } else {
            kept[staged.ticket] = bytes
        }
        return staged
    }

    func sync(_ staged: [StagedShard]) throws(StoreError) {}

    func name(_ staged: [StagedShard], replacing: Bool) throws(StoreError) {
        for shard in staged {
            guard let bytes = kept[shard.ticket] ?? disk.content(upload(shard)) else {
                throw StoreError(.io, "name shard \(shard.shard)", at: place, detail: "the upload is gone")
            }
            guard replacing || !disk.exists(path(shard.shard)) else {
                throw StoreError(.exists, "name shard \(shard.shard)", at: place, detail: "there is one")
            }
            let taken = world.isForgetful(place) ? [UInt8](repeating: 0, count: bytes.count) : bytes
            try put(path(shard.shard), taken, isConditional: !replacing, "complete \(shard.shard)")
            kept[shard.ticket] = nil
            disk.removeForGood(upload(shard))
        }
    }

    func discard(_ staged: [StagedShard]) {
        for shard in staged {
            kept[shard.ticket] = nil
            if !world.isCrashed, !world.state.absent.contains(place) { disk.removeForGood(upload(shard)) }
        }
    }

    func clearStaging() throws(StoreError) {
        try look("list uploads")
        for name in disk.names(in: "uploads") {
            try change("abort \(name)", { disk.removeForGood("uploads/\(name)") })
        }
    }

    func remove(_ shard: ShardName) throws(StoreError) {
        try change("remove \(shard)", { disk.removeForGood(path(shard)) })
    }

    func shards(from first: BlockNumber) throws(StoreError) -> [ShardName] {
        try look("list")
        var result = disk.shards(from: first)
        if fault == .stale { result.removeLast(min(result.count, 2)) }
        return result
    }

    func space() throws(StoreError) -> DeviceSpace { DeviceSpace(totalBytes: 1 << 30, freeBytes: 1 << 30) }

    private func path(_ shard: ShardName) -> String { SimulatedDisk.path(of: shard) }

    private func upload(_ staged: StagedShard) -> String { "uploads/\(staged.shard.fileName).\(staged.ticket)" }
}
