import Glibc

/// Restores objects as files, links and directories below one directory, and never outside it: every
/// step is taken by descriptor, without following links, and nothing that exists is overwritten.
///
/// Directories get their modes and times at the end, so that they can be filled first. Use from one
/// thread.
public final class TreeWriter: ObjectReceiver {
    public private(set) var failures: [(key: Key, error: StoreError)] = []
    private let place: String
    private let prefix: [UInt8]
    private let root: FileDescriptor
    /// The directory of the file before: files come in key order.
    private var parent: (path: [[UInt8]], descriptor: FileDescriptor)?
    private var file: FileDescriptor?
    private var target: [UInt8] = []
    private var directories: [(path: [[UInt8]], attributes: ObjectAttributes)] = []
    private var onBytes: (Int) -> Void

    /// Restores below `path`, which is made when it is not there.
    ///
    /// - Parameter prefix: what is taken off the front of keys.
    public init(path: [UInt8], prefix: [UInt8], onBytes: @escaping (Int) -> Void = { _ in }) throws(StoreError) {
        place = String(decoding: path, as: UTF8.self)
        root = try explaining("write to the directory", at: place) { () throws(SystemError) in
            _ = try Files.makeDirectory(path, mode: 0o777)
            return try Files.open(path, O_RDONLY | O_DIRECTORY)
        }
        var prefix = prefix
        while prefix.last == UInt8(ascii: "/") { prefix.removeLast() }
        self.prefix = prefix
        self.onBytes = onBytes
    }

    public func begin(_ object: ObjectVersion) throws(StoreError) {
        let path = try components(of: object)
        switch object.attributes.kind {
        case .directory:
            _ = try directory(path, for: object)
            directories.append((path, object.attributes))
        case .symbolicLink:
            target = []
        case .file:
            guard let name = path.last else { throw refusal(object, "it names the directory itself") }
            let parent = try directory(Array(path.dropLast()), for: object)
            file = try explaining("create the file", at: text(path)) { () throws(SystemError) in
                try Files.open(name, in: parent, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
            }
        }
    }

    public func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        onBytes(bytes.count)
        if let file {
            try explaining("write the file", at: place) { () throws(SystemError) in
                try Files.write([bytes], to: file.number)
            }
        } else {
            guard target.count + bytes.count <= 4096 else {
                throw StoreError(
                    .corrupt, "restore a symbolic link", at: place, detail: "its target is longer than 4,096 bytes")
            }
            target += bytes
        }
    }

    public func end(_ object: ObjectVersion) throws(StoreError) {
        let path = try components(of: object)
        switch object.attributes.kind {
        case .directory: break
        case .symbolicLink:
            guard let name = path.last else { throw refusal(object, "it names the directory itself") }
            let parent = try directory(Array(path.dropLast()), for: object)
            let target = self.target
            try explaining("create the link", at: text(path)) { () throws(SystemError) in
                try Files.makeLink(name, in: parent, target: target)
                if let time = object.attributes.modifiedNanoseconds {
                    try Files.setModified(name, in: parent, nanoseconds: time)
                }
            }
        case .file:
            guard let file else { return }
            self.file = nil
            try explaining("finish the file", at: text(path)) { () throws(SystemError) in
                try Files.set(object.attributes, of: file)
                try file.close()
            }
        }
    }

    public func fail(_ object: ObjectVersion, _ error: StoreError) {
        failures.append((object.key, error))
        guard file != nil else { return }
        // Half a file must not pass for one.
        file = nil
        guard let path = try? components(of: object), let name = path.last,
            let parent = try? directory(Array(path.dropLast()), for: object)
        else { return }
        try? Files.remove(name, in: parent)
    }

    /// Gives directories their modes and times, the deepest first.
    public func finish() {
        for (path, attributes) in directories.sorted(by: { $0.path.count > $1.path.count }) {
            guard let descriptor = try? walk(path, creating: false) else { continue }
            try? Files.set(attributes, of: descriptor)
        }
    }

