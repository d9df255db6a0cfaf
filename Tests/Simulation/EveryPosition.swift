@testable import BlockStore
import Erasure

/// T4: a small store is damaged at every position, one damage at a time, and has to find it, to read on, and
/// to be as before after a repair.
///
/// The store has payload blocks and record-only blocks, chunks as they are and under LZ4, a deleted key, an
/// overwritten one and a replaced device. Each damage of shards is tried with the index or without it, by turns.
public final class EveryPosition {
    /// What was tried and what came of it.
    public struct Tally: Sendable {
        public var damages = 0
        /// Objects that read as something else, or not at all.
        public var wrongBytes = 0
        /// Damages that scrub does not report as what they are: one problem for each damaged shard.
        public var notFound = 0
        /// Shards that a repair did not make as they were.
        public var notIdentical = 0
        /// Damages of the index that hide rows until scrub looks: found, but not by a reader.
        public var hidden = 0
        /// Any other promise.
        public var otherwise = 0
        /// The first of each kind, in words.
        public var complaints: [String] = []

        public var isClean: Bool { wrongBytes + notFound + notIdentical + otherwise == 0 }

        public var summary: String {
            "\(damages) damages, \(wrongBytes) wrong bytes, \(notFound) not found by scrub, "
                + "\(notIdentical) not repaired identically, \(otherwise) otherwise wrong "
                + "(\(hidden) of the index seen by scrub alone)"
        }

        public init() {}

        public static func + (left: Tally, right: Tally) -> Tally {
            var sum = left
            sum.damages += right.damages
            sum.wrongBytes += right.wrongBytes
            sum.notFound += right.notFound
            sum.notIdentical += right.notIdentical
            sum.otherwise += right.otherwise
            sum.hidden += right.hidden
            sum.complaints += right.complaints
            return sum
        }
    }

    /// A shard file.
    struct Place: Hashable {
        let disk: String
        let path: String
    }

    let world: SimulatedWorld
    let profile: Profile
    /// Nothing is damaged, and opening changes nothing.
    let whole: SimulatedWorld.State
    /// Every `stride`-th position is tried.
    let stride: Int
    public private(set) var tally = Tally()
    private var contents: [Key: [UInt8]] = [:]
    private var listing: [String] = []
    /// A device document of before the last change of the configuration.
    private(set) var olderDocuments: [String: [UInt8]] = [:]

    /// - Parameter stride: 1 for every position.
    public init(profile text: String, devices: Int, stride: Int = 1, seed: UInt64 = 23) throws {
        profile = try Profile(text)
        self.stride = stride
        world = SimulatedWorld(seed: seed, disks: (1...devices).map { "disk-\($0)" })
        _ = try Store.create(
            world.environment, devices: (1...devices).map { NewDevice(path: "disk-\($0)") }, profile: profile,
            averageChunkBytes: 4096)
        whole = try Self.fill(world, &contents, &olderDocuments)
        world.restart()
        try withStore(.write) { store in listing = try store.engine.index.dump() }
    }

    private static func fill(
        _ world: SimulatedWorld, _ contents: inout [Key: [UInt8]], _ older: inout [String: [UInt8]]
    ) throws -> SimulatedWorld.State {
        let packed = Array(String(repeating: "what comes again is made small. ", count: 160).utf8)
        func put(_ objects: [(String, [UInt8])], removing removed: String? = nil) throws {
            let store = try Store.open(world.environment, access: .write)
            let session = try store.startWriting()
            for (name, bytes) in objects {
                try session.put(Key(name), from: MemorySource(bytes))
                contents[try Key(name)] = bytes
            }
            if let removed {
                try session.remove(Key(removed))
                contents[try Key(removed)] = nil
            }
            _ = try session.finish()
            store.close()
            world.restart()
        }
        try put([
            ("as it is", SeededRandom.bytes(3_700, seed: 1)), ("packed", packed), ("changed", [1, 2, 3]), ("empty", []),
            ("gone", SeededRandom.bytes(90, seed: 2)),
        ])
        try put([], removing: "gone")
        older = world.state.disks.compactMapValues { $0.content(DocumentName.device.rawValue) }
        world.state.disks["disk-1"] = SimulatedDisk()
        let store = try Store.open(world.environment, access: .write)
        guard let lost = store.devices.first(where: { !$0.state.isInService }) else {
            throw BrokenPromise(description: "a wiped device is missed")
        }
        _ = try store.replaceDevice(lost.id)
        _ = try store.repair()
        store.close()
        world.restart()
        try put([("changed", SeededRandom.bytes(1_500, seed: 3)), ("second", Array(packed.prefix(900)))])
        // What the last open writes is written.
        try Store.open(world.environment, access: .write).close()
        world.restart()
        return world.state
    }

    // Shards

