import Chunker
import Erasure

/// Decides whether a chunk is stored already, well enough to count (design law 2): in a committed block
/// whose sound rows on devices in service survive at least the losses that this put must survive.
///
/// Any thread.
final class DuplicateFinder: Sendable {
    private let engine: Engine
    private let requiredLosses: Int
    private struct Known: Sendable {
        var verdicts: [BlockRef: Bool] = [:]
        var devices: [DeviceID] = []
        /// A block that counts and does not have all its shards: the put owes them too.
        var owedShards: [BlockRef: Int] = [:]
    }
    private let known: Monitor<Known>

    /// - Parameter minimumShards: what the put asks for beyond the usual.
    init(_ engine: Engine, minimumShards: Int?) {
        self.engine = engine
        let profile = engine.configuration.profile
        func losses(with shards: Int) -> Int { lossesSurvived(profile.rows.prefix(shards), columns: profile.columns) }
        // What a new block would survive now; at least one more loss, as the promise says.
        requiredLosses = max(1, losses(with: engine.devices.candidates.count), losses(with: minimumShards ?? 0))
        known = Monitor(Known())
    }

    /// Shards that blocks shared by deduplication should have and do not.
    var owedShards: Int { known.withLock { $0.owedShards.values.reduce(0, +) } }

    func isHit(_ digest: Digest) throws(StoreError) -> Bool {
        for place in try engine.index.places(of: digest) where try counts(place.block) { return true }
        return false
    }

    private func counts(_ ref: BlockRef) throws(StoreError) -> Bool {
        let devices = engine.devices.inService
        let verdict = known.withLock { known in
            if known.devices != devices {
                known.verdicts = [:]
                known.devices = devices
            }
            return known.verdicts[ref]
        }
        if let verdict { return verdict }
        guard let block = try engine.index.block(ref) else { return false }
        let rows = engine.soundRows(of: block)
        let survived = Protection.lossesSurvived(
            rows, columns: block.columns, payloadBytes: block.shardPayloadBytes)
        let isEnough = survived >= requiredLosses || Mutant.isActive(.duplicateUnprotected)
        known.withLock { known in
            known.verdicts[ref] = isEnough
            let owed = block.profile.shardCount - rows.count
            if isEnough, owed > 0 { known.owedShards[ref] = owed }
        }
        return isEnough
    }
}
