import Chunker
import Erasure

/// Puts and removes many objects; they share blocks and commits.
///
/// What `put` and `remove` took is acknowledged when `finish` returns. A long session commits as it
/// goes: objects whose record stood in an earlier commit are safe from then on. After an error from
/// storing (not from a source) the session is over.
///
/// A session of a dry run (`Store.startDryRun`) reads, cuts, digests, looks up and compresses as any other, refuses what any
/// other refuses, and writes nothing; its report is what would have been done.
///
/// Use from one thread.
public final class WriteSession {
    let store: Store
    let engine: Engine
    private let tenure: WriterTenure
    let writer: CommitWriter
    let finder: DuplicateFinder
    private let cutter: Cutter
    let inputs: BufferPool
    let outputs: BufferPool
    private var batch: ChunkBatch?
    private var underWay: [(batch: ChunkBatch, job: Job<Bool>)] = []
    /// Newest version of each key touched in the open commit.
    var touched: [Key: IndexedVersion] = [:]
    /// Versions that the open commit purges.
    var purged: [Key: Set<RecordIdentity>] = [:]
    var report = WriteReport()
    /// What the session did so far. Of it only `acknowledged` is durable before `finish` returns.
    public var soFar: WriteReport { report }
    /// What the session did up to its last commit: it stays, whatever becomes of the rest.
    public private(set) var acknowledged = WriteReport()
    private var owedShards = 0
    private var failure: StoreError?
    /// Opened by the first file.
    private var openMemory: FileMemory?
    private var isFinished = false
    /// With less room than this a batch is full.
    static let leastReadBytes = 64 << 10

    init(_ store: Store, _ tenure: WriterTenure, profile: Profile?) {
        self.store = store
        self.tenure = tenure
        engine = tenure.engine
        let minimumShards = store.options.minimumShards
        writer = CommitWriter(tenure, minimumShards: minimumShards, profile: profile)
        finder = DuplicateFinder(engine, profile: writer.profile, minimumShards: minimumShards)
        cutter = Cutter(engine.configuration.chunker)
        // Room for what the cutter may need to see before it knows a chunk, and for the next read.
        let chunker = engine.configuration.chunker
        let batchBytes = max(1 << 20, chunker.maximumBytes + chunker.minimumBytes + 2 * Self.leastReadBytes)
        inputs = BufferPool(byteCount: batchBytes, kept: 16)
        outputs = BufferPool(byteCount: batchBytes, kept: 16)
    }

    /// Stores all of `source` as a new version of `key`.
    ///
    /// - Parameters:
    ///   - declaredBytes: how many bytes there will be; any other number refuses the object.
    ///   - skippingUnchanged: makes no version when the newest one has the same content and attributes.
    ///   - condition: what must be true of the key before a byte is read. The writer lock is held from here to the commit, so
    ///     it stays true.
    /// - Throws: what `source` throws, `.input` for a wrong length, `.conditionFailed`: this object alone is dropped and
    ///   the session goes on. Anything else ends the session.
    public func put(
        _ key: Key, attributes: ObjectAttributes = ObjectAttributes(), from source: any ByteSource,
        declaredBytes: UInt64? = nil, skippingUnchanged: Bool = false, condition: WriteCondition? = nil
    ) throws(StoreError) {
        try put(
            IncomingObject(key: key, attributes: attributes, skippingUnchanged: skippingUnchanged), from: source,
            declaredBytes: declaredBytes, condition: condition)
    }

    /// The same for an object that somebody asks about afterwards.
    func put(
        _ object: IncomingObject, from source: any ByteSource, declaredBytes: UInt64?, condition: WriteCondition?
    ) throws(StoreError) {
        let key = object.key
        try requireUsable()
        try require(condition, of: key, to: "store \(key)")
        let reading = FileReading(source, engine.environment.clock)
        var received: UInt64 = 0
        cutter.begin()
        /// Where the bytes not yet cut begin in the current batch.
        var start = try currentBatch().filled
        while true {
            var batch = try currentBatch()
            if batch.input.byteCount - batch.filled < Self.leastReadBytes {
                batch = try turnOver(carrying: start)
                start = 0
            }
            try checkStop()
            let count: Int
            do throws(StoreError) {
                count = try engine.environment.timing(.read, \.self) { () throws(StoreError) in
                    try source.read(into: batch.input.slice(batch.filled..<batch.input.byteCount))
                }
            } catch {
                abandon(batch, at: start)
                throw error
            }
            batch.filled += count
            received += UInt64(count)
            if count == 0 {
                if let declaredBytes, received != declaredBytes {
                    abandon(batch, at: start)
                    throw Self.wrongLength(of: key, received, declaredBytes)
                }
                cut(batch, object, &start, isEnd: true)
                object.stamp = reading?.end(receivedBytes: received)
                try add(object, to: batch)
                return
            }
            if let declaredBytes, received > declaredBytes {
                abandon(batch, at: start)
                throw Self.tooLong(key, declaredBytes)
            }
            cut(batch, object, &start, isEnd: false)
        }
    }

