public import Erasure

/// What the odds are of: devices, what fails together, and which blocks lie where. A value; the store's own
/// (`Store.oddsLayout`), or one that is only thought of (`imagined`).
public struct OddsLayout: Sendable {
    public struct Device: Sendable, Hashable {
        public let label: String
        public let domain: String
        let weight: UInt32
    }

    /// What a block consists of.
    struct Shape: Hashable, Sendable {
        let rows: [Row]
        let columns: Range<Int>
    }

    /// Blocks of one shape on the same devices.
    struct Pattern: Hashable, Sendable {
        let shape: Int
        /// For each row of the shape, in order; all different.
        let devices: [UInt16]
    }

    /// How much there is of a pattern.
    struct Amount: Sendable {
        var blocks = 0
        var shardBytes = 0.0
        var payloadBytes = 0.0
    }

    public let devices: [Device]
    private(set) var shapes: [Shape] = []
    private(set) var patterns: [(pattern: Pattern, amount: Amount)] = []
    /// How many blocks have which profile, the most first.
    public private(set) var profiles: [(profile: Profile, blocks: Int)] = []
    /// Devices that are out of service now.
    public let failedNow: Set<Int>
    /// Each block stands for so many that are placed as it is, by the same rule and other chances.
    private(set) var scale = 1.0
    private var shapeIndex: [Shape: Int] = [:]
    private var patternIndex: [Pattern: Int] = [:]

    init(devices: [Device], failedNow: Set<Int> = []) {
        self.devices = devices
        self.failedNow = failedNow
    }

    /// Takes blocks in that have these rows on these devices.
    ///
    /// Where any row is as good as any other, what counts is which devices have one.
    mutating func add(_ places: [Row: Int], columns: Range<Int>, _ amount: Amount) {
        let sorted = places.sorted { $0.key < $1.key }
        let shape = index(of: Shape(rows: sorted.map(\.key), columns: columns))
        add(shape, sorted.map { UInt16($0.value) }, amount)
    }

    private mutating func index(of shape: Shape) -> Int {
        if let index = shapeIndex[shape] { return index }
        shapeIndex[shape] = shapes.count
        shapes.append(shape)
        tables.append(LossTable(rows: shape.rows, columns: shape.columns))
        return shapes.count - 1
    }

    private mutating func add(_ index: Int, _ places: [UInt16], _ amount: Amount) {
        let devices = tables[index].isPlain ? places.sorted() : places
        let pattern = Pattern(shape: index, devices: devices)
        if let known = patternIndex[pattern] {
            patterns[known].amount.blocks += amount.blocks
            patterns[known].amount.shardBytes += amount.shardBytes
            patterns[known].amount.payloadBytes += amount.payloadBytes
        } else {
            patternIndex[pattern] = patterns.count
            patterns.append((pattern, amount))
        }
    }

    mutating func setProfiles(_ profiles: [(profile: Profile, blocks: Int)]) { self.profiles = profiles }

    /// For each shape, without what was found out so far.
    private(set) var tables: [LossTable] = []

    /// Every loss of so many devices is survived by all blocks.
    public var tolerance: Int { tables.map(\.tolerance).min() ?? devices.count }

    /// Whether the blocks that are placed meet nearly every set of devices that all of them would.
    var isSaturated: Bool {
        guard scale > 1, let shape = shapes.first else { return true }
        let width = shape.rows.count
        let sets = binomial(width, min(width, tolerance + 1)) * Double(patterns.count)
        return sets >= 5 * binomial(devices.count, tolerance + 1) || devices.count == width
    }

    public var blocks: Int { patterns.reduce(0) { $0 + $1.amount.blocks } }

    /// Failure domains of several devices, by index.
    public var domains: [(name: String, devices: [Int])] {
        Dictionary(grouping: devices.indices, by: { devices[$0].domain })
            .filter { $0.value.count > 1 }.map { (name: $0.key, devices: $0.value) }.sorted { $0.name < $1.name }
    }

