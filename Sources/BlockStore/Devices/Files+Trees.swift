import CLinux
import Glibc

/// What restoring, walking, copying and removing trees needs of the kernel.
extension Files {
    /// Linux' PATH_MAX, without the terminating zero.
    static let maximumLinkTargetBytes = 4095

    /// A file without a name, which ends with its descriptor unless `giveName` follows. File systems that
    /// cannot throw EOPNOTSUPP, EISDIR, EINVAL or ENOENT.
    static func openUnnamed(in directory: FileDescriptor, mode: mode_t) throws(SystemError) -> FileDescriptor {
        // Naming it needs /proc: better to know before it is full.
        guard hasProc else { throw SystemError(ENOENT) }
        return try open(Array(".".utf8), in: directory, O_WRONLY | O_DIRECTORY | Int32(BS_O_TMPFILE), mode: mode)
    }

    private static let hasProc = access("/proc/self/fd", F_OK) == 0

    /// Names a file made by `openUnnamed`. An existing name is never replaced.
    static func giveName(
        _ path: [UInt8], in directory: FileDescriptor, to file: FileDescriptor
    ) throws(SystemError) {
        _ = try call(path) { path in
            linkat(AT_FDCWD, "/proc/self/fd/\(file.number)", directory.number, path, AT_SYMLINK_FOLLOW)
        }
    }

    static func linkTarget(_ path: [UInt8], in directory: FileDescriptor) throws(SystemError) -> [UInt8] {
        let capacity = maximumLinkTargetBytes + 1
        let buffer = UnsafeMutablePointer<CChar>.allocate(capacity: capacity)
        defer { buffer.deallocate() }
        let count = try call(path) { Int32(readlinkat(directory.number, $0, buffer, capacity)) }
        return (0..<Int(count)).map { UInt8(bitPattern: buffer[$0]) }
    }

    static func makeLink(_ path: [UInt8], in directory: FileDescriptor, target: [UInt8]) throws(SystemError) {
        guard !target.contains(0), !target.isEmpty else { throw SystemError(EINVAL) }
        _ = try call(path) { path in
            target.withTerminator { symlinkat($0, directory.number, path) }
        }
    }

    /// Sets the modification time of what `path` names itself, links not followed.
    static func setModified(
        _ path: [UInt8], in directory: FileDescriptor, nanoseconds: Int64
    ) throws(SystemError) {
        let times = [timespec(tv_sec: 0, tv_nsec: Int(omitted)), time(nanoseconds)]
        _ = try call(path) { utimensat(directory.number, $0, times, AT_SYMLINK_NOFOLLOW) }
    }

    /// Gives an open file or directory the mode and modification time it had.
    static func set(_ attributes: ObjectAttributes, of file: FileDescriptor) throws(SystemError) {
        if let mode = attributes.mode, fchmod(file.number, mode_t(mode & 0o7777)) != 0 { throw SystemError(errno) }
        if let nanoseconds = attributes.modifiedNanoseconds {
            let times = [timespec(tv_sec: 0, tv_nsec: Int(omitted)), time(nanoseconds)]
            if futimens(file.number, times) != 0 { throw SystemError(errno) }
        }
    }

    /// `UTIME_OMIT`, which Swift does not import.
    private static let omitted = (1 << 30) - 2

    private static func time(_ nanoseconds: Int64) -> timespec {
        let billion: Int64 = 1_000_000_000
        var seconds = nanoseconds / billion
        var rest = nanoseconds % billion
        if rest < 0 {
            seconds -= 1
            rest += billion
        }
        return timespec(tv_sec: Int(seconds), tv_nsec: Int(rest))
    }

    /// Removes a directory with all that is in it, links not followed; what is not there is removed already.
    static func removeTree(_ path: [UInt8], in directory: FileDescriptor) throws(SystemError) {
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

    /// Damages a file in place.
    static func flip(bit: Int, at offset: Int, in file: FileDescriptor) throws(SystemError) {
        var byte: [UInt8] = [0]
        _ = try byte.withMutableBytes { raw throws(SystemError) in try read(file, at: offset, into: raw) }
        byte[0] ^= 1 << UInt8(bit)
        guard pwrite(file.number, byte, 1, off_t(offset)) == 1 else { throw SystemError(errno) }
        try syncData(file)
    }

    /// Gives a file another name; an existing one is never replaced.
    static func link(
        _ from: [UInt8], in source: FileDescriptor, to: [UInt8], in target: FileDescriptor
    ) throws(SystemError) {
        _ = try call(from) { from in to.withTerminator { linkat(source.number, from, target.number, $0, 0) } }
    }

    /// Makes `target`, which is empty, hold what `source` holds, sharing its blocks where the file system can.
    static func copy(_ source: FileDescriptor, to target: FileDescriptor) throws(SystemError) {
        if bs_clone(target.number, source.number) == 0 { return }
        let buffer = Buffers.scratch.take()
        defer { Buffers.scratch.give(buffer) }
        var offset = 0
        while true {
            let count = try read(source, at: offset, into: buffer.bytes)
            if count == 0 { return }
            try write([UnsafeRawBufferPointer(buffer.slice(0..<count))], to: target.number)
            offset += count
        }
    }
}
