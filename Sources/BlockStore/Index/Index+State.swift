import Erasure

extension Index {
    /// What the store as a whole is; nil for an empty index.
    func state() throws(StoreError) -> IndexState? {
        try read { connection throws(StoreError) in try Self.state(connection) }
    }

    static func state(_ connection: Connection) throws(StoreError) -> IndexState? {
        let statement = try connection.statement("SELECT value FROM meta WHERE id = 1")
        guard try statement.step() else { return nil }
        defer { statement.reset() }
        return try decode(statement.bytes(0), "its state") { cursor throws(FormatError) in
            try IndexState(from: &cursor)
        }
    }

    static func setState(_ state: IndexState, _ connection: Connection) throws(StoreError) {
        var writer = ByteWriter()
        state.encode(into: &writer)
        writer.appendChecksum()
        try connection.statement("INSERT OR REPLACE INTO meta (id, value) VALUES (1, ?)").bind(1, writer.bytes).run()
    }

    func totals() throws(StoreError) -> IndexTotals {
        try read { connection throws(StoreError) in try Self.totals(connection) }
    }

    static func totals(_ connection: Connection) throws(StoreError) -> IndexTotals {
        var totals = IndexTotals()
        let statement = try connection.statement("SELECT id, value FROM totals")
        while try statement.step() {
            if let profile = try profile(of: statement.integer(0)) {
                if statement.integer(1) != 0 { totals.blocksByProfile[profile] = statement.integer(1) }
                continue
            }
            guard IndexTotals.fields.indices.contains(Int(statement.integer(0))) else { continue }
            totals[keyPath: IndexTotals.fields[Int(statement.integer(0))]] = statement.integer(1)
        }
        return totals
    }

    static func setTotals(_ totals: IndexTotals, _ connection: Connection) throws(StoreError) {
        for (id, field) in IndexTotals.fields.enumerated() {
            try connection.statement("INSERT OR REPLACE INTO totals (id, value) VALUES (?, ?)")
                .bind(1, id).bind(2, totals[keyPath: field]).run()
        }
        for (profile, count) in totals.blocksByProfile {
            try connection.statement("INSERT OR REPLACE INTO totals (id, value) VALUES (?, ?)")
                .bind(1, totalsID(of: profile)).bind(2, count).run()
        }
    }

    /// Behind the sums, one row for each profile: its four bytes.
    private static func totalsID(of profile: Profile) -> Int64 {
        profile.encoded.reduce(Int64(1)) { $0 << 8 | Int64($1) }
    }

