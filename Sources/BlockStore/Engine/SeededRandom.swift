/// Random numbers that a seed brings back: SplitMix64. For simulations, never for ids of a real store.
public final class SeededRandom: RandomSource {
    public let seed: UInt64
    private let state: Monitor<UInt64>

    public init(_ seed: UInt64) {
        self.seed = seed
        state = Monitor(seed)
    }

    /// Begins again with another seed.
    func reseed(_ seed: UInt64) { state.withLock { $0 = seed } }

    public func next() -> UInt64 {
        state.withLock { state in
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }
    }
}
