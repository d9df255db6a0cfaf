import Glibc

/// Restores objects as files, links and directories below one directory, and never outside it: every
/// step is taken by descriptor, without following links, and nothing that exists is overwritten.
///
/// A file appears when it is whole (`NewFile`), and has mode 0600 until then. Directories are filled before they get their modes and times,
/// in `finish`. Owners are not kept, so set-user-id and set-group-id bits are not given to files: they
/// would act for whoever restores.
///
/// Small files are written by the lanes, many together, after `end` was called for them: what swarms of them cost is the file
/// system's calls. Use from one thread.
final class TreeWriter: ObjectReceiver {
    private(set) var failures: [TreeGetReport.Failure] = []
    /// How many of these came after `end` for their object.
    private(set) var lateFailures = 0
    private let place: String
    private let prefix: [UInt8]
    private let root: FileDescriptor
    /// The way to the directory used last: keys come in order, so the next one is near.
    private var way: [(name: [UInt8], descriptor: FileDescriptor)] = []
    private var current: Current?
    private var directories: [(key: Key, path: [[UInt8]], attributes: ObjectAttributes)] = []
    private let onBytes: (Int) -> Void
    private let executor: any Executor
    /// Small files that are whole and that nobody writes yet, of how many directories they are, and those that are being written.
    private var ready: [SmallRestore] = []
    private var readyDirectories = 0
    private var beingWritten: [(files: [SmallRestore], job: Job<[StoreError?]>)] = []

    /// The object being restored.
    private struct Current {
        enum Content {
            case file(NewFile)
            /// As far as it is read; it goes into this directory.
            case small([UInt8], in: FileDescriptor)
            /// The target as far as it is read.
            case link([UInt8])
        }

        let path: [[UInt8]]
        var content: Content
    }

    /// Restores below `path`, which is made when it is not there, what is at or under `prefix`.
    init(
        path: [UInt8], prefix: Key, executor: any Executor, onBytes: @escaping (Int) -> Void
    ) throws(StoreError) {
        let place = String(decoding: path, as: UTF8.self)
        root = try explainingOutput("write to the directory", at: place) { () throws(SystemError) in
            _ = try Files.makeDirectory(path, mode: 0o777)
            return try Files.open(path, O_RDONLY | O_DIRECTORY)
        }
        self.place = place
        self.executor = executor
        self.prefix = TreePath.trimmed(prefix.bytes)
        self.onBytes = onBytes
    }

