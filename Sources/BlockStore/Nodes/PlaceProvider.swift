import Glibc

/// Finds devices by what their hints look like: a bucket on a node where one begins with "s3://", else a directory.
public final class PlaceProvider: DeviceProvider {
    private let directories: DirectoryProvider
    private let owner: LockOwner
    private let credentials: CredentialSource
    private let deadlines: HTTPDeadlines
    private let clock: any Clock
    /// One client for each bucket: its connections, and what is known of how it answers.
    private let clients = Monitor<[BucketAddress: S3Client]>([:])

    /// - Parameters:
    ///   - home: the home whose writer lock is held while devices are written to.
    ///   - command: what this process is, for whoever finds a node locked.
    public convenience init(home: String = "", command: String = "a program") {
        self.init(owner: .system(home: home, command: command))
    }

    init(
        directories: DirectoryProvider = DirectoryProvider(), owner: LockOwner,
        credentials: CredentialSource = .system, deadlines: HTTPDeadlines = HTTPDeadlines(),
        clock: any Clock = SystemClock()
    ) {
        self.directories = directories
        self.owner = owner
        self.credentials = credentials
        self.deadlines = deadlines
        self.clock = clock
    }

    public func open(_ hint: String) throws(StoreError) -> any Device {
        BucketAddress.isMeant(by: hint) ? try bucket(hint) : try directories.open(hint)
    }

    public func isRemote(_ hint: String) -> Bool { BucketAddress.isMeant(by: hint) }

    /// A bucket is never made: whoever pays for it does that.
    public func prepare(
        _ hint: String, creating: Bool, isLeftover: ([UInt8], Bool) -> Bool
    ) throws(StoreError) -> any Device {
        guard BucketAddress.isMeant(by: hint) else {
            return try directories.prepare(hint, creating: creating, isLeftover: isLeftover)
        }
        let operation = "use this bucket as a device"
        let device = try bucket(hint)
        let names = try device.names()
        let document = try device.readDocument(.device)
        if names.isEmpty, document == nil { return device }
        guard let document else {
            throw StoreError(
                .exists, operation, at: device.place, detail: "it is not empty: it holds \(names.first ?? "something")",
                advice: "choose an empty bucket, or a prefix in which there is nothing: s3://BUCKET/PREFIX")
        }
        let own = Set(["device.json", "epoch.json", "lock"])
        let isBare = names.allSatisfy { own.contains($0) || $0.hasPrefix("blocks/") }
        guard isBare, isLeftover(document, names.contains { $0.hasPrefix("blocks/") }) else {
            throw StoreError(
                .exists, operation, at: device.place, detail: "it is a device of a store already",
                advice: "choose an empty bucket or prefix; bsctl recover brings back a store from its devices")
        }
        return device
    }

    /// What a hint is from everywhere: of a path from the root on; the address of a bucket in the one way of writing it.
    public static func absolute(_ hint: String) -> String {
        guard BucketAddress.isMeant(by: hint) else { return DirectoryProvider.absolute(hint) }
        return (try? BucketAddress(hint))?.description ?? hint
    }

    /// What somebody who puts devices at these places should know; one line for each kind of thing.
    public static func warnings(for places: [String]) -> [String] {
        let addresses = places.filter(BucketAddress.isMeant).compactMap { try? BucketAddress($0) }
        guard !addresses.isEmpty else { return [] }
        var warnings = [
            "whoever runs a node can read the keys and the pieces of objects in its shards: nothing is encrypted by the store"
        ]
        let open = addresses.compactMap(\.endpoint).filter { !$0.isEncrypted && !$0.isLocal }
        if let first = open.first {
            warnings.append("so can whoever is on the way to \(first): it is not https")
        }
        return warnings
    }

    private func bucket(_ hint: String) throws(StoreError) -> S3Device {
        let address = try BucketAddress(hint)
        if let client = clients.withLock({ $0[address] }) { return S3Device(client, owner: owner, clock: clock) }
        let made = try S3Client(address, credentials, deadlines: deadlines, clock: clock)
        let client = clients.withLock { clients in
            let client = clients[address] ?? made
            clients[address] = client
            return client
        }
        return S3Device(client, owner: owner, clock: clock)
    }
}

extension LockOwner {
    /// This machine and the directory of `home`: what has the same name elsewhere is another.
    static func system(home path: String, command: String) -> LockOwner {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let home = DirectoryProvider.absolute(path)
        var status = Glibc.stat()
        let inode = stat(home, &status) == 0 ? "\(status.st_dev):\(status.st_ino)" : "?"
        let machine = (try? Files.open(Array("/etc".utf8), O_RDONLY | O_DIRECTORY)).flatMap { directory in
            (try? Files.contents(of: Array("machine-id".utf8), in: directory, maximumBytes: 4096)) ?? nil
        }
        let identity = "\(host)|\(String(decoding: machine ?? [], as: UTF8.self))|\(home)|\(inode)"
        return LockOwner(
            home: BodyDigest.sha256(of: identity), name: "\(command) (process \(getpid())) on \(host), home \(home)")
    }
}
