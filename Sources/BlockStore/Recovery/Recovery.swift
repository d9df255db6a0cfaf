import Chunker
import Erasure

/// Brings the index level with the shards: finds the commits beyond what it knows, judges them, folds
/// the accepted ones (docs/architecture.md, "Recovery"). Runs under the
/// writer lock, or on an index in memory.
struct Recovery {
    struct Result {
        var state: IndexState
        var highestBlock: BlockNumber
        var highestEpoch: UInt64
        /// The head and epoch were found as this home left them, on every device in service.
        var isUnchanged: Bool
        /// There was an index, and the shards agreed with it: no commit can hide on absent devices alone.
        var hadIndex = false
        var doubtful: [CommitSummary] = []
        var bypassed: [CommitSummary] = []
        /// A void commit was found that nothing bypasses yet: who sees other devices may judge it otherwise.
        var hasUndecided = false
        /// Commits whose records are lost.
        var missing: [String] = []
        var foldedCommits = 0
        /// Devices that do not hold what the index puts there.
        var rolledBack: [DeviceID] = []
    }

    let devices: DeviceSet
    let storeID: StoreID
    let index: Index
    var progress: ProgressHandler?

    /// - Throws: `.indexDamaged` when the index is of another history than the shards: it must be rebuilt.
    func run() throws(StoreError) -> Result {
        let hadIndex = try index.state() != nil
        var result = try catchUp(listingWhole: [])
        result.hadIndex = hadIndex
        // Only now: what the index expected before may have been collected.
        let rolledBack = try hadIndex ? findRolledBack() : []
        guard !rolledBack.isEmpty else { return result }
        let whole = try catchUp(listingWhole: Set(rolledBack))
        result.state = whole.state
        result.highestBlock = max(result.highestBlock, whole.highestBlock)
        result.highestEpoch = max(result.highestEpoch, whole.highestEpoch)
        result.doubtful += whole.doubtful.filter { !result.doubtful.contains($0) }
        result.bypassed += whole.bypassed.filter { !result.bypassed.contains($0) }
        result.hasUndecided = result.hasUndecided || whole.hasUndecided
        result.missing += whole.missing
        result.foldedCommits += whole.foldedCommits
        result.rolledBack = rolledBack
        result.isUnchanged = false
        return result
    }

    /// Finds, judges and folds what lies beyond the index.
    private func catchUp(listingWhole: Set<DeviceID>) throws(StoreError) -> Result {
        let known = try index.state()
        let root = known?.head ?? .none
        let epochs = readEpochs()
        let survey = try surveyDevices(known, listingWhole: listingWhole)
        if let newer = survey.unsupported { throw newer }
        if let known { try requireSameHistory(known, survey) }
        let graph = CommitGraph(
            root: root, nodes: survey.commits, evidence: survey, retired: known?.retired,
            inService: Set(devices.inService))
        let outcome = graph.resolve()
        var state = known
        var result = Result(
            state: try fold(outcome.chain, survey, &state, root), highestBlock: highest(survey, known),
            highestEpoch: highestEpoch(epochs, survey, known), isUnchanged: false)
        if known != nil { try locateNewRows(outcome.chain, survey) }
        result.foldedCommits = outcome.chain.count
        result.doubtful = outcome.doubtful.map { CommitSummary($0, survey) }
        result.bypassed = try outcome.bypassed.map(offChainSummary(survey)).compactMap { $0 }
        result.hasUndecided = outcome.offChain.contains { $0.record.number > result.state.head.number }
        result.missing = outcome.chain.compactMap {
            if case .missing(let number, let block) = $0 { return "commit \(number), block \(block)" }
            return nil
        }
        result.isUnchanged =
            survey.blocks.isEmpty && survey.unreadable.isEmpty
            && epochs.allSatisfy { $0.value == result.state.epoch }
        return result
    }

    /// Each device in service with the epoch it holds; nil where it holds none that can be read.
    private func readEpochs() -> [DeviceID: Epoch?] {
        var epochs: [DeviceID: Epoch?] = [:]
        let answers = devices.ask(failing: false) { _, device throws(StoreError) in
            try device.readDocument(.epoch).map { bytes throws(StoreError) in
                try EpochDocument.parse(bytes, at: device.place)
            }
        }
        for (id, answer) in answers { epochs[id] = .some((try? answer.get())?.epoch) }
        return epochs
    }

