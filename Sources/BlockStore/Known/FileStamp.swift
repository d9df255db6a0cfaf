import Glibc

/// What tells the content of a file apart from all that any file held before: where it is, its size, and when it was changed.
///
/// Two looks at a file that give the same stamp saw the same content, unless both changes fell into one tick of the file
/// system's clock (`FileReading`), somebody set the machine's clock back to the very tick, or the content is written to by way of
/// memory: a page that is mapped and dirty already takes more writes without any new time of change.
struct FileStamp: Sendable, Hashable {
    let device: UInt64
    let inode: UInt64
    let byteCount: UInt64
    let modifiedNanoseconds: Int64
    /// Of content or attributes, by the kernel: nobody can set it.
    let changedNanoseconds: Int64

    init(
        device: UInt64, inode: UInt64, byteCount: UInt64, modifiedNanoseconds: Int64, changedNanoseconds: Int64
    ) {
        self.device = device
        self.inode = inode
        self.byteCount = byteCount
        self.modifiedNanoseconds = modifiedNanoseconds
        self.changedNanoseconds = changedNanoseconds
    }

    /// Nil for what is no regular file.
    init?(_ status: stat) {
        guard status.st_mode & S_IFMT == S_IFREG, let byteCount = UInt64(exactly: status.st_size) else { return nil }
        self.init(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino), byteCount: byteCount,
            modifiedNanoseconds: status.st_mtim.nanoseconds, changedNanoseconds: status.st_ctim.nanoseconds)
    }
}

extension timespec {
    var nanoseconds: Int64 { Int64(tv_sec) &* 1_000_000_000 &+ Int64(tv_nsec) }
}

/// A source that can be told again later by its stamp.
protocol StampedSource: ByteSource {
    /// As it is now; nil where stamps are not to be trusted.
    func stamp() -> FileStamp?
    /// When the reading began, after the first look at the stamp and before the first byte, where that was before it is asked for it; else
    /// nil.
    var beganNanoseconds: Int64? { get }
}

extension StampedSource {
    var beganNanoseconds: Int64? { nil }
}

/// One reading of a file, from before its first byte until after its last: whether its stamp stands for what was read.
struct FileReading {
    private let source: any StampedSource
    private let before: FileStamp
    private let beganNanoseconds: Int64
    /// No file system that is trusted (`Files.keepsStamps`) keeps times coarser than a second; the kernel's own tick is 10 ms
    /// at most.
    static let tickNanoseconds: Int64 = 2_000_000_000

    /// Nil for what can not be remembered.
    init?(_ source: any ByteSource, _ clock: any Clock) {
        guard let source = source as? any StampedSource, let before = source.stamp() else { return nil }
        self.source = source
        self.before = before
        // Not before the look at the stamp, nor after the first byte.
        beganNanoseconds = source.beganNanoseconds ?? clock.wallNanoseconds()
    }

    /// The stamp of exactly what was read; nil when the file may have changed meanwhile, or may yet change within the tick of
    /// its last change, which nobody could see.
    func end(receivedBytes: UInt64) -> FileStamp? {
        guard before.byteCount == receivedBytes, source.stamp() == before else { return nil }
        // Whatever is written from here on is stamped later than what was written before the reading began.
        let (settled, overflow) = before.changedNanoseconds.addingReportingOverflow(Self.tickNanoseconds)
        let isSettled = !overflow && settled < beganNanoseconds
        return isSettled || Mutant.isActive(.youngFileTrusted) ? before : nil
    }
}
