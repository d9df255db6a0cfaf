import Chunker
import Glibc

/// A throw-away view of a store: its shards as hard links beside the originals, its index as a copy, its documents as copies.
///
/// Links are as good as copies here because shards are immutable: the engine writes each under a temporary name and never into one
/// that has its name. What a drill alters by itself is copied first (`rot`). The view's store can open nothing but the
/// view: `DrillProvider` knows no other place. Use from one thread.
final class DrillView {
    /// The original of a file, as the kernel describes it.
    private struct Original: Hashable {
        let inode: UInt64
        let byteCount: Int64
        let modifiedNanoseconds: Int64
        let links: UInt64

        init(_ status: stat) {
            inode = UInt64(status.st_ino)
            byteCount = Int64(status.st_size)
            modifiedNanoseconds = status.st_mtim.nanoseconds
            links = UInt64(status.st_nlink)
        }
    }

    /// One device of the store.
    private struct Device {
        let id: DeviceID
        let place: String
        let root: FileDescriptor
        var originals: [ShardName: Original] = [:]
        /// What its documents held.
        var documents: [DocumentName: [UInt8]] = [:]
    }

    /// Beside what belongs to the store, on the same file system.
    static let prefix = "drill-"
    private let name: String
    private let homePlace: String
    private var devices: [Device] = []
    /// What the files held that were copied to be altered: the digest of the original.
    private var altered: [(device: Int, shard: ShardName, digests: [Digest])] = []
    /// One drill at a time: it removes what others left behind.
    private let lock: FileDescriptor
    let provider = DrillProvider()

    /// Makes the view of `store`, whose locks are held meanwhile: nobody writes.
    ///
    /// - Throws: when a file system has no hard links, or nothing may be made there; nothing is left behind then.
    init(of store: Store, home: String, random: any RandomSource) throws(StoreError) {
        if let node = store.devices.compactMap(\.path).first(where: BucketAddress.isMeant) {
            throw StoreError(
                .invalid, "hold a drill", at: node, detail: "it is a bucket, and a view is made of hard links",
                advice:
                    "drills are for stores whose devices are all directories; bsctl scrub reads and checks every shard")
        }
        name = Self.prefix + hexadecimal(random.next(), digits: 16)
        homePlace = home
        lock = try explaining(Self.operation, at: home) { () throws(SystemError) in
            try Files.open(Array("\(home)/drill.lock".utf8), O_RDWR | O_CREAT, mode: 0o644)
        }
        let isAlone = try explaining(Self.operation, at: home) { () throws(SystemError) in try Files.tryLock(lock) }
        guard isAlone else {
            throw StoreError(.locked, "hold a drill", at: home, detail: "another drill is under way")
        }
        Self.clear(store.devices.compactMap(\.path) + [home])
        do throws(StoreError) {
            for (number, member) in store.engine.devices.all.enumerated() {
                if let device = member.device, member.state.isInService {
                    try add(member.configured.id, device)
                } else if let path = member.path {
                    // A repair of a sandbox puts a new one there, and in the view it must not be there.
                    provider.allow(path, at: "\(self.home)/device-\(number + 1)")
                }
            }
            try makeHome(store)
        } catch {
            remove()
            throw error
        }
    }

    private static let operation = "make a view of the store for the drill"

    /// Of the view.
    var home: String { "\(homePlace)/\(name)" }

    var linkedFiles: Int { devices.reduce(0) { $0 + $1.originals.count } }

    /// The directory of a device in the view; `isNew` for the one that takes its place.
    func place(of id: DeviceID, isNew: Bool = false) -> String? {
        devices.first { $0.id == id }.map { "\($0.place)/\(name)/\(isNew ? "new" : "view")" }
    }

