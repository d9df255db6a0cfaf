import Glibc

/// Walks a directory without following links and puts what it finds: regular files, symbolic links and
/// directories (whose keys end in "/"), each with mode and modification time, in the byte order of names.
///
/// What cannot be read, and what is nothing that can be stored, is in the report; the rest is stored.
/// Use from one thread.
final class TreeReader {
    private let session: WriteSession
    /// Directories that are never entered, by `st_dev:st_ino`.
    private let excluded: Set<String>
    private let onObject: (Key) -> Void
    private let onBytes: (Int) -> Void
    private(set) var failures: [TreePutReport.Failure] = []
    private(set) var skipped: [TreePutReport.Skip] = []

    init(
        into session: WriteSession, excluding excluded: Set<String>, onObject: @escaping (Key) -> Void,
        onBytes: @escaping (Int) -> Void
    ) {
        self.session = session
        self.excluded = excluded
        self.onObject = onObject
        self.onBytes = onBytes
    }

    /// Puts the directory at `path`, whose own key is `key` (which ends in "/").
    ///
    /// Throws when storing fails, when the directory itself cannot be read, or is excluded.
    func put(_ path: [UInt8], as key: [UInt8]) throws(StoreError) {
        let place = text(path)
        let (root, status) = try explainingInput(place) { () throws(SystemError) in
            let root = try Files.open(path, O_RDONLY | O_DIRECTORY)
            return (root, try Files.status(of: root))
        }
        guard !excluded.contains(Self.identity(status)) else {
            throw StoreError(.invalid, "store the directory", at: place, detail: "it belongs to this very store")
        }
        try put(root, status, key, path)
    }

    static func identity(_ status: stat) -> String { "\(status.st_dev):\(status.st_ino)" }

    private func put(
        _ directory: FileDescriptor, _ status: stat, _ key: [UInt8], _ path: [UInt8]
    ) throws(StoreError) {
        let names = try explainingInput(text(path)) { () throws(SystemError) in try Files.names(in: directory) }
        try store(key, ObjectAttributes(.directory, status), MemorySource([]))
        for name in names {
            let child = (path.last == UInt8(ascii: "/") ? path : path + [UInt8(ascii: "/")]) + name
            do throws(StoreError) {
                try put(name, in: directory, key + name, child)
            } catch {
                // A file's own trouble is noted; the store's ends the walk.
                if session.isOver { throw error }
                failures.append(TreePutReport.Failure(path: child, error: error))
            }
        }
    }

    private func put(
        _ name: [UInt8], in directory: FileDescriptor, _ key: [UInt8], _ path: [UInt8]
    ) throws(StoreError) {
        let found = try explainingInput(text(path)) { () throws(SystemError) in
            try Files.status(of: name, in: directory)
        }
        // Gone since the directory was listed: it is not in the tree any more.
        guard let found else { return }
        switch found.st_mode & S_IFMT {
        case S_IFREG:
            try putFile(name, in: directory, key, path)
        case S_IFLNK:
            let target = try explainingInput(text(path)) { () throws(SystemError) in
                try Files.linkTarget(name, in: directory)
            }
            try store(key, ObjectAttributes(.symbolicLink, found), MemorySource(target))
        case S_IFDIR:
            let (child, status) = try explainingInput(text(path)) { () throws(SystemError) in
                let child = try Files.open(name, in: directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
                return (child, try Files.status(of: child))
            }
            guard !excluded.contains(Self.identity(status)) else {
                return skipped.append(TreePutReport.Skip(path: path, reason: "it belongs to this very store"))
            }
            try put(child, status, key + [UInt8(ascii: "/")], path)
        default:
            skip(path)
        }
    }

    private func putFile(
        _ name: [UInt8], in directory: FileDescriptor, _ key: [UInt8], _ path: [UInt8]
    ) throws(StoreError) {
        let (file, status) = try explainingInput(text(path)) { () throws(SystemError) in
            // Not blocking: a pipe may have taken the file's place, and nobody may be writing to it.
            let file = try Files.open(name, in: directory, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
            return (file, try Files.status(of: file))
        }
        guard status.st_mode & S_IFMT == S_IFREG else { return skip(path) }
        let source = FileSource(file, status, place: text(path))
        try store(key, source.attributes, CountingSource(source, onBytes))
    }

    private func store(_ key: [UInt8], _ attributes: ObjectAttributes, _ source: any ByteSource) throws(StoreError) {
        let key = try Key(key)
        try session.put(key, attributes: attributes, from: source, skippingUnchanged: true)
        onObject(key)
    }

    private func skip(_ path: [UInt8]) {
        skipped.append(TreePutReport.Skip(path: path, reason: "it is no file, link or directory"))
    }

    private func text(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }
}

private final class CountingSource: ByteSource {
    private let source: any ByteSource
    private let onBytes: (Int) -> Void

    init(_ source: any ByteSource, _ onBytes: @escaping (Int) -> Void) {
        self.source = source
        self.onBytes = onBytes
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) -> Int {
        let count = try source.read(into: buffer)
        onBytes(count)
        return count
    }
}
