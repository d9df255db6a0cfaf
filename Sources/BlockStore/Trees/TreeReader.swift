import Glibc

/// What putting a tree found besides objects.
public struct TreePutReport: Sendable {
    /// Files that could not be stored, with the reason.
    public var failures: [(path: String, error: StoreError)] = []
    /// Sockets, pipes and devices, which are not stored.
    public var skipped: [String] = []
}

/// Walks a directory without following links and puts what it finds: regular files, symbolic links and
/// directories (whose keys end in "/"), each with mode and modification time, in byte order.
///
/// Use from one thread.
public final class TreeReader {
    private let session: WriteSession
    private var report = TreePutReport()
    private let onObject: (Key) -> Void
    private let onBytes: (Int) -> Void

    /// - Parameters:
    ///   - onObject: told of each object put.
    ///   - onBytes: told of bytes read, for progress.
    public init(
        into session: WriteSession, onObject: @escaping (Key) -> Void = { _ in },
        onBytes: @escaping (Int) -> Void = { _ in }
    ) {
        self.session = session
        self.onObject = onObject
        self.onBytes = onBytes
    }

    /// Puts the directory at `path` under the keys `prefix` + "/" + relative path.
    ///
    /// What cannot be read is in the report and the rest is stored. Throws when storing fails, or the
    /// directory itself cannot be opened.
    public func put(_ path: [UInt8], as prefix: [UInt8]) throws(StoreError) -> TreePutReport {
        let place = String(decoding: path, as: UTF8.self)
        let root = try explaining("read the directory", at: place) { () throws(SystemError) in
            try Files.open(path, O_RDONLY | O_DIRECTORY)
        }
        var prefix = prefix
        while prefix.last == UInt8(ascii: "/") { prefix.removeLast() }
        try put(root, prefix + [UInt8(ascii: "/")], path)
        return report
    }

    private func put(_ directory: FileDescriptor, _ key: [UInt8], _ path: [UInt8]) throws(StoreError) {
        do throws(StoreError) {
            let names = try explaining("read the directory", at: text(path)) { () throws(SystemError) in
                try Files.names(in: directory)
            }
            let status = try explaining("read the directory", at: text(path)) { () throws(SystemError) in
                try Files.status(of: directory)
            }
            try store(key, attributes(.directory, status), MemorySource([]))
            for name in names {
                try put(name, in: directory, key + name, path + [UInt8(ascii: "/")] + name)
            }
        } catch {
            try note(error, path)
        }
    }

    private func put(
        _ name: [UInt8], in directory: FileDescriptor, _ key: [UInt8], _ path: [UInt8]
    ) throws(StoreError) {
        do throws(StoreError) {
            guard
                let status = try explaining(
                    "read the file", at: text(path),
                    { () throws(SystemError) in
                        try Files.status(of: name, in: directory)
                    })
            else { return }
            switch status.st_mode & S_IFMT {
            case S_IFREG:
                try putFile(name, in: directory, key, path)
            case S_IFLNK:
                let target = try explaining("read the link", at: text(path)) { () throws(SystemError) in
                    try Files.linkTarget(name, in: directory)
                }
                try store(key, attributes(.symbolicLink, status), MemorySource(target))
            case S_IFDIR:
                let child = try explaining("read the directory", at: text(path)) { () throws(SystemError) in
                    try Files.open(name, in: directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
                }
                try put(child, key + [UInt8(ascii: "/")], path)
            default:
                report.skipped.append(text(path))
            }
        } catch {
            try note(error, path)
        }
    }

    private func putFile(
        _ name: [UInt8], in directory: FileDescriptor, _ key: [UInt8], _ path: [UInt8]
    ) throws(StoreError) {
        let file = try explaining("read the file", at: text(path)) { () throws(SystemError) in
            try Files.open(name, in: directory, O_RDONLY | O_NOFOLLOW)
        }
        let status = try explaining("read the file", at: text(path)) { () throws(SystemError) in
            try Files.status(of: file)
        }
        if status.st_size > 1 << 20 { posix_fadvise(file.number, 0, 0, POSIX_FADV_SEQUENTIAL) }
        let source = CountingSource(DescriptorSource(file.number, place: text(path)), onBytes)
        try store(key, attributes(.file, status), source)
    }

    private func store(_ key: [UInt8], _ attributes: ObjectAttributes, _ source: any ByteSource) throws(StoreError) {
        let key = try Key(key)
        try session.put(key, attributes: attributes, from: source, skippingUnchanged: true)
        onObject(key)
    }

    /// A file's own trouble is noted; the store's ends the walk.
    private func note(_ error: StoreError, _ path: [UInt8]) throws(StoreError) {
        if session.isOver { throw error }
        report.failures.append((text(path), error))
    }

    private func attributes(_ kind: ObjectKind, _ status: stat) -> ObjectAttributes {
        ObjectAttributes(
            kind: kind, mode: UInt16(truncatingIfNeeded: status.st_mode & 0o7777),
            modifiedNanoseconds: Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec))
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

/// A regular file opened by path, with its attributes.
public final class FileSource: ByteSource {
    public let attributes: ObjectAttributes
    private let file: FileDescriptor
    private let source: DescriptorSource

    /// - Throws: `.notFound` when there is no such file, `.invalid` when it is a directory.
    public init(path: [UInt8]) throws(StoreError) {
        let place = String(decoding: path, as: UTF8.self)
        file = try explaining("read the file", at: place) { () throws(SystemError) in try Files.open(path, O_RDONLY) }
        let file = self.file
        let status = try explaining("read the file", at: place) { () throws(SystemError) in try Files.status(of: file) }
        guard status.st_mode & S_IFMT != S_IFDIR else {
            throw StoreError(
                .invalid, "read the file", at: place, detail: "it is a directory",
                advice: "bsctl put -r stores directories")
        }
        attributes = ObjectAttributes(
            kind: .file, mode: UInt16(truncatingIfNeeded: status.st_mode & 0o7777),
            modifiedNanoseconds: Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec))
        posix_fadvise(file.number, 0, 0, POSIX_FADV_SEQUENTIAL)
        source = DescriptorSource(file.number, place: place)
    }

    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) -> Int {
        try source.read(into: buffer)
    }
}
