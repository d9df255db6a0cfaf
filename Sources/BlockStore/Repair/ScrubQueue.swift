/// How long ago what is stored was read from the medium.
public struct Verification: Sendable {
    /// Blocks of which no time is known: new ones, or all of them after the index was made anew.
    public fileprivate(set) var neverBlocks = 0
    /// Since the block was read that waits longest; without those of which no time is known.
    public fileprivate(set) var oldestSeconds: UInt64?

    /// Takes a block in. A time to come is none: the clock was wrong then, or is now.
    mutating func look(at block: IndexedBlock, now: UInt64) {
        guard let age = Self.age(of: block, now: now) else {
            neverBlocks += 1
            return
        }
        oldestSeconds = max(oldestSeconds ?? 0, age)
    }

    /// Seconds since the block was read whole; nil where that is not known.
    static func age(of block: IndexedBlock, now: UInt64) -> UInt64? {
        block.verifiedSeconds > 0 && block.verifiedSeconds <= now ? now - block.verifiedSeconds : nil
    }
}

/// The blocks that a scrub reads, what waits longest first. Some forty bytes for each. Use from one thread.
struct ScrubQueue {
    struct Entry: Sendable {
        let name: BlockName
        /// The longer ago the earlier; what was never read comes first.
        let age: UInt64
        let bytes: UInt64
    }

    private let now: UInt64
    private let olderThanSeconds: Double?
    private(set) var entries: [Entry] = []
    private(set) var skippedBlocks = 0
    private(set) var verification = Verification()

    /// - Parameter olderThanSeconds: what was read more lately is passed over.
    init(now: UInt64, _ olderThanSeconds: Double?) {
        self.now = now
        self.olderThanSeconds = olderThanSeconds
    }

    mutating func look(at block: IndexedBlock) {
        verification.look(at: block, now: now)
        let age = Verification.age(of: block, now: now)
        if let age, let olderThanSeconds, Double(age) < olderThanSeconds {
            skippedBlocks += 1
            return
        }
        entries.append(
            Entry(
                name: block.name, age: age ?? .max,
                bytes: UInt64(block.shardPayloadBytes) * UInt64(block.shards.count)))
    }

    mutating func sort() { entries.sort { ($1.age, $0.name) < ($0.age, $1.name) } }

    var bytes: UInt64 { entries.reduce(0) { $0 + $1.bytes } }
}
