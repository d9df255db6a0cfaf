import Erasure

extension Index {
    private static let columns = "SELECT ref, number, id, value FROM blocks "

    func block(_ ref: BlockRef) throws(StoreError) -> IndexedBlock? {
        try read { connection throws(StoreError) in try Self.block(ref, connection) }
    }

    static func block(_ ref: BlockRef, _ connection: Connection) throws(StoreError) -> IndexedBlock? {
        let statement = try connection.statement(columns + "WHERE ref = ?").bind(1, ref.row)
        return try blocks(statement, connection).first
    }

    /// Those of `refs` that there are, in one view of the index.
    func blocks(_ refs: Set<BlockRef>) throws(StoreError) -> [IndexedBlock] {
        try read { connection throws(StoreError) in
            try connection.run("BEGIN")
            defer {
                connection.resetAll()
                try? connection.run("END")
            }
            let devices = try Self.devices(connection)
            let statement = try connection.statement(Self.columns + "WHERE ref = ?")
            var result: [IndexedBlock] = []
            for ref in refs.sorted() {
                statement.bind(1, ref.row)
                if try statement.step() { result.append(try Self.block(statement, devices)) }
                statement.reset()
            }
            return result
        }
    }

    func block(named name: BlockName) throws(StoreError) -> IndexedBlock? {
        try read { connection throws(StoreError) in try Self.block(named: name, connection) }
    }

    static func block(named name: BlockName, _ connection: Connection) throws(StoreError) -> IndexedBlock? {
        let statement = try connection.statement(columns + "WHERE number = ? AND id = ?")
            .bind(1, Int64(clamping: name.number.value)).bind(2, bytes(of: name.id))
        return try blocks(statement, connection).first
    }

    /// Blocks in number order.
    func blocks(after name: BlockName?, limit: Int) throws(StoreError) -> [IndexedBlock] {
        try read { connection throws(StoreError) in
            let statement = try connection.statement(
                Self.columns + "WHERE (number, id) > (?, ?) ORDER BY number, id LIMIT ?")
            statement.bind(1, Int64(clamping: name?.number.value ?? 0))
                .bind(2, name.map { Self.bytes(of: $0.id) } ?? []).bind(3, limit)
            return try Self.blocks(statement, connection)
        }
    }

    /// Blocks with a number in the closed interval, in number order.
    func blocks(from first: BlockNumber, to last: BlockNumber) throws(StoreError) -> [IndexedBlock] {
        try read { connection throws(StoreError) in
            let statement = try connection.statement(
                Self.columns + "WHERE number >= ? AND number <= ? ORDER BY number, id")
            statement.bind(1, Int64(clamping: first.value)).bind(2, Int64(clamping: last.value))
            return try Self.blocks(statement, connection)
        }
    }

    /// Whether a commit has another block than its last one, `end`, that is not among `going`.
    func hasSibling(of end: IndexedBlock, outside going: Set<BlockName>) throws(StoreError) -> Bool {
        try blocks(ofCommit: end.commit, upTo: end.name.number).contains {
            $0.name != end.name && !going.contains($0.name)
        }
    }

    /// The blocks of a commit that are there, from its last one, `number`, downwards.
    func blocks(ofCommit commit: CommitNumber, upTo number: BlockNumber) throws(StoreError) -> [IndexedBlock] {
        try read { connection throws(StoreError) in
            // A writer numbers the blocks of a commit one after the other, above those of every commit before: what is below
            // the first of an older commit is older too.
            let statement = try connection.statement(
                Self.columns + "WHERE number <= ? ORDER BY number DESC, id DESC"
            ).bind(1, Int64(clamping: number.value))
            defer { statement.reset() }
            let devices = try Self.devices(connection)
            var result: [IndexedBlock] = []
            while try statement.step() {
                let block = try Self.block(statement, devices)
                if block.commit == commit { result.append(block) }
                if block.commit < commit { break }
            }
            return result
        }
    }

