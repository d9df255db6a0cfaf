import Erasure

/// What a separate look at the devices says of one that was drained.
public struct DrainVerdict: Sendable {
    /// Blocks of the store, each of which was looked for on the other devices.
    public var blocks = 0
    /// Shards read back from the medium, whole where this drain moved them.
    public var readShards = 0
    /// Shards that have no sound place elsewhere yet.
    public var needed = 0
    /// Of those blocks, shards that should be on other devices and are not: owed.
    public var owed = 0
    /// The first few, in words.
    public var reasons: [String] = []

    public init() {}

    /// Nothing that the store needs is on the device, and every shard is where it can be had without it.
    public var isSafeToPull: Bool { needed == 0 && owed == 0 }
}

public struct DrainReport: Sendable {
    public let label: String
    public var moves: MoveReport
    public var verdict: DrainVerdict
}

extension Store {
    /// What `drainDevice` would do.
    public func planDrain(_ id: DeviceID) throws(StoreError) -> MovePlan {
        _ = try member(id, "drain a device")
        return try plan(.empty(id, listed: listing(of: id)), measuring: true, label: engine.devices.label)
    }

    /// Moves everything off a device, which gets no new shards any more, and then looks whether it can be pulled. Can be
    /// interrupted and run again; a device that is gone is drained as well, from the shards of the others.
    ///
    /// - Throws: `.tooFewDevices` or `.noSpace` before anything is done when the others cannot take what it has.
    public func drainDevice(_ id: DeviceID, progress: ProgressHandler? = nil) throws(StoreError) -> DrainReport {
        let member = try member(id, "drain a device")
        let label = member.configured.label
        let planned = try plan(.empty(id, listed: listing(of: id)), label: engine.devices.label)
        try requireRoom(planned, for: member)
        if member.configured.state != .draining {
            try change("drain \(label)", to: configuration(changing: id) { $0.state = .draining })
        }
        var touched: [BlockName: Set<Row>] = [:]
        let moves = try carryOut(
            .empty(id, listed: listing(of: id)), planned, "draining \(label)", progress: progress
        ) { touched[$0, default: []].formUnion($1) }
        if Mutant.isActive(.drainUnconfirmed) {
            return DrainReport(label: label, moves: moves, verdict: DrainVerdict())
        }
        return DrainReport(label: label, moves: moves, verdict: try confirmEmpty(id, touched, progress))
    }

    /// Takes a device that was being drained back into service. What was moved stays where it is.
    public func cancelDrain(_ id: DeviceID) throws(StoreError) {
        let (operation, changed) = try cancelling(id)
        try change(operation, to: changed)
    }

    /// Throws where `cancelDrain` would, and changes nothing.
    public func planCancelling(_ id: DeviceID) throws(StoreError) {
        let (operation, changed) = try cancelling(id)
        try requireChangeable(operation, to: changed)
    }

    private func cancelling(_ id: DeviceID) throws(StoreError) -> (operation: String, changed: Configuration) {
        let member = try member(id, "cancel a drain")
        let operation = "cancel the drain of \(member.configured.label)"
        guard member.configured.state == .draining else {
            throw StoreError(.invalid, operation, detail: "it is not being drained")
        }
        return (operation, configuration(changing: id) { $0.state = .inService })
    }

    /// Forgets a device for good: its id is never accepted again, whatever it holds.
    ///
    /// - Throws: `.tooFewDevices` when it is in use, or a separate look at the devices finds that something on it is needed.
    public func removeDevice(_ id: DeviceID, progress: ProgressHandler? = nil) throws(StoreError) -> DrainVerdict {
        let member = try member(id, "remove a device")
        let operation = "remove \(member.configured.label)"
        let before = configuration
        let verdict = try planRemoval(id, progress: progress)
        guard configuration == before, engine.devices[id]?.state == member.state else {
            throw StoreError(
                .locked, operation, detail: "the devices changed while they were looked at", advice: "run it again")
        }
        // Known as gone, behind the others.
        var changed = configuration
        changed.devices.removeAll { $0.id == id }
        var gone = member.configured
        gone.state = .removed
        changed.devices.append(gone)
        try change(operation, to: changed)
        tellRemoved(id, member)
        return verdict
    }

