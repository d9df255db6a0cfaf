import Chunker
import Erasure

/// What a read took.
public struct ReadReport: Sendable, Hashable {
    public var objects = 0
    public var failedObjects = 0
    /// Bytes delivered.
    public var bytes: UInt64 = 0
    /// Stored bytes that had to be rebuilt from other shards.
    public var rebuiltBytes: UInt64 = 0
    /// Stored bytes that were made from other shards because these came sooner, or cost less: nothing is wrong with any.
    public var reroutedBytes: UInt64 = 0
    /// The shards found guilty, each once, in words.
    public var damaged: [String] = []

    mutating func add(_ detour: Detour) {
        rebuiltBytes += UInt64(detour.rebuiltBytes)
        reroutedBytes += UInt64(detour.reroutedBytes)
    }
}

/// Reads objects in order, with chunks read, decompressed and verified ahead on the compute lanes.
///
/// Use from one thread.
final class ObjectReader {
    private enum Event {
        case begin(ObjectVersion)
        case chunk(PlannedChunk, Range<Int>)
        case end(ObjectVersion)
        case fail(ObjectVersion, StoreError)
    }

    /// A chunk that will be wanted soon.
    private final class PlannedChunk {
        let entry: ManifestEntry
        /// Nil until it is looked up with others.
        var places: Result<[ChunkPlace], StoreError>?
        /// Nil until its turn to be read is near: the job that reads it, and which of the job's chunks it is.
        var reading: (job: Job<[Result<PlainChunk, StoreError>]>, position: Int)?

        init(_ entry: ManifestEntry) { self.entry = entry }
    }

    private let engine: Engine
    private let chunks: ChunkReader
    /// The last ones, that are not looked up yet; before them those that are, of which no job has begun; and how many of those
    /// before them are being read.
    private var planned: [PlannedChunk] = []
    private var found = Backlog<PlannedChunk>()
    private var chunksInWork = 0
    private var queue = Backlog<Event>()
    private var chunksAhead = 0
    private var bytesAhead = 0
    private var report = ReadReport()
    private var guilty: Set<DamagedShard> = []
    /// The object being delivered has failed: its other chunks are passed over.
    private var isFailed = false
    private var current: ObjectVersion?

    init(_ engine: Engine) {
        self.engine = engine
        chunks = ChunkReader(engine: engine)
    }

    /// Delivers the bytes `range` of each object to `receiver`.
    func read(
        _ objects: some Sequence<ObjectVersion>, range: Range<UInt64>?, into receiver: any ObjectReceiver
    ) throws(StoreError) -> ReadReport {
        for object in objects {
            // What has begun comes to its end first.
            if engine.environment.shouldStop() { break }
            queue.append(.begin(object))
            do throws(StoreError) {
                try plan(object, range ?? 0..<object.byteCount, receiver)
                queue.append(.end(object))
            } catch {
                queue.append(.fail(object, error))
            }
            while queue.count > maximumEventsAhead { deliverNext(to: receiver) }
        }
        while !queue.isEmpty { deliverNext(to: receiver) }
        engine.remember(Array(guilty))
        try engine.environment.checkStop("go on reading")
        report.damaged = Set(guilty.map { "shard \($0.row.name) of block \($0.name): \($0.problem)" }).sorted()
        return report
    }

    /// Plans every chunk of the object that lies in `range`.
    private func plan(_ object: ObjectVersion, _ range: Range<UInt64>, _ receiver: any ObjectReceiver)
        throws(StoreError)
    {
        guard !range.isEmpty else { return }
        var manifest = ManifestReader(object.manifest, chunks)
        while manifest.offset < range.upperBound, let entry = try manifest.next(beyond: range.lowerBound) {
            try engine.environment.checkStop("go on reading \(object.key)")
            guard entry.byteCount <= UInt64(Limits.plainChunkBytes) else {
                throw StoreError(.corrupt, "read \(object.key)", detail: "its manifest names a chunk that is too long")
            }
            let start = manifest.offset - entry.byteCount
            let first = max(range.lowerBound, start) - start
            let last = min(range.upperBound, manifest.offset) - start
            let chunk = PlannedChunk(entry)
            planned.append(chunk)
            queue.append(.chunk(chunk, Int(first)..<Int(last)))
            chunksAhead += 1
            bytesAhead += Int(entry.byteCount)
            if planned.count >= chunksLookedUp { lookUp() }
            while chunksAhead > 1, chunksAhead > maximumChunksAhead || bytesAhead > Self.maximumBytesAhead {
                deliverNext(to: receiver)
            }
        }
        guilty.formUnion(manifest.damaged)
    }

