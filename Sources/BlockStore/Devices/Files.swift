import CLinux
import Glibc

/// An open file, closed with the last reference, or explicitly where a close error matters.
///
/// Thread rule: `number` may be used by any thread while someone holds a reference; `close` only by the
/// one owner.
final class FileDescriptor: @unchecked Sendable {
    // @unchecked: `isOpen` changes only in `close` and `deinit`, which belong to the owner.
    let number: Int32
    private var isOpen = true

    init(_ number: Int32) { self.number = number }

    deinit { if isOpen { _ = Glibc.close(number) } }

    /// Closes and reports what the kernel says. Never retried: the descriptor is gone either way.
    func close() throws(SystemError) {
        isOpen = false
        if Glibc.close(number) != 0 { throw SystemError(errno) }
    }
}

/// The only place that knows errno and EINTR. Paths are bytes without a terminating zero; relative ones
/// are taken from `directory`.
enum Files {
    static func open(
        _ path: [UInt8], in directory: FileDescriptor? = nil, _ flags: Int32, mode: mode_t = 0o600
    ) throws(SystemError) -> FileDescriptor {
        let number = try call(path) { openat(directory?.number ?? AT_FDCWD, $0, flags | O_CLOEXEC, mode) }
        return FileDescriptor(number)
    }

    /// Another descriptor of the same open file.
    static func duplicate(_ file: FileDescriptor) throws(SystemError) -> FileDescriptor {
        let number = fcntl(file.number, F_DUPFD_CLOEXEC, 0)
        if number < 0 { throw SystemError(errno) }
        return FileDescriptor(number)
    }

    /// Reads up to `buffer.count` bytes at `offset`, all of them unless the file ends.
    static func read(
        _ file: FileDescriptor, at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(SystemError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = pread(
                file.number, buffer.baseAddress.map { $0 + done }, buffer.count - done, off_t(offset + done))
            if count > 0 {
                done += count
            } else if count == 0 {
                break
            } else if errno != EINTR {
                throw SystemError(errno)
            }
        }
        return done
    }

    /// Lets the page cache forget what is on the medium already of the first `byteCount` bytes, or of everything.
    static func dropCache(of file: FileDescriptor, upTo byteCount: Int = 0) {
        posix_fadvise(file.number, 0, off_t(byteCount), POSIX_FADV_DONTNEED)
    }

