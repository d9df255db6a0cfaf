import Glibc

/// A file that holds nothing but room (docs/format.md §8). What frees room needs some first: it lets go of this.
enum ReserveFile {
    static let name = "reserve"

    /// The room that is kept in `directory`; 0 when there is none.
    static func byteCount(in directory: FileDescriptor) throws(SystemError) -> Int {
        try Files.status(of: Array(name.utf8), in: directory).map { Int($0.st_size) } ?? 0
    }

    /// Keeps `byteCount` bytes, for real; 0 to let go of them. A file that cannot be had whole is not kept at all.
    static func set(_ byteCount: Int, in directory: FileDescriptor) throws(SystemError) {
        let path = Array(name.utf8)
        guard byteCount > 0 else { return try Files.remove(path, in: directory) }
        do throws(SystemError) {
            let file = try Files.open(path, in: directory, O_RDWR | O_CREAT, mode: 0o600)
            try Files.reserve(byteCount, in: file)
            try Files.setByteCount(byteCount, of: file)
            // A file system that cannot reserve would only pretend.
            guard try Int(Files.status(of: file).st_blocks) * 512 >= byteCount else { throw SystemError(EOPNOTSUPP) }
        } catch {
            try? Files.remove(path, in: directory)
            throw error
        }
    }
}
