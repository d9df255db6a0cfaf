/// Finds where chunks end, from the bytes alone: the same bytes are cut the same wherever they stand, so
/// that an insertion changes the chunks around it and no others.
///
/// One object after another: `begin`, then `firstChunkBytes` as its bytes arrive. Use from one thread.
public final class Cutter {
    private enum Algorithm {
        case gear(GearCutter)
        case minima(MinimaCutter)
    }

    public let parameters: ChunkerParameters
    private var algorithm: Algorithm

    /// - Parameter kernel: for algorithm 2; all of them cut alike.
    public init(_ parameters: ChunkerParameters, kernel: FilterKernel = .fastest) {
        self.parameters = parameters
        switch parameters.algorithm {
        case ChunkerParameters.gear: algorithm = .gear(GearCutter(parameters))
        default: algorithm = .minima(MinimaCutter(parameters, kernel: kernel))
        }
    }

    /// Starts another object; what was known of the last one is forgotten.
    public func begin() {
        if case .minima(let cutter) = algorithm { cutter.begin() }
    }

    /// The length of the object's next chunk, nil when more bytes are needed to tell.
    ///
    /// - Parameters:
    ///   - bytes: what is there from the end of the chunk found last: the bytes of the last call or what
    ///     follows the chunk it found, and any that arrived since.
    ///   - isEnd: no more bytes will come: then there is a chunk unless `bytes` is empty.
    /// - Postcondition: never nil for `maximumBytes + minimumBytes` bytes or more.
    public func firstChunkBytes(in bytes: UnsafeRawBufferPointer, isEnd: Bool) -> Int? {
        switch algorithm {
        case .gear(let cutter): cutter.firstChunkBytes(in: bytes, isEnd: isEnd)
        case .minima(let cutter): cutter.firstChunkBytes(in: bytes, isEnd: isEnd)
        }
    }
}
