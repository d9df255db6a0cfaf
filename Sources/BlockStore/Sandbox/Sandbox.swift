import Glibc

/// What a simulated loss or decay did.
public struct SandboxReport: Sendable {
    /// What was destroyed: labels of devices, or shards with byte and bit.
    public var damage: [String] = []
}

extension Store {
    /// Destroys the shards and the identity of these devices, as if the disks had died.
    ///
    /// The caller decides whether that is allowed. The store should be closed afterwards: what is open
    /// still holds descriptors.
    public func destroyDevices(_ ids: [DeviceID]) throws(StoreError) -> SandboxReport {
        var report = SandboxReport()
        for id in ids {
            guard let member = engine.devices[id], member.device != nil, let path = member.path else {
                throw StoreError(.notFound, "destroy a device", detail: "it is not there")
            }
            try explaining("destroy the device", at: path) { () throws(SystemError) in
                let root = try Files.open(Array(path.utf8), O_RDONLY | O_DIRECTORY)
                for name in ["blocks", "tmp"] { try Files.removeTree(Array(name.utf8), in: root) }
                for name in [DocumentName.device, .epoch] { try Files.remove(Array(name.rawValue.utf8), in: root) }
                try Files.sync(root)
            }
            report.damage.append(member.configured.label)
        }
        return report
    }

    /// Flips `count` random bits in random shards.
    public func rotBits(count: Int, random: any RandomSource) throws(StoreError) -> SandboxReport {
        var shards: [(String, String, ShardName)] = []
        for member in engine.devices.all {
            guard member.state.isInService, let device = member.device, let path = member.path else { continue }
            for shard in try device.shards(from: .none) { shards.append((member.configured.label, path, shard)) }
        }
        guard !shards.isEmpty else {
            throw StoreError(.notFound, "rot bits", detail: "there is no shard to damage")
        }
        var report = SandboxReport()
        for _ in 0..<count {
            let (label, path, shard) = shards[Int(random.next() % UInt64(shards.count))]
            let file = "\(path)/blocks/\(shard.directoryName)/\(shard.fileName)"
            let position = try explaining("damage a shard", at: file) { () throws(SystemError) in
                let descriptor = try Files.open(Array(file.utf8), O_RDWR)
                let size = Int(try Files.status(of: descriptor).st_size)
                guard size > 0 else { return (0, 0) }
                let (byte, bit) = (Int(random.next() % UInt64(size)), Int(random.next() % 8))
                try Files.flip(bit: bit, at: byte, in: descriptor)
                return (byte, bit)
            }
            report.damage.append("\(shard) on \(label): byte \(position.0), bit \(position.1)")
        }
        return report
    }
}

extension Files {
    fileprivate static func removeTree(_ path: [UInt8], in directory: FileDescriptor) throws(SystemError) {
        let child: FileDescriptor
        do throws(SystemError) {
            child = try open(path, in: directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        } catch {
            if error.number == ENOENT { return }
            if error.number == ENOTDIR { return try remove(path, in: directory) }
            throw error
        }
        for name in try names(in: child) { try removeTree(name, in: child) }
        try removeDirectory(path, in: directory)
    }

    fileprivate static func flip(bit: Int, at offset: Int, in file: FileDescriptor) throws(SystemError) {
        var byte: [UInt8] = [0]
        _ = try byte.withMutableBytes { raw throws(SystemError) in try read(file, at: offset, into: raw) }
        byte[0] ^= 1 << UInt8(bit)
        guard pwrite(file.number, byte, 1, off_t(offset)) == 1 else { throw SystemError(errno) }
        try syncData(file)
    }
}
