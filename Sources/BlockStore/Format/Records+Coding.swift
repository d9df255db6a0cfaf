import Chunker
import Erasure

extension IdentifiedRecord {
    /// Type, flags, length, identity: in front of every record's body (docs/format.md §5.2).
    static let frameBytes = 24
    /// A reader that does not know the type must refuse the store rather than pass the record over.
    static let mustUnderstand: UInt16 = 1

    /// At least what `encode` will add to a table of contents.
    var encodedBytesBound: Int { Self.frameBytes + record.bodyBytesBound }

    func encode(into writer: inout ByteWriter) {
        let body = record.encodeBody()
        writer.append(record.type)
        writer.append(Self.mustUnderstand)
        writer.append(UInt32(body.count))
        writer.append(identity.commit)
        writer.append(identity.ordinal)
        writer.zeros(4)
        writer.append(body)
    }

    /// The next record; nil when it is of an unknown type that may be passed over.
    init?(from cursor: inout ByteCursor) throws(FormatError) {
        let type = try cursor.next(UInt16.self, "record")
        let flags = try cursor.next(UInt16.self, "record")
        let length = try cursor.nextCount("record", maximum: Limits.contentsBytes)
        let commit = try cursor.next(CommitNumber.self, "record")
        let ordinal = try cursor.next(UInt32.self, "record")
        try cursor.zeros(4, "record's reserved room")
        var body = ByteCursor(try cursor.next(bytes: length, "record"))
        guard flags & ~Self.mustUnderstand == 0 else { throw .unsupported("record flags \(flags)") }
        guard let record = try Record(type: type, body: &body) else {
            guard flags & Self.mustUnderstand == 0 else { throw .unsupported("record type \(type)") }
            return nil
        }
        try body.finish("record")
        self.init(identity: RecordIdentity(commit: commit, ordinal: ordinal), record: record)
    }
}

extension Record {
    var type: UInt16 {
        switch self {
        case .put: 1
        case .delete: 2
        case .purge: 3
        case .profile: 4
        case .configuration: 5
        case .retired: 6
        case .commit: 7
        }
    }

    /// The body of a record of `type`; nil for an unknown type.
    init?(type: UInt16, body: inout ByteCursor) throws(FormatError) {
        switch type {
        case 1: self = .put(try PutRecord(from: &body))
        case 2: self = .delete(try DeleteRecord(from: &body))
        case 3: self = .purge(try PurgeRecord(from: &body))
        case 4: self = .profile(try ProfileRecord(from: &body))
        case 5: self = .configuration(try Configuration(from: &body))
        case 6: self = .retired(try RetiredRecord(from: &body))
        case 7: self = .commit(try CommitRecord(from: &body))
        default: return nil
        }
    }

    func encodeBody() -> [UInt8] {
        var writer = ByteWriter()
        encodeBody(into: &writer)
        return writer.bytes
    }

    func encodeBody(into writer: inout ByteWriter) {
        switch self {
        case .put(let record): record.encode(into: &writer)
        case .delete(let record): record.encode(into: &writer)
        case .purge(let record): record.encode(into: &writer)
        case .profile(let record): record.encode(into: &writer)
        case .configuration(let record): record.encode(into: &writer)
        case .retired(let record): record.encode(into: &writer)
        case .commit(let record): record.encode(into: &writer)
        }
    }

    /// At least the length of the body, without encoding the common ones.
    var bodyBytesBound: Int {
        switch self {
        case .put(let record):
            64 + record.key.bytes.count + record.userMetadata.count + record.manifest.entries.count * 40
        case .delete(let record): 64 + record.key.bytes.count
        case .purge(let record): 64 + record.key.bytes.count
        default: encodeBody().count
        }
    }
}

extension PutRecord {
    fileprivate static let hasMode: UInt8 = 1
    fileprivate static let hasModified: UInt8 = 2