    private func add(_ id: DeviceID, _ device: any BlockStore.Device) throws(StoreError) {
        let root = try explaining(Self.operation, at: device.place) { () throws(SystemError) in
            let root = try Files.open(Array(device.place.utf8), O_RDONLY | O_DIRECTORY)
            _ = try Files.makeDirectory(Array(name.utf8), in: root)
            return root
        }
        devices.append(Device(id: id, place: device.place, root: root))
        let shards = try device.shards(from: .none)
        var entry = devices[devices.count - 1]
        defer { devices[devices.count - 1] = entry }
        for document in DocumentName.allCases {
            if let bytes = try device.readDocument(document) { entry.documents[document] = bytes }
        }
        let documents = entry.documents
        entry.originals = try explaining(Self.operation, at: device.place) { () throws(SystemError) in
            let top = try Files.open(Array(name.utf8), in: root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
            let view = try Self.directory("view", in: top)
            for (document, bytes) in documents {
                try Files.replaceContents(
                    of: Array(document.rawValue.utf8), in: view, with: bytes, temporary: Array("new".utf8), in: view)
            }
            return try Self.link(shards, from: root, to: try Self.directory("blocks", in: view))
        }
        // The name may be taken up by the store in the view from where it expects the device.
        provider.allow(device.place, at: "\(device.place)/\(name)/view")
    }

    private static func directory(_ name: String, in parent: FileDescriptor) throws(SystemError) -> FileDescriptor {
        _ = try Files.makeDirectory(Array(name.utf8), in: parent)
        return try Files.open(Array(name.utf8), in: parent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    }

    private static func link(
        _ shards: [ShardName], from root: FileDescriptor, to blocks: FileDescriptor
    ) throws(SystemError) -> [ShardName: Original] {
        var originals: [ShardName: Original] = [:]
        var directory: (name: String, source: FileDescriptor, target: FileDescriptor)?
        for shard in shards {
            if directory?.name != shard.directoryName {
                let path = Array("blocks/\(shard.directoryName)".utf8)
                directory = (
                    shard.directoryName, try Files.open(path, in: root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
                    try Self.directory(shard.directoryName, in: blocks)
                )
            }
            guard let directory else { continue }
            let file = Array(shard.fileName.utf8)
            guard let status = try Files.status(of: file, in: directory.source) else { continue }
            try Files.link(file, in: directory.source, to: file, in: directory.target)
            originals[shard] = Original(status)
        }
        return originals
    }

    private func makeHome(_ store: Store) throws(StoreError) {
        let home = try DirectoryHome(path: self.home, creating: true, command: "bsctl drill")
        guard let document = try store.environment.home.readDocument(.store) else {
            throw StoreError(.corrupt, Self.operation, at: homePlace, detail: "the home has no store.json")
        }
        try home.writeDocument(.store, document)
        try store.engine.index.copy(to: self.home + "/index.db")
    }

    /// Flips a bit of a shard in the view, in a copy of the file.
    func rot(_ shard: ShardName, of id: DeviceID, at offset: Int, bit: Int) throws(StoreError) {
        guard let number = devices.firstIndex(where: { $0.id == id }) else { return }
        let device = devices[number]
        let operation = "damage a shard of the view"
        let path = "blocks/\(shard.directoryName)/\(shard.fileName)"
        let isCopied = altered.contains { $0.device == number && $0.shard == shard }
        try explaining(operation, at: device.place) { () throws(SystemError) in
            let original = try Files.open(Array(path.utf8), in: device.root, O_RDONLY)
            let view = try Files.open(
                Array("\(name)/view/blocks/\(shard.directoryName)".utf8), in: device.root, O_RDONLY | O_DIRECTORY)
            let file = Array(shard.fileName.utf8)
            if !isCopied {
                let copy = try Files.open(Array("copy".utf8), in: view, O_RDWR | O_CREAT | O_EXCL)
                try Files.copy(original, to: copy)
                try Files.rename(Array("copy".utf8), in: view, to: file, in: view, replacing: true)
                altered.append((number, shard, try Self.digests(of: original)))
            }
            let target = try Files.open(file, in: view, O_RDWR)
            // The one thing that must never happen.
            let (copied, kept) = (try Files.status(of: target), try Files.status(of: original))
            precondition(copied.st_ino != kept.st_ino || copied.st_dev != kept.st_dev, "a drill alters copies alone")
            try Files.flip(bit: bit, at: offset, in: target)
        }
    }

    /// Of each 4 MiB of a file.
    private static func digests(of file: FileDescriptor) throws(SystemError) -> [Digest] {
        let buffer = Buffers.scratch.take()
        defer { Buffers.scratch.give(buffer) }
        var digests: [Digest] = []
        var offset = 0
        while true {
            let count = try Files.read(file, at: offset, into: buffer.bytes)
            if count == 0 { break }
            let part = UnsafeRawBufferPointer(buffer.slice(0..<count))
            digests.append(Workspaces.shared.with { $0.digest(of: part) })
            offset += count
        }
        return digests
    }

    /// The device of the view is gone, as if its disk had died.
    func lose(_ id: DeviceID) {
        if let place = place(of: id) { provider.forget(place) }
    }

    /// Removes the view. What cannot be removed is told of by `differences`, and the next drill tries again.
    func remove() {
        for device in devices { try? Files.removeTree(Array(name.utf8), in: device.root) }
        if let parent = try? Files.open(Array(homePlace.utf8), O_RDONLY | O_DIRECTORY) {
            try? Files.removeTree(Array(name.utf8), in: parent)
        }
    }

    /// What is not as it was, in words; after `remove`. What others wrote and removed meanwhile is theirs.
    ///
    /// - Returns: how many files were compared, how many are gone with which a writer did away, and what differs.
    func differences() -> (compared: Int, gone: Int, problems: [String]) {
        var (compared, gone) = (0, 0)
        var problems: [String] = []
        for device in devices {
            for (shard, original) in device.originals.sorted(by: { $0.key < $1.key }) {
                let path = "blocks/\(shard.directoryName)/\(shard.fileName)"
                do throws(SystemError) {
                    guard let status = try Files.status(of: Array(path.utf8), in: device.root) else {
                        gone += 1
                        continue
                    }
                    compared += 1
                    if Original(status) != original {
                        problems.append("\(device.place)/\(path) is not as it was")
                    }
                } catch {
                    problems.append("\(device.place)/\(path): \(error)")
                }
            }
            if let left = try? Files.status(of: Array(name.utf8), in: device.root), left.st_ino != 0 {
                problems.append("\(device.place)/\(name) could not be removed")
            }
        }
        for (number, shard, digests) in altered {
            let path = "blocks/\(shard.directoryName)/\(shard.fileName)"
            guard let file = try? Files.open(Array(path.utf8), in: devices[number].root, O_RDONLY) else { continue }
            if (try? Self.digests(of: file)) != digests {
                problems.append("\(devices[number].place)/\(path) does not hold what it held")
            }
        }
        return (compared, gone, problems)
    }

    /// Removes what drills left behind that did not live to do it.
    private static func clear(_ places: [String]) {
        for place in places {
            guard let root = try? Files.open(Array(place.utf8), O_RDONLY | O_DIRECTORY),
                let names = try? Files.names(in: root)
            else { continue }
            for name in names where name.starts(with: Array(prefix.utf8)) { try? Files.removeTree(name, in: root) }
        }
    }
}

/// Opens the places of a view and no others.
final class DrillProvider: DeviceProvider {
    /// From where a device is expected to where its view is.
    private let places = Monitor<[String: String]>([:])
    private let directories = DirectoryProvider()

    func allow(_ hint: String, at place: String) {
        places.withLock { places in
            places[hint] = place
            places[place] = place
        }
    }

    func forget(_ place: String) { places.withLock { $0 = $0.filter { $0.value != place } } }

    func open(_ hint: String) throws(StoreError) -> any Device {
        guard let place = places.withLock({ $0[hint] }) else {
            throw StoreError(.notFound, "open the device", at: hint, detail: "it is no part of the drill")
        }
        return try directories.open(place)
    }

    func prepare(
        _ hint: String, creating: Bool, isLeftover: ([UInt8], Bool) -> Bool
    ) throws(StoreError) -> any Device {
        guard let place = places.withLock({ $0[hint] }) else {
            throw StoreError(
                .notFound, "use this directory as a device", at: hint, detail: "it is no part of the drill")
        }
        // The places of new devices are the drill's own to make, whether the store's devices are a sandbox's or not.
        return try directories.prepare(place, creating: true, isLeftover: isLeftover)
    }
}
