import Chunker

// Operations on versions that are stored already: they cost a record each, and no object's bytes are read or written.
extension WriteSession {
    /// Makes what `source` holds the newest version of `target`: a put record with the same manifest, attributes and metadata.
    ///
    /// The new version rests on the blocks of the old one. It is acknowledged like a put that finds all its chunks stored:
    /// blocks that lack shards are owed, and where one survives fewer losses than a put must, the copy is refused.
    ///
    /// - Parameters:
    ///   - version: an older version of `source`; nil for the newest.
    ///   - skippingUnchanged: makes no version when the newest one of `target` has the same content and attributes.
    ///   - condition: what must be true of `target`.
    /// - Throws: `.notFound` for a source that is not there, `.invalid` for a target that makes no sense, `.conditionFailed`,
    ///   `.tooFewDevices` where the blocks survive too little: nothing is changed and the session goes on.
    /// - Complexity: a look-up in the index for each chunk; of the object's data nothing is read but manifest nodes (one for
    ///   4,096 chunks), and these only for an object of more than 102.
    public func copy(
        _ source: Key, version: RecordIdentity? = nil, to target: Key, skippingUnchanged: Bool = false,
        condition: WriteCondition? = nil
    ) throws(StoreError) {
        try transfer(
            source, version, to: target, "copy \(source) to \(target)", isMove: false,
            skippingUnchanged: skippingUnchanged, condition)
    }

    /// Copies `source` to `target` and deletes `source`, both in one commit: it is never half done.
    ///
    /// - Parameter version: the version to move; `source` is deleted only if that is its newest. Nil for the newest.
    /// - Throws: as `copy`.
    public func move(
        _ source: Key, version: RecordIdentity? = nil, to target: Key, skippingUnchanged: Bool = false,
        condition: WriteCondition? = nil
    ) throws(StoreError) {
        try transfer(
            source, version, to: target, "move \(source) to \(target)", isMove: true,
            skippingUnchanged: skippingUnchanged, condition)
    }

    /// Makes an older version of `key` the newest again, by a new put record with its manifest. Nothing happens where the
    /// newest has that content already.
    ///
    /// - Throws: `.notFound` when there is no such version, `.invalid` when it is a delete marker; otherwise as `copy`.
    public func restore(_ key: Key, version: RecordIdentity) throws(StoreError) {
        try requireUsable()
        try drain()
        let found = try source(key, version, "restore \(key)")
        try copyRecord(found, to: key, "restore version \(version) of \(key)", skippingUnchanged: true)
        try commitIfDue()
    }

    /// Restores the newest put of a deleted key.
    ///
    /// - Throws: `.notFound` when the key was never put or all its versions are purged, `.exists` when it is not deleted;
    ///   otherwise as `copy`.
    public func undelete(_ key: Key) throws(StoreError) {
        try requireUsable()
        try drain()
        let operation = "undelete \(key)"
        guard let newest = try newest(key) else { throw StoreError(.notFound, operation, detail: "no such key") }
        if newest.put != nil {
            throw StoreError(
                .exists, operation, detail: "it is not deleted: version \(newest.identity) is the newest",
                advice: "an older version comes back with bsctl restore")
        }
        // What the open commit knows is in the index from here on.
        try commitNow()
        guard let put = try engine.index.versions(of: key).first(where: { $0.put != nil }) else {
            throw StoreError(.notFound, operation, detail: "no version is left but delete markers")
        }
        try copyRecord(put, to: key, operation, skippingUnchanged: false)
        try commitIfDue()
    }

    /// Removes one version of `key`, a put or a delete marker, for good. What it was the newest of then shows the version
    /// below. Blocks and chunks stay where they are.
    ///
    /// Commits what the session changed of this key before.
    ///
    /// - Throws: `.notFound` when there is no such version.
    public func purge(_ key: Key, version: RecordIdentity) throws(StoreError) {
        try requireUsable()
        try drain()
        if touched[key] != nil { try commitNow() }
        guard purged[key]?.contains(version) != true, try engine.index.version(of: key, version) != nil else {
            throw Self.noSuchVersion(version, of: key, "purge \(key)")
        }
        openReserves()
        let newest = Mutant.isActive(.purgeKillsNewest) ? try newest(key) : nil
        let record = PurgeRecord(key: key, killed: newest?.identity ?? version)
        try ending { () throws(StoreError) in _ = try writer.add(.purge(record)) }
        purged[key, default: []].insert(record.killed)
        report.purged += 1
        try commitIfDue()
    }

    private func transfer(
        _ source: Key, _ version: RecordIdentity?, to target: Key, _ operation: String, isMove: Bool,
        skippingUnchanged: Bool, _ condition: WriteCondition?
    ) throws(StoreError) {
        try requireUsable()
        try drain()
        guard source != target else {
            throw StoreError(
                .invalid, operation, detail: "source and target are the same key",
                advice: version == nil ? nil : "an older version comes back with bsctl restore")
        }
        let found = try self.source(source, version, operation)
        let slash = UInt8(ascii: "/")
        if found.put?.attributes.kind == .directory, target.bytes.last != slash {
            throw StoreError(
                .invalid, operation, detail: "\(source) is a directory, whose key ends in /",
                advice: "with everything in it: -r")
        }
        try require(condition, of: target, to: operation)
        // Looked up before anything is added: between the two records nothing may fail but the store itself.
        let newest = try newest(source)
        let deletes = isMove && newest?.identity == found.identity
        if Mutant.isActive(.moveInTwoCommits), deletes {
            try addDelete(of: source, killing: found)
            try commitNow()
        }
        try copyRecord(found, to: target, operation, skippingUnchanged: skippingUnchanged)
        if deletes, !Mutant.isActive(.moveInTwoCommits) {
            // No commit comes between: a move is never half done.
            try addDelete(of: source, killing: found)
        }
        try commitIfDue()
    }

