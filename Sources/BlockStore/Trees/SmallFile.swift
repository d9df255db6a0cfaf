import Glibc

/// A small file of a tree that was read whole, ahead of its turn and on another thread: swarms of them are limited by the calls
/// that each takes.
final class SmallFile: StampedSource, @unchecked Sendable {
    // @unchecked: made by one thread, and handed to another when it is whole.
    let attributes: ObjectAttributes
    let beganNanoseconds: Int64?
    private let bytes: [UInt8]
    private var position = 0
    /// As it was when it was opened, and after the last byte; nil where stamps are not to be trusted.
    private let stamps: (before: FileStamp?, after: FileStamp?)
    private var isBegun = false
    /// Told of bytes read.
    var onBytes: (Int) -> Void = { _ in }

    /// Reads it, if it still is what was seen: a regular file of `byteCount` bytes, on the same device.
    ///
    /// - Parameter keepsStamps: `Files.keepsStamps` of its device.
    /// - Returns: nil where it is not, or cannot be read: then it is to be read by who knows what to say of that.
    static func read(
        _ name: [UInt8], in directory: FileDescriptor, seen: FileStamp, keepsStamps: Bool, _ clock: any Clock
    ) -> SmallFile? {
        do throws(SystemError) {
            // Not blocking: a pipe may have taken the file's place.
            let file = try Files.open(name, in: directory, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
            let status = try Files.status(of: file)
            guard let before = FileStamp(status), before.device == seen.device, before.byteCount == seen.byteCount
            else { return nil }
            let began = clock.wallNanoseconds()
            let buffer = Buffer(byteCount: Int(seen.byteCount))
            guard try Files.read(file, at: 0, into: buffer.bytes) == buffer.byteCount else { return nil }
            let after = FileStamp(try Files.status(of: file))
            // It grows, or shrinks.
            guard after?.byteCount == before.byteCount else { return nil }
            return SmallFile(
                Array(buffer.bytes), ObjectAttributes(.file, status),
                keepsStamps ? (before, after) : (nil, nil), began)
        } catch {
            return nil
        }
    }

    private init(
        _ bytes: [UInt8], _ attributes: ObjectAttributes, _ stamps: (FileStamp?, FileStamp?), _ began: Int64
    ) {
        self.bytes = bytes
        self.attributes = attributes
        self.stamps = stamps
        beganNanoseconds = began
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) -> Int {
        let count = min(buffer.count, bytes.count - position)
        guard count > 0 else { return 0 }
        bytes.withUnsafeBytes {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[position..<(position + count)]))
        }
        position += count
        onBytes(count)
        return count
    }

    /// Asked first before the first byte is taken, and then after the last one.
    func stamp() -> FileStamp? {
        defer { isBegun = true }
        return isBegun ? stamps.after : stamps.before
    }
}