    static func wrongLength(of key: Key, _ received: UInt64, _ declaredBytes: UInt64) -> StoreError {
        StoreError(
            .input, "store \(key)",
            detail: "the input has \(Count.text(received, "byte")), \(declaredBytes) "
                + "\(declaredBytes == 1 ? "was" : "were") declared",
            advice: "nothing was stored under this key")
    }

    static func tooLong(_ key: Key, _ declaredBytes: UInt64) -> StoreError {
        StoreError(
            .input, "store \(key)", detail: "the input has more than the \(Count.text(declaredBytes, "byte")) declared",
            advice: "nothing was stored under this key")
    }

    /// Adds an object of which all is known and nothing read, in its turn: the chunks of `known` all count.
    func put(
        _ key: Key, _ attributes: ObjectAttributes, known: Manifest, skippingUnchanged: Bool
    ) throws(StoreError) {
        try requireUsable()
        let object = IncomingObject(
            key: key, attributes: attributes, skippingUnchanged: skippingUnchanged, known: known)
        try add(object, to: try currentBatch())
    }

    /// What the session knows of files.
    var memory: FileMemory {
        if let openMemory { return openMemory }
        // A dry run holds no lock and leaves nothing behind: it reads.
        let memory = FileMemory(engine.environment, isOpened: !tenure.isDryRun)
        openMemory = memory
        return memory
    }

    private func add(_ object: IncomingObject, to batch: ChunkBatch) throws(StoreError) {
        batch.events.append(.end(object))
        if batch.events.count >= Limits.objectsTogether { _ = try turnOver(carrying: batch.filled) }
    }

    /// Puts a delete marker on `key`. Throws `.notFound` when there is no live version, `.conditionFailed`.
    public func remove(_ key: Key, condition: WriteCondition? = nil) throws(StoreError) {
        try remove(key, condition: condition, landing: nil)
    }

    /// The same, where somebody asks about it afterwards.
    func remove(_ key: Key, condition: WriteCondition?, landing: Landing?) throws(StoreError) {
        try requireUsable()
        try drain()
        try require(condition, of: key, to: "remove \(key)")
        guard let newest = try newest(key), newest.put != nil else {
            throw StoreError(.notFound, "remove \(key)", detail: "no such key")
        }
        try addDelete(of: key, killing: newest)
        landing?.set(touched[key], report)
        report.removed += 1
        try commitIfDue()
    }

    /// Adds a delete marker to the open commit.
    func addDelete(of key: Key, killing newest: IndexedVersion) throws(StoreError) {
        openReserves()
        let record = DeleteRecord(
            key: key, killed: newest.identity, deleteNanoseconds: engine.environment.clock.wallNanoseconds())
        let identity = try ending { () throws(StoreError) in try writer.add(.delete(record)) }
        touched[key] = IndexedVersion(identity: identity, content: .delete(record))
    }

    /// Before what frees room is written.
    func openReserves() {
        if writer.isEmpty, !tenure.isDryRun { store.openReserves() }
    }

    /// Commits what is left. When it returns everything is durable as the report says.
    public func finish() throws(StoreError) -> WriteReport {
        try requireUsable()
        try drain()
        if !writer.isEmpty { try commit() }
        openMemory?.acknowledge()
        openMemory = nil
        isFinished = true
        var debts: [String] = []
        if let debt { debts.append(debt) }
        if let problem = tenure.indexProblem {
            debts.append("the index could not be updated (\(problem.detail)); \(catchUp())")
        }
        report.debt = debts.isEmpty ? nil : debts.joined(separator: "; ")
        return report
    }

    /// What redundancy is owed to what was committed so far, in words.
    var debt: String? {
        let owed = owedShards + finder.owedShards
        guard owed > 0 else { return nil }
        let out = engine.devices.outOfService.map { engine.devices.label($0) }
        return "\(Count.text(owed, "shard", one: "is", many: "are")) owed"
            + (out.isEmpty ? "" : " while \(out.joined(separator: ", ")) \(out.count == 1 ? "is" : "are") out")
    }

    /// Brings the index level with the shards again, so that what was just acknowledged is what is read. Where that fails the
    /// store is closed: what it holds would be out of date. Tells how it went.
    private func catchUp() -> String {
        do throws(StoreError) {
            try store.recoverAgain()
            return "it is level with the shards again"
        } catch {
            store.close()
            return "it is caught up when the store is opened again"
        }
    }