    func encode(into writer: inout ByteWriter) {
        writer.append(key: key)
        writer.append(attributes.kind.rawValue)
        writer.append(
            (attributes.mode == nil ? 0 : Self.hasMode) | (attributes.modifiedNanoseconds == nil ? 0 : Self.hasModified)
        )
        writer.append(attributes.mode ?? 0)
        writer.append(attributes.modifiedNanoseconds ?? 0)
        writer.append(putNanoseconds)
        writer.append(byteCount)
        writer.append(UInt32(userMetadata.count))
        writer.append(userMetadata)
        manifest.encode(into: &writer)
    }

    init(from cursor: inout ByteCursor) throws(FormatError) {
        key = try cursor.nextKey()
        let kind = try cursor.next(UInt8.self, "put record")
        let present = try cursor.next(UInt8.self, "put record")
        let mode = try cursor.next(UInt16.self, "put record")
        let modified = try cursor.next(Int64.self, "put record")
        putNanoseconds = try cursor.next(Int64.self, "put record")
        byteCount = try cursor.next(UInt64.self, "put record")
        guard let kind = ObjectKind(rawValue: kind) else { throw .unsupported("object kind \(kind)") }
        guard present & ~(Self.hasMode | Self.hasModified) == 0 else { throw .unsupported("attributes \(present)") }
        attributes = ObjectAttributes(
            kind: kind, mode: present & Self.hasMode == 0 ? nil : mode,
            modifiedNanoseconds: present & Self.hasModified == 0 ? nil : modified)
        let metadataBytes = try cursor.nextCount("user metadata", maximum: Limits.userMetadataBytes)
        userMetadata = Array(try cursor.next(bytes: metadataBytes, "user metadata"))
        manifest = try Manifest(from: &cursor, covering: byteCount)
    }
}

extension DeleteRecord {
    func encode(into writer: inout ByteWriter) {
        writer.append(key: key)
        writer.append(killed)
        writer.append(deleteNanoseconds)
    }

    init(from cursor: inout ByteCursor) throws(FormatError) {
        key = try cursor.nextKey()
        killed = try cursor.nextIdentity()
        deleteNanoseconds = try cursor.next(Int64.self, "delete record")
    }
}

extension PurgeRecord {
    func encode(into writer: inout ByteWriter) {
        writer.append(key: key)
        writer.append(killed)
    }

    init(from cursor: inout ByteCursor) throws(FormatError) {
        key = try cursor.nextKey()
        killed = try cursor.nextIdentity()
    }
}

extension ProfileRecord {
    func encode(into writer: inout ByteWriter) {
        writer.append(first)
        writer.append(last)
        writer.append(profile.encoded)
    }

    init(from cursor: inout ByteCursor) throws(FormatError) {
        first = try cursor.next(BlockNumber.self, "profile record")
        last = try cursor.next(BlockNumber.self, "profile record")
        profile = try cursor.nextProfile()
        guard first <= last else { throw .invalid("profile record: an inverted interval") }
    }
}

extension RetiredRecord {
    static let none = RetiredRecord(intervals: [], blocks: [], commits: [])

    func encode(into writer: inout ByteWriter) {
        writer.append(UInt32(intervals.count))
        for interval in intervals {
            writer.append(interval.lowerBound)
            writer.append(interval.upperBound)
        }
        writer.append(UInt32(blocks.count))
        for block in blocks { writer.append(block) }
        writer.append(UInt32(commits.count))
        for interval in commits {
            writer.append(interval.first)
            writer.append(interval.last)
            writer.append(interval.below)
        }
    }

    init(from cursor: inout ByteCursor) throws(FormatError) {
        var intervals: [ClosedRange<BlockNumber>] = []
        for _ in 0..<(try cursor.nextCount("retired blocks", maximum: Limits.intervals)) {
            let first = try cursor.next(BlockNumber.self, "retired blocks")
            let last = try cursor.next(BlockNumber.self, "retired blocks")
            guard first <= last, intervals.last.map({ $0.upperBound < first }) ?? true else {
                throw .invalid("retired blocks: intervals out of order")
            }
            intervals.append(first...last)
        }
        var blocks: [BlockName] = []
        for _ in 0..<(try cursor.nextCount("retired blocks", maximum: Limits.intervals)) {
            let block = try cursor.nextBlockName("retired blocks")
            guard blocks.last.map({ $0 < block }) ?? true else { throw .invalid("retired blocks: out of order") }
            blocks.append(block)
        }
        var commits: [RedundantCommits] = []
        for _ in 0..<(try cursor.nextCount("redundant commits", maximum: Limits.intervals)) {
            let first = try cursor.next(CommitNumber.self, "redundant commits")
            let last = try cursor.next(CommitNumber.self, "redundant commits")
            let below = try cursor.nextBlockName("redundant commits")
            guard first <= last, first.value > 0, commits.last.map({ $0.last < first }) ?? true else {
                throw .invalid("redundant commits: intervals out of order")
            }
            commits.append(RedundantCommits(first: first, last: last, below: below))
        }
        self.init(intervals: intervals, blocks: blocks, commits: commits)
    }
}

