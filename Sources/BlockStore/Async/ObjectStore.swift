import Erasure

/// A store for any number of tasks and threads: objects by key.
///
/// ```swift
/// let store = try await ObjectStore.open("/srv/store")
/// try await store.put("greeting", from: Array("hello".utf8))
/// let bytes = try await store.read("greeting")
/// await store.close()
/// ```
///
/// A put or removal that returned is durable, and everybody reads it. Those that come while a commit is under way share the next
/// one: sixty-four tasks that put small objects are fifteen to thirty times as fast as one (docs/performance.md).
///
/// Thread rule: every call from any task or thread, any number at a time. No call blocks a thread of Swift's cooperative pool: the
/// work is done on the store's own. Reading takes no lock; writing shares the store with other processes as `GroupWriter` says.
///
/// A cancelled task gets a `CancellationError`, and what it wrote is not stored, unless its commit had begun: then the call ends as
/// that does. Everything else that goes wrong is a `StoreError`, but what an `AsyncSequence` that is put throws itself.
///
/// Maintenance, trees and all else that `bsctl` does is in `Store`, which is synchronous and may be open beside this.
public final class ObjectStore: Sendable {
    let writer: GroupWriter
    private let reader: CurrentReader
    private let threads = ThreadPool(threads: Limits.readingThreads)
    /// A source may bring nothing for long: reading must not wait for it.
    let sourceThreads = ThreadPool(threads: Limits.sourceThreads)

    private init(_ environment: StoreEnvironment, _ options: Store.Options) {
        writer = GroupWriter(environment, options: options)
        reader = CurrentReader(environment, options)
    }

    /// Opens the store whose home is the directory `home`. Throws `.notFound` when there is none.
    ///
    /// - Cost: a look at each device; nothing is locked until the first write.
    public static func open(_ home: String, options: Store.Options = Store.Options()) async throws -> ObjectStore {
        try await onThread { () throws(StoreError) in
            try open(try StoreEnvironment(home: home), options)
        }
    }

    /// The same with other surroundings than the file system's.
    public static func open(
        _ environment: StoreEnvironment, options: Store.Options = Store.Options()
    ) async throws -> ObjectStore {
        try await onThread { () throws(StoreError) in try open(environment, options) }
    }

    /// Makes a store over empty directories, one on each disk, and opens it.
    ///
    /// - Parameters:
    ///   - home: made when it is not there.
    ///   - devices: at least as many as `profile` has shards.
    ///   - profile: as `bsctl init --profile` takes it.
    /// - Throws: `.exists` when there is a store already or a directory is not empty, `.invalid` for what makes no store.
    public static func create(
        _ home: String, devices: [String], profile: String = "rs:4+2"
    ) async throws -> ObjectStore {
        try await onThread { () throws(StoreError) in try create(home, profile, isSandbox: false) { _ in devices } }
    }

    /// Makes a sandbox and opens it: `disks` directories in its home stand for as many disks.
    public static func createSandbox(
        _ home: String, disks: Int = 6, profile: String = "rs:4+2"
    ) async throws -> ObjectStore {
        try await onThread { () throws(StoreError) in
            try create(home, profile, isSandbox: true) { root in (0..<max(0, disks)).map { "\(root)/disk-\($0 + 1)" } }
        }
    }

    /// Ends the writes under way and gives the store back. Calls that come later throw `.locked`. Without it the same happens some
    /// time after the last reference is gone.
    public func close() async {
        reader.close()
        await callback { writer.whenClosed($0) }
    }

    // Reading.

    /// All bytes of an object, or the bytes `range` of it. Throws `.notFound`, `.lost`, and `.invalid` for a range that reaches
    /// beyond the end.
    public func read(_ object: some ObjectReference, range: ClosedRange<UInt64>? = nil) async throws -> [UInt8] {
        try await withStore { store, cancellation throws(StoreError) in
            let sink = MemorySink()
            _ = try store.read(
                try object.version(in: store), range: range, into: CancellableSink(sink, cancellation))
            return sink.bytes
        }
    }

