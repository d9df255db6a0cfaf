public import Erasure

/// A shard's name on a device: `<number>-<first 8 bytes of block id>.<row>` (docs/format.md, "Names").
public struct ShardName: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let number: BlockNumber
    /// The first 8 bytes of the block id, big-endian. The header inside has the whole id.
    public let idPrefix: UInt64
    public let row: Row

    public init(number: BlockNumber, idPrefix: UInt64, row: Row) {
        self.number = number
        self.idPrefix = idPrefix
        self.row = row
    }

    public init(_ block: BlockName, _ row: Row) {
        self.init(number: block.number, idPrefix: block.id.prefix, row: row)
    }
}

extension ShardName {
    /// The block as far as a name says it: no two blocks share it.
    struct Block: Hashable, Comparable {
        let number: BlockNumber
        let idPrefix: UInt64

        init(_ shard: ShardName) { (number, idPrefix) = (shard.number, shard.idPrefix) }

        init(_ block: BlockName) { (number, idPrefix) = (block.number, block.id.prefix) }

        static func < (left: Self, right: Self) -> Bool {
            (left.number, left.idPrefix) < (right.number, right.idPrefix)
        }
    }
}

/// A small file beside the shards.
public enum DocumentName: String, Sendable, CaseIterable {
    /// Identity and a copy of the configuration, on a device.
    case device = "device.json"
    /// The newest epoch that wrote here.
    case epoch = "epoch.json"
    /// Identity, a copy of the configuration and path hints, in the home.
    case store = "store.json"
}

/// A shard whose bytes are on a device under a temporary name.
public struct StagedShard: Sendable, Hashable {
    public let shard: ShardName
    /// Tells apart two stagings of the same shard; unique within the process.
    public let ticket: UInt64

    public init(shard: ShardName, ticket: UInt64) {
        self.shard = shard
        self.ticket = ticket
    }
}

/// Where a read may be answered from.
public enum ReadSource: Sendable {
    /// The page cache will do.
    case cache
    /// The page cache will do and need not keep it: what is read in passing, once, displaces nothing else.
    case passing
    /// The medium itself, past every cache: what a pass that *proves* must use.
    case medium
}

/// A part of a shard that is going to be read.
public struct ExpectedRead: Sendable, Hashable {
    public let shard: ShardName
    public let range: Range<Int>
    /// Where nobody said so before: it is fetched, with so much behind it, unless it is on its way already. Nil for what is said once,
    /// and then read once.
    public let aheadBytes: Int?

    public init(shard: ShardName, range: Range<Int>, aheadBytes: Int? = nil) {
        self.shard = shard
        self.range = range
        self.aheadBytes = aheadBytes
    }
}

/// How a device far away answered since this process knows it.
public struct AnswerTimes: Sendable, Hashable {
    /// Requests that were sent, and those of them that no good answer came to.
    public var requests = 0
    public var failures = 0
    /// How long answers to short requests took lately: the middle one, and what 95 of 100 do not exceed. Nil before there are some.
    public var medianNanoseconds: UInt64?
    public var tailNanoseconds: UInt64?
    /// The same of reads ahead, which are longer.
    public var readTailNanoseconds: UInt64?
}

public struct DeviceSpace: Sendable, Hashable {
    public let totalBytes: UInt64
    /// What this process may still write.
    public let freeBytes: UInt64

    public init(totalBytes: UInt64, freeBytes: UInt64) {
        self.totalBytes = totalBytes
        self.freeBytes = freeBytes
    }

    /// The share of shards that a device of this size attracts: its GiB.
    var weight: UInt32 { UInt32(clamping: max(1, totalBytes >> 30)) }
}

/// A place that keeps shards: a directory on one disk, or a bucket on a node.
///
/// Calls block the calling thread and may come from many threads at once. A device knows names and
/// bytes, never blocks or codes, and not even its own id: that is in its `device.json`, and the
/// store judges it. Every conformer passes the device conformance suite.
///
/// A call that throws may have done part of its work. The store fails a device for the session when
/// `stage`, `sync`, `name` or `writeDocument` throws, and never retries them (design law 5).
public protocol Device: AnyObject, Sendable {
    /// Where it is, for people and as a hint for finding it again: a path, or the address of a bucket.
    var place: String { get }

    /// Tells apart two places however they were reached: device and inode of a directory, server and keys of a bucket.
    var physicalIdentity: String { get }

    /// Whether it did not answer lately: for a while every call fails at once, and what it holds is better read from others.
    var isSetAside: Bool { get }

    /// The whole document, nil when there is none. Throws `.corrupt` above 16 MiB.
    func readDocument(_ name: DocumentName) throws(StoreError) -> [UInt8]?

    /// Replaces a document. On return it is durable; after a crash during the call the old or the
    /// new one is found whole.
    func writeDocument(_ name: DocumentName, _ bytes: [UInt8]) throws(StoreError)