    /// Every shard file, or those of some disks.
    func shards(on disks: [String]? = nil) -> [Place] {
        (disks ?? whole.disks.keys.sorted()).flatMap { disk in
            (whole.disks[disk]?.entries.keys.filter { $0.hasPrefix("blocks/") && $0.contains(".") } ?? []).sorted().map
            {
                Place(disk: disk, path: $0)
            }
        }
    }

    /// Flips in every byte, each length, bytes more, and pages of zeros, in every shard of a disk.
    public func damageShards(of disk: String) {
        for place in shards(on: [disk]) {
            let bytes = content(place)
            let name = "\(place.disk)/\(place.path)"
            for position in positions(bytes.count, of: place) {
                // One bit with the index, all bits without.
                for (change, losesIndex) in [(UInt8(1 << (position % 8)), false), (0xff, true)] {
                    damage("\(name), byte \(position) ^ \(change)", losesIndex, [place]) { $0[position] ^= change }
                }
                damage("\(name) cut to \(position)", position % 2 == 1, [place]) { $0.removeLast($0.count - position) }
            }
            let tail = bytes.count - 1
            damage("\(name) cut by one", false, [place]) { $0.removeLast() }
            damage("\(name) without its last bit", true, [place]) { $0[tail] ^= 1 }
            for extra in 1...(stride == 1 ? 64 : 1) {
                damage("\(name) and \(extra) zeros", extra % 2 == 0, [place]) {
                    $0 += [UInt8](repeating: 0, count: extra)
                }
                damage("\(name) and \(extra) bytes more", extra % 2 == 1, [place]) { $0 += bytes.suffix(extra) }
            }
            for page in stride == 1 ? [4096, 512] : [4096] {
                for start in Swift.stride(from: 0, to: bytes.count, by: page) {
                    let range = start..<min(start + page, bytes.count)
                    guard bytes[range].contains(where: { $0 != 0 }) else { continue }
                    damage("\(name) with zeros in \(range)", start % 2 == 1, [place]) {
                        $0.replaceSubrange(range, with: [UInt8](repeating: 0, count: range.count))
                    }
                }
            }
        }
    }

    /// Two shards of each block damaged at once, at every position of the longer one.
    public func damagePairs(_ one: String, _ other: String) {
        guard profile.tolerance >= 2 else { return }
        for place in shards(on: [one]) {
            let block = place.path.prefix { $0 != "." }
            guard let second = shards(on: [other]).first(where: { $0.path.hasPrefix(block) }) else { continue }
            let (first, count) = (content(place).count, content(second).count)
            for position in positions(max(first, count), of: place) {
                damage("\(place.path), byte \(position) on \(one) and \(other)", position % 2 == 1, [place, second]) {
                    $0[position % $0.count] ^= UInt8(1 << (position / 3 % 8))
                }
            }
        }
    }

    /// Any two shard files exchanged: under names of one disk, and between disks.
    public func exchangeShards() {
        let places = shards()
        var number = 0
        for (index, place) in places.enumerated() {
            for other in places[(index + 1)...] {
                number += 1
                guard number % stride == 0 else { continue }
                let (one, two) = (content(place), content(other))
                trial(
                    "\(place.disk)/\(place.path) exchanged with \(other.disk)/\(other.path)",
                    losesIndex: number / stride % 2 == 1, hits: [place, other]
                ) { state in
                    state.disks[place.disk]?.corrupt(place.path) { $0 = two }
                    state.disks[other.disk]?.corrupt(other.path) { $0 = one }
                }
            }
        }
    }

    /// Shards of an attempt that was given up, and of another store, stand under our names or beside them.
    public func putStaleShardsBack() throws {
        // The last put again, as a writer with other luck would have made it: the same numbers, other ids.
        let attempt = SimulatedWorld(seed: 77, disks: [])
        attempt.state = whole
        let store = try Store.open(attempt.environment, access: .write)
        let session = try store.startWriting()
        try session.put(Key("never"), from: MemorySource(SeededRandom.bytes(1_500, seed: 9)))
        _ = try session.finish()
        store.close()
        attempt.restart()
        let before = attempt.state
        let foreign = try EveryPosition(profile: profile.description, devices: whole.disks.count, seed: 99).whole
        var number = 0
        for (kind, state) in [("an earlier attempt", before), ("another store", foreign)] {
            for place in shards() {
                let names = state.disks[place.disk]?.entries.keys.filter {
                    $0.hasPrefix("blocks/") && $0.contains(".") && whole.disks[place.disk]?.content($0) == nil
                }
                for name in (names ?? []).sorted() {
                    number += 1
                    guard number % stride == 0, let stale = state.disks[place.disk]?.content(name) else { continue }
                    trial("a shard of \(kind) as \(place.disk)/\(place.path)", losesIndex: false, hits: [place]) {
                        $0.disks[place.disk]?.corrupt(place.path) { $0 = stale }
                    }
                    trial(
                        "a shard of \(kind) as \(place.disk)/\(place.path), no index", losesIndex: true, hits: [place]
                    ) { $0.disks[place.disk]?.corrupt(place.path) { $0 = stale } }
                }
            }
        }
        for (disk, contents) in foreign.disks.sorted(by: { $0.key < $1.key }) {
            for path in contents.entries.keys.sorted() where path.hasPrefix("blocks/") && path.contains(".") {
                guard let bytes = contents.content(path), whole.disks[disk]?.content(path) == nil else { continue }
                for losesIndex in [false, true] {
                    trial("a shard of another store beside ours on \(disk)", losesIndex: losesIndex, hits: []) {
                        state in
                        state.disks[disk]?.create(path)
                        state.disks[disk]?.corrupt(path) { $0 = bytes }
                    }
                }
            }
        }
    }

