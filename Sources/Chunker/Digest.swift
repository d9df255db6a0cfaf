/// A chunk's name: the SHA-256 digest of its plain bytes, 32 bytes.
///
/// Held as four little-endian words so that hashing and comparing cost a few instructions.
public struct Digest: Hashable, Sendable, Comparable, CustomStringConvertible {
    public static let byteCount = 32

    public let words: (UInt64, UInt64, UInt64, UInt64)

    /// Reads the first 32 bytes of `bytes`.
    ///
    /// - Precondition: `bytes.count >= 32`.
    public init(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count >= Self.byteCount)
        func word(_ index: Int) -> UInt64 {
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
        }
        words = (word(0), word(1), word(2), word(3))
    }

    /// Writes the 32 bytes to the start of `bytes`.
    ///
    /// - Precondition: `bytes.count >= 32`.
    public func write(to bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count >= Self.byteCount)
        bytes.storeBytes(of: words.0.littleEndian, toByteOffset: 0, as: UInt64.self)
        bytes.storeBytes(of: words.1.littleEndian, toByteOffset: 8, as: UInt64.self)
        bytes.storeBytes(of: words.2.littleEndian, toByteOffset: 16, as: UInt64.self)
        bytes.storeBytes(of: words.3.littleEndian, toByteOffset: 24, as: UInt64.self)
    }

    public var bytes: [UInt8] {
        var result = [UInt8](repeating: 0, count: Self.byteCount)
        result.withUnsafeMutableBytes { write(to: $0) }
        return result
    }

    public static func == (left: Digest, right: Digest) -> Bool {
        left.words == right.words
    }

    public func hash(into hasher: inout Hasher) {
        // A digest is uniform already: one word is as good as four.
        hasher.combine(words.0)
    }

    /// Orders digests as their bytes do.
    public static func < (left: Digest, right: Digest) -> Bool {
        (left.words.0.byteSwapped, left.words.1.byteSwapped, left.words.2.byteSwapped, left.words.3.byteSwapped)
            < (
                right.words.0.byteSwapped, right.words.1.byteSwapped, right.words.2.byteSwapped,
                right.words.3.byteSwapped
            )
    }

    /// 64 hexadecimal digits.
    public var description: String {
        bytes.map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }.joined()
    }
}