    /// Takes the device for one writer; false when another holds it. Ends with `unlock` or with
    /// the process; on a node, where nothing ends with a process, some time after it (`NodeLock`).
    func tryLock() throws(StoreError) -> Bool
    func unlock()

    /// Who holds the lock that could not be taken, as far as it can be told.
    func lockHolder() -> String?

    /// The length of `shard` in bytes, nil when there is none.
    func byteCount(of shard: ShardName) throws(StoreError) -> Int?

    /// Fills all of `buffer` from byte `offset` of `shard`. Throws `.notFound` when there is no
    /// such shard, `.corrupt` when it ends too early.
    func read(
        _ shard: ShardName, at offset: Int, into buffer: UnsafeMutableRawBufferPointer, from source: ReadSource
    ) throws(StoreError)

    /// Whether there is a long way to it, so that every read costs a round trip.
    var isRemote: Bool { get }

    /// What reading a byte from it costs beside what it costs elsewhere; 0 for nothing. Reads that cost less are preferred.
    var readCost: Double { get }

    /// Says what is going to be read soon, in this order. Who has a long way to it fetches it ahead.
    func expect(_ reads: [ExpectedRead])

    /// Waits until `range` of `shard` would be read at once. False when an answer has not come for so long.
    func isAtHand(_ shard: ShardName, _ range: Range<Int>, patience nanoseconds: UInt64) -> Bool

    /// Whether an answer has not come for so long.
    func isLate(patience nanoseconds: UInt64) -> Bool

    /// How it answered; nil where nobody waits for it.
    var answerTimes: AnswerTimes? { get }

    /// Writes the concatenation of `pieces` under a new temporary name. Not durable, not visible.
    /// When it throws, no temporary is left behind.
    func stage(_ pieces: [UnsafeRawBufferPointer], as shard: ShardName) throws(StoreError) -> StagedShard

    /// Makes the bytes of staged shards durable under their temporary names.
    func sync(_ staged: [StagedShard]) throws(StoreError)

    /// Gives synced shards their final names and makes the names durable (new directories and
    /// their parents too). After a crash during the call each name is absent or whole. An existing
    /// name is never replaced (`.exists`) unless `replacing`, which repair alone asks for.
    func name(_ staged: [StagedShard], replacing: Bool) throws(StoreError)

    /// Forgets staged shards. Never throws: what stays is removed by `clearStaging`.
    func discard(_ staged: [StagedShard])

    /// Removes every temporary. Only the holder of the writer lock may call it.
    func clearStaging() throws(StoreError)

    /// Removes `shard`; removing an absent shard succeeds.
    func remove(_ shard: ShardName) throws(StoreError)

    /// The shards numbered `first` or later, sorted. Files whose names are not shard names are
    /// passed over.
    func shards(from first: BlockNumber) throws(StoreError) -> [ShardName]

    /// Whether `shards` has everything that was named before. Where not, what it lacks is looked for by name before it counts
    /// as absent.
    var listsEverything: Bool { get }

    func space() throws(StoreError) -> DeviceSpace

    /// The room that is kept for what frees room.
    func reserveBytes() throws(StoreError) -> Int

    /// Keeps so much room in a file of no other meaning, or lets go of it (0). Where it cannot be had none is kept.
    func setReserve(_ byteCount: Int) throws(StoreError)
}

/// A device near by, whose room is not ours to keep, whose lock says nothing, that is always asked and lists all it has.
extension Device {
    public var isRemote: Bool { false }
    public var readCost: Double { 0 }
    public func expect(_ reads: [ExpectedRead]) {}
    public func isAtHand(_ shard: ShardName, _ range: Range<Int>, patience nanoseconds: UInt64) -> Bool { true }
    public func isLate(patience nanoseconds: UInt64) -> Bool { false }
    public var answerTimes: AnswerTimes? { nil }
    public var isSetAside: Bool { false }
    public var listsEverything: Bool { true }
    public func lockHolder() -> String? { nil }
    public func reserveBytes() throws(StoreError) -> Int { 0 }
    public func setReserve(_ byteCount: Int) throws(StoreError) {}
}

/// Finds devices by their path hints. Injected, so that the simulator has its own.
public protocol DeviceProvider: Sendable {
    /// The place at `hint`, whether or not a store uses it. Throws `.notFound` when nothing is
    /// there, `.io` when it cannot be looked at.
    func open(_ hint: String) throws(StoreError) -> any Device

    /// Whether the place at `hint` is far away.
    func isRemote(_ hint: String) -> Bool

    /// A place fit for a new device: created when absent (where `creating`), refused with `.invalid`
    /// or `.exists` when it is not an empty directory, or is a mount point with nothing mounted.
    /// A device that `isLeftover` accepts, given its `device.json` and whether it has shards, counts as empty.
    func prepare(_ hint: String, creating: Bool, isLeftover: ([UInt8], Bool) -> Bool) throws(StoreError) -> any Device
}

extension DeviceProvider {
    public func isRemote(_ hint: String) -> Bool { false }
}