    /// Devices on which the newest shard that the index puts there is not: everything they should hold
    /// is compared with what they do.
    private func findRolledBack() throws(StoreError) -> [DeviceID] {
        var result: [DeviceID] = []
        if Mutant.isActive(.indexTrustedWithoutShard) { return result }
        var newest: [DeviceID: ShardName] = [:]
        for id in devices.inService {
            newest[id] = try index.newestBlock(on: id).map { ShardName($0.block.name, $0.row) }
        }
        let answers = devices.ask(failing: false) { [newest] id, device throws(StoreError) in
            try newest[id].map { shard throws(StoreError) in try device.byteCount(of: shard) != nil } ?? true
        }
        // Unreadable is not absent.
        for case (let id, .success(false)) in answers { result.append(id) }
        for id in result { try compareWhole(id) }
        return result.filter { devices.device($0) != nil }
    }

    private func compareWhole(_ id: DeviceID) throws(StoreError) {
        guard let device = devices.device(id) else { return }
        let found: Set<ShardName>
        do throws(StoreError) {
            found = Set(try device.shards(from: .none))
        } catch {
            return devices.fail(id, error)
        }
        var last: BlockName?
        while true {
            let page = try index.blocks(after: last, limit: 1000)
            guard let end = page.last else { return }
            last = end.name
            var marks: [(BlockRef, Row)] = []
            for block in page {
                for (row, place) in block.shards where place == id && !found.contains(ShardName(block.name, row)) {
                    // A listing may lack something, that of a node above all: absent is what is asked for by name and is not there.
                    if isAbsent(ShardName(block.name, row), on: device) { marks.append((block.ref, row)) }
                }
            }
            if !marks.isEmpty { try index.markDamaged(marks) }
        }
    }

    private func isAbsent(_ shard: ShardName, on device: any Device) -> Bool {
        do throws(StoreError) {
            return try device.byteCount(of: shard) == nil
        } catch {
            // Unreadable is not absent.
            return false
        }
    }

    /// Lists every device from where it was last in service and reads what is new there.
    private func surveyDevices(
        _ known: IndexState?, listingWhole: Set<DeviceID>
    ) throws(StoreError) -> BlockSurvey {
        var listing: [(ShardName, DeviceID)] = []
        let lists = devices.ask { id, device throws(StoreError) in
            let seen = listingWhole.contains(id) ? .none : known?.lastInService[id] ?? .none
            return try device.shards(from: seen.next)
        }
        for case (let id, .success(let shards)) in lists { listing += shards.map { ($0, id) } }
        if let retired = known?.retired {
            // Left behind where a device was away, or a collection was cut off: it contributes nothing.
            listing.removeAll { shard, _ in retired.holds(shard) }
        }
        if let known {
            // What the index knows needs no reading, whatever rows there are of it; a block that only has a known number is
            // read.
            let expected = try knownBlocks(among: listing, upTo: known.highestBlock)
            if let (shard, _) = listing.first(where: { expected[ShardName.Block($0.0)]?.isUnknown == true }) {
                throw Index.corrupt("block \(shard.number) was nowhere to be found and is here again")
            }
            try noteFound(listing, expected)
            listing.removeAll { expected[ShardName.Block($0.0)] != nil }
        }
        let survey = BlockSurvey(devices: devices, storeID: storeID)
        let progress = self.progress
        survey.add(listing) { done, total in
            if done % 64 == 0 || done == total {
                progress?(Progress(phase: "reading blocks", doneItems: done, totalItems: total))
            }
        }
        survey.addUnlisted(above: known?.head.block.number ?? .none, retired: known?.retired)
        return survey
    }

    /// What the index knows of the blocks from the lowest in `listing` on; nothing where the devices have nothing new.
    private func knownBlocks(
        among listing: [(ShardName, DeviceID)], upTo highest: BlockNumber
    ) throws(StoreError) -> [ShardName.Block: IndexedBlock] {
        guard let lowest = listing.map(\.0.number).min(), lowest <= highest else { return [:] }
        var known: [ShardName.Block: IndexedBlock] = [:]
        var last: BlockName? = BlockName(number: lowest, id: BlockID(high: 0, low: 0))
        while true {
            let page = try index.blocks(after: last, limit: 1000)
            guard let end = page.last else { return known }
            last = end.name
            for block in page { known[ShardName.Block(block.name)] = block }
        }
    }

    /// Rows of known blocks that were nowhere when the index was made, because their device was away. Beside another row of its
    /// block a row of the profile is of no use; one that is in no profile is remembered for the reshape that left it.
    private func noteFound(
        _ listing: [(ShardName, DeviceID)], _ known: [ShardName.Block: IndexedBlock]
    ) throws(StoreError) {
        let found = listing.compactMap { shard, id -> (BlockRef, Row, DeviceID)? in
            guard let block = known[ShardName.Block(shard)], block.shards[shard.row] == nil,
                !block.shards.values.contains(id) || !block.profile.rows.contains(shard.row)
            else { return nil }
            return (block.ref, shard.row, id)
        }
        if !found.isEmpty { try index.setShards(found) }
    }

