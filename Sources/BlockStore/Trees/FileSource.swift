import Glibc

/// A file opened by path, with the attributes it has; closed with the last reference.
public final class FileSource: ByteSource, StampedSource {
    public let attributes: ObjectAttributes
    /// How long the file was when it was opened; 0 for what has no length, such as a pipe.
    public let byteCount: UInt64
    private let file: FileDescriptor
    private let source: DescriptorSource
    /// Whether stamps are to be trusted, and the size that the file system tells with them.
    private let keepsStamps: Bool
    /// As the file was at some moment since its last byte was read, or since it was opened.
    private var latest: stat?
    /// In bytes.
    private var position: off_t = 0
    /// Told of bytes read.
    public var onBytes: (Int) -> Void = { _ in }

    /// - Throws: `.input` when it cannot be opened, or is a directory.
    public convenience init(path: [UInt8]) throws(StoreError) {
        let place = String(decoding: path, as: UTF8.self)
        let file = try explainingInput(place) { () throws(SystemError) in try Files.open(path, O_RDONLY) }
        let status = try explainingInput(place) { () throws(SystemError) in try Files.status(of: file) }
        guard status.st_mode & S_IFMT != S_IFDIR else {
            throw StoreError(
                .input, "read the file", at: place, detail: "it is a directory",
                advice: "bsctl put -r stores directories")
        }
        self.init(file, status, keepsStamps: Files.keepsStamps(file), place: place)
    }

    /// A file that is open already.
    ///
    /// - Parameter keepsStamps: `Files.keepsStamps` of it.
    init(_ file: FileDescriptor, _ status: stat, keepsStamps: Bool, place: String) {
        self.file = file
        self.keepsStamps = keepsStamps && status.st_mode & S_IFMT == S_IFREG
        latest = status
        // A pipe's mode and time say nothing about what comes through it.
        attributes =
            status.st_mode & S_IFMT == S_IFREG ? ObjectAttributes(.file, status) : ObjectAttributes()
        byteCount = status.st_mode & S_IFMT == S_IFREG ? UInt64(max(0, status.st_size)) : 0
        // Not worth a call for what the first read-ahead covers anyway.
        if status.st_size > 128 << 10 { posix_fadvise(file.number, 0, 0, POSIX_FADV_SEQUENTIAL) }
        source = DescriptorSource(file.number, place: place)
    }

    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) -> Int {
        if isAtEnd() { return 0 }
        let count = try source.read(into: buffer)
        latest = nil
        position += off_t(count)
        onBytes(count)
        return count
    }

    /// Whether the size says so: one look tells both that nothing follows and what the file's stamp is then.
    private func isAtEnd() -> Bool {
        guard keepsStamps, position > 0 else { return false }
        return position == status()?.st_size
    }

    func stamp() -> FileStamp? {
        guard keepsStamps, let status = status() else { return nil }
        return FileStamp(status)
    }

    private func status() -> stat? {
        if latest == nil { latest = try? Files.status(of: file) }
        return latest
    }
}

extension ObjectAttributes {
    init(_ kind: ObjectKind, _ status: stat) {
        self.init(
            kind: kind, mode: UInt16(truncatingIfNeeded: status.st_mode & 0o7777),
            modifiedNanoseconds: status.st_mtim.nanoseconds)
    }
}

/// Runs a call on what is to be stored. Its failure is always the input's: a file that is not there is
/// no missing key.
func explainingInput<Value>(
    _ place: @autoclosure () -> String, _ body: () throws(SystemError) -> Value
) throws(StoreError) -> Value {
    do throws(SystemError) {
        return try body()
    } catch {
        throw StoreError(.input, "read the file", at: place(), detail: "", cause: error)
    }
}
