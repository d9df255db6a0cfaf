import Glibc

/// A file that gets its name when it is whole, and replaces nothing.
///
/// Where the file system can keep a file without a name, nothing is left behind even when the process is
/// killed or the file cannot be finished; elsewhere it has a temporary name beside its own until then. Use
/// from one thread.
final class NewFile {
    private let name: [UInt8]
    private let directory: FileDescriptor
    private let file: FileDescriptor
    /// Nil while the file has no name at all.
    private var temporary: [UInt8]?

    /// - Parameter mode: what the file has before `finish`, less the process' umask.
    /// - Throws: `EEXIST` when there is something of that name.
    init(_ name: [UInt8], in directory: FileDescriptor, mode: mode_t) throws(SystemError) {
        // Known before a byte is written, and once more when it gets the name.
        if try Files.status(of: name, in: directory) != nil { throw SystemError(EEXIST) }
        self.name = name
        self.directory = directory
        do throws(SystemError) {
            file = try Files.openUnnamed(in: directory, mode: mode)
        } catch {
            guard [EOPNOTSUPP, EISDIR, EINVAL, ENOENT].contains(error.number) else { throw error }
            // By chance, so that it is nobody else's, whatever was left by whom.
            let chance = String(UInt64.random(in: .min ... .max), radix: 36)
            let temporary = Array(".".utf8) + name.prefix(200) + Array(".bsctl-\(chance)".utf8)
            do throws(SystemError) {
                file = try Files.open(
                    temporary, in: directory, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: mode)
            } catch {
                // A call that failed may have made it all the same.
                if error.number != EEXIST { try? Files.remove(temporary, in: directory) }
                throw error
            }
            self.temporary = temporary
        }
    }

    deinit { if let temporary { try? Files.remove(temporary, in: directory) } }

    func write(_ bytes: UnsafeRawBufferPointer) throws(SystemError) {
        try Files.write([bytes], to: file.number)
    }

    /// Gives the file its attributes and its name.
    func finish(_ attributes: ObjectAttributes) throws(SystemError) {
        try Files.set(attributes.restorable, of: file)
        if let temporary {
            try file.close()
            try Files.rename(temporary, in: directory, to: name, in: directory, replacing: false)
            self.temporary = nil
            return
        }
        // A file system may report a failed write as late as in `close`: asked while there is no name to take back.
        try Files.duplicate(file).close()
        do throws(SystemError) {
            try Files.giveName(name, in: directory, to: file)
        } catch {
            // A call that failed may have done its work. What is another's stays.
            if let identity = try? Files.status(of: file), let named = try? Files.status(of: name, in: directory),
                named.st_dev == identity.st_dev,
                named.st_ino == identity.st_ino
            {
                try? Files.remove(name, in: directory)
            }
            throw error
        }
    }
}

extension ObjectAttributes {
    /// Without the bits that would make a file act for whoever restores it.
    var restorable: ObjectAttributes {
        var result = self
        if kind == .file { result.mode = mode.map { $0 & 0o1777 } }
        return result
    }
}