    /// Gives up what is not committed yet.
    public func cancel() {
        guard !isFinished else { return }
        isFinished = true
        for (_, job) in underWay { _ = job.outcome() }
        underWay = []
        openMemory = nil
        writer.cancel()
    }

    /// Whether it writes nothing.
    var isDryRun: Bool { tenure.isDryRun }

    /// Whether an error from storing has ended the session.
    var isOver: Bool { failure != nil }

    func requireUsable() throws(StoreError) {
        if let failure { throw failure }
        precondition(!isFinished, "the session is finished")
        try checkStop()
    }

    /// A stop ends the session: what is not committed is given up.
    private func checkStop() throws(StoreError) {
        guard engine.environment.shouldStop() else { return }
        try ending { () throws(StoreError) in try engine.environment.checkStop("go on writing") }
    }

    /// Runs `body`; what it throws ends the session.
    func ending<Value>(_ body: () throws(StoreError) -> Value) throws(StoreError) -> Value {
        do throws(StoreError) {
            return try body()
        } catch {
            failure = error
            cancel()
            throw error
        }
    }

    private func currentBatch() throws(StoreError) -> ChunkBatch {
        if let batch { return batch }
        let new = ChunkBatch(input: inputs.take(), output: outputs.take())
        batch = new
        return new
    }

    /// Sends the current batch off and begins another with the bytes from `start` on.
    private func turnOver(carrying start: Int) throws(StoreError) -> ChunkBatch {
        let old = try currentBatch()
        let new = ChunkBatch(input: inputs.take(), output: outputs.take())
        let rest = old.input.slice(start..<old.filled)
        new.input.slice(0..<rest.count).copyMemory(from: UnsafeRawBufferPointer(rest))
        new.filled = rest.count
        batch = new
        try send(old)
        return new
    }

    private func cut(_ batch: ChunkBatch, _ object: IncomingObject, _ start: inout Int, isEnd: Bool) {
        let first = start
        engine.environment.timing(.cut, { start - first }) {
            Self.cut(batch, object, cutter, &start, isEnd: isEnd)
        }
    }

    static func cut(
        _ batch: ChunkBatch, _ object: IncomingObject, _ cutter: Cutter, _ start: inout Int, isEnd: Bool
    ) {
        while start < batch.filled {
            let bytes = UnsafeRawBufferPointer(batch.input.slice(start..<batch.filled))
            guard let count = cutter.firstChunkBytes(in: bytes, isEnd: isEnd) else { return }
            batch.events.append(.chunk(start..<(start + count)))
            batch.objects.append(object)
            start += count
        }
    }

    private func abandon(_ batch: ChunkBatch, at start: Int) {
        batch.filled = start
        batch.events.append(.abandon)
    }

    /// Hands a full batch to a compute lane; waits for the oldest when enough are under way.
    func send(_ batch: ChunkBatch) throws(StoreError) {
        let (engine, finder) = (engine, finder)
        // Little that nothing else goes beside is done sooner here than by somebody who must be woken for it.
        let isLittle = batch.filled <= Limits.littleBytes && underWay.isEmpty
        let executor: any Executor = isLittle ? InlineExecutor() : engine.environment.executor
        let job = Job(executor, on: .compute) { () throws(StoreError) in
            try batch.process(engine) { digests throws(StoreError) in try finder.areHits(digests) }
            return true
        }
        underWay.append((batch, job))
        while underWay.count > engine.environment.executor.width + 2 { try consumeOldest() }
        while let first = underWay.first, first.job.isDone { try consumeOldest() }
    }

    func drain() throws(StoreError) {
        if let last = batch, !last.events.isEmpty {
            batch = nil
            try send(last)
        }
        while !underWay.isEmpty { try consumeOldest() }
    }

    private func consumeOldest() throws(StoreError) {
        let (batch, job) = underWay.removeFirst()
        try ending { () throws(StoreError) in
            _ = try job.value()
            try engine.environment.timing(.pack, bytes: batch.filled) { () throws(StoreError) in
                try consume(batch)
            }
        }
        inputs.give(batch.input)
        outputs.give(batch.output)
        try commitIfDue()
    }

    /// Packs a processed batch, in order.
    private func consume(_ batch: ChunkBatch) throws(StoreError) {
        var next = 0
        var newest = try newestVersions(of: batch.events.compactMap(\.unchangeable))[...]
        for event in batch.events {
            switch event {
            case .chunk:
                let result = batch.results[next]
                let object = batch.objects[next]
                next += 1
                report.chunks += 1
                if result.isHit || writer.contains(result.digest) {
                    report.duplicateChunks += 1
                } else {
                    try writer.add(
                        batch.stored(result), digest: result.digest, plainBytes: result.plainBytes, codec: result.codec,
                        checksum: result.checksum)
                    report.newBytes += UInt64(result.plainBytes)
                    report.storedBytes += UInt64(result.stored.count)
                }
                let entry = ManifestEntry(digest: result.digest, byteCount: UInt64(result.plainBytes))
                try object.manifest.append(entry) { node throws(StoreError) in try storeNode(node) }
            case .end(let object):
                try end(object, object.skippingUnchanged ? newest.popFirst() ?? nil : nil)
            case .abandon:
                break
            }
        }
    }

