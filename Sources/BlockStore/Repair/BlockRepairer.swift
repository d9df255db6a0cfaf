import Erasure

/// Makes the missing and damaged shards of one block again (design law 6): every source cell is checked
/// against its own checksum and the rebuilt payload against the chunks' checksums before anything is
/// written, and what was written is read back from the medium before it counts.
///
/// Use from one thread, under the writer lock.
struct BlockRepairer {
    struct Outcome: Sendable {
        /// Shards made again and read back.
        var repaired: [(row: Row, device: DeviceID)] = []
        var writtenBytes: UInt64 = 0
        /// Rows that have no place: too few devices.
        var owed: [Row] = []
        /// Too much is gone: the block cannot be read in full.
        var isLost = false
        var errors: [String] = []
    }

    private let engine: Engine

    init(_ engine: Engine) { self.engine = engine }

    /// What is missing of `block`, given what is known and what a look at the devices shows.
    func missingRows(of block: IndexedBlock) -> [Row] {
        if Mutant.isActive(.missingRowOverlooked) { return block.damaged.sorted() }
        let present = block.profile.rows.reduce(into: [Row: DeviceID]()) { present, row in
            guard !block.damaged.contains(row), let id = block.shards[row] else { return }
            if has(ShardName(block.name, row), id) { present[row] = id }
        }
        let counted = Protection.onDistinctDevices(present)
        return block.profile.rows.filter { counted[$0] == nil }
    }

    private func has(_ shard: ShardName, _ id: DeviceID) -> Bool {
        let count = try? engine.devices.device(id)?.byteCount(of: shard)
        return count ?? nil != nil
    }

    /// Whether some missing row has a place to go.
    func canRepair(_ block: IndexedBlock) -> Bool { !place(missingRows(of: block), of: block).isEmpty }

    /// Devices with rows of the profile that are not missing.
    private func holders(of block: IndexedBlock, but missing: [Row]) -> Set<DeviceID> {
        Set(block.profile.rows.compactMap { missing.contains($0) ? nil : block.shards[$0] })
    }

    /// Sound shards of `missing` rows that are on other devices than the index knows, none of which holds another row.
    private func elsewhere(_ missing: [Row], of block: IndexedBlock) -> [Row: DeviceID] {
        var taken = holders(of: block, but: missing)
        var found: [Row: DeviceID] = [:]
        for row in missing {
            let shard = ShardName(block.name, row)
            for id in engine.devices.inService where id != block.shards[row] && !taken.contains(id) && has(shard, id) {
                guard let device = engine.devices.device(id),
                    (try? ShardReader.problem(with: shard, on: device, storeID: engine.storeID, from: .medium))
                        == .some(nil)
                else { continue }
                found[row] = id
                taken.insert(id)
                break
            }
        }
        return found
    }

    /// - Parameter preferring: where rows should go, if that may be.
    mutating func repair(_ known: IndexedBlock, preferring preferred: [Row: DeviceID] = [:]) -> Outcome {
        var outcome = Outcome()
        var block = known
        var missing = missingRows(of: block)
        do throws(StoreError) {
            let moved = elsewhere(missing, of: block)
            if !moved.isEmpty {
                try engine.index.setShards(moved.sorted { $0.key < $1.key }.map { (block.ref, $0.key, $0.value) })
            }
            block.shards.merge(moved) { $1 }
            block.damaged.subtract(moved.keys)
            missing.removeAll { moved[$0] != nil }
        } catch {
            outcome.errors.append(error.description)
        }
        let places = place(missing, of: block, preferring: preferred)
        outcome.owed = missing.filter { places[$0] == nil }
        // Nothing to read where nothing can be written.
        guard !places.isEmpty else { return outcome }
        do throws(StoreError) {
            let contents = try engine.head(of: block, to: "repair")
            let shardBytes = block.shardPayloadBytes
            let payload = shardBytes > 0 ? engine.blockBuffers.take(atLeast: shardBytes * block.columnCount) : nil
            defer { if let payload { engine.blockBuffers.give(payload) } }
            if let payload { try load(block, contents, into: payload.slice(0..<(shardBytes * block.columnCount))) }
            try write(places, of: block, contents, payload, &outcome)
        } catch {
            if error.code == .lost {
                outcome.isLost = true
                engine.remember(
                    missing.map {
                        DamagedShard(block: block.ref, name: block.name, row: $0, problem: "it is not there")
                    })
            }
            outcome.errors.append(error.description)
        }
        return outcome
    }

