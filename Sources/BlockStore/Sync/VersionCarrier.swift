import Chunker
import Erasure

/// Carries versions from a store into a session of another.
///
/// A version's manifest is walked, and its chunks are looked up in the target many at a time; those that are not there are read,
/// decoded, compared with their digests and compressed on the source's compute lanes, some ahead, and packed in order. Chunks and
/// manifest nodes stay what they are, so that a version has the same manifest in both stores, however they cut. The versions
/// of one commit of the source get their records last and together: they appear in one commit of the target.
///
/// What fails while the source is read costs the one version; what fails in the target ends the session. Use from one thread.
final class VersionCarrier {
    /// What is to be done, in order.
    private enum Step {
        case begin(IndexedVersion)
        case chunk(PlannedChunk)
        case end
        case fail(StoreError)
    }

    /// A chunk that the target is to have, for as many steps as need it.
    private final class PlannedChunk {
        enum State {
            /// Not looked up yet.
            case unknown
            case stored
            /// To be read, in its turn.
            case missing
            case reading(Job<CarriedChunk>)
            case failed(StoreError)
        }

        let entry: ManifestEntry
        var state = State.unknown
        var uses = 0

        init(_ entry: ManifestEntry) { self.entry = entry }
    }

    private let source: Engine
    private let chunks: ChunkReader
    private let session: WriteSession
    private let progress: (UInt64) -> Void
    private var steps = Backlog<Step>()
    /// By digest, those that some step still needs.
    private var planned: [Digest: PlannedChunk] = [:]
    /// Of these, those that are not looked up yet, and how long they are together.
    private var unknown: [PlannedChunk] = []
    private var unknownBytes: UInt64 = 0
    /// Those that are missing and not being read yet, in the order of steps.
    private var missing: ArraySlice<PlannedChunk> = []
    /// Chunks that are being read, or wait to be packed.
    private var readAhead = (chunks: 0, bytes: UInt64(0))
    /// In a dry run: what would be stored by now.
    private var imagined: Set<Digest> = []
    private var guilty: Set<DamagedShard> = []

    /// The version whose steps are planned.
    private var planning: RecordIdentity?
    /// The version whose steps are taken, and why it will not be copied, if so.
    private var current: IndexedVersion?
    private var problem: StoreError?
    /// Versions of one commit of the source of which all is stored but the records.
    private var arrived: [IndexedVersion] = []

    private(set) var report = SyncReport()

    /// - Parameter progress: told of bytes that are dealt with, read or not.
    init(from source: Engine, into session: WriteSession, progress: @escaping (UInt64) -> Void) {
        self.source = source
        self.session = session
        self.progress = progress
        chunks = ChunkReader(engine: source)
    }

    /// Carries whole commits of the source, in order. What of them is not lost is in the session when it returns.
    func carry(_ versions: [LackingVersion]) throws(StoreError) {
        do throws(StoreError) {
            for lacking in versions {
                // Purged meanwhile: then it is not there to be copied.
                guard let version = try source.index.version(of: lacking.key, lacking.identity) else { continue }
                try plan(version)
            }
            while !steps.isEmpty { try takeStep() }
            try land()
        } catch {
            // Nobody reads from the source any more when this returns: it may be closed.
            for case .chunk(let chunk) in steps.waiting {
                if case .reading(let job) = chunk.state { _ = job.outcome() }
            }
            throw error
        }
    }

    /// What was found wrong on the way, told once.
    func finish() -> SyncReport {
        source.remember(Array(guilty))
        report.read.damaged = Set(guilty.map { "shard \($0.row.name) of block \($0.name): \($0.problem)" }).sorted()
        return report
    }

    // Planning.

    private func plan(_ version: IndexedVersion) throws(StoreError) {
        steps.append(.begin(version))
        planning = version.identity
        if let put = version.put {
            do throws(StoreError) {
                try plan(put.manifest.entries, depth: put.manifest.depth)
            } catch {
                try requireFailureOfOne(error)
                steps.append(.fail(error))
            }
        }
        steps.append(.end)
        try takeStepsWhileMany()
    }

    private func plan(_ entries: [ManifestEntry], depth: UInt8) throws(StoreError) {
        for entry in entries {
            if depth > 0 {
                try plan(try below(entry, depth: depth), depth: depth - 1)
                continue
            }
            guard entry.byteCount <= UInt64(Limits.plainChunkBytes) else {
                throw StoreError(.corrupt, "copy it", detail: "its manifest names a chunk that is too long")
            }
            let chunk = planned[entry.digest] ?? PlannedChunk(entry)
            if chunk.uses == 0 {
                planned[entry.digest] = chunk
                unknown.append(chunk)
                unknownBytes += entry.byteCount
            }
            chunk.uses += 1
            steps.append(.chunk(chunk))
            if unknown.count >= Limits.chunksSyncedTogether || unknownBytes >= Limits.syncedTogetherBytes {
                try lookUp()
            }
            try takeStepsWhileMany()
            // What is left of a version that has failed already need not be read.
            if let problem, current?.identity == planning { throw problem }
        }
    }

    /// What the node that `entry` names holds. The node is stored.
    private func below(_ entry: ManifestEntry, depth: UInt8) throws(StoreError) -> [ManifestEntry] {
        let node = try chunks.readNode(entry.digest)
        guilty.formUnion(node.damaged)
        defer { source.chunkBuffers.give(node.buffer) }
        report.read.bytes += UInt64(node.byteCount)
        report.read.add(node.detour)
        let entries: [ManifestEntry]
        do throws(FormatError) {
            entries = try ManifestNode.parse(node.bytes, depth: depth - 1, covering: entry.byteCount)
        } catch {
            throw StoreError(.corrupt, "read manifest node \(entry.digest)", detail: error.description)
        }
        if !session.isDryRun { try session.add(node: node.bytes) }
        return entries
    }