    /// Restores an object to a file that appears at `path` when it is whole. Throws `.exists` when there is something already.
    @discardableResult
    public func read(_ object: some ObjectReference, toFile path: String) async throws -> ObjectVersion {
        try await withStore(isLeftAtOnce: false) { store, cancellation throws(StoreError) in
            let version = try object.version(in: store)
            let sink = try FileSink(path: Array(path.utf8))
            _ = try store.read(version, into: CancellableSink(sink, cancellation))
            try cancellation.check()
            try sink.finish(version.attributes)
            return version
        }
    }

    /// An object's bytes, piece by piece, as fast as they are taken. Throws `.notFound`.
    public func pieces(of object: some ObjectReference) async throws -> ObjectPieces {
        ObjectPieces(version: try await version(of: object), store: self)
    }

    /// The newest version. Throws `.notFound` when there is none or it was deleted.
    public func version(of object: some ObjectReference) async throws -> ObjectVersion {
        try await withStore { store, _ throws(StoreError) in try object.version(in: store) }
    }

    /// All versions of a key, delete markers too, the newest first. Throws `.notFound` when there are none.
    public func versions(of key: some ObjectKey) async throws -> [ObjectVersion] {
        try await withStore { store, _ throws(StoreError) in try store.versions(of: try key.key()) }
    }

    /// The objects whose keys begin with `prefix`, in key order, beginning after `key`. With fewer than `limit` there are no more.
    public func list(
        prefix: String = "", after key: Key? = nil, limit: Int = 1000
    ) async throws -> [ObjectVersion] {
        try await withStore { store, _ throws(StoreError) in
            try store.list(prefix: Array(prefix.utf8), after: key, limit: limit)
        }
    }

    /// Runs `body`, which may block, with the store as it is now, open for reading: for all that is not here.
    public func withStore<Value: Sendable>(
        _ body: @escaping @Sendable (Store) throws(StoreError) -> Value
    ) async throws -> Value {
        try await withStore { store, _ throws(StoreError) in try body(store) }
    }

    /// - Parameter isLeftAtOnce: nobody needs to know how it ends when the task is cancelled, be the devices as slow as they like.
    func withStore<Value: Sendable>(
        isLeftAtOnce: Bool = true,
        _ body: @escaping @Sendable (Store, Cancellation) throws(StoreError) -> Value
    ) async throws -> Value {
        let (answer, cancellation) = (Answer<Value>(), Cancellation())
        return try await withTaskCancellationHandler {
            begin(answer, cancellation, body)
            return try await answer.value()
        } onCancel: {
            cancellation.cancel()
            if isLeftAtOnce { answer.set(.failure(Cancellation.error)) }
        }
    }

    /// Sends work to a thread.
    func begin<Value: Sendable>(
        _ answer: Answer<Value>, _ cancellation: Cancellation,
        _ body: @escaping @Sendable (Store, Cancellation) throws(StoreError) -> Value
    ) {
        threads.submit { [reader] in
            answer.set(
                Result { () throws(StoreError) in
                    try cancellation.check()
                    return try body(try reader.current(), cancellation)
                })
        }
    }

    // Opening.

    private static func open(
        _ environment: StoreEnvironment, _ options: Store.Options
    ) throws(StoreError) -> ObjectStore {
        let store = ObjectStore(environment, options)
        _ = try store.reader.current()
        return store
    }

    private static func create(
        _ home: String, _ profile: String, isSandbox: Bool, devices: (String) -> [String]
    ) throws(StoreError) -> ObjectStore {
        let chosen: Profile
        do throws(ProfileError) {
            chosen = try Profile(profile)
        } catch {
            throw StoreError(.invalid, "create a store", detail: error.description)
        }
        let environment = try StoreEnvironment(home: home, creating: true)
        _ = try Store.create(
            environment,
            devices: devices(DirectoryProvider.absolute(home)).map { NewDevice(path: PlaceProvider.absolute($0)) },
            profile: chosen, isSandbox: isSandbox)
        return try open(environment, Store.Options())
    }

    /// Runs `body`, which may block, on a thread of its own.
    private static func onThread(
        _ body: @escaping @Sendable () throws(StoreError) -> ObjectStore
    ) async throws -> ObjectStore {
        let answer = Answer<ObjectStore>()
        startThread { answer.set(Result { () throws(StoreError) in try body() }) }
        return try await answer.value()
    }
}
