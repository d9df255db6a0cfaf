import Chunker
import Erasure

/// Blocks found on the devices beyond what the index knows, and what they say of blocks and commits.
///
/// Contents are read twice: once to see what there is, and again block by block when it is folded. So a survey of a whole store
/// has a few hundred bytes a block in memory, however many chunks and keys there are.
///
/// Use from one thread.
final class BlockSurvey: CommitEvidence {
    /// What was found of one block.
    struct Found {
        /// Where each row's name was found, valid or not.
        var named: [Row: DeviceID] = [:]
        /// Everywhere that it was.
        var places: [Row: [DeviceID]] = [:]
        /// From any valid shard; nil when there is none.
        var header: ShardHeader?
        /// Payload bytes in use.
        var payloadBytes: UInt64 = 0
        /// The records that say nothing of keys.
        var records: [IdentifiedRecord] = []
    }

    private let devices: DeviceSet
    private let storeID: StoreID
    private(set) var blocks: [BlockName: Found] = [:]
    /// Shards that carry a name and nothing readable, in blocks where no shard is readable.
    private(set) var unreadable: [ShardName: DeviceID] = [:]
    /// A block of which every shard that can be read at all was written by a newer version. What it means for the others
    /// cannot be told.
    private(set) var unsupported: StoreError?
    private var readable: [BlockName: Bool] = [:]

    init(devices: DeviceSet, storeID: StoreID) {
        self.devices = devices
        self.storeID = storeID
    }

    /// Reads header and contents of every block among `listing`, from the first shard that is sound.
    func add(_ listing: [(ShardName, DeviceID)], progress: (Int, Int) -> Void = { _, _ in }) {
        let groups = Dictionary(grouping: listing) { ShardName.Block($0.0) }
        var done = 0
        for (_, shards) in groups.sorted(by: { $0.key < $1.key }) {
            add(group: shards.sorted { ($0.0, $0.1) < ($1.0, $1.1) })
            done += 1
            progress(done, groups.count)
        }
    }

    private func add(group: [(ShardName, DeviceID)]) {
        var found = Found()
        var newer: StoreError?
        found.places = Dictionary(grouping: group, by: \.0.row).mapValues { $0.map(\.1) }
        found.named = Protection.distinctPlaces(found.places)
        for (shard, id) in group {
            guard found.header == nil, let device = devices.readable(id) else { continue }
            do throws(StoreError) {
                let head = try ShardReader.head(of: shard, on: device, storeID: storeID)
                found.header = head.header
                found.payloadBytes = head.contents.payloadBytes
                found.records = head.contents.records.filter(Self.isOfCommits)
            } catch {
                if error.code == .unsupported { newer = newer ?? error }
                // Another shard of the block carries the same contents.
                continue
            }
        }
        // On one device alone, with nobody away, it was never acknowledged.
        let mayCount = Set(group.map(\.1)).count > 1 || !devices.outOfService.isEmpty
        if found.header == nil, mayCount, let newer { unsupported = unsupported ?? newer }
        if let header = found.header {
            blocks[header.block] = found
        } else {
            for (shard, id) in group { unreadable[shard] = id }
        }
    }

    /// Looks by name for what the commits found name and the listings lack, on devices whose listings may lack something.
    ///
    /// - Complexity: a look-up for each such row on each such device. A whole store costs none.
    func addUnlisted(above root: BlockNumber, retired: RetiredRecord?) {
        let unsure = devices.inService.filter { devices.device($0)?.listsEverything == false }
        guard !unsure.isEmpty, !Mutant.isActive(.listingBelieved) else { return }
        var looked: Set<BlockName> = []
        // What is found may be a commit, which names others.
        while true {
            var found: [(ShardName, DeviceID)] = []
            let newest = ([retired] + commits.map(\.retired)).compactMap(\.self)
            for commit in commits.map(\.record) {
                var blocks = commit.blocks.map { ($0.name, $0.profile) }
                if let previous = commit.previous, let profile = commit.blocks.last?.profile {
                    blocks.append((previous, profile))
                }
                for (block, profile) in blocks where block.number > root && looked.insert(block).inserted {
                    if newest.contains(where: { $0.holds(block) }) { continue }
                    let named = namedRows(of: block)
                    let lacking = profile.rows.filter { !named.contains($0) }
                    found += unlisted(lacking.map { ShardName(block, $0) }, of: block, on: unsure)
                }
            }
            if found.isEmpty { return }
            for (_, shards) in Dictionary(grouping: found, by: { ShardName.Block($0.0) }).sorted(by: { $0.key < $1.key }
            ) {
                addAgain(with: shards)
            }
        }
    }