    /// Finds out which of the unknown chunks are to be read, and begins to.
    private func lookUp() throws(StoreError) {
        let all = unknown
        unknown = []
        unknownBytes = 0
        guard !all.isEmpty else { return }
        let byteCount = all.reduce(0) { $0 + Int($1.entry.byteCount) }
        let areStored = try source.environment.timing(.lookUp, bytes: byteCount) { () throws(StoreError) in
            try session.areStored(all.map(\.entry.digest))
        }
        for (chunk, isStored) in zip(all, areStored) {
            if isStored || imagined.contains(chunk.entry.digest) {
                chunk.state = .stored
            } else if session.isDryRun {
                imagined.insert(chunk.entry.digest)
                session.report.newBytes += chunk.entry.byteCount
                chunk.state = .stored
            } else {
                chunk.state = .missing
                missing.append(chunk)
            }
        }
        startReading()
    }

    /// Begins to read what is missing, as far as there is room for it: the first in any case.
    private func startReading() {
        while let first = missing.first, hasRoom(for: first) {
            var begun: [PlannedChunk] = []
            while begun.count < Limits.chunksLookedUp, let chunk = missing.first, hasRoom(for: chunk) {
                missing.removeFirst()
                begun.append(chunk)
                readAhead.chunks += 1
                readAhead.bytes += chunk.entry.byteCount
            }
            let places: Result<[[ChunkPlace]], StoreError>
            do throws(StoreError) {
                let found = try chunks.places(of: begun.map(\.entry))
                try chunks.expect(found)
                places = .success(found)
            } catch {
                places = .failure(error)
            }
            for (number, chunk) in begun.enumerated() {
                let (entry, chunks) = (chunk.entry, self.chunks)
                let places = places.map { $0[number] }
                chunk.state = .reading(
                    Job(source.environment.executor, on: .compute) { () throws(StoreError) in
                        try CarriedChunk(entry, at: places.get(), chunks)
                    })
            }
        }
    }

    private func hasRoom(for chunk: PlannedChunk) -> Bool {
        readAhead.chunks == 0
            || readAhead.chunks < max(source.environment.executor.width * 4, 2 * Limits.chunksLookedUp)
                && readAhead.bytes + chunk.entry.byteCount <= Limits.syncedAheadBytes
    }

    // Taking the steps.

    private func takeStepsWhileMany() throws(StoreError) {
        while !missing.isEmpty || steps.count > Limits.syncStepsAhead { try takeStep() }
    }

    private func takeStep() throws(StoreError) {
        switch steps.removeFirst() {
        case .begin(let version):
            try session.requireUsable()
            if let last = arrived.last, last.identity.commit != version.identity.commit { try land() }
            (current, problem) = (version, nil)
        case .chunk(let chunk):
            if case .unknown = chunk.state { try lookUp() }
            try take(chunk)
            progress(chunk.entry.byteCount)
        case .fail(let error):
            problem = problem ?? error
        case .end:
            try end()
        }
    }

    private func take(_ chunk: PlannedChunk) throws(StoreError) {
        if case .reading(let job) = chunk.state {
            readAhead.chunks -= 1
            readAhead.bytes -= chunk.entry.byteCount
            defer { startReading() }
            switch job.outcome() {
            case .success(let carried):
                defer { carried.release(source) }
                report.read.bytes += chunk.entry.byteCount
                report.read.add(carried.plain.detour)
                guilty.formUnion(carried.plain.damaged)
                try session.add(carried, chunk.entry)
                chunk.state = .stored
            case .failure(let error):
                try requireFailureOfOne(error)
                chunk.state = .failed(error)
            }
        }
        switch chunk.state {
        case .stored: break
        case .failed(let error): problem = problem ?? error
        case .unknown, .missing, .reading: preconditionFailure("chunks are read in the order in which they are needed")
        }
        chunk.uses -= 1
        if chunk.uses == 0 { planned[chunk.entry.digest] = nil }
    }

    private func end() throws(StoreError) {
        guard let current else { return }
        guard let problem, !Mutant.isActive(.syncKeepsUnread) else { return arrived.append(current) }
        // Purged and collected meanwhile: no wonder that it cannot be read.
        guard try source.index.version(of: current.key, current.identity) != nil else { return }
        // An index that does not hold together says as little of the others.
        if problem.code == .indexDamaged { throw problem }
        report.failures.append(SyncReport.Failure(key: current.key, identity: current.identity, error: problem))
    }

    /// Writes the records of what has arrived.
    private func land() throws(StoreError) {
        let versions = arrived
        arrived = []
        guard !versions.isEmpty else { return }
        let markers = versions.lazy.filter { $0.put == nil }.count
        report.deleteMarkers += try session.isDryRun ? markers : session.add(versionsOfOneCommit: versions)
        report.versions += versions.count - markers
        for version in versions { report.bytes &+= version.put?.byteCount ?? 0 }
    }

    /// Throws what is more than the failure of one version.
    private func requireFailureOfOne(_ error: StoreError) throws(StoreError) {
        if session.isOver || error.code == .interrupted { throw error }
    }
}