    private static let maximumBytesAhead = 32 << 20
    private var isRemote: Bool { engine.devices.hasRemote }
    private var chunksLookedUp: Int { isRemote ? Limits.remoteChunksLookedUp : Limits.chunksLookedUp }
    private var maximumEventsAhead: Int { isRemote ? Limits.remoteChunksAhead / 4 : 256 }
    private var maximumChunksInWork: Int { max(engine.environment.executor.width * 4, 2 * Limits.chunksLookedUp) }
    private var maximumChunksAhead: Int { isRemote ? Limits.remoteChunksAhead : maximumChunksInWork }

    /// Looks up what is planned, lets devices far away know, and starts to read what is needed first.
    private func lookUp() {
        let planned = self.planned
        self.planned = []
        do throws(StoreError) {
            let places = try engine.environment.timing(
                .lookUp, bytes: planned.reduce(0) { $0 + Int($1.entry.byteCount) }
            ) {
                () throws(StoreError) in try chunks.places(of: planned.map(\.entry))
            }
            for (chunk, places) in zip(planned, places) { chunk.places = .success(places) }
            try chunks.expect(places)
        } catch {
            for chunk in planned where chunk.places == nil { chunk.places = .failure(error) }
        }
        for chunk in planned { found.append(chunk) }
        startReading()
    }

    /// Starts jobs for the next chunks, as many as may be in work.
    private func startReading() {
        while !found.isEmpty {
            let count = nextChunksTogether()
            guard chunksInWork == 0 || chunksInWork + count <= maximumChunksInWork else { return }
            chunksInWork += count
            var wanted: [(entry: ManifestEntry, places: Result<[ChunkPlace], StoreError>)] = []
            var together: [PlannedChunk] = []
            for _ in 0..<count {
                let chunk = found.removeFirst()
                guard let places = chunk.places else { preconditionFailure("what is found has been looked up") }
                together.append(chunk)
                wanted.append((chunk.entry, places))
            }
            let job = startReading(wanted)
            for (position, chunk) in together.enumerated() { chunk.reading = (job, position) }
        }
    }

    /// How many of the next chunks are read by one job: to wake a thread for each small one would cost more than to read it. Those
    /// of devices far away are waited for side by side.
    private func nextChunksTogether() -> Int {
        var (count, byteCount) = (0, UInt64(0))
        for chunk in found.waiting {
            byteCount += chunk.entry.byteCount
            if count > 0, isRemote || byteCount > UInt64(Limits.littleBytes) || count == Limits.chunksReadTogether {
                break
            }
            count += 1
        }
        return count
    }

    private func startReading(
        _ wanted: [(entry: ManifestEntry, places: Result<[ChunkPlace], StoreError>)]
    ) -> Job<[Result<PlainChunk, StoreError>]> {
        let (chunks, environment) = (self.chunks, engine.environment)
        // What was only planned is not read any more when somebody wants an end.
        if environment.shouldStop() {
            return Job(InlineExecutor(), on: .compute) {
                let end = StoreError(.interrupted, "go on reading", detail: "it was interrupted")
                return wanted.map { _ in .failure(end) }
            }
        }
        return Job(environment.executor, on: .compute) {
            wanted.map { entry, places in
                do throws(StoreError) {
                    return .success(
                        try chunks.read(entry.digest, byteCount: Int(entry.byteCount), at: places.get()))
                } catch {
                    return .failure(error)
                }
            }
        }
    }