    /// Looks for the rows that profile records of these commits ask for: who committed them had made the rows, and his index
    /// knew where.
    private func locateNewRows(_ chain: [CommitGraph.Step], _ survey: BlockSurvey) throws(StoreError) {
        for case .commit(let node) in chain {
            for block in node.record.blocks {
                for record in survey.blocks[block.name]?.records ?? [] {
                    if case .profile(let profile) = record.record {
                        try locateRows(from: profile.first, to: profile.last)
                    }
                }
            }
        }
    }

    private func locateRows(from first: BlockNumber, to last: BlockNumber) throws(StoreError) {
        var after: BlockName? = BlockName(number: first, id: BlockID(high: 0, low: 0))
        while true {
            let page = try index.blocks(after: after, limit: 1000)
            guard let end = page.last, let begin = page.first, begin.name.number <= last else { return }
            after = end.name
            var found: [(BlockRef, Row, DeviceID)] = []
            for block in page where block.name.number <= last {
                let rows = Set(block.profile.rows)
                var taken = Set(block.shards.filter { rows.contains($0.key) }.values)
                for row in rows.sorted() where block.shards[row] == nil {
                    let shard = ShardName(block.name, row)
                    let holders = devices.inService.filter { id in
                        devices.device(id).map { Engine.has($0, shard) } ?? false
                    }
                    guard let id = holders.first(where: { !taken.contains($0) }) ?? holders.first else { continue }
                    taken.insert(id)
                    found.append((block.ref, row, id))
                }
            }
            if !found.isEmpty { try index.setShards(found) }
        }
    }

    /// Doubt about the index: its head stands nowhere although its devices are here, or commits of a
    /// later epoch do not descend from it.
    private func requireSameHistory(_ known: IndexState, _ survey: BlockSurvey) throws(StoreError) {
        if Mutant.isActive(.indexTrustedWithoutShard) { return }
        if let block = try index.block(named: known.head.block) {
            let here = block.shards.filter { devices.device($0.value) != nil }.sorted { $0.key < $1.key }
            let found = here.filter { row, id in
                let count = try? devices.device(id)?.byteCount(of: ShardName(block.name, row))
                return count ?? nil != nil
            }
            // Another home may have gone on, and collected it.
            let isCollected = survey.commits.contains { $0.retired?.redundancy(of: known.head.number) != nil }
            if !isCollected, !here.isEmpty, found.isEmpty, here.count > block.profile.tolerance {
                throw Index.corrupt("its newest commit, \(known.head.number), stands on no device")
            }
        }
        let later = survey.commits.filter {
            $0.record.epoch.counter > known.epoch.counter && $0.record.number <= known.head.number
        }
        if let other = later.first {
            throw Index.corrupt("commit \(other.record.number) of a later epoch bypasses what it holds")
        }
        let graph = CommitGraph(
            root: known.head, nodes: survey.commits, evidence: survey, retired: known.retired,
            inService: Set(devices.inService))
        let newer = survey.commits.filter {
            $0.record.number > known.head.number && $0.record.epoch.counter >= known.epoch.counter
        }
        let descendants = graph.reachingRoot(newer)
        if let stray = newer.first(where: { !descendants.contains($0.block) }) {
            throw Index.corrupt("commit \(stray.record.number) does not descend from its newest")
        }
    }

    /// Folds the chain into the index.
    private func fold(
        _ chain: [CommitGraph.Step], _ survey: BlockSurvey, _ state: inout IndexState?, _ root: CommitHead
    ) throws(StoreError) -> IndexState {
        guard state == nil else {
            return try fold(chain, survey, &state, root) { commits, state throws(StoreError) in
                try index.apply(commits, state: state)
            }
        }
        return try index.fill { filling throws(StoreError) in
            try fold(chain, survey, &state, root) { commits, state throws(StoreError) in
                try filling.apply(commits, state: state)
            }
        }
    }

