@testable import BlockStore
import Erasure

/// One life of a store, from one seed: a list of steps, each with a seed of its own, so that steps can be
/// left out and the others stay what they were.
public struct RandomLife: Sendable {
    /// What happens in a step.
    enum Action: String, Sendable, CaseIterable {
        case put, putSome, remove, putDuring, repairDuring, readDuring
        case lose, bringBack, wipe, rot, rollBack, swapPlaces, copyOver, replaceByStranger, damageDocument
        case damageIndex, repair, replaceAndRepair, scrub, rebuildIndex, changeHome, close, collide
        case copy, move, restore, purge, putIfAbsent, putIfUnchanged, moveDuring
        case collect, collectDuring, purgeOld
        case prune, putStronger, putStrongerDuring, reshape, reshapeDuring
        case addDevice, drainDevice, drainDuring, cancelDrain, removeDevice, recoverHome
        case putLarge, rotOfLarge, scrubOld, repairSlowly

        /// How often, against the others.
        var weight: Int {
            switch self {
            case .put: 8
            case .putSome, .replaceAndRepair, .putDuring: 4
            case .remove, .lose, .bringBack, .damageIndex, .repairDuring, .rot: 2
            default: 1
            }
        }

        /// Operations on versions that are there already, which lives came to know later.
        static let later: [Action] = [.copy, .move, .restore, .purge, .putIfAbsent, .putIfUnchanged, .moveDuring]
        private static let latest: [Action] = [.collect, .collectDuring, .purgeOld]

        /// What becomes of versions and of geometry in the course of years.
        private static let ofYears: [Action] = [.prune, .putStronger, .putStrongerDuring, .reshape, .reshapeDuring]

        /// Shards of several cells, which are damaged in places.
        private static let tending: [Action] = [.putLarge, .rotOfLarge, .scrubOld, .repairSlowly]

        static let wheel = allCases.filter { !(later + latest + ofYears + moving + tending).contains($0) }.flatMap {
            Array(repeating: $0, count: $0.weight)
        }

        static let widerWheel = wheel + later.flatMap { Array(repeating: $0, count: 3) }

        static let wheelOfYears = wheel + ofYears.flatMap { Array(repeating: $0, count: 3) }
        static let tendingWheel = wheel + tending.flatMap { Array(repeating: $0, count: 4) }

        /// Lives in which space is freed.
        static let collecting =
            widerWheel
            + [.collect, .collect, .collect, .collect, .purgeOld, .purgeOld, .collectDuring].flatMap {
                Array(repeating: $0, count: 3)
            }

        /// Devices that come and go in good order.
        private static let moving: [Action] = [
            .addDevice, .drainDevice, .drainDuring, .cancelDrain, .removeDevice, .recoverHome,
        ]

        static let movingWheel =
            wheel + moving.flatMap { Array(repeating: $0, count: 5) } + Array(repeating: .collect, count: 3)

        /// What kind of life it is, from the last digit of the seed: those of 3 and 6 copy, move, restore, purge and compare as
        /// well; those of 1, 5 and a third of those of 9 (local parities) collect too; those of 4 have nodes, and a third of them collect, another third add, drain and remove devices; those of 7 prune, have several profiles
        /// and change them; in those of 8 devices are added, drained and removed; those of 2, and another third of those of 9, hold
        /// objects whose shards have several cells and are damaged in places, scrub by age and repair at a rate.
        static func wheel(of seed: UInt64) -> [Action] {
            switch seed % 10 {
            case 1, 5: collecting
            case 3, 6: widerWheel
            case 7: wheelOfYears
            case 8: movingWheel
            case 4 where seed % 30 == 14: collecting
            case 4 where seed % 30 == 24: movingWheel
            case 9 where seed % 30 == 19: collecting
            case 2: tendingWheel
            case 9 where seed % 30 == 29: tendingWheel
            default: wheel
            }
        }
    }

    struct Step: Sendable {
        let number: Int
        let action: Action
        let seed: UInt64
        /// The power goes after so many device steps.
        var crashAfter: Int?
        let policy: CrashPolicy
    }

    public let seed: UInt64
    let profile: String
    let devices: Int
    var steps: [Step]

