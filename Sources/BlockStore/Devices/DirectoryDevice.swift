import CLinux
import Glibc

/// A device that is a directory on a disk (docs/format.md §8).
///
/// Everything goes through descriptors of the directories opened at the start: when a disk is
/// unmounted under it, the calls fail instead of writing to the bare mount point.
public final class DirectoryDevice: Device {
    public let place: String
    public let physicalIdentity: String
    private let root: FileDescriptor
    private let state: Monitor<State>

    private struct State: Sendable {
        var nextTicket: UInt64 = 0
        /// Temporaries that are written and not yet synced.
        var unsynced: [UInt64: (file: FileDescriptor, byteCount: Int)] = [:]
        /// Directories below the root whose own entries are known to be durable.
        var directories: [String: FileDescriptor] = [:]
        /// Directories that were only looked into: whoever made them may not have lived to sync them.
        var seenDirectories: [String: FileDescriptor] = [:]
        var openShards = OpenShards()
    }

    /// Opens the directory at `path`. Throws `.notFound` when there is none.
    public init(path: String) throws(StoreError) {
        let root = try explaining("open the device", at: path) { () throws(SystemError) in
            try Files.open(Array(path.utf8), O_RDONLY | O_DIRECTORY)
        }
        let status = try explaining("open the device", at: path) { () throws(SystemError) in
            try Files.status(of: root)
        }
        self.root = root
        place = path
        physicalIdentity = "\(status.st_dev):\(status.st_ino)"
        state = Monitor(State())
    }

    public func readDocument(_ name: DocumentName) throws(StoreError) -> [UInt8]? {
        try BlockStore.readDocument(name, in: root, at: place)
    }

    public func writeDocument(_ name: DocumentName, _ bytes: [UInt8]) throws(StoreError) {
        try explaining("write \(name.rawValue)", at: place) { () throws(SystemError) in
            try Files.replaceContents(
                of: Array(name.rawValue.utf8), in: root, with: bytes,
                temporary: Array("\(name.rawValue).new".utf8), in: try directory(Self.temporaries, creating: true))
        }
    }

    public func tryLock() throws(StoreError) -> Bool {
        try explaining("lock the device", at: place) { () throws(SystemError) in try Files.tryLock(root) }
    }

    public func unlock() { Files.unlock(root) }

    public func byteCount(of shard: ShardName) throws(StoreError) -> Int? {
        do throws(SystemError) {
            guard let directory = try existingDirectory(Self.blocks(shard)) else { return nil }
            return try Files.status(of: Array(shard.fileName.utf8), in: directory).map { Int($0.st_size) }
        } catch {
            throw StoreError("look for shard \(shard)", at: place, error)
        }
    }

    public func read(
        _ shard: ShardName, at offset: Int, into buffer: UnsafeMutableRawBufferPointer, from source: ReadSource
    ) throws(StoreError) {
        let count: Int
        do throws(SystemError) {
            switch source {
            case .cache: count = try Files.read(try open(shard), at: offset, into: buffer)
            case .passing:
                let file = try open(shard)
                count = try Files.read(file, at: offset, into: buffer)
                // From the start: a page of the cache may have begun in the part before.
                Files.dropCache(of: file, upTo: offset + count)
            case .medium: count = try readFromMedium(shard, at: offset, into: buffer)
            }
        } catch {
            throw StoreError("read shard \(shard)", at: place, error)
        }
        guard count == buffer.count else {
            throw StoreError(
                .corrupt, "read shard \(shard)", at: place,
                detail: "it ends at byte \(offset + count), expected at least \(offset + buffer.count)")
        }
    }

