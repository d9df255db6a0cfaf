/// A device that is a bucket on a node, or what is below a prefix of one.
///
/// Its keys are the paths of a device that is a directory (docs/format.md §8): a copy of one is the other. A long shard is an
/// upload in parts, which is nowhere until it is completed under the shard's name; short ones are kept in memory until they
/// are named. No name is made by renaming, and every name is made with the condition that it is free, where the server knows
/// conditions, or looked at before.
public final class S3Device: Device {
    public let place: String
    public let physicalIdentity: String
    private let client: S3Client
    private let lock: NodeLock
    private let clock: any Clock
    private let ahead: ReadAhead
    private let state = Monitor(State())

    private struct State {
        var nextTicket: UInt64 = 0
        var staged: [UInt64: Staged] = [:]
        /// Of what is kept in memory.
        var keptBytes = 0
        /// What the device's identity was when it was last seen: nil when it was not looked for, or not there.
        var identity: [UInt8]?
    }

    private enum Staged {
        case kept([UInt8])
        case uploaded(S3Upload, tags: [String], mark: String)
    }

    init(_ client: S3Client, owner: LockOwner, clock: any Clock = SystemClock()) {
        self.client = client
        self.clock = clock
        place = client.place
        physicalIdentity = client.address.identity(region: client.region)
        lock = NodeLock(client, owner, clock: clock)
        ahead = ReadAhead(clock: clock) { [client] shard, offset, buffer throws(StoreError) in
            try Self.read(shard, from: client, at: offset, into: buffer)
        }
    }

    public func readDocument(_ name: DocumentName) throws(StoreError) -> [UInt8]? {
        let bytes = try client.get(client.address.key(name.rawValue), "read \(name.rawValue)")?.bytes
        if name == .device { state.withLock { $0.identity = bytes } }
        return bytes
    }

    public func writeDocument(_ name: DocumentName, _ bytes: [UInt8]) throws(StoreError) {
        let operation = "write \(name.rawValue)"
        try lock.requireLease(operation)
        if name == .device { return try writeIdentity(bytes, operation) }
        _ = try put(bytes, client.address.key(name.rawValue), .always, operation)
    }

    /// Writes device.json where it is what it was: of two stores that are made of the same bucket at the same time one is refused
    /// before it has written anything else.
    private func writeIdentity(_ bytes: [UInt8], _ operation: String) throws(StoreError) {
        let key = client.address.key(DocumentName.device.rawValue)
        let known = state.withLock(\.identity)
        let found = try client.get(key, operation)
        guard found?.bytes == known || found?.bytes == bytes else { throw taken(operation) }
        var condition =
            found.map { $0.object.entityTag.map { .isUnchanged(entityTag: $0) } ?? .always } ?? S3Condition.isAbsent
        var result = try put(bytes, key, condition, operation)
        if result == .unsupported {
            condition = .always
            result = try put(bytes, key, condition, operation)
        }
        guard result == .done else { throw taken(operation) }
        if found == nil {
            // A server that does not refuse this has not refused another either.
            let refuses = condition == .isAbsent ? try put(bytes, key, .isAbsent, operation) == .refused : false
            if !refuses { clock.sleep(nanoseconds: Limits.settlingNanoseconds) }
        }
        guard try client.get(key, operation)?.bytes == bytes else { throw taken(operation) }
        state.withLock { $0.identity = bytes }
    }

    private func taken(_ operation: String) -> StoreError {
        StoreError(
            .exists, operation, at: place,
            detail: "another store is being made of it, or it was changed from elsewhere",
            advice: "give each store a bucket or prefix of its own")
    }

    private func put(
        _ bytes: [UInt8], _ key: String, _ condition: S3Condition, _ operation: String
    ) throws(StoreError) -> S3Writing {
        try bytes.withBytes { raw throws(StoreError) in
            try client.put(key, [raw], if: condition, mark: client.mark(), operation, mayBegin: lease(operation))
        }
    }

    private func lease(_ operation: String) -> () throws(StoreError) -> Void {
        { [lock] () throws(StoreError) in try lock.requireLease(operation) }
    }

    public var isSetAside: Bool { client.isSetAside }

    public func tryLock() throws(StoreError) -> Bool { try lock.tryLock() }
    public func unlock() { lock.unlock() }
    public func lockHolder() -> String? { lock.holder }

