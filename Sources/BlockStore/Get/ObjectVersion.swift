/// One version of an object, or a delete marker.
public struct ObjectVersion: Sendable, Hashable {
    public let key: Key
    /// The commit and the place within it: "12.0".
    public let identity: RecordIdentity
    public let isDeleteMarker: Bool
    public let attributes: ObjectAttributes
    public let byteCount: UInt64
    /// Wall clock when it was written, nanoseconds since 1970.
    public let writtenNanoseconds: Int64
    let manifest: Manifest

    init(_ version: IndexedVersion) {
        identity = version.identity
        switch version.content {
        case .put(let put):
            key = put.key
            isDeleteMarker = false
            attributes = put.attributes
            byteCount = put.byteCount
            writtenNanoseconds = put.putNanoseconds
            manifest = put.manifest
        case .delete(let delete):
            key = delete.key
            isDeleteMarker = true
            attributes = ObjectAttributes()
            byteCount = 0
            writtenNanoseconds = delete.deleteNanoseconds
            manifest = .empty
        }
    }
}

extension Store {
    /// The newest version of `key`. Throws `.notFound` when there is none or it was deleted.
    public func newestVersion(of key: Key) throws(StoreError) -> ObjectVersion {
        guard let version = try engine.index.newestVersion(of: key), version.put != nil else {
            throw StoreError(.notFound, "find \(key)", detail: "no such key")
        }
        return ObjectVersion(version)
    }

    /// One version of `key`. Throws `.notFound` when there is no such version.
    public func version(of key: Key, _ identity: RecordIdentity) throws(StoreError) -> ObjectVersion {
        guard let version = try engine.index.version(of: key, identity), version.put != nil else {
            throw StoreError(
                .notFound, "find version \(identity) of \(key)", detail: "no such version",
                advice: "bsctl versions \(key) lists them")
        }
        return ObjectVersion(version)
    }

    /// All versions of `key`, delete markers too, the newest first. Throws `.notFound` when there are none.
    ///
    /// - Parameter moment: as if nothing had been written since then.
    public func versions(of key: Key, at moment: Moment? = nil) throws(StoreError) -> [ObjectVersion] {
        try require(moment)
        let versions = try engine.index.versions(of: key).filter { moment?.includes($0) ?? true }
        guard !versions.isEmpty else {
            let then = moment.map { "; it had no version at \($0)" } ?? ""
            throw StoreError(.notFound, "find \(key)", detail: "no such key\(then)")
        }
        return versions.map(ObjectVersion.init)
    }

    /// The objects whose keys begin with `prefix`, in key order, beginning after `key`.
    ///
    /// - Parameters:
    ///   - limit: at most so many keys are returned; with fewer there are no more.
    ///   - moment: as if nothing had been written since then.
    /// - Complexity: a walk over the index; memory for one page.
    public func list(
        prefix: [UInt8] = [], after key: Key? = nil, limit: Int = 1000, allVersions: Bool = false,
        at moment: Moment? = nil
    ) throws(StoreError) -> [ObjectVersion] {
        try require(moment)
        var result: [ObjectVersion] = []
        var keys = 0
        var after = key
        // Deleted keys take room in a page of the index and none in the result.
        while keys < limit {
            let page = try engine.index.list(
                prefix: prefix, after: after, limit: limit - keys, all: allVersions, at: moment)
            result += page.versions.map(ObjectVersion.init)
            keys += Set(page.versions.map(\.key)).count
            guard let last = page.last else { break }
            after = last
        }
        return result
    }

    /// Calls `body` for every object at or under `prefix`, in key order (all of them when it is empty).
    ///
    /// - Parameter moment: as if nothing had been written since then.
    public func forEachObject(
        under prefix: [UInt8], at moment: Moment? = nil, _ body: (ObjectVersion) throws(StoreError) -> Void
    ) throws(StoreError) {
        var after: Key?
        repeat {
            let (objects, next) = try page(under: prefix, after: after, at: moment)
            for object in objects { try body(object) }
            after = next
        } while after != nil
    }

    /// Some of the objects at or under `prefix`, in key order, and the key after which there may be more;
    /// nil when there are none.
    func page(
        under prefix: [UInt8], after: Key?, at moment: Moment? = nil
    ) throws(StoreError) -> (objects: [ObjectVersion], next: Key?) {
        let slash = UInt8(ascii: "/")
        let limit = 1000
        var objects: [ObjectVersion] = []
        var below = prefix
        if let last = prefix.last, last != slash {
            // Asked for by itself: between "a" and "a/" may lie any number of keys that are not meant.
            if after == nil,
                let own = try engine.index.versions(of: try Key(prefix)).first(where: { moment?.includes($0) ?? true }),
                own.put != nil
            {
                objects.append(ObjectVersion(own))
            }
            below.append(slash)
        }
        let page = try list(prefix: below, after: after, limit: limit, at: moment)
        return (objects + page, page.count < limit ? nil : page.last?.key)
    }
}
