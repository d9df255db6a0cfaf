import Glibc

/// Walks a directory without following links and puts what it finds: regular files, symbolic links and
/// directories (whose keys end in "/"), each with mode and modification time, in the byte order of names but for some files
/// that are read after their neighbours. What was read before and is as it was is not read again (`FileStamp`).
///
/// What cannot be read, and what is nothing that can be stored, is in the report; the rest is stored.
/// Use from one thread.
final class TreeReader {
    private let session: WriteSession
    /// Directories that are never entered, by `st_dev:st_ino`.
    private let excluded: Set<String>
    private let readingAll: Bool
    private var waiting: [Waiting] = []
    /// Of which files may wait, so that they are open.
    private var waitingDirectories = 0
    /// Files that are being read, small ones on other threads.
    private var reading: [Reading] = []
    /// Whether the file systems met so far keep stamps.
    private var keepsStamps: [dev_t: Bool] = [:]
    private let onObject: (Key) -> Void
    private let onBytes: (Int) -> Void
    private(set) var failures: [TreePutReport.Failure] = []
    private(set) var skipped: [TreePutReport.Skip] = []

    init(
        into session: WriteSession, excluding excluded: Set<String>, readingAll: Bool,
        onObject: @escaping (Key) -> Void, onBytes: @escaping (Int) -> Void
    ) {
        self.session = session
        self.excluded = excluded
        self.readingAll = readingAll
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
        try storeWaiting()
        try storeRead()
    }

    static func identity(_ status: stat) -> String { "\(status.st_dev):\(status.st_ino)" }