    /// The newest block with a shard on `device` that is not known to be damaged; among the newest 4,096
    /// blocks, so that opening a store never scans it.
    func newestBlock(on device: DeviceID) throws(StoreError) -> (block: IndexedBlock, row: Row)? {
        try read { connection throws(StoreError) in
            let statement = try connection.statement(Self.columns + "ORDER BY number DESC, id DESC LIMIT 4096")
            let devices = try Self.devices(connection)
            defer { statement.reset() }
            while try statement.step() {
                let block = try Self.block(statement, devices)
                let rows = block.shards.filter { $0.value == device && !block.damaged.contains($0.key) }
                guard !rows.isEmpty else { continue }
                // What it holds beyond the profile may be gone in good order.
                if let row = rows.keys.filter(Set(block.profile.rows).contains).min() { return (block, row) }
            }
            return nil
        }
    }

    /// Records where rows now live, each free of damage.
    func setShards(_ changes: [(BlockRef, Row, DeviceID)]) throws(StoreError) {
        let byBlock = Dictionary(grouping: changes, by: \.0)
        try change(changes.map(\.0)) { block in
            for (_, row, device) in byBlock[block.ref] ?? [] {
                block.shards[row] = device
                block.damaged.remove(row)
            }
        }
    }

    /// Records that rows are nowhere any more, and should not be.
    func dropShards(_ rows: [(BlockRef, Row)]) throws(StoreError) {
        let byBlock = Dictionary(grouping: rows, by: \.0)
        try change(rows.map(\.0)) { block in
            for (_, row) in byBlock[block.ref] ?? [] {
                block.shards[row] = nil
                block.damaged.remove(row)
            }
        }
    }

    /// Records that rows are damaged, or missing where they should be.
    func markDamaged(_ marks: [(BlockRef, Row)]) throws(StoreError) {
        let byBlock = Dictionary(grouping: marks, by: \.0)
        try change(marks.map(\.0)) { block in
            for (_, row) in byBlock[block.ref] ?? [] { block.damaged.insert(row) }
        }
    }

    /// Records that all shards of these blocks were read.
    func noteVerified(_ blocks: [IndexedBlock], at seconds: UInt64) throws(StoreError) {
        let names = Dictionary(blocks.map { ($0.ref, $0.name) }, uniquingKeysWith: { first, _ in first })
        try change(blocks.map(\.ref)) { block in
            // The index may have been made anew meanwhile.
            if names[block.ref] == block.name { block.verifiedSeconds = seconds }
        }
    }

    private func change(_ refs: [BlockRef], _ body: (inout IndexedBlock) -> Void) throws(StoreError) {
        try write { connection throws(StoreError) in
            try connection.transaction { () throws(StoreError) in
                var totals = try Self.totals(connection)
                for ref in Set(refs).sorted() {
                    guard let old = try Self.block(ref, connection) else { continue }
                    var new = old
                    body(&new)
                    guard new != old else { continue }
                    totals.shardBytes += Int64(new.shards.count - old.shards.count) * Int64(new.shardPayloadBytes)
                    try Self.update(new, connection)
                }
                try Self.setTotals(totals, connection)
            }
        }
    }

    static func update(_ block: IndexedBlock, _ connection: Connection) throws(StoreError) {
        try connection.statement("UPDATE blocks SET value = ? WHERE ref = ?")
            .bind(1, try value(of: block, connection)).bind(2, block.ref.row).run()
    }

    /// Device ids by the small numbers that stand for them in a block's row.
    static func devices(_ connection: Connection) throws(StoreError) -> [UInt16: DeviceID] {
        var result: [UInt16: DeviceID] = [:]
        let statement = try connection.statement("SELECT ordinal, id FROM devices")
        while try statement.step() {
            var id = DeviceID(high: 0, low: 0)
            let bytes = statement.bytes(1)
            do throws(FormatError) {
                id = try bytes.withBytes { raw throws(FormatError) in
                    var cursor = ByteCursor(raw)
                    return try cursor.next(DeviceID.self, "device")
                }
            } catch {
                throw corrupt("a device's id does not parse")
            }
            guard let ordinal = UInt16(exactly: statement.integer(0)) else { throw corrupt("a device's number") }
            result[ordinal] = id
        }
        return result
    }