    public init(seed: UInt64, steps count: Int = 30) {
        let random = SeededRandom(seed)
        self.seed = seed
        let usual = random.pick([
            ("rs:2+2", 5), ("rs:2+2", 4), ("rs:2+1", 3), ("rs:2+1", 4), ("rs:1+1", 2), ("rs:1+2", 3), ("rs:4+2", 7),
            ("rs:3+3", 6),
        ])
        // Every tenth life has local parities; drawn from the seed itself, so that the others stay what they were.
        let local = [("lrc:4+2+1", 8), ("lrc:2+2+1", 5), ("lrc:6+3+1", 10)]
        (profile, devices) = seed % 10 == 9 ? local[Int(seed / 10 % 3)] : usual
        let wheel = Action.wheel(of: seed)
        steps = (1...count).map { number in
            Step(
                number: number, action: random.pick(wheel), seed: random.next(),
                crashAfter: random.next() % 2 == 0 ? 1 + Int(random.next() % 60) : nil,
                policy: random.pick([
                    .loseAllUnsynced, .keepAll, .torn, .random, .random, .loseOne(Int(random.next() % 8)),
                ]))
        }
    }

    /// Lives it.
    ///
    /// - Returns: a hash over every call of every device, the same each time.
    /// - Throws: `BrokenPromise`.
    @discardableResult
    public func run() throws -> UInt64 { try lived().world.traceHash }

    /// What happened, in words.
    public func story() throws -> [String] { try lived().log }

    /// In every tenth life half of the devices are nodes.
    private var nodes: Set<String> {
        guard seed % 10 == 4 else { return [] }
        let random = SeededRandom(seed ^ 0x6e6f_6465)
        return Set((1...40).map { "disk-\($0)" }.filter { _ in random.next() % 2 == 0 })
    }

    private func lived() throws -> StoreModel {
        // Every tenth life has small blocks: what it puts fills several.
        let model = try StoreModel(
            seed: seed, devices: devices, profile: profile, largestShardBytes: seed % 10 == 1 ? 16 << 10 : nil,
            nodes: nodes)
        do {
            try model.live(steps)
            return model
        } catch let broken as BrokenPromise {
            throw BrokenPromise(
                description: "seed \(seed): \(broken)\nwhat happened:\n  " + model.log.joined(separator: "\n  "))
        }
    }

    /// The same life with as few steps and power cuts as still break a promise.
    public func minimized() -> RandomLife {
        var best = self
        func stillBreaks(_ steps: [Step]) -> Bool {
            var candidate = self
            candidate.steps = steps
            do {
                try candidate.run()
                return false
            } catch {
                best = candidate
                return true
            }
        }
        guard stillBreaks(steps) else { return self }
        var size = max(1, best.steps.count / 2)
        while true {
            var start = 0
            var hasShrunk = false
            while start < best.steps.count {
                var fewer = best.steps
                fewer.removeSubrange(start..<min(start + size, fewer.count))
                if stillBreaks(fewer) { hasShrunk = true } else { start += size }
            }
            if size == 1, !hasShrunk { break }
            size = max(1, size / 2)
        }
        for index in best.steps.indices where best.steps[index].crashAfter != nil {
            var calmer = best.steps
            calmer[index].crashAfter = nil
            _ = stillBreaks(calmer)
        }
        return best
    }

    /// The same life with these steps alone.
    public func keeping(_ numbers: Set<Int>) -> RandomLife {
        var fewer = self
        fewer.steps.removeAll { !numbers.contains($0.number) }
        return fewer
    }

    public var numbers: [Int] { steps.map(\.number) }

    /// The steps that are left, for people.
    public var outline: [String] {
        steps.map { step in
            let crash = step.crashAfter.map { ", power cut after \($0) steps (\(step.policy))" } ?? ""
            return "\(step.number): \(step.action.rawValue)\(crash)"
        }
    }
}

extension StoreModel {
    /// Takes the steps one after the other and checks every promise after each.
    func live(_ steps: [RandomLife.Step]) throws {
        var old = world.state
        for step in steps {
            note("— \(step.number): \(step.action.rawValue)")
            world.random.reseed(step.seed)
            world.resetSteps()
            world.crashAtStep = step.crashAfter
            try take(step.action, old)
            if world.isCrashed { crash(step.policy) } else { world.resetSteps() }
            try check()
            if step.number % 10 == 5 {
                closeStore()
                old = world.state
            }
        }
    }