    /// Bytes of shards on each device.
    var shardBytesByDevice: [Double] {
        var bytes = [Double](repeating: 0, count: devices.count)
        for (pattern, amount) in patterns { for device in pattern.devices { bytes[Int(device)] += amount.shardBytes } }
        return bytes
    }

    /// Bytes of shards on the device that has the most.
    ///
    /// Blocks that stand for more lie less evenly than all of them would, by chance alone: devices of one weight in domains of one size
    /// have as much as each other then.
    var fullestDeviceBytes: Double {
        let bytes = shardBytesByDevice
        guard scale > 1 else { return bytes.max() ?? 0 }
        let sizes = Dictionary(grouping: devices, by: \.domain).mapValues(\.count)
        let alike = Dictionary(grouping: devices.indices) { index in
            [Int(devices[index].weight), sizes[devices[index].domain] ?? 1]
        }
        return alike.values.map { $0.reduce(0) { $0 + bytes[$1] } / Double($0.count) }.max() ?? 0
    }

    /// A layout that is only thought of: blocks placed on the devices by the rule that places real ones.
    ///
    /// - Parameters:
    ///   - blocks: how many, at most 20,000 of which and no more than 400 for each device are placed and stand for all.
    ///   - payloadBytes: of all of them together.
    /// - Precondition: at least as many devices as the profile has shards.
    public static func imagined(
        _ profile: Profile, on devices: [Device], blocks: Int, payloadBytes: Double, seed: UInt64 = 1
    ) -> OddsLayout {
        precondition(devices.count >= profile.shardCount)
        var layout = OddsLayout(devices: devices)
        let random = SeededRandom(seed)
        let candidates = devices.map { device in
            Placement.Candidate(id: random.identifier(), domain: device.domain, weight: device.weight)
        }
        let index = Dictionary(uniqueKeysWithValues: candidates.enumerated().map { ($0.element.id, $0.offset) })
        let spread = DomainSpread(devices)
        let isEven = Set(devices.map(\.weight)).count == 1
        // On no more devices than a block has shards all blocks are alike, unless rows differ.
        let isOne = devices.count == profile.shardCount && profile.localGroups == 0
        let most = isOne ? 1 : min(20_000, isEven ? 400 * devices.count : 2_000_000 / devices.count)
        let placed = max(1, min(blocks, most))
        layout.scale = isOne ? 1 : max(1, Double(blocks) / Double(placed))
        let payload = payloadBytes / Double(placed)
        let shape = layout.index(of: Shape(rows: profile.rows, columns: profile.columns))
        for number in 0..<placed {
            let places =
                isEven
                ? spread.choose(profile.shardCount, random)
                : Placement.choose(profile.shardCount, for: random.identifier(), among: candidates)
                    .compactMap { index[$0] }
            let amount = Amount(
                blocks: max(1, blocks) * (number + 1) / placed - max(1, blocks) * number / placed,
                shardBytes: payload / Double(profile.dataShards), payloadBytes: payload)
            layout.add(shape, places.map { UInt16($0) }, amount)
        }
        layout.setProfiles([(profile, max(1, blocks))])
        return layout
    }

    /// `count` devices alike, spread evenly over so many failure domains; as many domains as devices: none fail together.
    public static func devices(_ count: Int, domains: Int) -> [Device] {
        (0..<count).map { index in
            let label = "disk-\(index + 1)"
            return Device(
                label: label, domain: domains < count ? "domain-\(index % domains + 1)" : label, weight: 1)
        }
    }

    /// The devices of this layout and others like them, `count` in all: each newcomer in the smallest domain there is, or in
    /// one of its own where no devices fail together.
    func devices(grownTo count: Int) -> [Device] {
        var all = devices
        let isGrouped = !domains.isEmpty
        while all.count < count {
            let label = "new-\(all.count + 1)"
            let sizes = Dictionary(grouping: all, by: \.domain).mapValues(\.count)
            let smallest = sizes.min { ($0.value, $0.key) < ($1.value, $1.key) }?.key
            all.append(
                Device(label: label, domain: isGrouped ? smallest ?? label : label, weight: all.last?.weight ?? 1))
        }
        return all
    }
}