    /// Reads what is there now, at most `buffer.count` bytes; 0 at the end.
    static func readSome(_ file: Int32, into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int {
        while true {
            let count = Glibc.read(file, buffer.baseAddress, buffer.count)
            if count >= 0 { return count }
            if errno != EINTR { throw SystemError(errno) }
        }
    }

    /// Lets a pipe hold as much as an unprivileged process may ask for, so that who writes and who reads seldom wait for each other.
    /// Nothing becomes of what is no pipe, or a narrow one for good reason.
    static func widenPipe(_ file: Int32) { _ = fcntl(file, Int32(BS_F_SETPIPE_SZ), Int32(1 << 20)) }

    /// Writes all of `pieces` in order at the file's position.
    static func write(_ pieces: [UnsafeRawBufferPointer], to file: Int32) throws(SystemError) {
        for piece in pieces {
            var done = 0
            while done < piece.count {
                let count = Glibc.write(file, piece.baseAddress.map { $0 + done }, piece.count - done)
                if count >= 0 {
                    done += count
                } else if errno != EINTR {
                    throw SystemError(errno)
                }
            }
        }
    }

    /// Reserves `byteCount` bytes, so that a full disk shows before the data is written. File systems
    /// that cannot are passed over.
    static func reserve(_ byteCount: Int, in file: FileDescriptor) throws(SystemError) {
        while fallocate(file.number, 0, 0, byteCount) != 0 {
            if errno == EINTR { continue }
            if errno == EOPNOTSUPP || errno == ENOSYS { return }
            throw SystemError(errno)
        }
    }

    /// Cuts the file off at `byteCount` bytes, or fills it with zeros up to there.
    static func setByteCount(_ byteCount: Int, of file: FileDescriptor) throws(SystemError) {
        while ftruncate(file.number, off_t(byteCount)) != 0 {
            if errno != EINTR { throw SystemError(errno) }
        }
    }

    /// Starts writing what is dirty to the medium, without waiting.
    static func startWriteback(_ file: FileDescriptor) {
        _ = sync_file_range(file.number, 0, 0, UInt32(BS_SYNC_FILE_RANGE_WRITE))
    }

    static func syncData(_ file: FileDescriptor) throws(SystemError) {
        // Not retried, not even after EINTR: what a failed sync dropped is gone.
        if fdatasync(file.number) != 0 { throw SystemError(errno) }
    }

    static func sync(_ file: FileDescriptor) throws(SystemError) {
        if fsync(file.number) != 0 { throw SystemError(errno) }
    }

    /// Gives `from` the name `to`, which must not exist unless `replacing`.
    static func rename(
        _ from: [UInt8], in source: FileDescriptor, to: [UInt8], in target: FileDescriptor, replacing: Bool
    ) throws(SystemError) {
        let flags: UInt32 = replacing ? 0 : UInt32(BS_RENAME_NOREPLACE)
        do throws(SystemError) {
            _ = try call(from) { from in
                to.withTerminator { renameat2(source.number, from, target.number, $0, flags) }
            }
        } catch {
            guard !replacing, error.number == EINVAL || error.number == ENOSYS else { throw error }
            // A file system without the flag: a link never replaces either.
            _ = try call(from) { from in
                to.withTerminator { linkat(source.number, from, target.number, $0, 0) }
            }
            try remove(from, in: source)
        }
    }

    /// Removes a file; one that is not there is removed already.
    static func remove(_ path: [UInt8], in directory: FileDescriptor? = nil) throws(SystemError) {
        do throws(SystemError) {
            _ = try call(path) { unlinkat(directory?.number ?? AT_FDCWD, $0, 0) }
        } catch {
            if error.number != ENOENT { throw error }
        }
    }

    static func removeDirectory(_ path: [UInt8], in directory: FileDescriptor? = nil) throws(SystemError) {
        _ = try call(path) { unlinkat(directory?.number ?? AT_FDCWD, $0, Int32(AT_REMOVEDIR)) }
    }

    /// Makes a directory; false when something of that name is there already.
    static func makeDirectory(
        _ path: [UInt8], in directory: FileDescriptor? = nil, mode: mode_t = 0o700
    ) throws(SystemError) -> Bool {
        do throws(SystemError) {
            _ = try call(path) { mkdirat(directory?.number ?? AT_FDCWD, $0, mode) }
            return true
        } catch {
            if error.number == EEXIST { return false }
            throw error
        }
    }

    static func status(of file: FileDescriptor) throws(SystemError) -> stat {
        var result = stat()
        if fstat(file.number, &result) != 0 { throw SystemError(errno) }
        return result
    }

    /// Whether the file system stamps changes by this machine's clock, at least once a second, and gives no inode number of a
    /// file to another one as long as the file is there. So do those of Linux itself; over a network the clock and the numbers
    /// are another's, and FAT and FUSE draw numbers anew.
    static func keepsStamps(_ file: FileDescriptor) -> Bool {
        switch bs_file_system(file.number) {
        // As in statfs(2): ext2 to ext4, XFS, Btrfs, F2FS, Bcachefs, ZFS, tmpfs, overlayfs.
        case 0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0xca45_1a4e, 0x2fc1_2fc1, 0x0102_1994, 0x794c_7630:
            return true
        default: return false
        }
    }

    /// The status of what `path` names itself, links not followed; nil when there is nothing.
    static func status(of path: [UInt8], in directory: FileDescriptor? = nil) throws(SystemError) -> stat? {
        var result = stat()
        do throws(SystemError) {
            _ = try call(path) { fstatat(directory?.number ?? AT_FDCWD, $0, &result, AT_SYMLINK_NOFOLLOW) }
            return result
        } catch {
            if error.number == ENOENT || error.number == ENOTDIR { return nil }
            throw error
        }
    }

    /// The names in a directory, without `.` and `..`, sorted as bytes: readdir's order is no order.
    ///
    /// - Parameter first: names below it are passed over where they are read, neither copied nor sorted.
    static func names(in directory: FileDescriptor, from first: [UInt8] = []) throws(SystemError) -> [[UInt8]] {
        let copy = try call(Array(".".utf8)) { openat(directory.number, $0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard let stream = fdopendir(copy) else {
            let number = errno
            _ = Glibc.close(copy)
            throw SystemError(number)
        }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                if errno != 0 { throw SystemError(errno) }
                break
            }
            let found: [UInt8]? = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                let name = raw.prefix { $0 != 0 }
                return name.lexicographicallyPrecedes(first) ? nil : Array(name)
            }
            guard let name = found else { continue }
            if name.count > 2 || name.contains(where: { $0 != UInt8(ascii: ".") }) { names.append(name) }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    static func space(of directory: FileDescriptor) throws(SystemError) -> DeviceSpace {
        var result = statvfs()
        while fstatvfs(directory.number, &result) != 0 { if errno != EINTR { throw SystemError(errno) } }
        let unit = UInt64(result.f_frsize)
        return DeviceSpace(totalBytes: UInt64(result.f_blocks) * unit, freeBytes: UInt64(result.f_bavail) * unit)
    }

    /// Takes an exclusive lock that ends with the descriptor; false when another holds it.
    static func tryLock(_ file: FileDescriptor) throws(SystemError) -> Bool {
        while flock(file.number, LOCK_EX | LOCK_NB) != 0 {
            if errno == EWOULDBLOCK { return false }
            if errno != EINTR { throw SystemError(errno) }
        }
        return true
    }

    /// Takes a lock that others may have at the same time. Waits while somebody has it for himself.
    static func lockShared(_ file: FileDescriptor) {
        while flock(file.number, LOCK_SH) != 0 && errno == EINTR {}
    }

    static func unlock(_ file: FileDescriptor) {
        while flock(file.number, LOCK_UN) != 0 && errno == EINTR {}
    }

    /// The whole of a small file; nil when there is none.
    static func contents(
        of path: [UInt8], in directory: FileDescriptor, maximumBytes: Int
    ) throws(SystemError) -> [UInt8]? {
        let file: FileDescriptor
        do throws(SystemError) {
            file = try open(path, in: directory, O_RDONLY)
        } catch {
            if error.number == ENOENT { return nil }
            throw error
        }
        let size = Int(try status(of: file).st_size)
        guard size <= maximumBytes else { throw SystemError(EFBIG) }
        var bytes = [UInt8](repeating: 0, count: size)
        let count = try bytes.withMutableBytes { buffer throws(SystemError) in
            try read(file, at: 0, into: buffer)
        }
        return Array(bytes.prefix(count))
    }

    /// Replaces a small file: written beside it, synced, renamed, its directory synced.
    static func replaceContents(
        of path: [UInt8], in directory: FileDescriptor, with bytes: [UInt8], temporary: [UInt8],
        in temporaryDirectory: FileDescriptor
    ) throws(SystemError) {
        do throws(SystemError) {
            let file = try open(temporary, in: temporaryDirectory, O_WRONLY | O_CREAT | O_TRUNC)
            try bytes.withBytes { raw throws(SystemError) in try write([raw], to: file.number) }
            try sync(file)
            try file.close()
            try rename(temporary, in: temporaryDirectory, to: path, in: directory, replacing: true)
        } catch {
            try? remove(temporary, in: temporaryDirectory)
            throw error
        }
        try sync(directory)
    }

    /// Runs a call that takes a path until it is not interrupted. A path with a zero byte would name
    /// another file: it is refused.
    static func call(
        _ path: [UInt8], _ body: (UnsafePointer<CChar>) -> Int32
    ) throws(SystemError) -> Int32 {
        guard !path.contains(0) else { throw SystemError(EINVAL) }
        while true {
            let result = path.withTerminator(body)
            if result >= 0 { return result }
            if errno != EINTR { throw SystemError(errno) }
        }
    }
}

extension Array where Element == UInt8 {
    /// The bytes as a C string.
    func withTerminator<Value>(_ body: (UnsafePointer<CChar>) -> Value) -> Value {
        // On the stack, but for long ones.
        withUnsafeTemporaryAllocation(byteCount: count + 1, alignment: 1) { buffer in
            buffer.copyBytes(from: self)
            buffer[count] = 0
            guard let base = buffer.baseAddress else { preconditionFailure("there is a terminator") }
            return body(base.assumingMemoryBound(to: CChar.self))
        }
    }

    /// `withUnsafeMutableBytes` that lets typed errors through.
    mutating func withMutableBytes<Value, Failure: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let result = withUnsafeMutableBytes { raw -> Result<Value, Failure> in
            do throws(Failure) {
                return .success(try body(raw))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}

/// Runs `body` and says of a failed system call what was attempted, and where.
func explaining<Value>(
    _ operation: @autoclosure () -> String, at place: @autoclosure () -> String?,
    _ body: () throws(SystemError) -> Value
) throws(StoreError) -> Value {
    do throws(SystemError) {
        return try body()
    } catch {
        throw StoreError(operation(), at: place(), error)
    }
}
