@testable import BlockStore

// Copies, moves, versions and conditions, against the dictionary.
extension StoreModel {
    /// A move that may have been cut off: both of its keys changed, or neither.
    struct Move: Sendable {
        let source: Key
        let target: Key
        let content: [UInt8]?
        let before: [UInt8]?

        init(_ source: Key, _ target: Key, in contents: [Key: [UInt8]]) {
            self.source = source
            self.target = target
            content = contents[source]
            before = contents[target]
        }
    }

    /// No move is half done.
    func checkMoves(_ found: [Key: [UInt8]]) throws {
        for move in moves where move.before != move.content {
            let (hasLeft, hasArrived) = (found[move.source] == nil, found[move.target] == move.content)
            guard hasLeft == hasArrived else {
                throw BrokenPromise(
                    description: "the move of \(move.source) to \(move.target) is half done: "
                        + "\(hasLeft ? "gone there, not here" : "here and there")")
            }
        }
    }

    /// From now on every version of `keys` that is seen must stay until it is purged.
    func watch(_ keys: [Key]) throws {
        for key in keys where watched[key] == nil { watched[key] = [] }
        try checkVersions()
    }

    /// Versions of watched keys neither vanish nor come back.
    func checkVersions() throws {
        for key in watched.keys.sorted() {
            guard let found = try identities(of: key) else { return }
            let (known, gone, perhaps) = (watched[key] ?? [], purged[key] ?? [], perhapsPurged[key] ?? [])
            guard found.isDisjoint(with: gone) else {
                throw BrokenPromise(description: "a purged version of \(key) is back: \(found.intersection(gone))")
            }
            let missing = known.subtracting(found).subtracting(gone)
            guard missing.isSubset(of: perhaps) else {
                throw BrokenPromise(description: "versions of \(key) are gone: \(missing.subtracting(perhaps))")
            }
            // Once seen gone, gone for good.
            purged[key, default: []].formUnion(missing)
            watched[key] = known.union(found)
        }
    }

    /// Nil when the power went.
    private func identities(of key: Key) throws -> Set<RecordIdentity>? {
        do throws(StoreError) {
            return Set(try openStore().engine.index.versions(of: key).map(\.identity))
        } catch {
            if world.isCrashed { return nil }
            throw BrokenPromise(description: "the versions of \(key) do not read: \(error)")
        }
    }

    /// The versions of a key with their contents, the newest first; nil when the power went or there are none.
    private func versionsRead(_ key: Key) throws -> [(version: ObjectVersion, content: [UInt8]?)]? {
        do throws(StoreError) {
            let store = try openStore()
            var result: [(version: ObjectVersion, content: [UInt8]?)] = []
            for version in try store.versions(of: key) {
                let sink = MemorySink()
                if !version.isDeleteMarker { _ = try store.read(version, into: sink) }
                result.append((version, version.isDeleteMarker ? nil : sink.bytes))
            }
            return result
        } catch {
            if error.code == .notFound || world.isCrashed { return nil }
            // Damage to the index shows here first: the next check deals with it.
            guard error.code != .indexDamaged else { return nil }
            throw BrokenPromise(description: "a version of \(key) does not read: \(error)")
        }
    }

    /// Makes one of the versions of `key` the newest again.
    @discardableResult
    func restore(_ key: Key, age: Int) throws -> Bool {
        guard let versions = try versionsRead(key) else { return false }
        let puts = versions.filter { $0.content != nil }
        guard !puts.isEmpty, let content = puts[age % puts.count].content else { return false }
        let identity = puts[age % puts.count].version.identity
        note("restore version \(identity) of \(key)")
        return try perform([.put(key, content)]) { () throws(StoreError) in
            let session = try openStore().startWriting()
            try session.restore(key, version: identity)
            return try session.finish()
        }
    }