    private func unlisted(
        _ names: [ShardName], of block: BlockName, on unsure: [DeviceID]
    ) -> [(ShardName, DeviceID)] {
        let holders = Set((blocks[block]?.places.values).map { $0.flatMap(\.self) } ?? [])
        return unsure.filter { !holders.contains($0) }.flatMap { id in
            names.filter { name in devices.device(id).map { Engine.has($0, name) } ?? false }.map { ($0, id) }
        }
    }

    /// Reads a block anew of which more was found.
    private func addAgain(with shards: [(ShardName, DeviceID)]) {
        guard let (shard, _) = shards.first else { return }
        var group = shards
        for (name, found) in blocks where ShardName.Block(name) == ShardName.Block(shard) {
            for (row, places) in found.places { group += places.map { (ShardName(name, row), $0) } }
        }
        for (other, id) in unreadable where ShardName.Block(other) == ShardName.Block(shard) {
            group.append((other, id))
            unreadable[other] = nil
        }
        add(group: group.sorted { ($0.0, $0.1) < ($1.0, $1.1) })
    }

    private static func isOfCommits(_ record: IdentifiedRecord) -> Bool {
        switch record.record {
        case .put, .delete, .purge: false
        case .profile, .configuration, .retired, .commit: true
        }
    }

    /// What a block contains, read anew; nil when none of its shards could be read before.
    ///
    /// - Throws: when now none can be. It is not known then what the commit says, and it must not be taken for a block that
    ///   was nowhere.
    func contents(of block: BlockName) throws(StoreError) -> TableOfContents? {
        guard let found = blocks[block], let header = found.header else { return nil }
        var problem: StoreError?
        for (row, places) in found.places.sorted(by: { $0.key < $1.key }) {
            for id in places.sorted() {
                guard let device = devices.readable(id) else { continue }
                do throws(StoreError) {
                    let head = try ShardReader.head(of: ShardName(block, row), on: device, storeID: storeID)
                    // Another block may have the same name as far as a file shows it.
                    if head.header.tableOfContentsDigest == header.tableOfContentsDigest { return head.contents }
                } catch {
                    problem = error
                }
            }
        }
        throw StoreError(
            .io, "read what block \(block) contains",
            detail: "it could be read a moment ago, and now it cannot" + (problem.map { ": \($0)" } ?? ""),
            advice: "try again; see bsctl status")
    }

    /// The commits whose records were found, by their last block.
    var commits: [CommitGraph.Node] {
        blocks.compactMap { name, found in
            for record in found.records {
                // A commit record counts only in the block it names last: copies make nothing real.
                if case .commit(let commit) = record.record, commit.blocks.last?.name == name {
                    return CommitGraph.Node(record: commit, block: name, retired: retired(by: commit))
                }
            }
            return nil
        }
    }

    /// What the commit itself says is retired.
    private func retired(by commit: CommitRecord) -> RetiredRecord? {
        for block in commit.blocks.reversed() {
            for record in blocks[block.name]?.records ?? [] {
                if case .retired(let retired) = record.record, record.identity.commit == commit.number {
                    return retired
                }
            }
        }
        return nil
    }

    func namedRows(of block: BlockName) -> Set<Row> {
        if let found = blocks[block] { return Set(found.named.keys) }
        return Set(
            unreadable.keys.filter { $0.number == block.number && $0.idPrefix == block.id.prefix }.map(\.row))
    }

    func isReadable(_ block: BlockName) -> Bool {
        if let known = readable[block] { return known }
        let result = check(block)
        readable[block] = result
        return result
    }

    private func check(_ block: BlockName) -> Bool {
        guard let found = blocks[block], let header = found.header else { return false }
        let columns = header.firstColumn..<(header.firstColumn + header.columnCount)
        let sound = found.places.keys.sorted().filter { row in
            found.places[row, default: []].contains { id in
                guard let device = devices.readable(id) else { return false }
                do throws(StoreError) {
                    let name = ShardName(block, row)
                    return try ShardReader.problem(with: name, on: device, storeID: storeID, from: .cache) == nil
                } catch {
                    // A newer version wrote it: as good as whole when it comes to whether it was acknowledged.
                    return true
                }
            }
        }
        return Protection.isReadable(sound, columns: columns, payloadBytes: header.payloadBytes)
    }
}