    /// The names below the target that the key stands for.
    private func components(of object: ObjectVersion) throws(StoreError) -> [[UInt8]] {
        let slash = UInt8(ascii: "/")
        var rest = object.key.bytes[...]
        if rest.starts(with: prefix) {
            rest = rest.dropFirst(prefix.count)
            if rest.isEmpty {
                // The prefix is an object itself: it goes by its last name.
                rest = object.key.bytes[(object.key.bytes.lastIndex(of: slash).map { $0 + 1 } ?? 0)...]
            } else if rest.first == slash, !prefix.isEmpty {
                rest = rest.dropFirst()
            }
        }
        var isDirectory = object.attributes.kind == .directory
        if isDirectory, rest.last == slash || rest.isEmpty {
            rest = rest.last == slash ? rest.dropLast() : rest
        } else {
            isDirectory = false
        }
        if rest.isEmpty, isDirectory { return [] }
        let parts = rest.split(separator: slash, omittingEmptySubsequences: false).map(Array.init)
        for part in parts {
            guard !part.isEmpty else { throw refusal(object, "a part of the path is empty") }
            guard part != Array(".".utf8), part != Array("..".utf8) else {
                throw refusal(object, "the path leaves the directory")
            }
            guard part.count <= 255 else { throw refusal(object, "a part of the path is longer than 255 bytes") }
        }
        return parts
    }

    private func refusal(_ object: ObjectVersion, _ detail: String) -> StoreError {
        StoreError(
            .invalid, "restore \(object.key)", at: place, detail: detail,
            advice: "get this key by itself: bsctl get KEY FILE")
    }

    private func directory(_ path: [[UInt8]], for object: ObjectVersion) throws(StoreError) -> FileDescriptor {
        if let parent, parent.path == path { return parent.descriptor }
        let descriptor = try explaining("make the directory", at: text(path)) { () throws(SystemError) in
            try walk(path, creating: true)
        }
        parent = (path, descriptor)
        return descriptor
    }

    private func walk(_ path: [[UInt8]], creating: Bool) throws(SystemError) -> FileDescriptor {
        var current = root
        for name in path {
            if creating { _ = try Files.makeDirectory(name, in: current, mode: 0o700 | 0o077) }
            current = try Files.open(name, in: current, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        }
        return current
    }

    private func text(_ path: [[UInt8]]) -> String {
        place + "/" + path.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/")
    }
}

/// Restores one object to a file: under a temporary name until it is whole, then renamed without
/// replacing anything.
public final class FileSink: ByteSink {
    private let path: [UInt8]
    private let directory: FileDescriptor
    private let temporary: [UInt8]
    private let file: FileDescriptor
    private var isFinished = false

    /// - Throws: `.exists` when there is something at `path`.
    public init(path: [UInt8]) throws(StoreError) {
        let place = String(decoding: path, as: UTF8.self)
        let slash = path.lastIndex(of: UInt8(ascii: "/"))
        let name = slash.map { Array(path[($0 + 1)...]) } ?? path
        let parent = slash.map { $0 == 0 ? [UInt8(ascii: "/")] : Array(path[..<$0]) } ?? [UInt8(ascii: ".")]
        let directory = try explaining("create the file", at: place) { () throws(SystemError) in
            try Files.open(parent, O_RDONLY | O_DIRECTORY)
        }
        let existing = try explaining("create the file", at: place) { () throws(SystemError) in
            try Files.status(of: name, in: directory)
        }
        guard existing == nil, !name.isEmpty else {
            throw StoreError(
                .exists, "create the file", at: place, detail: "it exists already",
                advice: "name another file, or - for standard output")
        }
        temporary = Array(".bsctl-\(getpid())-".utf8) + name.prefix(200)
        let temporaryName = temporary
        file = try explaining("create the file", at: place) { () throws(SystemError) in
            try Files.open(temporaryName, in: directory, O_WRONLY | O_CREAT | O_EXCL, mode: 0o666)
        }
        self.path = name
        self.directory = directory
    }

    deinit { if !isFinished { try? Files.remove(temporary, in: directory) } }

    public func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        let file = self.file
        try explaining("write the file", at: text) { () throws(SystemError) in
            try Files.write([bytes], to: file.number)
        }
    }

    /// Gives the file its attributes and its name.
    public func finish(_ attributes: ObjectAttributes) throws(StoreError) {
        let (file, directory, temporary, path) = (file, directory, temporary, path)
        try explaining("finish the file", at: text) { () throws(SystemError) in
            try Files.set(attributes, of: file)
            try file.close()
            try Files.rename(temporary, in: directory, to: path, in: directory, replacing: false)
        }
        isFinished = true
    }

    private var text: String { String(decoding: path, as: UTF8.self) }
}
