/// Finds the keys that need blocks which are gone. Scans the versions: used when there is a loss to name.
struct LossFinder {
    private let engine: Engine
    private let lost: Set<BlockName>

    init(_ engine: Engine, losing lost: Set<BlockName>) {
        self.engine = engine
        self.lost = lost
    }

    /// Keys of which some version cannot be read in full, the first so many of them.
    func keys(limit: Int = .max) throws(StoreError) -> [Key] {
        var result: [Key] = []
        var after: Key?
        repeat {
            let page = try engine.index.list(prefix: [], after: after, limit: 1000, all: true)
            for version in page.versions {
                guard let put = version.put, result.last != put.key else { continue }
                if try isHit(put.manifest) { result.append(put.key) }
                if result.count >= limit { return result }
            }
            after = page.last
        } while after != nil
        return result
    }

    private func isHit(_ manifest: Manifest) throws(StoreError) -> Bool {
        var reader = ManifestReader(manifest, ChunkReader(engine: engine))
        do throws(StoreError) {
            while let entry = try reader.next() {
                var isReadable = false
                for place in try engine.index.places(of: entry.digest) {
                    guard let block = try engine.index.block(place.block) else { continue }
                    if !lost.contains(block.name) { isReadable = true }
                }
                if !isReadable { return true }
            }
            return false
        } catch {
            // A node that cannot be read is a loss as well.
            if error.code == .lost || error.code == .corrupt { return true }
            throw error
        }
    }
}