    /// Reads all data, rebuilt where needed, and proves it by the chunks' checksums. When cells agree and
    /// chunks do not, sources are excluded one by one.
    func load(
        _ block: IndexedBlock, _ head: ShardHead, into payload: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        var suspects: [Set<Row>] = [[]]
        if block.profile.tolerance >= 1 { suspects += block.profile.rows.map { [$0] } }
        for excluded in suspects {
            var reader = BlockReader(engine, block, excluding: excluded)
            do throws(StoreError) {
                try reader.readAll(into: payload)
            } catch {
                if excluded.isEmpty {
                    engine.remember(
                        reader.problems.map {
                            DamagedShard(block: block.ref, name: block.name, row: $0.key, problem: $0.value)
                        })
                }
                if excluded.isEmpty || error.code != .lost { throw error }
                continue
            }
            if isProved(UnsafeRawBufferPointer(payload), by: head.contents) { return }
        }
        throw StoreError(
            .lost, "repair block \(block.name)",
            detail: "its shards pass their checksums but do not yield its chunks; nothing was overwritten")
    }

    private func isProved(_ payload: UnsafeRawBufferPointer, by contents: TableOfContents) -> Bool {
        if Mutant.isActive(.repairUnproved) { return true }
        for chunk in contents.chunks {
            let end = Int(chunk.offset) + Int(chunk.storedBytes)
            guard end <= payload.count else { return false }
            let stored = UnsafeRawBufferPointer(rebasing: payload[Int(chunk.offset)..<end])
            if CRC32C.of(stored) != chunk.storedChecksum { return false }
        }
        guard contents.payloadBytes <= UInt64(payload.count) else { return false }
        // Padding is zero: a repaired shard is byte-identical.
        return payload[Int(contents.payloadBytes)...].allSatisfy { $0 == 0 }
    }

    private func write(
        _ places: [Row: DeviceID], of block: IndexedBlock, _ head: ShardHead, _ payload: Buffer?,
        _ outcome: inout Outcome
    ) throws(StoreError) {
        let shardBytes = block.shardPayloadBytes
        let rows = places.keys.sorted()
        let parityRows = rows.filter(\.isParity)
        let parity = shardBytes > 0 && !parityRows.isEmpty ? Buffer(byteCount: shardBytes * parityRows.count) : nil
        func part(_ buffer: Buffer, _ index: Int) -> UnsafeMutableRawBufferPointer {
            buffer.slice((index * shardBytes)..<((index + 1) * shardBytes))
        }
        if let payload, let parity {
            Encoder(parity: parityRows, columns: block.columns).encode(
                (0..<block.columnCount).map { part(payload, $0) }, into: parityRows.indices.map { part(parity, $0) },
                byteCount: shardBytes)
        }
        for row in rows {
            guard let id = places[row], engine.devices.device(id) != nil else {
                outcome.owed.append(row)
                continue
            }
            var bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            if let payload, case .data(let column) = row {
                bytes = UnsafeRawBufferPointer(part(payload, column - block.firstColumn))
            } else if let parity, let index = parityRows.firstIndex(of: row) {
                bytes = UnsafeRawBufferPointer(part(parity, index))
            }
            let header = ShardHeader(
                storeID: engine.storeID, block: block.name, columnCount: block.columnCount,
                firstColumn: block.firstColumn, row: row, payloadBytes: shardBytes,
                tableOfContentsBytes: head.contentsBytes.count, tableOfContentsDigest: head.header.tableOfContentsDigest
            )
            let file = ShardFile(header: header, payload: bytes, contents: head.contentsBytes)
            let name = ShardName(block.name, row)
            if let problem = engine.write(
                file, as: name, on: id, isReadBack: !Mutant.isActive(.repairNotReadBack))
            {
                outcome.errors.append(problem.description)
                outcome.owed.append(row)
                continue
            }
            outcome.repaired.append((row, id))
            outcome.writtenBytes += UInt64(ShardLayout(header).byteCount)
        }
        try engine.index.setShards(outcome.repaired.map { (block.ref, $0.row, $0.device) })
    }

    /// Where each missing row goes: back where it was when that device is in service, else to one that
    /// holds no shard of the block.
    private func place(
        _ missing: [Row], of block: IndexedBlock, preferring preferred: [Row: DeviceID] = [:]
    ) -> [Row: DeviceID] {
        var places: [Row: DeviceID] = [:]
        var taken = holders(of: block, but: missing)
        let candidates = engine.devices.candidates
        for row in missing {
            guard let id = preferred[row] ?? block.shards[row], !taken.contains(id),
                candidates.contains(where: { $0.id == id })
            else { continue }
            places[row] = id
            taken.insert(id)
        }
        let homeless = missing.filter { places[$0] == nil }
        let free = candidates.filter { !taken.contains($0.id) }
        let occupied = taken.compactMap { engine.devices[$0]?.configured.domain }
        let chosen = Placement.choose(homeless.count, for: block.name.id, among: free, occupied: occupied)
        for (row, id) in zip(homeless, chosen) { places[row] = id }
        return places
    }
}