    private func fold(
        _ chain: [CommitGraph.Step], _ survey: BlockSurvey, _ state: inout IndexState?, _ root: CommitHead,
        apply: ([AcceptedCommit], IndexState) throws(StoreError) -> Void
    ) throws(StoreError) -> IndexState {
        var batch: [AcceptedCommit] = []
        var batchBytes = 0
        let retired = chain.reversed().lazy.compactMap { step in
            if case .commit(let node) = step { node.retired } else { nil }
        }.first
        for (position, step) in chain.enumerated() {
            guard case .commit(let node) = step else { continue }
            let commit = try accepted(node, survey, without: retired)
            for block in commit.blocks {
                for record in block.contents?.records ?? [] {
                    switch record.record {
                    case .configuration(let configuration):
                        if state == nil {
                            state = IndexState(
                                head: root, epoch: node.record.epoch, configuration: configuration, retired: .none,
                                highestBlock: .none, lastInService: [:])
                        }
                        state?.configuration = configuration
                    case .retired(let retired): state?.retired = retired
                    default: break
                    }
                }
            }
            batch.append(commit)
            batchBytes += node.record.blocks.reduce(0) {
                $0 + (survey.blocks[$1.name]?.header?.tableOfContentsBytes ?? 0)
            }
            state?.head = CommitHead(number: node.record.number, block: node.block)
            state?.epoch = node.record.epoch
            for block in commit.blocks {
                let highest = max(state?.highestBlock ?? .none, block.name.number)
                state?.highestBlock = highest
            }
            if batch.count == 64 || batchBytes >= Limits.foldedContentsBytes, let state {
                try apply(batch, state)
                batch = []
                batchBytes = 0
                progress?(Progress(phase: "folding commits", doneItems: position + 1, totalItems: chain.count))
            }
        }
        guard var final = state else {
            throw StoreError(
                .notFound, "open the store",
                detail: "no commit was found on the \(Count.text(devices.inService.count, "device")) in service",
                advice: "bring more devices back, or run bsctl init again if it was interrupted")
        }
        let seen = Mutant.isActive(.absentTakenForPresent) ? devices.order : devices.inService
        for id in seen { final.lastInService[id] = final.highestBlock }
        if !batch.isEmpty || final != state { try apply(batch, final) }
        state = final
        return final
    }

    /// What a commit adds, without the blocks that a later one retired.
    private func accepted(
        _ node: CommitGraph.Node, _ survey: BlockSurvey, without retired: RetiredRecord?
    ) throws(StoreError) -> AcceptedCommit {
        var blocks: [AcceptedBlock] = []
        for block in node.record.blocks where retired?.holds(block.name) != true {
            let found = survey.blocks[block.name]
            blocks.append(
                AcceptedBlock(
                    name: block.name, profile: block.profile,
                    columnCount: found?.header?.columnCount ?? block.profile.dataShards,
                    firstColumn: found?.header?.firstColumn ?? 0, shardPayloadBytes: found?.header?.payloadBytes ?? 0,
                    payloadBytes: found?.payloadBytes ?? 0, leastShards: Int(block.leastShards),
                    shards: found?.named ?? [:], contents: try survey.contents(of: block.name)))
        }
        return AcceptedCommit(record: node.record, blocks: blocks)
    }

    /// A commit off the chain that the index does not hold either.
    private func offChainSummary(
        _ survey: BlockSurvey
    ) -> (CommitGraph.Node) throws(StoreError) -> CommitSummary? {
        { node throws(StoreError) in
            try index.commitBlock(node.record.number) == node.block ? nil : CommitSummary(node, survey)
        }
    }

    private func highest(_ survey: BlockSurvey, _ known: IndexState?) -> BlockNumber {
        max(survey.blocks.keys.map(\.number).max() ?? .none, known?.highestBlock ?? .none)
    }

    private func highestEpoch(
        _ epochs: [DeviceID: Epoch?], _ survey: BlockSurvey, _ known: IndexState?
    ) -> UInt64 {
        max(
            epochs.values.compactMap { $0?.counter }.max() ?? 0, survey.commits.map(\.record.epoch.counter).max() ?? 0,
            known?.epoch.counter ?? 0)
    }
}

/// A commit that is not on the chain, for people: its keys.
public struct CommitSummary: Sendable, Hashable {
    public let number: UInt64
    /// Keys it would have put or deleted, in order.
    public let keys: [Key]

    init(_ node: CommitGraph.Node, _ survey: BlockSurvey) {
        number = node.record.number.value
        var keys: Set<Key> = []
        for block in node.record.blocks {
            // Who cannot be asked any more is left out: this is for people.
            for record in (try? survey.contents(of: block.name))?.records ?? [] {
                // A collection's commit also carries what others said.
                guard record.identity.commit == node.record.number else { continue }
                switch record.record {
                case .put(let put): keys.insert(put.key)
                case .delete(let delete): keys.insert(delete.key)
                case .purge(let purge): keys.insert(purge.key)
                default: break
                }
            }
        }
        self.keys = keys.sorted()
    }
}