    private static func profile(of id: Int64) throws(StoreError) -> Profile? {
        guard id >> 32 == 1 else { return nil }
        let bytes = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: id >> Int64($0)) }
        do throws(ProfileError) {
            return try Profile(kind: bytes[0], k: bytes[1], m: bytes[2], l: bytes[3])
        } catch {
            throw corrupt("it counts blocks of no profile")
        }
    }

    /// Differs from that of every index in which other rows have the same ids.
    func generation() throws(StoreError) -> [UInt8] {
        try read { connection throws(StoreError) in
            let statement = try connection.statement("SELECT value FROM meta WHERE id = 2")
            defer { statement.reset() }
            guard try statement.step() else { throw Self.corrupt("it has no generation") }
            return statement.bytes(0)
        }
    }

    /// Remembers how fast the last repair made shards again. Of this index alone, as the times of scrubs are.
    func noteRepairRate(_ bytesPerSecond: Double) throws(StoreError) {
        var writer = ByteWriter()
        writer.append(bytesPerSecond.bitPattern)
        try write { connection throws(StoreError) in
            try connection.statement("INSERT OR REPLACE INTO meta (id, value) VALUES (3, ?)")
                .bind(1, Self.encode(writer.bytes)).run()
        }
    }

    /// Bytes of shards a second; nil where nothing was repaired since the index was made.
    func repairRate() throws(StoreError) -> Double? {
        try read { connection throws(StoreError) in
            let statement = try connection.statement("SELECT value FROM meta WHERE id = 3")
            guard try statement.step() else { return nil }
            defer { statement.reset() }
            let bits = try Self.decode(statement.bytes(0), "the speed of repairs") { cursor throws(FormatError) in
                try cursor.next(UInt64.self, "speed")
            }
            let rate = Double(bitPattern: bits)
            return rate.isFinite && rate > 0 ? rate : nil
        }
    }

    /// The commit folded under `number`.
    func commitBlock(_ number: CommitNumber) throws(StoreError) -> BlockName? {
        try read { connection throws(StoreError) in
            let statement = try connection.statement("SELECT block, id FROM commits WHERE number = ?")
                .bind(1, Int64(clamping: number.value))
            guard try statement.step() else { return nil }
            defer { statement.reset() }
            return try Self.blockName(statement.integer(0), statement.bytes(1))
        }
    }

    static func blockName(_ number: Int64, _ id: [UInt8]) throws(StoreError) -> BlockName {
        var writer = ByteWriter()
        writer.append(UInt64(bitPattern: number))
        writer.append(id)
        do throws(FormatError) {
            return try writer.bytes.withBytes { raw throws(FormatError) in
                var cursor = ByteCursor(raw)
                let name = try cursor.nextBlockName("block")
                try cursor.finish("block")
                return name
            }
        } catch {
            throw corrupt("a block's name does not parse")
        }
    }

    /// Checks the CRC at the end of a row's value and parses what is before it.
    ///
    /// - Parameter context: a CRC over the row's key fields, which goes on over the body.
    static func decode<Value>(
        _ bytes: [UInt8], context: CRC32C = CRC32C(), _ what: String,
        _ parse: (inout ByteCursor) throws(FormatError) -> Value
    ) throws(StoreError) -> Value {
        guard bytes.count >= 4 else { throw corrupt("\(what) is too short") }
        return try bytes.withBytes { raw throws(StoreError) in
            let body = UnsafeRawBufferPointer(rebasing: raw[..<(raw.count - 4)])
            var checksum = context
            checksum.update(body)
            let found = UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: body.count, as: UInt32.self))
            guard checksum.value == found else { throw corrupt("\(what) fails its checksum") }
            do throws(FormatError) {
                var cursor = ByteCursor(body)
                let value = try parse(&cursor)
                try cursor.finish(what)
                return value
            } catch {
                throw corrupt("\(what): \(error.description)")
            }
        }
    }

    /// A row's value: the body, then the CRC that began with `context`, over the body too.
    static func encode(_ body: [UInt8], context: CRC32C = CRC32C()) -> [UInt8] {
        var writer = ByteWriter(reserving: body.count + 4)
        encode(into: &writer, context: context) { $0.append(body) }
        return writer.bytes
    }

    /// The same behind what `writer` has already, with the body that `write` writes.
    static func encode(into writer: inout ByteWriter, context: CRC32C, _ write: (inout ByteWriter) -> Void) {
        let start = writer.bytes.count
        write(&writer)
        var checksum = context
        writer.bytes.withUnsafeBytes { checksum.update(UnsafeRawBufferPointer(rebasing: $0[start...])) }
        writer.append(checksum.value)
    }
}

extension IndexState {
    func encode(into writer: inout ByteWriter) {
        writer.append(head.number)
        writer.append(head.block)
        writer.append(epoch.counter)
        writer.append(epoch.writer)
        writer.append(highestBlock)
        configuration.encode(into: &writer)
        retired.encode(into: &writer)
        writer.append(UInt32(lastInService.count))
        for (device, block) in lastInService.sorted(by: { $0.key < $1.key }) {
            writer.append(device)
            writer.append(block)
        }
    }

    init(from cursor: inout ByteCursor) throws(FormatError) {
        let number = try cursor.next(CommitNumber.self, "head")
        head = CommitHead(number: number, block: try cursor.nextBlockName("head"))
        let counter = try cursor.next(UInt64.self, "epoch")
        epoch = Epoch(counter: min(counter, CommitNumber.maximum), writer: try cursor.next(WriterID.self, "epoch"))
        highestBlock = try cursor.next(BlockNumber.self, "highest block")
        configuration = try Configuration(from: &cursor)
        retired = try RetiredRecord(from: &cursor)
        lastInService = [:]
        for _ in 0..<(try cursor.nextCount("devices", maximum: Limits.devices)) {
            let device = try cursor.next(DeviceID.self, "devices")
            lastInService[device] = try cursor.next(BlockNumber.self, "devices")
        }
    }
}

extension Index {
    /// Forgets everything.
    func clear() throws(StoreError) {
        try write { connection throws(StoreError) in
            try connection.transaction { () throws(StoreError) in
                for table in [
                    "meta", "totals", "devices", "commits", "blocks", "chunks", "versions", "purges", "changes",
                ] {
                    try connection.run("DELETE FROM \(table)")
                }
                try connection.run("INSERT INTO meta (id, value) VALUES (2, randomblob(16))")
            }
        }
    }
}