    /// The version to copy: a put.
    private func source(
        _ key: Key, _ version: RecordIdentity?, _ operation: String
    ) throws(StoreError) -> IndexedVersion {
        guard let version else {
            let newest = try newest(key)
            if let newest, newest.put != nil { return newest }
            if newest != nil {
                throw StoreError(
                    .notFound, operation, detail: "\(key) is deleted", advice: "bring it back with bsctl undelete")
            }
            let below = TreePath.directoryKey(key.bytes)
            let isPrefix =
                try engine.index.list(prefix: below, after: nil, limit: 1, all: true).versions.isEmpty == false
            throw StoreError(
                .notFound, operation, detail: "there is no key \(key)",
                advice: isPrefix ? "keys lie under it: take them all with -r" : nil)
        }
        if let known = touched[key], known.identity == version, known.put != nil { return known }
        guard purged[key]?.contains(version) != true, let found = try engine.index.version(of: key, version) else {
            throw Self.noSuchVersion(version, of: key, operation)
        }
        guard found.put != nil else {
            throw StoreError(
                .invalid, operation, detail: "version \(version) is a delete marker and has no content",
                advice: "bsctl versions shows which have")
        }
        return found
    }

    /// Adds a put record with the manifest of `version`, once everything it rests on is known to be protected.
    private func copyRecord(
        _ version: IndexedVersion, to target: Key, _ operation: String, skippingUnchanged: Bool
    ) throws(StoreError) {
        guard let put = version.put else { preconditionFailure("a delete marker has no manifest") }
        if skippingUnchanged, let newest = try newest(target)?.put, newest.manifest == put.manifest,
            newest.attributes == put.attributes, newest.userMetadata == put.userMetadata
        {
            report.unchanged += 1
            return
        }
        // Nodes are read by way of the index.
        if put.manifest.depth > 0, version.identity.commit == writer.number { try commitNow() }
        try requireProtected(put.manifest.entries, depth: put.manifest.depth, ChunkReader(engine: engine), operation)
        let record = PutRecord(
            key: target, attributes: put.attributes, putNanoseconds: engine.environment.clock.wallNanoseconds(),
            byteCount: put.byteCount, userMetadata: put.userMetadata, manifest: put.manifest)
        let identity = try ending { () throws(StoreError) in try writer.add(.put(record)) }
        touched[target] = IndexedVersion(identity: identity, content: .put(record))
        report.copied += 1
        report.copiedBytes += put.byteCount
    }

    /// Throws unless every chunk below `entries`, nodes included, is stored as well as a put's must be.
    private func requireProtected(
        _ entries: [ManifestEntry], depth: UInt8, _ chunks: ChunkReader, _ operation: String
    ) throws(StoreError) {
        for entry in entries {
            if !writer.contains(entry.digest), let weakness = try finder.weakness(of: entry.digest) {
                let block = weakness.block.map { "block \($0)" } ?? "no block"
                let survived =
                    weakness.survivedLosses < 0
                    ? "cannot be read now" : "survives the loss of \(Count.text(weakness.survivedLosses, "shard"))"
                throw StoreError(
                    .tooFewDevices, operation,
                    detail: "chunk \(entry.digest) of it stands in \(block), which \(survived); a new version rests on "
                        + "what survives at least \(weakness.leastLosses)",
                    advice: "nothing was changed; bring devices back, or run bsctl repair, and try again")
            }
            guard depth > 0 else { continue }
            let below = try self.entries(below: entry, depth: depth, chunks, operation)
            try requireProtected(below, depth: depth - 1, chunks, operation)
        }
    }

    /// What the node that `entry` names holds.
    ///
    /// - Parameter depth: of `entry`, at least 1.
    func entries(
        below entry: ManifestEntry, depth: UInt8, _ chunks: ChunkReader, _ operation: String
    ) throws(StoreError) -> [ManifestEntry] {
        let node = try chunks.readNode(entry.digest)
        engine.remember(node.damaged)
        defer { engine.chunkBuffers.give(node.buffer) }
        do throws(FormatError) {
            return try ManifestNode.parse(node.bytes, depth: depth - 1, covering: entry.byteCount)
        } catch {
            throw StoreError(.corrupt, operation, detail: "manifest node \(entry.digest): \(error)")
        }
    }

    private static func noSuchVersion(_ version: RecordIdentity, of key: Key, _ operation: String) -> StoreError {
        StoreError(
            .notFound, operation, detail: "there is no version \(version) of it",
            advice: "bsctl versions \(key) lists them")
    }
}