    /// Stores a manifest node as a chunk.
    func storeNode(_ bytes: [UInt8]) throws(StoreError) -> Digest {
        try bytes.withBytes { plain throws(StoreError) in
            try Workspaces.shared.with { workspace throws(StoreError) in
                let digest = workspace.digest(of: plain)
                if writer.contains(digest) { return digest }
                if try finder.isHit(digest) { return digest }
                let output = Buffer(byteCount: plain.count)
                let count = workspace.compress(plain, into: output.bytes)
                let stored = count.map { UnsafeRawBufferPointer(output.slice(0..<$0)) } ?? plain
                try writer.add(
                    stored, digest: digest, plainBytes: plain.count, codec: count == nil ? .stored : .lz4,
                    checksum: CRC32C.of(stored))
                report.storedBytes += UInt64(stored.count)
                return digest
            }
        }
    }

    /// - Parameter newest: of the object's key in the index, where it matters.
    private func end(_ object: IncomingObject, _ newest: IndexedVersion?) throws(StoreError) {
        let manifest: Manifest
        if let known = object.known {
            manifest = known
            report.unread += 1
            report.unreadBytes += known.byteCount
        } else {
            manifest = try object.manifest.finish { node throws(StoreError) in try storeNode(node) }
        }
        report.logicalBytes += object.byteCount
        defer { if let stamp = object.stamp { learn(stamp, manifest) } }
        if object.skippingUnchanged, let put = (touched[object.key] ?? newest)?.put, put.manifest == manifest,
            put.attributes == object.attributes
        {
            report.unchanged += 1
            object.landing?.set(touched[object.key] ?? newest, report)
            return
        }
        let record = PutRecord(
            key: object.key, attributes: object.attributes,
            putNanoseconds: engine.environment.clock.wallNanoseconds(), byteCount: object.byteCount,
            userMetadata: [], manifest: manifest)
        let identity = try writer.add(.put(record))
        let version = IndexedVersion(identity: identity, content: .put(record))
        touched[object.key] = version
        object.landing?.set(version, report)
        report.objects += 1
    }

    private func learn(_ stamp: FileStamp, _ manifest: Manifest) {
        memory.learn(stamp, manifest)
        // Without an open commit everything rests on what was acknowledged before.
        if writer.isEmpty, memory.learnedCount >= Limits.objectsTogether { memory.acknowledge() }
    }

    /// The newest versions of keys that the open commit has not touched yet.
    private func newestVersions(of keys: [Key]) throws(StoreError) -> [IndexedVersion?] {
        if purged.isEmpty { return try engine.index.newestVersions(of: keys) }
        return try keys.map { key throws(StoreError) in try newest(key) }
    }

    /// The newest version, the open commit included.
    func newest(_ key: Key) throws(StoreError) -> IndexedVersion? {
        if let version = touched[key] { return version }
        // What is touched is newer than anything that the open commit purges.
        guard let gone = purged[key] else { return try engine.index.newestVersion(of: key) }
        return try engine.index.versions(of: key).first { !gone.contains($0.identity) }
    }

    func commitIfDue() throws(StoreError) {
        if writer.isDue { try commitInBetween() }
    }

    /// Commits what was taken so far, so that the index knows it.
    func commitNow() throws(StoreError) {
        try drain()
        if !writer.isEmpty { try commitInBetween() }
    }

    private func commitInBetween() throws(StoreError) {
        try commit()
        if let problem = tenure.indexProblem {
            // Duplicates and versions are looked up in the index: nothing more may rest on it.
            let error = StoreError(
                .indexBehind, "go on writing",
                detail: "what was committed is safe, but the index could not follow (\(problem.detail))",
                advice: "run the command again: the index is caught up when the store opens")
            failure = error
            throw error
        }
    }

    private func commit() throws(StoreError) {
        try ending { () throws(StoreError) in
            // What is known of files is kept beside the index: neither waits for the other.
            let memory = openMemory
            var remembering: Job<Bool>?
            defer { _ = remembering?.outcome() }
            let outcome = try writer.commit { [engine] in
                guard let memory else { return }
                remembering = Job(engine.environment.executor, on: .compute) {
                    memory.acknowledge()
                    return true
                }
            }
            report.commits += 1
            report.shardBytes += outcome.shardBytes
            owedShards += outcome.owedShards
        }
        acknowledged = report
        touched = [:]
        purged = [:]
    }
}