    /// Prunes; without a time the model knows exactly what goes.
    func prune(keepLast: Int?, within: Duration? = nil) throws {
        let keys = Set(contents.keys).union(watched.keys).sorted()
        try watch(keys)
        guard !world.isCrashed else { return }
        note("prune, keep last \(keepLast.map(String.init) ?? "–")\(within.map { ", within \($0)" } ?? "")")
        var expected: [Key: Set<RecordIdentity>] = [:]
        for key in keys {
            // Its own idea of the rules: puts by rank, and a marker for as long as it hides something.
            var (puts, kept, gone): (Int, [Bool], Set<RecordIdentity>) = (0, [], [])
            guard let versions = try versionsRead(key) else {
                if (watched[key] ?? []).isSubset(of: purged[key] ?? []) { continue }
                return note("… the versions of \(key) do not read now")
            }
            for (place, version) in versions.enumerated() {
                kept.append(version.content != nil && (place == 0 || puts < keepLast ?? 0))
                puts += version.content == nil ? 0 : 1
            }
            for (place, version) in versions.enumerated() where !kept[place] {
                if version.content == nil, kept[place...].contains(true) { continue }
                gone.insert(version.version.identity)
            }
            expected[key] = gone
            perhapsPurged[key, default: []].formUnion(gone)
        }
        guard !world.isCrashed else { return }
        var commits = 0
        let isDone = try perform([], isCommitted: { commits > 0 }) { () throws(StoreError) in
            var report = WriteReport()
            let pruned = try openStore().prune(Retention(keepLast: keepLast, keepWithin: within))
            (commits, report.debt) = (pruned.commits, pruned.debt)
            return report
        }
        guard isDone, within == nil else { return }
        for (key, gone) in expected { purged[key, default: []].formUnion(gone) }
    }

    /// Purges one version of `key`, and expects the one below where that was the newest.
    @discardableResult
    func purge(_ key: Key, age: Int) throws -> Bool {
        try watch([key])
        guard !world.isCrashed, let versions = try versionsRead(key) else { return false }
        let at = age % versions.count
        let identity = versions[at].version.identity
        let left = versions.enumerated().filter { $0.offset != at }.first?.element.content
        note("purge version \(identity) of \(key)")
        let isNew = perhapsPurged[key, default: []].insert(identity).inserted
        var isRefused = false
        let change: Change = left.map { .put(key, $0) } ?? .remove(key)
        let isDone = try perform([change]) { () throws(StoreError) in
            do throws(StoreError) {
                let session = try openStore().startWriting()
                try session.purge(key, version: identity)
                return try session.finish()
            } catch {
                isRefused = error.code != .unknownOutcome
                throw error
            }
        }
        // Refused in good order: it stays.
        if isRefused, isNew, !world.isCrashed { perhapsPurged[key]?.remove(identity) }
        if isDone { purged[key, default: []].insert(identity) }
        return isDone
    }

    /// Two writers want to be the first, in one session and from two homes: one of them is.
    func putIfAbsent(_ key: Key, _ content: [UInt8], _ other: [UInt8]) throws {
        let isAbsent = contents[key] == nil
        var refusals = 0
        let isDone = try perform([.put(key, isAbsent ? content : contents[key] ?? [])]) { () throws(StoreError) in
            let session = try openStore().startWriting()
            for bytes in [content, other] {
                do throws(StoreError) {
                    try session.put(key, from: MemorySource(bytes), condition: .isAbsent)
                } catch {
                    guard error.code == .conditionFailed else { throw error }
                    refusals += 1
                }
            }
            return try session.finish()
        }
        guard isDone else { return }
        guard refusals == (isAbsent ? 1 : 2) else {
            throw BrokenPromise(description: "\(2 - refusals) of two puts found \(key) absent")
        }
    }

    /// A writer that looked before another wrote is refused.
    func putIfUnchanged(_ key: Key, _ content: [UInt8]) throws {
        guard let seen = try versionsRead(key)?.first?.version.identity, !world.isCrashed else { return }
        note("compare-and-set of \(key) at \(seen)")
        let isDone = try perform([.put(key, content)]) { () throws(StoreError) in
            let session = try openStore().startWriting()
            try session.put(key, from: MemorySource(content), condition: .newestVersionIs(seen))
            return try session.finish()
        }
        guard isDone else { return }
        do throws(StoreError) {
            let session = try openStore().startWriting()
            defer { session.cancel() }
            try session.put(key, from: MemorySource([1]), condition: .newestVersionIs(seen))
        } catch {
            if error.code == .conditionFailed || world.isCrashed { return }
            return note("… refused: \(error)")
        }
        throw BrokenPromise(description: "\(key) is no longer at \(seen), and a put on that condition is taken")
    }
}