    /// Looks whether a device can be removed.
    ///
    /// - Throws: as `removeDevice`.
    public func planRemoval(_ id: DeviceID, progress: ProgressHandler? = nil) throws(StoreError) -> DrainVerdict {
        let member = try member(id, "remove a device")
        let label = member.configured.label
        let operation = "remove \(label)"
        let left = configuration.devices.filter { $0.state == .inService && $0.id != id }.count
        guard left >= configuration.profile.shardCount else {
            throw StoreError(
                .tooFewDevices, operation,
                detail: "\(Count.text(left, "device")) would be left, and \(configuration.profile) needs "
                    + "\(configuration.profile.shardCount)",
                advice: "put another in its place: bsctl device replace \(label) DIR; or add one: bsctl device add DIR")
        }
        guard member.configured.state == .draining || !member.state.isInService else {
            throw StoreError(
                .tooFewDevices, operation, detail: "it is in service",
                advice: "empty it first: bsctl device drain \(label)")
        }
        let verdict = try confirmEmpty(id, [:], progress)
        guard verdict.needed == 0 else {
            throw StoreError(
                .tooFewDevices, operation,
                detail:
                    "\(Count.text(verdict.needed, "shard")) of it \(verdict.needed == 1 ? "has" : "have") no sound place "
                    + "on other devices yet: "
                    + verdict.reasons.joined(separator: "; "),
                advice: "move them, or make them again: bsctl device drain \(label)")
        }
        return verdict
    }

    /// Whoever finds the device later reads there what became of it. It counts nowhere: that this fails costs nothing.
    private func tellRemoved(_ id: DeviceID, _ member: DeviceSet.Member) {
        guard member.state.isInService, let device = member.device else { return }
        let document = DeviceDocument(
            storeID: configuration.storeID, deviceID: id, configuration: configuration, paths: [:])
        try? device.writeDocument(.device, document.encode())
    }

    private func requireRoom(_ plan: MovePlan, for member: DeviceSet.Member) throws(StoreError) {
        let label = member.configured.label
        let others = engine.devices.candidates.filter { $0.id != member.configured.id }.count
        let profile = configuration.profile
        guard others >= profile.shardCount, plan.homeless == 0 else {
            throw StoreError(
                .tooFewDevices, "drain \(label)",
                detail: plan.homeless > 0
                    ? "\(Count.text(plan.homeless, "shard", one: "finds", many: "find")) no other device without a shard of their block"
                    : "\(Count.text(others, "other device", one: "is", many: "are")) in service, and \(profile) needs \(profile.shardCount)",
                advice: "add a device first: bsctl device add DIR; or put another in its place: "
                    + "bsctl device replace \(label) DIR")
        }
        guard plan.lackingRoom.isEmpty else {
            throw StoreError(
                .noSpace, "drain \(label)",
                detail: "too little room on " + plan.lackingRoom.joined(separator: ", "),
                advice: "add a device first: bsctl device add DIR")
        }
    }

    /// The shards found on a device; none where it cannot be asked.
    private func listing(of id: DeviceID) -> Set<ShardName> {
        guard let device = engine.devices.readable(id), let shards = try? device.shards(from: .none) else { return [] }
        return Set(shards)
    }

    /// The separate pass: lists the device anew and looks for every shard of every block on the others. Shards that the
    /// drain moved are read whole from the medium, the others of their blocks and of those that have shards left there as far as
    /// header and table of contents; all others must be there.
    private func confirmEmpty(
        _ id: DeviceID, _ moved: [BlockName: Set<Row>], _ progress: ProgressHandler?
    ) throws(StoreError) -> DrainVerdict {
        let listed = listing(of: id)
        var verdict = DrainVerdict()
        var last: BlockName?
        let total = try Int(engine.index.totals().blocks)
        while true {
            try environment.checkStop("go on reading back")
            // Read anew after each turn.
            let engine = self.engine
            let page = try engine.index.blocks(after: last, limit: 64)
            guard let end = page.last else { return verdict }
            last = end.name
            var corrections: [(BlockRef, Row, DeviceID)] = []
            for block in page {
                let found = confirm(block, without: id, listed, moved[block.name] ?? [], engine, &verdict)
                corrections += found.map { (block.ref, $0.key, $0.value) }
                verdict.blocks += 1
            }
            if access == .write, !corrections.isEmpty { try engine.index.setShards(corrections) }
            progress?(Progress(phase: "reading back", doneItems: verdict.blocks, totalItems: total))
            if access == .write { _ = try takeTurns() }
        }
    }

