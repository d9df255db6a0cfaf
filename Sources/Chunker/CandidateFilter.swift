internal import CChunker

/// A position where a chunk may end, and its rank: the smallest key of a neighbourhood wins.
struct Candidate: Equatable {
    /// The bytes before it, counted from the object's start.
    let position: Int
    let key: UInt64
}

/// The first two stages of algorithm 2: a filter without tables that about one position in 1,024 passes,
/// and a strong key for those alone. docs/format.md, §5.3.
struct CandidateFilter {
    /// A position is a candidate only where so many bytes come before it.
    static let contextBytes = Int(BS_CHUNKER_KEY_BYTES)
    private static let windowBytes = Int(BS_CHUNKER_FILTER_BYTES)
    private static let threshold = UInt16(BS_CHUNKER_THRESHOLD)

    let kernel: FilterKernel
    private var constants = bs_chunker()
    /// What each of a window's 16 words is multiplied by.
    private let products: [UInt16]

    init(seed: UInt64, kernel: FilterKernel) {
        precondition(FilterKernel.available.contains(kernel), "this machine cannot run \(kernel)")
        self.kernel = kernel
        var random = SplitMix64(state: seed)
        func odd() -> UInt16 { UInt16(truncatingIfNeeded: random.next()) | 1 }
        let multipliers = [odd(), odd(), odd(), odd()]
        constants.multipliers = (multipliers[0], multipliers[1], multipliers[2], multipliers[3])
        products = (0..<16).map { index in
            multipliers.enumerated().reduce(1) { index >> $1.offset & 1 == 0 ? $0 &* $1.element : $0 }
        }
        constants.factor = odd()
        constants.secrets = (
            random.next(), random.next(), random.next(), random.next(), random.next(), random.next()
        )
        // No run of one byte value passes: a file of zeros has no candidates at all.
        repeat {
            constants.offset = UInt16(truncatingIfNeeded: random.next())
        } while (UInt8.min...UInt8.max).contains { byte in
            [UInt8](repeating: byte, count: Self.windowBytes).withUnsafeBytes { passes($0) }
        }
    }

    /// Finds the candidates `first` < e ≤ `end` of `bytes` into `positions` and `keys`, ascending; returns
    /// how many there are.
    ///
    /// - Precondition: `first ≥ 63`, `end ≤ bytes.count`, room for `end - first` of each.
    func candidates(
        in bytes: UnsafeRawBufferPointer, after first: Int, through end: Int,
        positions: UnsafeMutablePointer<UInt32>, keys: UnsafeMutablePointer<UInt64>
    ) -> Int {
        precondition(first >= Self.contextBytes - 1 && end <= bytes.count && end < 1 << 32)
        guard end > first, let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return 0 }
        if let code = kernel.code {
            return withUnsafePointer(to: constants) { constants in
                bs_chunker_candidates(constants, code, base, first, end, bytes.count, positions, keys)
            }
        }
        var count = 0
        func before(_ position: Int, _ count: Int) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(rebasing: bytes[(position - count)..<position])
        }
        for position in (first + 1)...end where passes(before(position, Self.windowBytes)) {
            positions[count] = UInt32(position)
            keys[count] = key(before(position, Self.contextBytes))
            count += 1
        }
        return count
    }

    /// All candidates of `bytes` after `first`.
    func candidates(in bytes: UnsafeRawBufferPointer, after first: Int) -> [Candidate] {
        let room = max(1, bytes.count - first)
        return withUnsafeTemporaryAllocation(of: UInt32.self, capacity: room) { positions in
            withUnsafeTemporaryAllocation(of: UInt64.self, capacity: room) { keys in
                guard let position = positions.baseAddress, let key = keys.baseAddress else { return [] }
                let count = candidates(
                    in: bytes, after: first, through: bytes.count, positions: position, keys: key)
                return (0..<count).map { Candidate(position: Int(position[$0]), key: key[$0]) }
            }
        }
    }

    /// Whether the 32 bytes of `window` make a candidate: a sum of its words, each times its own product,
    /// from which the kernels leave no multiplication to be done twice.
    private func passes(_ window: UnsafeRawBufferPointer) -> Bool {
        var sum: UInt16 = 0
        for (index, product) in products.enumerated() {
            sum &+= UInt16(littleEndian: window.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)) &* product
        }
        return sum &* constants.factor &+ constants.offset < Self.threshold
    }

    /// A multiply-fold over 64 bytes, 16 a step.
    private func key(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        func word(_ index: Int) -> UInt64 {
            UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
        }
        func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
            let product = left.multipliedFullWidth(by: right)
            return product.high ^ product.low
        }
        let (first, a, b, c, d, last) = constants.secrets
        var key = first
        for (pair, secret) in [a, b, c, d].enumerated() {
            key = fold(word(2 * pair) ^ secret, word(2 * pair + 1) ^ key)
        }
        return fold(key, last)
    }
}

/// The generator from which a chunker's constants come: Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators", OOPSLA 2014.
struct SplitMix64 {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
