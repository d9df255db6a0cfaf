import Glibc

/// A home that is a directory: `store.json`, `index.db`, `files.db`, `lock`.
public final class DirectoryHome: Home {
    public let place: String
    private let root: FileDescriptor
    private let command: String
    private let lock = Monitor<FileDescriptor?>(nil)
    /// Locked, together with others, while this process waits.
    private let waiting = Monitor<FileDescriptor?>(nil)

    /// Opens the directory at `path`, or makes it (`creating`, with one missing parent level at most).
    ///
    /// - Parameter command: what this process is doing, for whoever finds the store locked.
    public init(path: String, creating: Bool = false, command: String = "") throws(StoreError) {
        let operation = creating ? "create the store's home" : "open the store's home"
        if creating {
            let isNew = try explaining(operation, at: path) { () throws(SystemError) in
                try Files.makeDirectory(Array(path.utf8), mode: 0o755)
            }
            if isNew {
                try explaining(operation, at: path) { () throws(SystemError) in
                    try Files.sync(try Files.open(Array((path + "/..").utf8), O_RDONLY | O_DIRECTORY))
                }
            }
        }
        do throws(StoreError) {
            root = try explaining(operation, at: path) { () throws(SystemError) in
                try Files.open(Array(path.utf8), O_RDONLY | O_DIRECTORY)
            }
        } catch {
            guard error.code == .notFound else { throw error }
            throw StoreError(
                .notFound, operation, at: path, detail: "there is no such directory",
                advice:
                    "mount its disk, or name the store with --store HOME or BSCTL_STORE; a home that is lost comes back "
                    + "from the devices: bsctl recover \(path) --device DIR …; bsctl init makes a new store")
        }
        place = path
        self.command = command
    }

    public func readDocument(_ name: DocumentName) throws(StoreError) -> [UInt8]? {
        try BlockStore.readDocument(name, in: root, at: place)
    }

    public func writeDocument(_ name: DocumentName, _ bytes: [UInt8]) throws(StoreError) {
        try explaining("write \(name.rawValue)", at: place) { () throws(SystemError) in
            try Files.replaceContents(
                of: Array(name.rawValue.utf8), in: root, with: bytes,
                temporary: Self.temporary(name), in: root)
        }
    }

    public func tryLock() throws(StoreError) -> Bool {
        let operation = "lock the store"
        let file = try explaining(operation, at: place) { () throws(SystemError) in
            try Files.open(Self.lockName, in: root, O_RDWR | O_CREAT, mode: 0o644)
        }
        guard try explaining(operation, at: place, { () throws(SystemError) in try Files.tryLock(file) }) else {
            return false
        }
        // For people only: the lock is the kernel's and ends with the process.
        let text = Array("\(command) (process \(getpid()))\n".utf8)
        if (try? Files.setByteCount(0, of: file)) != nil {
            try? text.withBytes { raw throws(SystemError) in try Files.write([raw], to: file.number) }
        }
        lock.withLock { $0 = file }
        // What a writer left behind that was killed, or could not remove it; only the lock's holder writes it.
        try? Files.remove(Self.temporary(.store), in: root)
        return true
    }

    public func unlock() {
        lock.withLock { file in
            if let file {
                // Nobody holds it: nobody's name stands in it.
                try? Files.setByteCount(0, of: file)
                Files.unlock(file)
            }
            file = nil
        }
    }

    public func startWaiting() {
        guard let file = try? Files.open(Self.waitingName, in: root, O_RDWR | O_CREAT, mode: 0o644) else { return }
        // Who looks whether anybody waits has it for a moment.
        Files.lockShared(file)
        waiting.withLock { $0 = file }
    }

    public func stopWaiting() { waiting.withLock { $0 = nil } }

    public var isAwaited: Bool {
        do throws(SystemError) {
            // Nobody ever waited here.
            if try Files.status(of: Self.waitingName, in: root) == nil { return false }
            return try !Files.tryLock(try Files.open(Self.waitingName, in: root, O_RDWR))
        } catch {
            return true
        }
    }

    public func lockHolder() -> String? {
        for _ in 0..<10 {
            guard let bytes = try? Files.contents(of: Self.lockName, in: root, maximumBytes: 4096) else { return nil }
            let text = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
            if !text.isEmpty { return text }
            // The lock was taken a moment ago, and its holder is about to say who it is.
            SystemClock().sleep(nanoseconds: 5_000_000)
        }
        return nil
    }

    public func openIndex() throws(StoreError) -> Index { try Index.open(path: place + "/" + Self.indexName) }

    public var indexIdentity: String? {
        guard let status = try? Files.status(of: Array(Self.indexName.utf8), in: root) else { return nil }
        return "\(status.st_dev):\(status.st_ino)"
    }

    public func discardIndex() throws(StoreError) { try discard(Self.indexName, "delete the index") }

    public func openKnownFiles() throws(StoreError) -> KnownFiles? {
        try KnownFiles(path: place + "/" + Self.knownFilesName)
    }

    public func discardKnownFiles() throws(StoreError) { try discard(Self.knownFilesName, "forget the files") }

    /// Deletes a database and everything that SQLite keeps beside it.
    private func discard(_ database: String, _ operation: String) throws(StoreError) {
        try explaining(operation, at: place) { () throws(SystemError) in
            for suffix in ["", "-wal", "-shm", "-journal"] {
                try Files.remove(Array((database + suffix).utf8), in: root)
            }
        }
    }

    public func space() throws(StoreError) -> DeviceSpace {
        try explaining("ask for the space", at: place) { () throws(SystemError) in try Files.space(of: root) }
    }

    public func reserveBytes() throws(StoreError) -> Int {
        try explaining("look at the reserve", at: place) { () throws(SystemError) in
            try ReserveFile.byteCount(in: root)
        }
    }

    public func setReserve(_ byteCount: Int) throws(StoreError) {
        try explaining("keep a reserve", at: place) { () throws(SystemError) in
            try ReserveFile.set(byteCount, in: root)
        }
    }

    private static func temporary(_ name: DocumentName) -> [UInt8] { Array("\(name.rawValue).new".utf8) }

    private static let indexName = "index.db"
    private static let knownFilesName = "files.db"
    private static let lockName = Array("lock".utf8)
    private static let waitingName = Array("waiting".utf8)
}