    /// Past the page cache: O_DIRECT where the file system has it, else after dropping what is cached.
    private func readFromMedium(
        _ shard: ShardName, at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(SystemError) -> Int {
        guard let directory = try existingDirectory(Self.blocks(shard)) else { throw SystemError(ENOENT) }
        // Opened each time: what has that name now is to be proved.
        let name = Array(shard.fileName.utf8)
        do throws(SystemError) {
            let file = try Files.open(name, in: directory, O_RDONLY | Int32(BS_O_DIRECT))
            return try DirectIO.read(file, at: offset, into: buffer)
        } catch {
            guard error.number == EINVAL else { throw error }
            let file = try Files.open(name, in: directory, O_RDONLY)
            try Files.syncData(file)
            Files.dropCache(of: file)
            return try Files.read(file, at: offset, into: buffer)
        }
    }

    private func open(_ shard: ShardName) throws(SystemError) -> FileDescriptor {
        if let file = state.withLock({ $0.openShards.find(shard) }) { return file }
        guard let directory = try existingDirectory(Self.blocks(shard)) else { throw SystemError(ENOENT) }
        let file: FileDescriptor
        do throws(SystemError) {
            file = try Files.open(Array(shard.fileName.utf8), in: directory, O_RDONLY)
        } catch {
            guard error.number == EMFILE || error.number == ENFILE else { throw error }
            // Out of descriptors is no sign of damage: give up those kept for convenience, and try again.
            state.withLock { state in
                state.openShards = OpenShards()
                state.seenDirectories = [:]
            }
            file = try Files.open(Array(shard.fileName.utf8), in: directory, O_RDONLY)
        }
        state.withLock { $0.openShards.keep(shard, file) }
        return file
    }

    public func shards(from first: BlockNumber) throws(StoreError) -> [ShardName] {
        do throws(SystemError) {
            guard let blocks = try existingDirectory(Self.blocks) else { return [] }
            var shards: [ShardName] = []
            let firstDirectory = ShardName.directoryName(of: first)
            // Asked for what is new, a directory of thousands is mostly old.
            let firstFile = Array(ShardName.beginning(of: first).utf8)
            for name in try Files.names(in: blocks) {
                guard let text = String(validating: name, as: UTF8.self), text.utf8.count == 13,
                    UInt64(text, radix: 16) != nil, text >= firstDirectory,
                    let directory = try existingDirectory("\(Self.blocks)/\(text)")
                else { continue }
                for file in try Files.names(in: directory, from: firstFile) {
                    guard let file = String(validating: file, as: UTF8.self), let shard = ShardName(fileName: file),
                        shard.number >= first, shard.directoryName == text
                    else { continue }
                    shards.append(shard)
                }
            }
            return shards.sorted()
        } catch {
            throw StoreError("list the shards", at: place, error)
        }
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

    public func space() throws(StoreError) -> DeviceSpace {
        try explaining("ask for free space", at: place) { () throws(SystemError) in try Files.space(of: root) }
    }

    public func stage(_ pieces: [UnsafeRawBufferPointer], as shard: ShardName) throws(StoreError) -> StagedShard {
        let ticket = state.withLock { state in
            state.nextTicket += 1
            return state.nextTicket
        }
        let staged = StagedShard(shard: shard, ticket: ticket)
        do throws(SystemError) {
            guard try Files.status(of: Array(DocumentName.device.rawValue.utf8), in: root) != nil else {
                // The identity is gone: this is not the device any more.
                throw SystemError(ENODEV)
            }
            let temporaries = try directory(Self.temporaries, creating: true)
            let file = try Files.open(Self.temporaryName(staged), in: temporaries, O_WRONLY | O_CREAT | O_EXCL)
            let byteCount = pieces.reduce(0) { $0 + $1.count }
            do throws(SystemError) {
                if byteCount > Self.largeBytes { try Files.reserve(byteCount, in: file) }
                let isWritten = byteCount > Self.largeBytes ? try DirectIO.write(pieces, to: file) : false
                if !isWritten {
                    try Files.write(pieces, to: file.number)
                    // What is short is on its way with the sync.
                    if byteCount > Limits.cellBytes { Files.startWriteback(file) }
                }
            } catch {
                try? Files.remove(Self.temporaryName(staged), in: temporaries)
                throw error
            }
            state.withLock { $0.unsynced[ticket] = (file, byteCount) }
            return staged
        } catch {
            throw StoreError("write shard \(shard)", at: place, error)
        }
    }

    public func sync(_ staged: [StagedShard]) throws(StoreError) {
        for shard in staged {
            guard let (file, byteCount) = state.withLock({ $0.unsynced.removeValue(forKey: shard.ticket) }) else {
                continue
            }
            try explaining("sync shard \(shard.shard)", at: place) { () throws(SystemError) in
                try Files.syncData(file)
                // Where there is no way past the page cache: what was written in bulk is seldom read soon, and its pages are at
                // once good for the next shard. Memory that was touched before is several times faster.
                if byteCount > Self.largeBytes { Files.dropCache(of: file) }
                try file.close()
            }
        }
    }

    public func name(_ staged: [StagedShard], replacing: Bool) throws(StoreError) {
        do throws(SystemError) {
            let temporaries = try directory(Self.temporaries, creating: true)
            var touched: [String: FileDescriptor] = [:]
            for shard in staged {
                let path = Self.blocks(shard.shard)
                let target = try directory(path, creating: true)
                try Files.rename(
                    Self.temporaryName(shard), in: temporaries, to: Array(shard.shard.fileName.utf8), in: target,
                    replacing: replacing)
                if replacing { state.withLock { $0.openShards.forget(shard.shard) } }
                touched[path] = target
            }
            // The names live in these directories; `directory(creating:)` has synced the directories'
            // own entries. That the temporary name may come back after a crash harms nobody.
            for (_, directory) in touched.sorted(by: { $0.key < $1.key }) { try Files.sync(directory) }
        } catch {
            throw StoreError("name shards", at: place, error)
        }
    }

    public func discard(_ staged: [StagedShard]) {
        for shard in staged {
            _ = state.withLock { $0.unsynced.removeValue(forKey: shard.ticket) }
            if let temporaries = try? directory(Self.temporaries, creating: false) {
                try? Files.remove(Self.temporaryName(shard), in: temporaries)
            }
        }
    }

    public func clearStaging() throws(StoreError) {
        do throws(SystemError) {
            guard let temporaries = try existingDirectory(Self.temporaries) else { return }
            for name in try Files.names(in: temporaries) { try Files.remove(name, in: temporaries) }
        } catch {
            throw StoreError("remove temporary files", at: place, error)
        }
    }

    public func remove(_ shard: ShardName) throws(StoreError) {
        do throws(SystemError) {
            guard let directory = try existingDirectory(Self.blocks(shard)) else { return }
            try Files.remove(Array(shard.fileName.utf8), in: directory)
            state.withLock { $0.openShards.forget(shard) }
        } catch {
            throw StoreError("remove shard \(shard)", at: place, error)
        }
    }

    private static let blocks = "blocks"
    private static let temporaries = "tmp"
    /// Shards longer than this are written and read in bulk.
    private static let largeBytes = 1 << 20

    private static func blocks(_ shard: ShardName) -> String { "\(blocks)/\(shard.directoryName)" }

    private static func temporaryName(_ staged: StagedShard) -> [UInt8] {
        Array("\(staged.shard.fileName).\(staged.ticket)".utf8)
    }

    private func existingDirectory(_ path: String) throws(SystemError) -> FileDescriptor? {
        do throws(SystemError) {
            return try directory(path, creating: false)
        } catch {
            // What is no directory is no directory of ours.
            if [ENOENT, ENOTDIR, ELOOP].contains(error.number) { return nil }
            throw error
        }
    }

    /// The directory `path` below the root. One that is made here is durable on return: its parent was
    /// synced.
    private func directory(_ path: String, creating: Bool) throws(SystemError) -> FileDescriptor {
        let known = state.withLock { $0.directories[path] ?? (creating ? nil : $0.seenDirectories[path]) }
        if let known { return known }
        var parent = root
        var walked = ""
        for part in path.split(separator: "/") {
            let name = Array(part.utf8)
            walked += walked.isEmpty ? String(part) : "/\(part)"
            if let known = state.withLock({ $0.directories[walked] }) {
                parent = known
                continue
            }
            if creating {
                // Synced also when it was there already: whoever made it may not have lived to do so.
                _ = try Files.makeDirectory(name, in: parent)
                try Files.sync(parent)
            }
            parent = try Files.open(name, in: parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
            let (opened, key) = (parent, walked)
            state.withLock { state in
                if creating {
                    state.directories[key] = opened
                } else {
                    if state.seenDirectories.count >= 64 { state.seenDirectories = [:] }
                    state.seenDirectories[key] = opened
                }
            }
        }
        return parent
    }
}

/// Descriptors of shards read lately. The least recently used goes first.
private struct OpenShards: Sendable {
    private static let maximum = 8
    private var files: [ShardName: (file: FileDescriptor, use: UInt64)] = [:]
    private var uses: UInt64 = 0

    mutating func find(_ shard: ShardName) -> FileDescriptor? {
        guard let file = files[shard]?.file else { return nil }
        uses += 1
        files[shard]?.use = uses
        return file
    }

    mutating func keep(_ shard: ShardName, _ file: FileDescriptor) {
        if files.count >= Self.maximum, let oldest = files.min(by: { $0.value.use < $1.value.use }) {
            files[oldest.key] = nil
        }
        uses += 1
        files[shard] = (file, uses)
    }

    mutating func forget(_ shard: ShardName) { files[shard] = nil }
}

/// A small file in a home or on a device.
func readDocument(
    _ name: DocumentName, in directory: FileDescriptor, at place: String
) throws(StoreError) -> [UInt8]? {
    do throws(SystemError) {
        return try Files.contents(
            of: Array(name.rawValue.utf8), in: directory, maximumBytes: Limits.documentBytes)
    } catch {
        if error.number == EFBIG {
            throw StoreError(.corrupt, "read \(name.rawValue)", at: place, detail: "it is longer than 16 MiB")
        }
        throw StoreError("read \(name.rawValue)", at: place, error)
    }
}
