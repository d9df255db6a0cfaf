import CLZ4

/// How a chunk's stored bytes encode its plain bytes.
public enum Codec: UInt8, Sendable {
    /// As they are.
    case stored = 0
    /// One LZ4 block.
    case lz4 = 1
}

/// Stored bytes that do not decode to the declared length.
public struct CodecError: Error, Sendable, CustomStringConvertible {
    public let description: String
}

/// Decodes `stored` into exactly `plain.count` bytes.
///
/// Safe on hostile input: nothing is read or written outside the two buffers. It does not
/// authenticate: check the digest afterwards. Any thread.
public func decompress(
    _ stored: UnsafeRawBufferPointer, codec: Codec, into plain: UnsafeMutableRawBufferPointer
) throws(CodecError) {
    switch codec {
    case .stored:
        guard stored.count == plain.count else {
            throw CodecError(description: "\(stored.count) bytes stored as they are, expected \(plain.count)")
        }
        plain.copyMemory(from: stored)
    case .lz4:
        guard let source = stored.baseAddress, let target = plain.baseAddress,
            let count = Int32(exactly: stored.count), let capacity = Int32(exactly: plain.count)
        else { throw CodecError(description: "an empty LZ4 block") }
        let length = LZ4_decompress_safe(
            source.assumingMemoryBound(to: CChar.self), target.assumingMemoryBound(to: CChar.self), count, capacity)
        guard length == capacity else {
            throw CodecError(
                description: length < 0
                    ? "a malformed LZ4 block" : "an LZ4 block of \(length) bytes, expected \(capacity)")
        }
    }
}
