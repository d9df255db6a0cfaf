import CLinux
import Glibc

/// Finds devices that are directories.
public final class DirectoryProvider: DeviceProvider {
    private let mountTable: String

    /// - Parameter mountTable: where the mount points are configured; another file in tests.
    public init(mountTable: String = "/etc/fstab") { self.mountTable = mountTable }

    public func open(_ hint: String) throws(StoreError) -> any Device { try DirectoryDevice(path: hint) }

    public func prepare(
        _ hint: String, creating: Bool, isLeftover: ([UInt8], Bool) -> Bool
    ) throws(StoreError) -> any Device {
        let operation = "use this directory as a device"
        let path = Array(hint.utf8)
        guard !path.isEmpty else { throw StoreError(.invalid, operation, detail: "the path is empty") }
        // Before anything is made: a bare mount point must stay bare.
        if let mountPoint = missingMount(above: hint) {
            throw StoreError(
                .invalid, operation, at: hint, detail: "\(mountPoint) is a mount point with nothing mounted",
                advice: "mount the disk first: mount \(mountPoint)")
        }
        if creating {
            let isNew = try explaining(operation, at: hint) { () throws(SystemError) in try Files.makeDirectory(path) }
            if isNew { try syncParent(of: hint, operation) }
        }
        let device: DirectoryDevice
        do throws(StoreError) {
            device = try DirectoryDevice(path: hint)
        } catch {
            guard error.code == .notFound else { throw error }
            throw StoreError(
                .notFound, operation, at: hint, detail: "there is no such directory",
                advice: "make an empty one there, on the disk that is meant (mkdir), or name another")
        }
        let names = try explaining(operation, at: hint) { () throws(SystemError) in
            try Files.names(in: try Files.open(path, O_RDONLY | O_DIRECTORY))
        }.map { String(decoding: $0, as: UTF8.self) }.filter { $0 != "lost+found" }
        if names.isEmpty || names == ["tmp"] && isLeftoverStaging(path) { return device }
        guard names.contains(DocumentName.device.rawValue) else {
            throw StoreError(
                .exists, operation, at: hint, detail: "it is not empty: it holds \(names[0])",
                advice: "choose an empty directory")
        }
        let document = try device.readDocument(.device) ?? []
        let isBare = Set(names).isSubset(of: [
            DocumentName.device.rawValue, DocumentName.epoch.rawValue, ReserveFile.name, "tmp", "blocks",
        ])
        let shards = try device.shards(from: .none)
        guard isBare, isLeftover(document, !shards.isEmpty) else {
            throw StoreError(
                .exists, operation, at: hint, detail: "it is a device of a store already",
                advice: "choose an empty directory")
        }
        return device
    }

    /// Whether `tmp` holds at most an identity that was never named: whoever began to make this directory a
    /// device did not live to do so.
    private func isLeftoverStaging(_ path: [UInt8]) -> Bool {
        guard let root = try? Files.open(path, O_RDONLY | O_DIRECTORY),
            let staging = try? Files.open(Array("tmp".utf8), in: root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
            let names = try? Files.names(in: staging)
        else { return false }
        return names.allSatisfy { $0 == Array("\(DocumentName.device.rawValue).new".utf8) }
    }

    /// The mount point at or above `path` that has nothing mounted, though it is configured: it lies on the
    /// same file system as its parent.
    private func missingMount(above path: String) -> String? {
        guard let table = setmntent(mountTable, "r") else { return nil }
        defer { endmntent(table) }
        guard let resolved = Self.resolved(path) ?? Self.resolved(Self.parent(of: path))
        else { return nil }
        while let entry = getmntent(table) {
            guard let name = entry.pointee.mnt_dir, let mountPoint = Self.resolved(String(cString: name)),
                mountPoint != "/", resolved == mountPoint || resolved.hasPrefix(mountPoint + "/")
            else { continue }
            var own = stat()
            var parent = stat()
            guard stat(mountPoint, &own) == 0, stat(mountPoint + "/..", &parent) == 0 else { continue }
            if own.st_dev == parent.st_dev { return mountPoint }
        }
        return nil
    }

    /// `path` from the root: a hint must hold from anywhere.
    public static func absolute(_ path: String) -> String {
        if let resolved = resolved(path) { return resolved }
        guard !path.hasPrefix("/"), let here = getcwd(nil, 0) else { return path }
        defer { free(here) }
        return String(cString: here) + "/" + path
    }

    private static func parent(of path: String) -> String {
        path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    }

    private static func resolved(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    private func syncParent(of path: String, _ operation: String) throws(StoreError) {
        try explaining(operation, at: path) { () throws(SystemError) in
            try Files.sync(try Files.open(Array((path + "/..").utf8), O_RDONLY | O_DIRECTORY))
        }
    }
}
