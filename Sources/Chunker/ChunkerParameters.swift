/// Chunk sizes that make no sense together: what was given and what is allowed.
public struct ChunkSizesError: Error, Sendable, CustomStringConvertible {
    public let description: String
}

/// How a store cuts its objects; recorded in its configuration, so that it cuts the same for ever.
public struct ChunkerParameters: Sendable, Hashable {
    /// Gear hash with normalised chunking, in the manner of FastCDC: `GearCutter`.
    public static let gear: UInt16 = 1
    /// Local minima of a key over filtered positions: `MinimaCutter`.
    public static let minima: UInt16 = 2
    public static let defaultAverageBytes = 64 << 10
    public static let maximumChunkBytes = 16 << 20

    /// Which chunker cuts: `gear` or `minima`.
    public let algorithm: UInt16
    /// No chunk but an object's last is shorter.
    public let minimumBytes: Int
    /// A power of two.
    public let averageBytes: Int
    public let maximumBytes: Int
    /// Makes the cut points of this store its own.
    public let seed: UInt64

    /// Algorithm 2, with chunks from half the average to four times, at most 16 MiB.
    public init(averageBytes: Int, seed: UInt64) throws(ChunkSizesError) {
        guard averageBytes >= 4 << 10, averageBytes <= 4 << 20, averageBytes & (averageBytes - 1) == 0 else {
            throw ChunkSizesError(
                description:
                    "an average chunk size of \(averageBytes) bytes: expected a power of two from 4 KiB to 4 MiB")
        }
        try self.init(
            algorithm: Self.minima, minimumBytes: averageBytes / 2, averageBytes: averageBytes,
            maximumBytes: min(averageBytes * 4, Self.maximumChunkBytes), seed: seed)
    }

    public init(
        algorithm: UInt16, minimumBytes: Int, averageBytes: Int, maximumBytes: Int, seed: UInt64
    ) throws(ChunkSizesError) {
        guard algorithm == Self.gear || algorithm == Self.minima else {
            throw ChunkSizesError(description: "unknown chunker \(algorithm)")
        }
        guard minimumBytes >= 64, minimumBytes <= averageBytes, averageBytes <= maximumBytes,
            maximumBytes <= Self.maximumChunkBytes, averageBytes >= 1024, averageBytes & (averageBytes - 1) == 0
        else {
            throw ChunkSizesError(
                description: "chunk sizes \(minimumBytes)/\(averageBytes)/\(maximumBytes): expected 64 ≤ minimum ≤ "
                    + "average ≤ maximum ≤ 16 MiB, the average a power of two")
        }
        guard algorithm == Self.gear || maximumBytes >= 4 * minimumBytes else {
            throw ChunkSizesError(
                description:
                    "chunk sizes \(minimumBytes)/\(averageBytes)/\(maximumBytes): expected a maximum of at least "
                    + "four times the minimum")
        }
        self.algorithm = algorithm
        self.minimumBytes = minimumBytes
        self.averageBytes = averageBytes
        self.maximumBytes = maximumBytes
        self.seed = seed
    }
}
