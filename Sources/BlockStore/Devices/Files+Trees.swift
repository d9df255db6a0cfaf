import CLinux
import Glibc

/// What restoring and walking trees needs of the kernel.
extension Files {
    /// Linux' PATH_MAX, without the terminating zero.
    static let maximumLinkTargetBytes = 4095

    /// A file without a name, which ends with its descriptor unless `giveName` follows. File systems that
    /// cannot throw EOPNOTSUPP, EISDIR, EINVAL or ENOENT.
    static func openUnnamed(in directory: FileDescriptor, mode: mode_t) throws(SystemError) -> FileDescriptor {
        // Naming it needs /proc: better to know before it is full.
        if access("/proc/self/fd", F_OK) != 0 { throw SystemError(ENOENT) }
        return try open(Array(".".utf8), in: directory, O_WRONLY | O_DIRECTORY | Int32(BS_O_TMPFILE), mode: mode)
    }

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
}