    func begin(_ object: ObjectVersion) throws(StoreError) {
        current = nil
        let kind = object.attributes.kind
        let path: [[UInt8]]
        do throws(TreePath.Refusal) {
            path = try TreePath.names(of: object.key, isDirectory: kind == .directory, below: prefix)
        } catch {
            throw StoreError(
                .invalid, "restore \(object.key)", at: place, detail: error.reason,
                advice: "get this key by itself: bsctl get KEY FILE")
        }
        switch kind {
        case .directory:
            // Closed to others until it gets its own mode: what is in it may not be theirs to read.
            _ = try directory(path[...], lastMode: 0o700)
            directories.append((object.key, path, object.attributes))
        case .symbolicLink:
            current = Current(path: path, content: .link([]))
        case .file:
            let parent = try directory(path.dropLast())
            if object.byteCount <= UInt64(Limits.smallFileBytes) {
                current = Current(path: path, content: .small([], in: parent))
                return
            }
            let file = try explainingOutput("create the file", at: text(path)) { () throws(SystemError) in
                try NewFile(path[path.count - 1], in: parent, mode: 0o600)
            }
            current = Current(path: path, content: .file(file))
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        onBytes(bytes.count)
        guard let current else { return }
        switch current.content {
        case .file(let file):
            try explainingOutput("write the file", at: text(current.path)) { () throws(SystemError) in
                try file.write(bytes)
            }
        case .small(let before, let parent):
            self.current?.content = .small(before + bytes, in: parent)
        case .link(let before):
            guard before.count + bytes.count <= Files.maximumLinkTargetBytes else {
                throw StoreError(
                    .invalid, "restore a symbolic link", at: text(current.path),
                    detail: "its target is longer than \(Files.maximumLinkTargetBytes) bytes")
            }
            self.current?.content = .link(before + bytes)
        }
    }

    func end(_ object: ObjectVersion) throws(StoreError) {
        guard let current else { return }
        let path = current.path
        switch current.content {
        case .file(let file):
            try explainingOutput("finish the file", at: text(path)) { () throws(SystemError) in
                try file.finish(object.attributes)
            }
        case .small(let bytes, let parent):
            if ready.last?.directory !== parent { readyDirectories += 1 }
            ready.append(
                SmallRestore(
                    key: object.key, place: place, path: path, directory: parent, bytes: bytes,
                    attributes: object.attributes))
            if ready.count >= Limits.smallFilesTogether || readyDirectories >= Limits.smallFileDirectories {
                startWriting()
            }
        case .link(let target):
            let parent = try directory(path.dropLast())
            try explainingOutput("create the link", at: text(path)) { () throws(SystemError) in
                let name = path[path.count - 1]
                try Files.makeLink(name, in: parent, target: target)
                if let time = object.attributes.modifiedNanoseconds {
                    try Files.setModified(name, in: parent, nanoseconds: time)
                }
            }
        }
        self.current = nil
    }

    func fail(_ object: ObjectVersion, _ error: StoreError) {
        failures.append(TreeGetReport.Failure(key: object.key, error: error))
        current = nil
    }

    /// Begins to write what is ready.
    private func startWriting() {
        guard !ready.isEmpty else { return }
        let files = ready
        (ready, readyDirectories) = ([], 0)
        let job = Job(executor, on: .compute) { files.map { $0.write() } }
        beingWritten.append((files, job))
        while beingWritten.count > min(executor.width, Limits.smallFileJobs) + 1 { awaitOldest() }
    }

    /// Whether a file is to be written at `path`, or is being written.
    private func isAhead(_ path: ArraySlice<[UInt8]>) -> Bool {
        ready.contains { $0.path[...] == path } || beingWritten.contains { $0.files.contains { $0.path[...] == path } }
    }

    private func awaitOldest() {
        let (files, job) = beingWritten.removeFirst()
        guard case .success(let errors) = job.outcome() else {
            preconditionFailure("it tells of each file how it went")
        }
        for case (let file, let error?) in zip(files, errors) {
            failures.append(TreeGetReport.Failure(key: file.key, error: error))
            lateFailures += 1
        }
    }

    /// Returns when no file is being written.
    func settle() {
        startWriting()
        while !beingWritten.isEmpty { awaitOldest() }
    }

    /// Gives directories their modes and times, what is deeper first: a mode may close the way.
    func finish() {
        settle()
        let deepestFirst = directories.sorted { left, right in
            right.path.lexicographicallyPrecedes(left.path) { $0.lexicographicallyPrecedes($1) }
        }
        for (key, path, attributes) in deepestFirst {
            do throws(StoreError) {
                let descriptor = try directory(path[...])
                try explainingOutput("set mode and time of the directory", at: text(path)) {
                    () throws(SystemError) in
                    try Files.set(attributes.restorable, of: descriptor)
                }
            } catch {
                failures.append(TreeGetReport.Failure(key: key, error: error))
            }
        }
        directories = []
        way = []
    }

    /// The directory at `path` below the root, made where it is not there; `lastMode` is for the last name.
    private func directory(
        _ path: ArraySlice<[UInt8]>, lastMode: mode_t = 0o777
    ) throws(StoreError) -> FileDescriptor {
        var known = 0
        while known < way.count, known < path.count, way[known].name == path[path.startIndex + known] { known += 1 }
        way.removeLast(way.count - known)
        for (depth, name) in path.enumerated().dropFirst(known) {
            let parent = way.last?.descriptor ?? root
            // A file of this name comes first: of "a" and "a/b" it is always the same one that cannot be restored.
            if isAhead(path.prefix(depth + 1)) { settle() }
            let mode = depth == path.count - 1 ? lastMode : 0o777
            let child = try explainingOutput("make the directory", at: text(Array(path))) {
                () throws(SystemError) in
                _ = try Files.makeDirectory(name, in: parent, mode: mode)
                return try Files.open(name, in: parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
            }
            way.append((name, child))
        }
        return way.last?.descriptor ?? root
    }

    private func text(_ path: [[UInt8]]) -> String { Self.text(place, path) }

    fileprivate static func text(_ place: String, _ path: [[UInt8]]) -> String {
        path.reduce(place) { $0 + "/" + String(decoding: $1, as: UTF8.self) }
    }
}

/// A small file that is whole in memory, to be written by a lane.
private struct SmallRestore: Sendable {
    let key: Key
    let place: String
    let path: [[UInt8]]
    let directory: FileDescriptor
    let bytes: [UInt8]
    let attributes: ObjectAttributes

    /// Why it could not be written; nil when it was.
    func write() -> StoreError? {
        do throws(StoreError) {
            let name = path[path.count - 1]
            let file = try explainingOutput("create the file", at: text) { () throws(SystemError) in
                try NewFile(name, in: directory, mode: 0o600)
            }
            try explainingOutput("write the file", at: text) { () throws(SystemError) in
                try bytes.withBytes { bytes throws(SystemError) in try file.write(bytes) }
            }
            try explainingOutput("finish the file", at: text) { () throws(SystemError) in
                try file.finish(attributes)
            }
            return nil
        } catch {
            return error
        }
    }

    private var text: String { TreeWriter.text(place, path) }
}

/// Runs a call that creates or writes. That a directory is not there is no missing key.
func explainingOutput<Value>(
    _ operation: @autoclosure () -> String, at place: @autoclosure () -> String,
    _ body: () throws(SystemError) -> Value
) throws(StoreError) -> Value {
    do throws(SystemError) {
        return try body()
    } catch {
        let code = error.code == .notFound ? .io : error.code
        throw StoreError(code, operation(), at: place(), detail: "", cause: error)
    }
}
