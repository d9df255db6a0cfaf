import Glibc

/// Restores objects as files, links and directories below one directory, and never outside it: every
/// step is taken by descriptor, without following links, and nothing that exists is overwritten.
///
/// A file appears when it is whole (`NewFile`), and has mode 0600 until then. Directories are filled before they get their modes and times,
/// in `finish`. Owners are not kept, so set-user-id and set-group-id bits are not given to files: they
/// would act for whoever restores. Use from one thread.
public final class TreeWriter: ObjectReceiver {
    public private(set) var failures: [TreeGetReport.Failure] = []
    private let place: String
    private let prefix: [UInt8]
    private let root: FileDescriptor
    /// The way to the directory used last: keys come in order, so the next one is near.
    private var way: [(name: [UInt8], descriptor: FileDescriptor)] = []
    private var current: Current?
    private var directories: [(key: Key, path: [[UInt8]], attributes: ObjectAttributes)] = []
    private let onBytes: (Int) -> Void

    /// The object being restored.
    private struct Current {
        let path: [[UInt8]]
        /// Nil while it is a link.
        var file: NewFile?
        /// The target as far as it is read, while it is a link.
        var target: [UInt8] = []
    }

    /// Restores below `path`, which is made when it is not there, what is at or under `prefix`.
    public init(
        path: [UInt8], prefix: Key, onBytes: @escaping (Int) -> Void = { _ in }
    ) throws(StoreError) {
        let place = String(decoding: path, as: UTF8.self)
        root = try explainingOutput("write to the directory", at: place) { () throws(SystemError) in
            _ = try Files.makeDirectory(path, mode: 0o777)
            return try Files.open(path, O_RDONLY | O_DIRECTORY)
        }
        self.place = place
        self.prefix = TreePath.trimmed(prefix.bytes)
        self.onBytes = onBytes
    }

    public func begin(_ object: ObjectVersion) throws(StoreError) {
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
            current = Current(path: path)
        case .file:
            let parent = try directory(path.dropLast())
            let file = try explainingOutput("create the file", at: text(path)) { () throws(SystemError) in
                try NewFile(path[path.count - 1], in: parent, mode: 0o600)
            }
            current = Current(path: path, file: file)
        }
    }

    public func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        onBytes(bytes.count)
        guard let current else { return }
        if let file = current.file {
            try explainingOutput("write the file", at: text(current.path)) { () throws(SystemError) in
                try file.write(bytes)
            }
        } else {
            guard current.target.count + bytes.count <= Files.maximumLinkTargetBytes else {
                throw StoreError(
                    .invalid, "restore a symbolic link", at: text(current.path),
                    detail: "its target is longer than \(Files.maximumLinkTargetBytes) bytes")
            }
            self.current?.target += bytes
        }
    }

    public func end(_ object: ObjectVersion) throws(StoreError) {
        guard let current else { return }
        let path = current.path
        if let file = current.file {
            try explainingOutput("finish the file", at: text(path)) { () throws(SystemError) in
                try file.finish(object.attributes)
            }
        } else {
            let parent = try directory(path.dropLast())
            try explainingOutput("create the link", at: text(path)) { () throws(SystemError) in
                let name = path[path.count - 1]
                try Files.makeLink(name, in: parent, target: current.target)
                if let time = object.attributes.modifiedNanoseconds {
                    try Files.setModified(name, in: parent, nanoseconds: time)
                }
            }
        }
        self.current = nil
    }

    public func fail(_ object: ObjectVersion, _ error: StoreError) {
        failures.append(TreeGetReport.Failure(key: object.key, error: error))
        current = nil
    }

    /// Gives directories their modes and times, what is deeper first: a mode may close the way.
    public func finish() {
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

    private func text(_ path: [[UInt8]]) -> String {
        path.reduce(place) { $0 + "/" + String(decoding: $1, as: UTF8.self) }
    }
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