    private func take(_ action: RandomLife.Action, _ old: SimulatedWorld.State) throws {
        let random = world.random
        let keys = try (0..<8).map { try Key("key-\($0)") }
        let disks = world.state.disks.keys.filter { !outsiders.contains($0) }.sorted()
        let disk = random.pick(disks)
        let other = random.pick(disks)
        switch action {
        case .put: try write([.put(random.pick(keys), randomContent())])
        case .putSome: try write((0..<4).map { _ in .put(random.pick(keys), randomContent()) })
        case .remove: if !self.keys.isEmpty { try write([.remove(random.pick(self.keys))]) }
        case .putDuring:
            startFaults(mayReadsFail: true)
            try write([.put(random.pick(keys), randomContent()), .put(random.pick(keys), randomContent())])
            endFaults()
        case .repairDuring:
            startFaults(mayReadsFail: true)
            _ = try repairAll()
            endFaults()
        case .readDuring:
            startFaults(mayReadsFail: true)
            try check()
            endFaults()
        case .lose: if mayHit(disk) { setAbsent(disk) }
        case .bringBack: for disk in world.state.absent.sorted().prefix(1) { setPresent(disk) }
        case .wipe: if mayHit(disk) { wipe(disk) }
        case .rot: if mayHit(disk) { rot(disk) }
        case .rollBack: if mayHit(disk) { rollBack(disk, to: old) }
        case .swapPlaces: if disk != other { swapPlaces(disk, other) }
        case .copyOver: if disk != other, mayHit(disk, other) { copy(disk, over: other) }
        case .replaceByStranger: if mayHit(disk) { try replaceByStranger(disk) }
        case .damageDocument: if mayHit(disk) { damageDocument(disk) }
        case .damageIndex: damageIndex()
        case .repair: try repairInPlace()
        case .replaceAndRepair: try requireRepair()
        case .scrub: try scrub()
        case .rebuildIndex: try rebuildIndex()
        case .changeHome: changeHome()
        case .close: closeStore()
        case .collide: try collide()
        case .copy: if !self.keys.isEmpty { try transfer(keys) { .copy($0, $1) } }
        case .move: if !self.keys.isEmpty { try transfer(keys) { .move($0, $1) } }
        case .moveDuring:
            startFaults(mayReadsFail: true)
            if !self.keys.isEmpty { try transfer(keys) { .move($0, $1) } }
            endFaults()
        case .restore: try restore(random.pick(keys), age: Int(random.next() % 5))
        case .purge: try purge(random.pick(keys), age: Int(random.next() % 5))
        case .prune: try prune(keepLast: Int(random.next() % 3), within: random.next() % 3 == 0 ? .seconds(9) : nil)
        case .putStronger: try putStronger(random.pick(keys), randomContent())
        case .reshape: try reshapeSomewhere()
        case .reshapeDuring:
            startFaults(mayReadsFail: true)
            try reshapeSomewhere()
            endFaults()
        case .putStrongerDuring:
            startFaults(mayReadsFail: true)
            try putStronger(random.pick(keys), randomContent())
            endFaults()
        case .putIfAbsent: try putIfAbsent(random.pick(keys), randomContent(), randomContent())
        case .putIfUnchanged: try putIfUnchanged(random.pick(keys), randomContent())
        case .collect:
            let other = random.next() % 2 == 0 && !past.isEmpty ? (random.pick(keys), random.pick(past)) : nil
            try collect(isFull: random.next() % 3 > 0, meanwhile: other)
        case .collectDuring:
            startFaults(mayReadsFail: true)
            try collect(isFull: true)
            endFaults()
        case .putLarge:
            // Few of them: every step reads everything.
            let size = 150_000 + Int(random.next() % 250_000)
            try write([.put(random.pick(Array(keys.prefix(2))), SeededRandom.bytes(size, seed: random.next()))])
        case .rotOfLarge: if mayHit(disk) { rot(disk, atLeastBytes: 2 * Limits.cellBytes) }
        case .scrubOld:
            let age = random.pick([0, 1e6, 1e9, 1e18])
            try scrub(ScrubOptions(olderThanSeconds: age, bytesPerSecond: random.pick([nil, 1 << 20])))
        case .repairSlowly: try repairInPlace(RepairOptions(bytesPerSecond: random.pick([1 << 10, 1 << 16, 1 << 20])))
        case .purgeOld: for key in random.pick([[random.pick(keys)], keys]) { try purge(key, age: 1) }
        case .addDevice: try addDevice(wipingOutsiders: random.next() % 2 == 0)
        case .drainDevice:
            if disks.count <= widestShardCount { try addDevice(wipingOutsiders: random.next() % 2 == 0) }
            try drain(disk)
        case .drainDuring:
            startFaults(mayReadsFail: true)
            try drain(disk)
            endFaults()
        case .cancelDrain: cancelDrain(disk)
        case .removeDevice: try removeSomeDevice(preferring: disk)
        case .recoverHome: recoverHome(from: disks.filter { _ in random.next() % 2 == 0 })
        }
    }
}

extension StoreModel {
    /// Copies or moves a key that is there to another.
    fileprivate func transfer(_ keys: [Key], _ change: (Key, Key) -> Change) throws {
        let source = world.random.pick(self.keys)
        let target = world.random.pick(keys.filter { $0 != source })
        try write([change(source, target)])
    }
}

extension RandomSource {
    /// One of `values`.
    func pick<Value>(_ values: [Value]) -> Value { values[Int(next() % UInt64(values.count))] }
}