    private func content(_ place: Place) -> [UInt8] { whole.disks[place.disk]?.content(place.path) ?? [] }

    /// Every `stride`-th position; where it begins depends on the file, so that files of one kind differ.
    private func positions(_ count: Int, of place: Place) -> [Int] {
        let offset = Int(UInt(bitPattern: place.path.utf8.reduce(7) { $0 &* 31 &+ Int($1) }) % UInt(stride))
        return Array(Swift.stride(from: min(offset, max(0, count - 1)), to: count, by: stride))
    }

    private func damage(_ name: String, _ losesIndex: Bool, _ places: [Place], _ change: (inout [UInt8]) -> Void) {
        trial(name, losesIndex: losesIndex, hits: places) { state in
            for place in places { state.disks[place.disk]?.corrupt(place.path, change) }
        }
    }

    /// One damage: everything reads, scrub names exactly `hits`, a repair makes every shard as it was.
    private func trial(
        _ name: String, losesIndex: Bool, hits: [Place], _ damage: (inout SimulatedWorld.State) -> Void
    ) {
        world.state = whole
        damage(&world.state)
        if losesIndex { world.state.index = nil }
        tally.damages += 1
        attempt(name) {
            try withStore(.read) { store in
                readAll(store, name)
                let problems = try store.scrub().problems
                let found = problems.map { "\($0.device) \(ShardName($0.block, $0.row).fileName)" }.sorted()
                let expected = hits.map { "\($0.disk) \($0.path.split(separator: "/").last ?? "")" }.sorted()
                if found != expected { complain(\.notFound, "\(name): scrub finds \(problems)") }
            }
            try withStore(.write) { store in
                // Of what scrub found and left in the index.
                let repair = try store.repair()
                guard repair.owedShards == 0, repair.errors.isEmpty, repair.lostBlocks.isEmpty else {
                    return complain(\.notIdentical, "\(name): \(repair)")
                }
            }
            if !shards().allSatisfy({ world.state.disks[$0.disk]?.content($0.path) == content($0) }) {
                complain(\.notIdentical, "\(name): a repaired shard is not what it was")
            }
        }
    }

    // What all damages have in common

    func count() { tally.damages += 1 }

    func noteHidden() { tally.hidden += 1 }

    func holdsEveryKey(_ keys: [Key]) -> Bool { Set(keys) == Set(contents.keys) }

    func complain(_ kind: WritableKeyPath<Tally, Int>, _ complaint: String) {
        tally[keyPath: kind] += 1
        // The first few of a kind are enough to look at.
        if tally[keyPath: kind] <= 10 { tally.complaints.append(complaint) }
    }

    /// A promise that is broken by an error.
    func attempt(_ name: String, _ body: () throws -> Void) {
        do {
            try body()
        } catch {
            complain(\.otherwise, "\(name): \(error)")
            world.restart()
        }
    }

    func withStore<Value>(_ access: Store.Access, _ body: (Store) throws -> Value) throws -> Value {
        let store = try Store.open(world.environment, access: access)
        defer {
            store.close()
            world.restart()
        }
        return try body(store)
    }

    /// Everything reads as it was put, and nothing else is there.
    func readAll(_ store: Store, _ name: String) {
        do throws(StoreError) {
            let objects = try store.list()
            if Set(objects.map(\.key)) != Set(contents.keys) {
                complain(\.wrongBytes, "\(name): the keys are \(objects.map(\.key.description))")
            }
            for object in objects {
                let sink = MemorySink()
                _ = try store.read(object, into: sink)
                requireExpected(sink.bytes, object.key, name)
            }
        } catch {
            complain(\.wrongBytes, "\(name): \(error)")
        }
    }

    func requireExpected(_ bytes: [UInt8], _ key: Key, _ name: String) {
        if bytes != contents[key] { complain(\.wrongBytes, "\(name): \(key) is not what it was") }
    }

    var expectedListing: [String] { listing }
}