    private func deliverNext(to receiver: any ObjectReceiver) {
        switch queue.removeFirst() {
        case .begin(let object):
            current = object
            isFailed = false
            attempt(receiver) { () throws(StoreError) in try receiver.begin(object) }
        case .chunk(let chunk, let part):
            chunksAhead -= 1
            bytesAhead -= Int(chunk.entry.byteCount)
            if chunk.reading == nil { lookUp() }
            guard let (job, position) = chunk.reading, case .success(let outcomes) = job.outcome() else {
                preconditionFailure("what is planned has begun, and tells of each chunk how it went")
            }
            let outcome = outcomes[position]
            chunksInWork -= 1
            startReading()
            attempt(receiver) { () throws(StoreError) in
                let bytes = try take(outcome, part)
                try engine.environment.timing(.deliver, bytes: bytes.count) { () throws(StoreError) in
                    try receiver.write(bytes)
                }
            }
            if case .success(let chunk) = outcome { engine.chunkBuffers.give(chunk.buffer) }
        case .end(let object):
            attempt(receiver) { () throws(StoreError) in
                try receiver.end(object)
                report.objects += 1
            }
        case .fail(_, let error):
            attempt(receiver) { () throws(StoreError) in throw error }
        }
    }

    /// The wanted part of a chunk that was read, counted.
    private func take(
        _ outcome: Result<PlainChunk, StoreError>, _ part: Range<Int>
    ) throws(StoreError) -> UnsafeRawBufferPointer {
        let chunk = try outcome.get()
        report.add(chunk.detour)
        guilty.formUnion(chunk.damaged)
        report.bytes += UInt64(part.count)
        return UnsafeRawBufferPointer(rebasing: chunk.bytes[part])
    }

    /// Runs `body` unless the object has failed already; what it throws fails the object.
    private func attempt(_ receiver: any ObjectReceiver, _ body: () throws(StoreError) -> Void) {
        guard !isFailed else { return }
        do throws(StoreError) {
            try body()
        } catch {
            guard let current else { return }
            isFailed = true
            report.failedObjects += 1
            receiver.fail(current, cause(of: error, current))
        }
    }

    /// What has no version in the index any more was purged and collected while it was to be read: nothing is lost or damaged.
    private func cause(of error: StoreError, _ object: ObjectVersion) -> StoreError {
        guard error.code == .indexDamaged || error.code == .lost else { return error }
        do throws(StoreError) {
            if try engine.index.version(of: object.key, object.identity) != nil { return error }
        } catch {
            return error
        }
        return StoreError(
            .notFound, "read \(object.key)", detail: "version \(object.identity) was purged and collected meanwhile")
    }
}

extension Store {
    /// Reads one object, or the bytes `range` of it, in order.
    ///
    /// - Throws: `.invalid` for a range that reaches beyond the end; `.lost` when bytes are gone;
    ///   whatever `sink` throws. Bytes delivered before an error are right.
    public func read(
        _ object: ObjectVersion, range: ClosedRange<UInt64>? = nil, into sink: any ByteSink
    ) throws(StoreError) -> ReadReport {
        var bounds: Range<UInt64>?
        if let range {
            guard range.upperBound < object.byteCount else {
                throw StoreError(
                    .invalid, "read bytes \(range.lowerBound)-\(range.upperBound) of \(object.key)",
                    detail: object.byteCount == 0
                        ? "it is empty" : "it has \(Count.text(object.byteCount, "byte")), 0-\(object.byteCount - 1)")
            }
            bounds = range.lowerBound..<(range.upperBound + 1)
        }
        let receiver = SingleReceiver(sink)
        let report = try ObjectReader(engine).read(CollectionOfOne(object), range: bounds, into: receiver)
        if let error = receiver.error { throw error }
        return report
    }

    /// Reads many objects in order. One that fails goes to `receiver.fail`, and reading goes on.
    public func read(
        _ objects: some Sequence<ObjectVersion>, into receiver: any ObjectReceiver
    ) throws(StoreError) -> ReadReport {
        try ObjectReader(engine).read(objects, range: nil, into: receiver)
    }
}

private final class SingleReceiver: ObjectReceiver {
    private let sink: any ByteSink
    private(set) var error: StoreError?

    init(_ sink: any ByteSink) { self.sink = sink }

    func begin(_ object: ObjectVersion) {}
    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) { try sink.write(bytes) }
    func end(_ object: ObjectVersion) {}
    func fail(_ object: ObjectVersion, _ error: StoreError) { self.error = error }
}