    public func byteCount(of shard: ShardName) throws(StoreError) -> Int? {
        try client.head(key(shard), "look for shard \(shard)")?.byteCount
    }

    public func read(
        _ shard: ShardName, at offset: Int, into buffer: UnsafeMutableRawBufferPointer, from source: ReadSource
    ) throws(StoreError) {
        let count =
            source == .medium
            ? try Self.read(shard, from: client, at: offset, into: buffer)
            : try ahead.read(shard, at: offset, into: buffer)
        guard count == buffer.count else {
            throw StoreError(
                .corrupt, "read shard \(shard)", at: place,
                detail: "it ends at byte \(offset + count) or before, expected at least \(offset + buffer.count)")
        }
    }

    private static func read(
        _ shard: ShardName, from client: S3Client, at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> Int {
        let operation = "read shard \(shard)"
        guard let count = try client.read(key(shard, client), at: offset, into: buffer, operation) else {
            throw StoreError(.notFound, operation, at: client.place, detail: "there is none")
        }
        return count
    }

    public var isRemote: Bool { true }
    public var readCost: Double { client.address.readCost }
    public var answerTimes: AnswerTimes? { client.answerTimes }
    public func expect(_ reads: [ExpectedRead]) { ahead.expect(reads) }
    public func isLate(patience nanoseconds: UInt64) -> Bool { ahead.isLate(patience: nanoseconds) }

    public func isAtHand(_ shard: ShardName, _ range: Range<Int>, patience nanoseconds: UInt64) -> Bool {
        ahead.isAtHand(shard, range, patience: nanoseconds)
    }

    public func stage(_ pieces: [UnsafeRawBufferPointer], as shard: ShardName) throws(StoreError) -> StagedShard {
        let operation = "write shard \(shard)"
        try requireIdentity(operation)
        let byteCount = pieces.reduce(0) { $0 + $1.count }
        let isKept = state.withLock { state in
            guard byteCount <= Limits.keptShardBytes, state.keptBytes + byteCount <= Limits.keptShardsBytes else {
                return false
            }
            state.keptBytes += byteCount
            return true
        }
        let staged: Staged
        if isKept {
            var bytes: [UInt8] = []
            bytes.reserveCapacity(byteCount)
            for piece in pieces { bytes.append(contentsOf: piece) }
            staged = .kept(bytes)
        } else {
            staged = try upload(pieces, byteCount, key(shard), operation)
        }
        let ticket = state.withLock { state in
            state.nextTicket += 1
            state.staged[state.nextTicket] = staged
            return state.nextTicket
        }
        return StagedShard(shard: shard, ticket: ticket)
    }

    private func requireIdentity(_ operation: String) throws(StoreError) {
        if state.withLock({ $0.identity != nil }) { return }
        guard try readDocument(.device) == nil else { return }
        throw StoreError(
            .notFound, operation, at: place, detail: "it has no device.json: this is not the device any more")
    }

    private func upload(
        _ pieces: [UnsafeRawBufferPointer], _ byteCount: Int, _ key: String, _ operation: String
    ) throws(StoreError) -> Staged {
        let mark = client.mark()
        let upload = try client.beginUpload(key, mark: mark, operation)
        do throws(StoreError) {
            // None but the last may be short.
            let count = max(1, byteCount / Limits.uploadPartBytes)
            let size = (byteCount + count - 1) / count
            var tags: [String] = []
            for part in 0..<count {
                let range = (part * size)..<min(byteCount, (part + 1) * size)
                tags.append(
                    try client.put(Self.slice(pieces, range), asPart: part + 1, of: upload, operation))
            }
            return .uploaded(upload, tags: tags, mark: mark)
        } catch {
            try? client.abort(upload, operation)
            throw error
        }
    }

    /// The bytes of `range` of all pieces one behind the other.
    static func slice(_ pieces: [UnsafeRawBufferPointer], _ range: Range<Int>) -> [UnsafeRawBufferPointer] {
        var result: [UnsafeRawBufferPointer] = []
        var start = 0
        for piece in pieces {
            let own = (start..<(start + piece.count)).clamped(to: range)
            if !own.isEmpty {
                result.append(
                    UnsafeRawBufferPointer(rebasing: piece[(own.lowerBound - start)..<(own.upperBound - start)]))
            }
            start += piece.count
        }
        return result
    }

    /// Parts are durable when they are there. What is kept in memory becomes durable with its name, as its contract asks in the
    /// end: without a name it would be removed anyway.
    public func sync(_ staged: [StagedShard]) throws(StoreError) {}

    public func name(_ staged: [StagedShard], replacing: Bool) throws(StoreError) {
        for shard in staged {
            guard let found = state.withLock({ $0.staged[shard.ticket] }) else { continue }
            try name(shard.shard, found, replacing: replacing)
            forget(shard)
        }
    }

    private func name(_ shard: ShardName, _ staged: Staged, replacing: Bool) throws(StoreError) {
        let operation = "name shard \(shard)"
        let key = key(shard)
        if !replacing, lock.hasConditions != true, try client.head(key, operation) != nil { throw exists(operation) }
        let condition: S3Condition = replacing || lock.hasConditions == false ? .always : .isAbsent
        var result = try write(staged, key, condition, operation)
        if result == .unsupported { result = try write(staged, key, .always, operation) }
        guard result == .done else { throw exists(operation) }
        if replacing { ahead.forget(shard) }
    }

    private func write(
        _ staged: Staged, _ key: String, _ condition: S3Condition, _ operation: String
    ) throws(StoreError) -> S3Writing {
        switch staged {
        case .kept(let bytes): try put(bytes, key, condition, operation)
        case .uploaded(let upload, let tags, let mark):
            try client.complete(upload, tags, if: condition, mark: mark, operation, mayBegin: lease(operation))
        }
    }

    private func exists(_ operation: String) -> StoreError {
        StoreError(.exists, operation, at: place, detail: "there is a shard of that name already")
    }

    private func forget(_ staged: StagedShard) {
        state.withLock { state in
            if case .kept(let bytes) = state.staged.removeValue(forKey: staged.ticket) {
                state.keptBytes -= bytes.count
            }
        }
    }

    public func discard(_ staged: [StagedShard]) {
        for shard in staged {
            if case .uploaded(let upload, _, _) = state.withLock({ $0.staged[shard.ticket] }) {
                try? client.abort(upload, "forget shard \(shard.shard)")
            }
            forget(shard)
        }
    }

    public func clearStaging() throws(StoreError) {
        let operation = "remove unfinished uploads"
        // A page at a time, as long as there are others.
        var seen: Set<S3Upload> = []
        while true {
            let uploads = try client.uploads(blocks, operation).filter { seen.insert($0).inserted }
            if uploads.isEmpty { return }
            for upload in uploads { try client.abort(upload, operation) }
        }
    }

    public func remove(_ shard: ShardName) throws(StoreError) {
        let operation = "remove shard \(shard)"
        try lock.requireLease(operation)
        ahead.forget(shard)
        try client.delete(key(shard), operation)
    }

    public func shards(from first: BlockNumber) throws(StoreError) -> [ShardName] {
        var shards: [ShardName] = []
        let blocks = self.blocks
        let start = "\(blocks)\(ShardName.directoryName(of: first))/\(ShardName.beginning(of: first))"
        try client.list(blocks, after: start, "list the shards") { keys in
            for key in keys {
                let parts = key.dropFirst(blocks.count).split(separator: "/", omittingEmptySubsequences: false)
                guard parts.count == 2, let shard = ShardName(fileName: String(parts[1])), shard.number >= first,
                    shard.directoryName == parts[0]
                else { continue }
                shards.append(shard)
            }
            return true
        }
        return shards.sorted()
    }

    /// Some servers list what was written lately a while later.
    public var listsEverything: Bool { false }

    /// A bucket has no size: what its address says, or 1 TiB, all of it free.
    public func space() throws(StoreError) -> DeviceSpace {
        let bytes = client.address.capacityBytes ?? Limits.bucketBytes
        return DeviceSpace(totalBytes: bytes, freeBytes: bytes)
    }

    /// Names below the prefix, up to a thousand of them.
    func names() throws(StoreError) -> [String] {
        var names: [String] = []
        let prefix = client.address.key("")
        try client.list(prefix, "look into the bucket") { keys in
            names = keys.map { String($0.dropFirst(prefix.count)) }
            return false
        }
        return names
    }

    private var blocks: String { client.address.key("blocks/") }

    private func key(_ shard: ShardName) -> String { Self.key(shard, client) }

    private static func key(_ shard: ShardName, _ client: S3Client) -> String {
        client.address.key("blocks/\(shard.directoryName)/\(shard.fileName)")
    }
}