extension CommitRecord {
    func encode(into writer: inout ByteWriter) {
        writer.append(number)
        writer.append(epoch.counter)
        writer.append(epoch.writer)
        writer.append(previous ?? BlockName(number: .none, id: BlockID(high: 0, low: 0)))
        writer.append(UInt32(devices.count))
        for device in devices { writer.append(device) }
        writer.append(UInt32(blocks.count))
        for block in blocks {
            writer.append(block.name)
            writer.append(block.profile.encoded)
            writer.append(block.leastShards)
            writer.zeros(3)
        }
    }

    init(from cursor: inout ByteCursor) throws(FormatError) {
        let what = "commit record"
        number = try cursor.next(CommitNumber.self, what)
        let counter = try cursor.next(UInt64.self, what)
        guard counter <= CommitNumber.maximum else {
            throw .tooLong("epoch", counter, maximum: CommitNumber.maximum)
        }
        epoch = Epoch(counter: counter, writer: try cursor.next(WriterID.self, what))
        let previous = try cursor.nextBlockName(what)
        self.previous = previous.number == .none ? nil : previous
        var devices: [DeviceID] = []
        for _ in 0..<(try cursor.nextCount("devices", maximum: Limits.devices)) {
            devices.append(try cursor.next(DeviceID.self, what))
        }
        self.devices = devices
        var blocks: [Block] = []
        for _ in 0..<(try cursor.nextCount("blocks", maximum: Limits.blocksPerCommit)) {
            let name = try cursor.nextBlockName(what)
            let profile = try cursor.nextProfile()
            let least = try cursor.next(UInt8.self, what)
            try cursor.zeros(3, "commit record's reserved room")
            guard least >= 1, Int(least) <= profile.shardCount else { throw .invalid("\(what): least shards") }
            blocks.append(Block(name: name, profile: profile, leastShards: least))
        }
        self.blocks = blocks
        guard number.value >= 1, (self.previous == nil) == (number.value == 1), !blocks.isEmpty else {
            throw .invalid(what)
        }
    }
}

extension ByteWriter {
    mutating func append(key: Key) {
        append(UInt16(key.bytes.count))
        append(key.bytes)
    }

    mutating func append(_ identity: RecordIdentity) {
        append(identity.commit)
        append(identity.ordinal)
    }
}

extension ByteCursor {
    mutating func nextKey() throws(FormatError) -> Key {
        let count = Int(try next(UInt16.self, "key"))
        guard count <= Key.maximumBytes else {
            throw .tooLong("key", UInt64(count), maximum: UInt64(Key.maximumBytes))
        }
        let bytes = try next(bytes: count, "key")
        do throws(StoreError) {
            return try Key(bytes)
        } catch {
            throw .invalid("key")
        }
    }

    mutating func nextIdentity() throws(FormatError) -> RecordIdentity {
        let commit = try next(CommitNumber.self, "record identity")
        return RecordIdentity(commit: commit, ordinal: try next(UInt32.self, "record identity"))
    }

    mutating func nextProfile() throws(FormatError) -> Profile {
        let bytes = try next(bytes: 4, "profile")
        do throws(ProfileError) {
            return try Profile(kind: bytes[0], k: bytes[1], m: bytes[2], l: bytes[3])
        } catch {
            throw .invalid("profile: \(error.description)")
        }
    }
}
