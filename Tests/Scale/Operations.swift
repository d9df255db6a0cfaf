import Chunker
import Foundation

@testable import BlockStore

/// What single operations cost in a `Catalogue`, each step for itself: what was counted, seconds by the clock, and CPU seconds of the
/// whole process meanwhile.
struct Operations {
    private(set) var steps: [String: Step] = [:]

    struct Step {
        let count: Int
        let wallSeconds: Double
        let cpuSeconds: Double

        var json: String { "{\"count\": \(count), \"wallSeconds\": \(wallSeconds), \"cpuSeconds\": \(cpuSeconds)}" }
    }

    /// Runs `body`, which returns how many it did.
    mutating func measure(_ name: String, _ body: () throws -> Int) rethrows {
        let (wall, cpu) = (ContinuousClock.now, Self.cpuSeconds)
        let count = try body()
        steps[name] = Step(
            count: count, wallSeconds: Self.seconds(ContinuousClock.now - wall), cpuSeconds: Self.cpuSeconds - cpu)
    }

    static var cpuSeconds: Double {
        var cpu = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu)
        return Double(cpu.tv_sec) + Double(cpu.tv_nsec) / 1e9
    }

    static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.attoseconds) / 1e18 + Double(duration.components.seconds)
    }

    /// Opens and closes a store, and nothing else.
    mutating func open(_ place: String, _ access: Store.Access) throws {
        var store: Store?
        try measure("open") {
            store = try Store.open(
                try Catalogue.environment(place), access: access, options: SyntheticStore.options)
            return 1
        }
        measure("close") {
            store?.close()
            return 1
        }
    }

    /// Look-ups at random places of the whole index, of chunks on all compute lanes at once as in a put.
    mutating func lookUp(_ place: String) throws {
        let store = try Store.open(
            try Catalogue.environment(place), access: .read, options: SyntheticStore.options)
        defer { store.close() }
        let totals = try store.engine.index.totals()
        let (keys, chunks) = (Int(totals.objects), UInt64(totals.chunks))
        let random = SeededRandom(7)
        func below(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
        try measure("newest version of a key") {
            for _ in 0..<20_000 { _ = try store.newestVersion(of: try Catalogue.key(below(keys))) }
            return 20_000
        }
        try measure("places of chunks, 16 together") {
            for _ in 0..<4000 {
                let digests = (0..<16).map { _ in SyntheticStore.digest(of: 1 + random.next() % chunks) }
                guard try store.engine.index.numberedPlaces(of: digests).count >= 16 else { throw Missing() }
            }
            return 64_000
        }
        for (name, first) in [("chunks of a put: found", UInt64(1)), ("chunks of a put: new", chunks * 2)] {
            let finder = DuplicateFinder(
                store.engine, profile: store.configuration.profile, minimumShards: nil)
            try measure(name) {
                let batches = (0..<4000).map { _ in
                    (0..<16).map { _ in SyntheticStore.digest(of: first + random.next() % chunks) }
                }
                var jobs: [Job<[Bool]>] = []
                for batch in batches {
                    jobs.append(
                        Job(store.environment.executor, on: .compute) { () throws(StoreError) in
                            try finder.areHits(batch)
                        })
                    guard jobs.count > store.environment.executor.width + 2 else { continue }
                    guard try jobs.removeFirst().value().allSatisfy({ $0 == (first == 1) }) else { throw Missing() }
                }
                for job in jobs { _ = try job.value() }
                return 64_000
            }
        }
        try measure("a page of 100 keys after a key") {
            for _ in 0..<200 { _ = try store.list(after: try Catalogue.key(below(keys)), limit: 100) }
            return 200
        }
        try measure("list of a prefix with 1,000 keys") {
            for _ in 0..<20 {
                let prefix = Catalogue.prefix(ofGroup: below(keys / Catalogue.keysOfGroup))
                guard try store.list(prefix: Array(prefix.utf8)).count == Catalogue.keysOfGroup else { throw Missing() }
            }
            return 20
        }
    }

    /// Puts random bytes under a new key, of which nothing is stored yet unless the same `seed` was put.
    mutating func put(_ place: String, byteCount: Int, seed: UInt64) throws {
        let random = SeededRandom(seed)
        var content = [UInt8](repeating: 0, count: byteCount)
        for start in stride(from: 0, to: byteCount - 7, by: 8) {
            withUnsafeBytes(of: random.next()) { content.replaceSubrange(start..<(start + 8), with: $0) }
        }
        var opened: Store?
        try measure("open") {
            // Blocks as long as real ones.
            opened = try Store.open(
                try SyntheticStore.environment(place, shardBytes: Limits.largestShardBytes), access: .write,
                options: SyntheticStore.options)
            return 1
        }
        guard let store = opened else { throw Missing() }
        try measure("put") {
            let session = try store.startWriting()
            try session.put(
                try Key("put-\(SystemClock().wallNanoseconds())"), from: MemorySource(content))
            let report = try session.finish()
            return report.chunks
        }
        measure("close") {
            store.close()
            return 1
        }
    }

    /// One commit of 51,200 new chunks, as a put of 3.4 GB makes.
    mutating func commit(_ place: String) throws {
        let store = try Store.open(
            try Catalogue.environment(place), access: .write, options: SyntheticStore.options)
        var maker = try SyntheticStore(store)
        let totals = try store.engine.index.totals()
        maker.counter = UInt64(totals.highestChunk) * 16
        try measure("commit") {
            try Catalogue.commit(Int(totals.objects) * 2..<Int(totals.objects) * 2 + 5120, to: &maker)
            return 51_200
        }
        measure("close") {
            store.close()
            return 1
        }
    }

    struct Missing: Error {}
}
