import Glibc

/// Restores one object to a file that appears under its name when it is whole, and replaces nothing.
///
/// Where the file system can keep a file without a name, nothing is left behind even when the process is
/// killed; elsewhere it has a temporary name beside the target until then. Use from one thread.
public final class FileSink: ByteSink {
    private let place: String
    private let name: [UInt8]
    private let directory: FileDescriptor
    private let file: FileDescriptor
    /// Nil while the file has no name at all.
    private var temporary: [UInt8]?

    /// - Throws: `.exists` when there is something at `path`.
    public init(path: [UInt8]) throws(StoreError) {
        let place = String(decoding: path, as: UTF8.self)
        let (directory, name) = try Self.target(of: path, place)
        self.place = place
        self.name = name
        self.directory = directory
        (file, temporary) = try explainingOutput("create the file", at: place) { () throws(SystemError) in
            do throws(SystemError) {
                return (try Files.openUnnamed(in: directory, mode: 0o666), nil)
            } catch {
                guard [EOPNOTSUPP, EISDIR, EINVAL, ENOENT].contains(error.number) else { throw error }
                let temporary = Array(".".utf8) + name.prefix(200) + Array(".bsctl-\(getpid())".utf8)
                // Left over from an interrupted process that had this one's number.
                try Files.remove(temporary, in: directory)
                let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
                return (try Files.open(temporary, in: directory, flags, mode: 0o666), temporary)
            }
        }
    }

    deinit { if let temporary { try? Files.remove(temporary, in: directory) } }

    /// Makes the symbolic link `path` → `target`, with a modification time. Throws `.exists` like `init`.
    public static func makeLink(
        path: [UInt8], target: [UInt8], _ attributes: ObjectAttributes
    ) throws(StoreError) {
        let place = String(decoding: path, as: UTF8.self)
        let (directory, name) = try Self.target(of: path, place)
        try explainingOutput("create the link", at: place) { () throws(SystemError) in
            try Files.makeLink(name, in: directory, target: target)
            if let time = attributes.modifiedNanoseconds {
                try Files.setModified(name, in: directory, nanoseconds: time)
            }
        }
    }

    public func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        let file = self.file
        try explainingOutput("write the file", at: place) { () throws(SystemError) in
            try Files.write([bytes], to: file.number)
        }
    }

    /// Gives the file its attributes and its name.
    public func finish(_ attributes: ObjectAttributes) throws(StoreError) {
        let (file, directory, temporary, name) = (file, directory, temporary, name)
        try explainingOutput("finish the file", at: place) { () throws(SystemError) in
            try Files.set(attributes.restorable, of: file)
            if let temporary {
                try file.close()
                try Files.rename(temporary, in: directory, to: name, in: directory, replacing: false)
            } else {
                try Files.giveName(name, in: directory, to: file)
                do throws(SystemError) {
                    try file.close()
                } catch {
                    // Where a file system reports a failed write as late as this, the file may not be whole.
                    try? Files.remove(name, in: directory)
                    throw error
                }
            }
        }
        self.temporary = nil
    }

    /// The directory and the name in it; nothing may be there yet.
    private static func target(of path: [UInt8], _ place: String) throws(StoreError) -> (FileDescriptor, [UInt8]) {
        let slash = path.lastIndex(of: UInt8(ascii: "/"))
        let name = slash.map { Array(path[($0 + 1)...]) } ?? path
        let parent = slash.map { $0 == 0 ? [UInt8(ascii: "/")] : Array(path[..<$0]) } ?? [UInt8(ascii: ".")]
        guard !name.isEmpty else {
            throw StoreError(.invalid, "create the file", at: place, detail: "its name is empty")
        }
        let (directory, existing) = try explainingOutput("create the file", at: place) { () throws(SystemError) in
            let directory = try Files.open(parent, O_RDONLY | O_DIRECTORY)
            return (directory, try Files.status(of: name, in: directory))
        }
        guard existing == nil else {
            throw StoreError(
                .exists, "create the file", at: place, detail: "it exists already",
                advice: "name another file, or - for standard output")
        }
        return (directory, name)
    }
}