    /// Returns where shards were found that are not where the index has them: it may be older than the move that put them there.
    private func confirm(
        _ block: IndexedBlock, without id: DeviceID, _ listed: Set<ShardName>, _ moved: Set<Row>, _ engine: Engine,
        _ verdict: inout DrainVerdict
    ) -> [Row: DeviceID] {
        let rows = block.profile.rows
        let onIt = rows.filter { block.shards[$0] == id || listed.contains(ShardName(block.name, $0)) }
        let isRead = !moved.isEmpty || !onIt.isEmpty
        var sound: [Row: DeviceID] = [:]
        var problems: [(Row, String)] = []
        var found: [Row: DeviceID] = [:]
        func problem(of row: Row, at place: DeviceID?) -> String? {
            guard let place else { return "it is nowhere" }
            guard place != id else { return "it is here" }
            guard !block.damaged.contains(row), let device = engine.devices.device(place) else {
                return "it is damaged or its device is out of service"
            }
            if isRead { verdict.readShards += 1 }
            let shard = ShardName(block.name, row)
            let problem =
                moved.contains(row) || onIt.contains(row)
                ? Self.problem(with: shard, on: device, engine)
                : Self.problemAtFirstSight(with: shard, on: device, engine, reads: isRead)
            return problem.map { "\(engine.devices.label(place)): \($0)" }
        }
        for row in rows {
            let place = block.shards[row]
            guard let problem = problem(of: row, at: place) else {
                sound[row] = place
                continue
            }
            problems.append((row, problem))
        }
        // Where the index says may be older than where they are. Who is only away may come back with its own.
        for (row, _) in problems where block.shards[row].map({ $0 == id || engine.devices.device($0) != nil }) ?? true {
            let taken = Set(sound.values).union([id]).union([block.shards[row]].compactMap(\.self))
            guard let other = elsewhere(ShardName(block.name, row), than: taken, engine) else { continue }
            sound[row] = other
            found[row] = other
        }
        problems.removeAll { found[$0.0] != nil }
        for row in rows where sound[row] != nil && Protection.onDistinctDevices(sound)[row] == nil {
            problems.append((row, "it stands beside another shard of its block"))
        }
        for (row, problem) in problems {
            if onIt.contains(row) { verdict.needed += 1 } else { verdict.owed += 1 }
            if verdict.reasons.count < 3 { verdict.reasons.append("shard \(ShardName(block.name, row)): \(problem)") }
        }
        return found
    }

    /// A device in service on which `shard` stands whole, and none of `places`.
    private func elsewhere(_ shard: ShardName, than places: Set<DeviceID>, _ engine: Engine) -> DeviceID? {
        engine.holders(of: shard, expectedOn: nil).first { holder in
            guard !places.contains(holder), let device = engine.devices.device(holder) else { return false }
            return Self.problem(with: shard, on: device, engine) == nil
        }
    }

    private static func problem(with shard: ShardName, on device: any Device, _ engine: Engine) -> String? {
        do throws(StoreError) {
            return try ShardReader.problem(with: shard, on: device, storeID: engine.storeID, from: .medium)
        } catch {
            return error.description
        }
    }

    private static func problemAtFirstSight(
        with shard: ShardName, on device: any Device, _ engine: Engine, reads: Bool
    ) -> String? {
        do throws(StoreError) {
            if reads {
                _ = try ShardReader.head(of: shard, on: device, storeID: engine.storeID, from: .medium)
                return nil
            }
            return try device.byteCount(of: shard) == nil ? "missing" : nil
        } catch {
            return error.description
        }
    }
}
