import Glibc

/// What putting a tree found besides what it stored.
public struct TreePutReport: Sendable {
    /// A file that could not be stored.
    public struct Failure: Sendable {
        public let path: [UInt8]
        public let error: StoreError
    }

    /// Something that is not stored: a socket, a pipe, a device, or a part of the store itself.
    public struct Skip: Sendable {
        public let path: [UInt8]
        public let reason: String
    }

    public internal(set) var failures: [Failure] = []
    public internal(set) var skipped: [Skip] = []
    /// Keys were to be deleted and none was, because of the failures.
    public internal(set) var deletionWithheld = false

    /// Nothing out of the ordinary.
    public init() {}
}

/// What restoring a tree did.
public struct TreeGetReport: Sendable {
    /// An object that could not be restored.
    public struct Failure: Sendable {
        public let key: Key
        public let error: StoreError
    }

    public internal(set) var read = ReadReport()
    public internal(set) var failures: [Failure] = []
}

extension Store {
    /// Puts the directory at `path` and everything in it as the keys `prefix/relative/path`.
    ///
    /// Links are kept, not followed. Objects whose content and attributes are as they were make no new
    /// version, and files that were read before and are as they were are not read (`FileStamp`). Each object is atomic by itself, not the tree. The store's own home and devices are
    /// passed over where they lie in the tree.
    ///
    /// - Parameters:
    ///   - deletingOthers: deletes what is at or under `prefix` and not in the tree, in the session's last
    ///     commit, unless something could not be read.
    ///   - readingAll: reads every file, also those that seem to be as they were.
    ///   - onBytes: told of bytes read, from the calling thread.
    /// - Throws: what ends the session, and `.input` when `path` itself cannot be read.
    public func putTree(
        _ path: [UInt8], as prefix: Key, in session: WriteSession, deletingOthers: Bool = false,
        readingAll: Bool = false, onBytes: @escaping (Int) -> Void = { _ in }
    ) throws(StoreError) -> TreePutReport {
        var present: Set<Key> = []
        let reader = TreeReader(
            into: session, excluding: ownDirectories, readingAll: readingAll,
            onObject: { if deletingOthers { present.insert($0) } }, onBytes: onBytes)
        try reader.put(path, as: TreePath.directoryKey(prefix.bytes))
        var report = TreePutReport()
        report.failures = reader.failures
        report.skipped = reader.skipped
        guard deletingOthers else { return report }
        guard report.failures.isEmpty else {
            report.deletionWithheld = true
            return report
        }
        var gone: [Key] = []
        try forEachObject(under: TreePath.trimmed(prefix.bytes)) { object in
            if !present.contains(object.key) { gone.append(object.key) }
        }
        for key in gone { try session.remove(key) }
        return report
    }

    /// Restores what is at or under `prefix` below the directory `path`, which is made when it is not
    /// there, and never outside it. Nothing that exists is overwritten.
    ///
    /// Objects that cannot be restored are in the report, and the rest goes on.
    ///
    /// - Parameter moment: what there was then.
    /// - Throws: `.notFound` when nothing is at or under `prefix`; `.io` and the like when `path` cannot be
    ///   written to at all.
    public func getTree(
        _ prefix: Key, to path: [UInt8], at moment: Moment? = nil, onBytes: @escaping (Int) -> Void = { _ in }
    ) throws(StoreError) -> TreeGetReport {
        let objects = ObjectsUnder(prefix: TreePath.trimmed(prefix.bytes), at: moment, store: self)
        guard try objects.first() != nil else {
            let then = moment.map { " at \($0)" } ?? ""
            throw StoreError(.notFound, "get \(prefix)", detail: "no key is at or under it\(then)")
        }
        let writer = try TreeWriter(
            path: path, prefix: prefix, executor: engine.environment.executor, onBytes: onBytes)
        // Whatever happens, what was begun comes to its end first.
        defer { writer.settle() }
        var read = try self.read(objects, into: writer)
        writer.finish()
        read.objects -= writer.lateFailures
        read.failedObjects += writer.lateFailures
        if let error = objects.error { throw error }
        // In the order of keys, whoever noticed what when.
        return TreeGetReport(read: read, failures: writer.failures.sorted { $0.key < $1.key })
    }

    /// The home and the devices, by `st_dev:st_ino`: storing them in themselves would never end well.
    private var ownDirectories: Set<String> {
        var identities = Set(engine.devices.all.compactMap { $0.device?.physicalIdentity })
        if let home = try? Files.open(Array(environment.home.place.utf8), O_RDONLY | O_DIRECTORY),
            let status = try? Files.status(of: home)
        {
            identities.insert(TreeReader.identity(status))
        }
        return identities
    }
}

/// The objects at or under a prefix, fetched page by page while they are read: a tree of any size takes
/// the memory of a page.
private final class ObjectsUnder: Sequence, IteratorProtocol {
    private let prefix: [UInt8]
    private let moment: Moment?
    private let store: Store
    private var page: ArraySlice<ObjectVersion> = []
    private var after: Key?
    private var isOver = false
    /// What ended the sequence early.
    private(set) var error: StoreError?

    init(prefix: [UInt8], at moment: Moment?, store: Store) {
        self.prefix = prefix
        self.moment = moment
        self.store = store
    }

    /// The first object, which stays in the sequence; nil when there is none.
    func first() throws(StoreError) -> ObjectVersion? {
        fill()
        if let error { throw error }
        return page.first
    }

    func next() -> ObjectVersion? {
        fill()
        return page.popFirst()
    }

    private func fill() {
        do throws(StoreError) {
            while page.isEmpty, !isOver {
                let (objects, next) = try store.page(under: prefix, after: after, at: moment)
                page = objects[...]
                after = next
                isOver = next == nil
            }
        } catch {
            self.error = error
            isOver = true
        }
    }
}
