import Erasure

/// Decides what is to be repaired of a block, and where it goes; `BlockRepair` does it.
struct BlockRepairer {
    private let engine: Engine
    /// Devices that are not in service and will be: a look ahead counts on them.
    private let expected: Set<DeviceID>

    init(_ engine: Engine, expecting expected: Set<DeviceID> = []) {
        self.engine = engine
        self.expected = expected
    }

    /// Repairs one block on the calling thread, which may be a lane's: nothing is waited for. Under the writer lock.
    ///
    /// - Parameter preferring: where rows should go, if that may be.
    func repair(_ block: IndexedBlock, preferring preferred: [Row: DeviceID] = [:]) -> BlockRepair.Outcome {
        let repair = BlockRepair(
            engine, block, BlockRepair.Memory(engine), on: InlineExecutor(), preferring: preferred)
        repair.start()
        return repair.outcome
    }

    /// What is missing of `block`, given what is known and what a look at the devices shows.
    func missingRows(of block: IndexedBlock) -> [Row] {
        if Mutant.isActive(.missingRowOverlooked) { return block.damaged.sorted() }
        let counted = presentRows(of: block)
        return block.profile.rows.filter { counted[$0] == nil }
    }

    /// Rows that are there and count, with their devices.
    func presentRows(of block: IndexedBlock) -> [Row: DeviceID] {
        let present = block.profile.rows.reduce(into: [Row: DeviceID]()) { present, row in
            guard !block.damaged.contains(row), let id = block.shards[row] else { return }
            if has(ShardName(block.name, row), id) { present[row] = id }
        }
        return Protection.onDistinctDevices(present)
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
    func elsewhere(_ missing: [Row], of block: IndexedBlock) -> [Row: DeviceID] {
        var taken = holders(of: block, but: missing)
        var found: [Row: DeviceID] = [:]
        for row in missing {
            let shard = ShardName(block.name, row)
            for id in engine.devices.inService where id != block.shards[row] && !taken.contains(id) && has(shard, id) {
                guard let device = engine.devices.device(id),
                    ShardReader.isSound(shard, on: device, storeID: engine.storeID)
                else { continue }
                found[row] = id
                taken.insert(id)
                break
            }
        }
        return found
    }

    /// Where each missing row goes: back where it was when that device is in service, else to one that
    /// holds no shard of the block.
    func place(
        _ missing: [Row], of block: IndexedBlock, preferring preferred: [Row: DeviceID] = [:]
    ) -> [Row: DeviceID] {
        var places: [Row: DeviceID] = [:]
        var taken = holders(of: block, but: missing)
        let candidates = engine.devices.candidates(expecting: expected)
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

/// Whole blocks, for who changes their code.
extension BlockRepairer {
    /// Reads all data, rebuilt where needed, and proves it by the chunks' checksums. When cells agree and
    /// chunks do not, sources are excluded one by one.
    func load(
        _ block: IndexedBlock, _ head: ShardHead, into payload: UnsafeMutableRawBufferPointer
    ) throws(StoreError) {
        var suspects: [Set<Row>] = [[]]
        if block.profile.tolerance >= 1 { suspects += block.profile.rows.map { [$0] } }
        for excluded in suspects {
            var reader = BlockReader(engine, block, excluding: excluded, from: .passing)
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
}
