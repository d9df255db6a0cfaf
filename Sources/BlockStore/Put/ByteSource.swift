/// Where an object's bytes come from.
public protocol ByteSource: AnyObject {
    /// Fills the start of `buffer` and returns how many bytes; 0 at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) -> Int
}

/// Bytes in memory.
public final class MemorySource: ByteSource {
    private let bytes: [UInt8]
    private var offset = 0

    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    public func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(buffer.count, bytes.count - offset)
        bytes.withUnsafeBytes { raw in
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: raw[offset..<(offset + count)]))
        }
        offset += count
        return count
    }
}

/// An open file, pipe or socket, read to its end. It is not closed.
public final class DescriptorSource: ByteSource {
    private let descriptor: Int32
    private let place: String

    public init(_ descriptor: Int32, place: String) {
        self.descriptor = descriptor
        self.place = place
    }

    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) -> Int {
        do throws(SystemError) {
            return try Files.readSome(descriptor, into: buffer)
        } catch {
            throw StoreError(.input, "read the input", at: place, detail: "", cause: error)
        }
    }
}
