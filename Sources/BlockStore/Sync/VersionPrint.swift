import Chunker

/// What tells a version apart from the others of its key, in whichever store it is.
///
/// Two are the same when everything that a put record says but its place in the history is the same: content, attributes,
/// metadata, and the time of the put, which a copy keeps. Of a delete marker that is the time alone.
struct VersionPrint: Sendable, Hashable {
    let digest: Digest
    let identity: RecordIdentity
    let isPut: Bool
    let byteCount: UInt64

    init(_ version: IndexedVersion) {
        identity = version.identity
        isPut = version.put != nil
        byteCount = version.put?.byteCount ?? 0
        let body: [UInt8]
        switch version.content {
        case .put(let put):
            body = Record.put(put).encodeBody()
        case .delete(let delete):
            // Which version it killed is a matter of the store.
            let none = RecordIdentity(commit: .none, ordinal: 0)
            let record = DeleteRecord(key: delete.key, killed: none, deleteNanoseconds: delete.deleteNanoseconds)
            body = Record.delete(record).encodeBody()
        }
        digest = body.withUnsafeBytes { bytes in Workspaces.shared.with { $0.digest(of: bytes) } }
    }
}

/// One key in two stores: pure.
struct KeyComparison {
    /// What the target lacks and is to get, the oldest first.
    private(set) var lacking: ArraySlice<VersionPrint> = []
    private(set) var present = 0
    private(set) var passedOver = 0

    /// A version can only be put behind those that are there. So what follows the newest one that the target has is what it
    /// lacks; what comes before and is missing there stays so. A key's copies were always made in order: those were there, and
    /// were purged, or could not be read then.
    ///
    /// Versions that are the same in every respect are counted: the third is there when there are three.
    ///
    /// - Parameters: of one key, the oldest first.
    init(source: [VersionPrint], target: [VersionPrint]) {
        if source.count == target.count, zip(source, target).allSatisfy({ $0.digest == $1.digest }) {
            present = source.lazy.filter(\.isPut).count
            return
        }
        var there: [Digest: Int] = [:]
        for version in target { there[version.digest, default: 0] += 1 }
        var met: [Digest: Int] = [:]
        var next = 0
        for (place, version) in source.enumerated() {
            met[version.digest, default: 0] += 1
            guard met[version.digest, default: 0] <= there[version.digest] ?? 0 else { continue }
            next = place + 1
            if version.isPut { present += 1 }
        }
        passedOver = source[..<next].lazy.filter(\.isPut).count - present
        // A marker that would hide nothing is none.
        var isLive = target.last?.isPut ?? false
        lacking =
            source[next...].filter { version in
                defer { isLive = version.isPut }
                return version.isPut || isLive
            }[...]
    }
}