    private func put(
        _ directory: FileDescriptor, _ status: stat, _ key: [UInt8], _ path: [UInt8]
    ) throws(StoreError) {
        let names = try explainingInput(text(path)) { () throws(SystemError) in try Files.names(in: directory) }
        try enqueue(key, ObjectAttributes(.directory, status), path, .bytes([]))
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
            let content = Waiting.Content.file(name: name, in: directory, stamp: FileStamp(found))
            try enqueue(key, ObjectAttributes(.file, found), path, content)
        case S_IFLNK:
            let target = try explainingInput(text(path)) { () throws(SystemError) in
                try Files.linkTarget(name, in: directory)
            }
            try enqueue(key, ObjectAttributes(.symbolicLink, found), path, .bytes(target))
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

    /// To be stored with others: what is known of files is looked up for many at once.
    private func enqueue(
        _ key: [UInt8], _ attributes: ObjectAttributes, _ path: [UInt8], _ content: Waiting.Content
    ) throws(StoreError) {
        waiting.append(Waiting(key: try Key(key), attributes: attributes, path: path, content: content))
        if case .bytes = content, attributes.kind == .directory { waitingDirectories += 1 }
        if waiting.count >= Limits.filesTogether || waitingDirectories >= Limits.directoriesTogether {
            try storeWaiting()
        }
    }

    /// Stores what waits: first all that need not be read, so that no look at a file is old when it is relied on.
    private func storeWaiting() throws(StoreError) {
        let found = waiting
        waiting = []
        waitingDirectories = 0
        let known = try knownContents(of: found)
        var unknown: [Waiting] = []
        for (object, known) in zip(found, known) {
            switch object.content {
            case .bytes(let bytes):
                try store(object) { () throws(StoreError) in
                    try session.put(
                        object.key, attributes: object.attributes, from: MemorySource(bytes), skippingUnchanged: true)
                    return true
                }
            case .file:
                guard let known else {
                    unknown.append(object)
                    continue
                }
                try store(object) { () throws(StoreError) in
                    try session.put(object.key, object.attributes, known: known, skippingUnchanged: true)
                    return true
                }
            }
        }
        // Those of last time meanwhile: what was just begun is read beside them.
        let begun = startReading(unknown)
        try storeRead()
        reading = begun
    }

    /// Begins to read small files, many together.
    private func startReading(_ files: [Waiting]) -> [Reading] {
        var reading: [Reading] = []
        var together: [(file: Waiting, name: [UInt8], directory: FileDescriptor, stamp: FileStamp, keepsStamps: Bool)] =
            []
        func begin() {
            guard !together.isEmpty else { return }
            let (work, clock) = (
                together.map { ($0.name, $0.directory, $0.stamp, $0.keepsStamps) }, session.engine.environment.clock
            )
            let job = Job(session.engine.environment.executor, on: .compute) { () throws(StoreError) in
                work.map { SmallFile.read($0, in: $1, seen: $2, keepsStamps: $3, clock) }
            }
            reading.append(Reading(files: together.map(\.file), job: job))
            together = []
        }
        for file in files {
            guard case .file(let name, let directory, let stamp?) = file.content,
                (1...UInt64(Limits.smallFileBytes)).contains(stamp.byteCount),
                let keepsStamps = keepsStamps(below: directory, on: dev_t(stamp.device))
            else {
                begin()
                reading.append(Reading(files: [file], job: nil))
                continue
            }
            together.append((file, name, directory, stamp, keepsStamps))
            if together.count >= Limits.smallFilesTogether { begin() }
        }
        begin()
        return reading
    }

    /// Stores the files that are being read, in their order.
    private func storeRead() throws(StoreError) {
        let begun = reading
        reading = []
        for reading in begun {
            let ready = try reading.job?.value() ?? [nil]
            for (object, small) in zip(reading.files, ready) {
                guard case .file(let name, let directory, _) = object.content else { continue }
                try store(object) { () throws(StoreError) in
                    guard let small else { return try readFile(name, in: directory, object) }
                    small.onBytes = onBytes
                    try session.put(object.key, attributes: small.attributes, from: small, skippingUnchanged: true)
                    return true
                }
            }
        }
    }

    /// For each of `objects` what it holds, where it is a file of which that is known.
    private func knownContents(of objects: [Waiting]) throws(StoreError) -> [Manifest?] {
        var result = [Manifest?](repeating: nil, count: objects.count)
        guard !readingAll else { return result }
        var stamps: [FileStamp] = []
        var positions: [Int] = []
        for (position, object) in objects.enumerated() {
            guard case .file(_, _, let stamp?) = object.content else { continue }
            stamps.append(stamp)
            positions.append(position)
        }
        guard !stamps.isEmpty else { return result }
        for (position, manifest) in zip(positions, try session.knownContents(of: stamps)) {
            result[position] = manifest
        }
        return result
    }

    /// A file's own trouble is noted; the store's ends the walk.
    ///
    /// - Parameter body: false when there is nothing to store after all.
    private func store(_ object: Waiting, _ body: () throws(StoreError) -> Bool) throws(StoreError) {
        do throws(StoreError) {
            if try body() { onObject(object.key) }
        } catch {
            if session.isOver { throw error }
            failures.append(TreePutReport.Failure(path: object.path, error: error))
        }
    }

    /// Stores what the file holds. False when it is gone since the directory was listed, or is no file any more.
    private func readFile(
        _ name: [UInt8], in directory: FileDescriptor, _ object: Waiting
    ) throws(StoreError) -> Bool {
        let place = text(object.path)
        let opened: (file: FileDescriptor, status: stat)? = try explainingInput(place) { () throws(SystemError) in
            do throws(SystemError) {
                // Not blocking: a pipe may have taken the file's place, and nobody may be writing to it.
                let file = try Files.open(name, in: directory, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
                return (file, try Files.status(of: file))
            } catch {
                if error.number == ENOENT { return nil }
                throw error
            }
        }
        guard let (file, status) = opened else { return false }
        guard status.st_mode & S_IFMT == S_IFREG else {
            skip(object.path)
            return false
        }
        let source = FileSource(file, status, keepsStamps: keepsStamps(file, on: status.st_dev), place: place)
        source.onBytes = onBytes
        try session.put(object.key, attributes: source.attributes, from: source, skippingUnchanged: true)
        return true
    }

    /// Nil where it is not known: a file that stands in a directory of another device must be asked itself.
    private func keepsStamps(below directory: FileDescriptor, on device: dev_t) -> Bool? {
        if let known = keepsStamps[device] { return known }
        guard let status = try? Files.status(of: directory), status.st_dev == device else { return nil }
        return keepsStamps(directory, on: device)
    }

    private func keepsStamps(_ file: FileDescriptor, on device: dev_t) -> Bool {
        if let known = keepsStamps[device] { return known }
        let found = Files.keepsStamps(file)
        keepsStamps[device] = found
        return found
    }

    private func skip(_ path: [UInt8]) {
        skipped.append(TreePutReport.Skip(path: path, reason: "it is no file, link or directory"))
    }

    private func text(_ path: [UInt8]) -> String { String(decoding: path, as: UTF8.self) }
}

/// An object that was found and is not stored yet.
private final class Waiting {
    enum Content {
        /// Of a link; empty for a directory.
        case bytes([UInt8])
        case file(name: [UInt8], in: FileDescriptor, stamp: FileStamp?)
    }

    let key: Key
    let attributes: ObjectAttributes
    let path: [UInt8]
    let content: Content

    init(key: Key, attributes: ObjectAttributes, path: [UInt8], content: Content) {
        self.key = key
        self.attributes = attributes
        self.path = path
        self.content = content
    }
}

/// Files that are read by one job, or a file that is read when its turn comes.
private struct Reading {
    let files: [Waiting]
    let job: Job<[SmallFile?]>?
}
