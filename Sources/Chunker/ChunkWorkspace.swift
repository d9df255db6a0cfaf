import CCrypto
import CLZ4

/// Hashing and compression state: costly to make, cheap to use again. One thread at a time.
public final class ChunkWorkspace {
    /// Fetched once per process: looking the algorithm up costs more than hashing a small chunk.
    // Never freed, never changed after it is made; libcrypto allows its use by any thread.
    nonisolated(unsafe) private static let sha256 = {
        Cryptography.prepare()
        return EVP_MD_fetch(nil, "SHA256", nil)
    }()

    /// Chunks below this are stored as they are.
    public static let smallestCompressedBytes = 512

    private let context: OpaquePointer
    private let compressionState: UnsafeMutableRawPointer

    public init() {
        guard Self.sha256 != nil, let context = EVP_MD_CTX_new() else {
            fatalError("libcrypto offers no SHA-256, or memory ran out")
        }
        self.context = context
        compressionState = .allocate(byteCount: Int(LZ4_sizeofState()), alignment: 16)
    }

    deinit {
        EVP_MD_CTX_free(context)
        compressionState.deallocate()
    }

    /// The SHA-256 digest of `bytes`.
    public func digest(of bytes: UnsafeRawBufferPointer) -> Digest {
        withUnsafeTemporaryAllocation(byteCount: Digest.byteCount, alignment: 8) { output in
            var length: UInt32 = 0
            let isDone =
                EVP_DigestInit_ex2(context, Self.sha256, nil) == 1
                && EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1
                && EVP_DigestFinal_ex(context, output.baseAddress?.assumingMemoryBound(to: UInt8.self), &length) == 1
            precondition(isDone && length == 32, "SHA-256 in memory cannot fail")
            return Digest(UnsafeRawBufferPointer(output))
        }
    }

    /// Compresses `plain` with LZ4 into `compressed` and returns the length; nil when that saves less
    /// than an eighth, or `plain` is small: then it is stored as it is.
    ///
    /// - Precondition: `compressed` does not overlap `plain`.
    public func compress(_ plain: UnsafeRawBufferPointer, into compressed: UnsafeMutableRawBufferPointer) -> Int? {
        guard plain.count >= Self.smallestCompressedBytes, let source = plain.baseAddress,
            let target = compressed.baseAddress, let count = Int32(exactly: plain.count)
        else { return nil }
        let capacity = min(compressed.count, plain.count - plain.count / 8)
        guard let room = Int32(exactly: capacity) else { return nil }
        let length = LZ4_compress_fast_extState(
            compressionState, source.assumingMemoryBound(to: CChar.self), target.assumingMemoryBound(to: CChar.self),
            count, room, 1)
        return length > 0 ? Int(length) : nil
    }
}