/// What the loss of devices does to the blocks of a layout. Remembers sets; use from one thread.
final class LossJudge {
    struct Verdict {
        var isFatal = false
        /// Of all payload, the share that cannot be read any more.
        var lostShare = 0.0
        /// Bytes, as shares of what their device holds and added up over the devices that are left, of which no more may
        /// go bad: a place of them that cannot be read is lost.
        var criticalDevices = 0.0
    }

    let layout: OddsLayout
    private let tolerance: Int
    private var tables: [LossTable]
    /// For each pattern, how many losses are too few to matter.
    private let tolerances: [UInt8]
    /// For each device, its patterns and which row of them it has.
    private let places: [[(pattern: Int, bit: UInt64)]]
    private let shardBytes: [Double]
    private let payloadBytes: Double
    private var masks: [UInt64]
    private var known: [[UInt16]: Verdict] = [:]
    /// How many places were looked at: what it costs.
    private(set) var looks = 0

    init(_ layout: OddsLayout) {
        self.layout = layout
        tolerance = layout.tolerance
        tables = layout.tables
        let shapeTolerances = layout.tables.map { UInt8(max(0, $0.tolerance)) }
        tolerances = layout.patterns.map { shapeTolerances[$0.pattern.shape] }
        var places = [[(pattern: Int, bit: UInt64)]](repeating: [], count: layout.devices.count)
        for (index, entry) in layout.patterns.enumerated() {
            for (row, device) in entry.pattern.devices.enumerated() {
                places[Int(device)].append((index, 1 << UInt64(row)))
            }
        }
        self.places = places
        shardBytes = layout.shardBytesByDevice
        payloadBytes = layout.patterns.reduce(0) { $0 + $1.amount.payloadBytes }
        masks = Array(repeating: 0, count: layout.patterns.count)
    }

    /// - Parameter failed: devices, each once, in ascending order.
    func verdict(_ failed: [UInt16]) -> Verdict {
        // Nothing is lost, and nothing is at its last shard.
        if failed.count < tolerance { return Verdict() }
        if let verdict = known[failed] { return verdict }
        var touched: [Int] = []
        // Out of the object while the loops run: each access to its property would be checked.
        var masks: [UInt64] = []
        swap(&masks, &self.masks)
        defer { swap(&masks, &self.masks) }
        for device in failed {
            for (pattern, bit) in places[Int(device)] {
                if masks[pattern] == 0 { touched.append(pattern) }
                masks[pattern] |= bit
            }
            looks += places[Int(device)].count
        }
        var verdict = Verdict()
        for index in touched {
            let mask = masks[index]
            masks[index] = 0
            guard mask.nonzeroBitCount >= Int(tolerances[index]) else { continue }
            let (pattern, amount) = layout.patterns[index]
            let outcome = tables[pattern.shape].outcome(lost: mask)
            if outcome.isLost {
                verdict.isFatal = true
                verdict.lostShare += payloadBytes > 0 ? amount.payloadBytes / payloadBytes : 0
            }
            var critical = outcome.critical
            while critical != 0 {
                let device = Int(pattern.devices[critical.trailingZeroBitCount])
                if shardBytes[device] > 0 { verdict.criticalDevices += amount.shardBytes / shardBytes[device] }
                critical &= critical - 1
            }
        }
        if known.count < 200_000 { known[failed] = verdict }
        return verdict
    }

    /// The mean number of places that a verdict on `count` devices looks at.
    func meanLooks(_ count: Int) -> Double {
        let all = places.reduce(0) { $0 + $1.count }
        return Double(count) * Double(all) / Double(max(1, places.count))
    }
}
