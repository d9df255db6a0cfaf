/// Finds where chunks end, from the bytes alone: the same bytes are cut the same wherever they stand, so
/// that an insertion changes the chunks around it and no others.
///
/// One object after another: `begin`, then `firstChunkBytes` as its bytes arrive. Use from one thread.
public final class Cutter {
    public let parameters: ChunkerParameters
    /// One of the two is there.
    private let gear: GearCutter?
    private var minima: MinimaCutter?

    /// - Parameter kernel: for algorithm 2; all of them cut alike.
    public init(_ parameters: ChunkerParameters, kernel: FilterKernel = .fastest) {
        self.parameters = parameters
        let isGear = parameters.algorithm == ChunkerParameters.gear
        gear = isGear ? GearCutter(parameters) : nil
        minima = isGear ? nil : MinimaCutter(parameters, kernel: kernel)
    }

    /// Starts another object; what was known of the last one is forgotten.
    public func begin() {
        minima?.begin()
    }

    /// The length of the object's next chunk, nil when more bytes are needed to tell.
    ///
    /// - Parameters:
    ///   - bytes: what is there from the end of the chunk found last: the bytes of the last call or what
    ///     follows the chunk it found, and any that arrived since.
    ///   - isEnd: no more bytes will come: then there is a chunk unless `bytes` is empty.
    /// - Postcondition: never nil for `maximumBytes + minimumBytes` bytes or more.
    public func firstChunkBytes(in bytes: UnsafeRawBufferPointer, isEnd: Bool) -> Int? {
        if let gear { return gear.firstChunkBytes(in: bytes, isEnd: isEnd) }
        return minima?.firstChunkBytes(in: bytes, isEnd: isEnd) ?? nil
    }
}