    private static func ordinal(of device: DeviceID, _ connection: Connection) throws(StoreError) -> UInt16 {
        let known = try devices(connection)
        if let ordinal = known.first(where: { $0.value == device })?.key { return ordinal }
        guard let next = UInt16(exactly: known.count), known[next] == nil else {
            throw corrupt("its list of devices has gaps")
        }
        try connection.statement("INSERT INTO devices (ordinal, id) VALUES (?, ?)")
            .bind(1, Int64(next)).bind(2, bytes(of: device)).run()
        return next
    }

    static func bytes<Tag>(of identifier: Identifier<Tag>) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(identifier)
        return writer.bytes
    }

    private static func blocks(_ statement: Statement, _ connection: Connection) throws(StoreError) -> [IndexedBlock] {
        let devices = try devices(connection)
        var result: [IndexedBlock] = []
        while try statement.step() { result.append(try block(statement, devices)) }
        return result
    }

    /// What the CRC of a block's row covers beside its value.
    private static func context(_ name: BlockName) -> CRC32C {
        var writer = ByteWriter()
        writer.append(name)
        var checksum = CRC32C()
        checksum.update(writer.bytes)
        return checksum
    }

    static func value(of block: IndexedBlock, _ connection: Connection) throws(StoreError) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(block.commit)
        writer.append(block.profile.encoded)
        writer.append(block.profileRecord)
        writer.append(UInt8(block.columnCount))
        writer.append(UInt8(block.firstColumn))
        writer.append(UInt8(block.leastShards))
        writer.append(UInt8(block.isUnknown ? 1 : 0))
        writer.append(UInt32(block.shardPayloadBytes))
        writer.append(block.payloadBytes)
        writer.append(block.verifiedSeconds)
        writer.append(UInt16(block.shards.count))
        for (row, device) in block.shards.sorted(by: { $0.key < $1.key }) {
            writer.append(row.encoded)
            writer.append(try ordinal(of: device, connection))
            writer.append(UInt16(block.damaged.contains(row) ? 1 : 0))
        }
        return encode(writer.bytes, context: context(block.name))
    }

    private static func block(_ statement: Statement, _ devices: [UInt16: DeviceID]) throws(StoreError) -> IndexedBlock
    {
        let ref = BlockRef(row: statement.integer(0))
        let name = try blockName(statement.integer(1), statement.bytes(2))
        return try decode(statement.bytes(3), context: context(name), "a block's row") { cursor throws(FormatError) in
            let commit = try cursor.next(CommitNumber.self, "commit")
            let profile = try cursor.nextProfile()
            let profileRecord = try cursor.nextIdentity()
            let columnCount = Int(try cursor.next(UInt8.self, "columns"))
            let firstColumn = Int(try cursor.next(UInt8.self, "columns"))
            let leastShards = Int(try cursor.next(UInt8.self, "least shards"))
            let isUnknown = try cursor.next(UInt8.self, "flags") != 0
            let shardPayloadBytes = try cursor.nextCount("payload", maximum: Limits.shardPayloadBytes)
            let payloadBytes = try cursor.next(UInt64.self, "payload")
            let verifiedSeconds = try cursor.next(UInt64.self, "verified")
            guard columnCount >= 1, firstColumn + columnCount <= CodingMatrix.dataColumns else {
                throw .invalid("columns")
            }
            var shards: [Row: DeviceID] = [:]
            var damaged: Set<Row> = []
            for _ in 0..<(try cursor.next(UInt16.self, "shards")) {
                let fields = try cursor.next(bytes: 4, "row")
                let ordinal = try cursor.next(UInt16.self, "device")
                let flags = try cursor.next(UInt16.self, "flags")
                guard let row = Row(kind: fields[0], index: fields[1], first: fields[2], end: fields[3]),
                    let device = devices[ordinal]
                else { throw .invalid("shard") }
                shards[row] = device
                if flags & 1 != 0 { damaged.insert(row) }
            }
            return IndexedBlock(
                ref: ref, name: name, commit: commit, profile: profile, profileRecord: profileRecord,
                columnCount: columnCount,
                firstColumn: firstColumn, shardPayloadBytes: shardPayloadBytes, payloadBytes: payloadBytes,
                leastShards: leastShards, isUnknown: isUnknown, shards: shards, damaged: damaged,
                verifiedSeconds: verifiedSeconds)
        }
    }
}
