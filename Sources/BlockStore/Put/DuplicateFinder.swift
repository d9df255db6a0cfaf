import Chunker
import Erasure

/// Decides whether a chunk is stored already, well enough to count (design law 2): in a committed block
/// whose sound rows on devices in service survive at least the losses that this put must survive.
///
/// Any thread.
final class DuplicateFinder: Sendable {
    private let engine: Engine
    /// What a chunk of a put must survive not to be stored again.
    private let requiredLosses: Int
    /// What is acknowledged must survive, owing what is more.
    private let leastLosses: Int
    private struct Known: Sendable {
        var survived: [BlockRef: Int] = [:]
        /// Shards that these blocks should have and do not.
        var lacking: [BlockRef: Int] = [:]
        var devices: [DeviceID] = []
        /// A block that counts and does not have all its shards: the put owes them too.
        var owedShards: [BlockRef: Int] = [:]
        var survival = SurvivalTable()
    }
    private let known: Monitor<Known>

    /// - Parameters:
    ///   - profile: of the blocks that the put makes.
    ///   - minimumShards: what the put asks for beyond the usual.
    init(_ engine: Engine, profile: Profile, minimumShards: Int?) {
        self.engine = engine
        func losses(with shards: Int) -> Int {
            Erasure.lossesSurvived(profile.rows.prefix(shards), columns: profile.columns)
        }
        // At least one more loss, as the promise says.
        leastLosses = max(1, losses(with: minimumShards ?? 0))
        // What a new block would survive now.
        requiredLosses = max(leastLosses, losses(with: engine.devices.candidates.count))
        known = Monitor(Known())
    }

    /// Shards that blocks shared by deduplication should have and do not.
    var owedShards: Int { known.withLock { $0.owedShards.values.reduce(0, +) } }

    /// Whether a put may rest on the chunk as it is stored.
    func isHit(_ digest: Digest) throws(StoreError) -> Bool {
        for place in try engine.index.places(of: digest) where try counts(place.block, requiredLosses) { return true }
        return false
    }

    /// The same for many chunks, with one look at the index.
    func areHits(_ digests: [Digest]) throws(StoreError) -> [Bool] {
        var hits = [Bool](repeating: false, count: digests.count)
        let places = try engine.index.numberedPlaces(of: digests)
        let survived = try lossesSurvived(Set(places.map(\.block)))
        for place in places where !hits[place.position] {
            hits[place.position] = counts(place.block, survived[place.block], requiredLosses)
        }
        return hits
    }

    /// Where the chunk is stored too weakly for anything new to rest on it.
    struct Weakness {
        /// The block that survives most; nil when the chunk is in none.
        let block: BlockName?
        /// −1 when it cannot be read.
        let survivedLosses: Int
        let leastLosses: Int
    }

    /// Nil when a version may be acknowledged that rests on the chunk and has no bytes to store it again. One that survives
    /// less than a new block would, but as much as an acknowledged one must, is owed the rest.
    func weakness(of digest: Digest) throws(StoreError) -> Weakness? {
        if try isHit(digest) { return nil }
        let places = try engine.index.places(of: digest)
        for place in places where try counts(place.block, leastLosses) { return nil }
        var best = Weakness(block: nil, survivedLosses: -1, leastLosses: leastLosses)
        for place in places {
            guard let survived = try lossesSurvived(place.block), best.block == nil || survived > best.survivedLosses
            else {
                continue
            }
            best = Weakness(
                block: try engine.index.block(place.block)?.name, survivedLosses: survived, leastLosses: leastLosses)
        }
        return best
    }

    /// Whether a block survives so many losses; if so, what it lacks is owed.
    private func counts(_ ref: BlockRef, _ losses: Int) throws(StoreError) -> Bool {
        counts(ref, try lossesSurvived(ref), losses)
    }

    private func counts(_ ref: BlockRef, _ survived: Int?, _ losses: Int) -> Bool {
        guard let survived else { return false }
        let isEnough = survived >= losses || Mutant.isActive(.duplicateUnprotected)
        if isEnough {
            known.withLock { known in
                if let owed = known.lacking[ref], owed > 0 { known.owedShards[ref] = owed }
            }
        }
        return isEnough
    }

    /// How many losses the block survives, with its sound rows on devices in service; nil for no block of ours.
    private func lossesSurvived(_ ref: BlockRef) throws(StoreError) -> Int? { try lossesSurvived([ref])[ref] }

    /// The same for many blocks, with one look at the index for those that were not asked for before.
    private func lossesSurvived(_ refs: Set<BlockRef>) throws(StoreError) -> [BlockRef: Int] {
        let devices = engine.devices.inService
        var survived: [BlockRef: Int] = known.withLock { known in
            if known.devices != devices {
                known.survived = [:]
                known.devices = devices
            }
            return refs.reduce(into: [:]) { $0[$1] = known.survived[$1] }
        }
        guard survived.count < refs.count else { return survived }
        for block in try engine.index.blocks(refs.filter { survived[$0] == nil }) {
            let rows = engine.soundRows(of: block)
            survived[block.ref] = known.withLock { known in
                let found = known.survival.lossesSurvived(
                    rows, columns: block.columns, payloadBytes: block.shardPayloadBytes)
                known.survived[block.ref] = found
                known.lacking[block.ref] = block.profile.shardCount - rows.count
                return found
            }
        }
        return survived
    }
}
