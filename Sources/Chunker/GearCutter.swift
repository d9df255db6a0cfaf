/// Algorithm 1, by which stores were cut at first: they go on with it.
///
/// A Gear hash h = 2h + G[byte] over the bytes since `minimumBytes` into the chunk, G made
/// from the seed by SplitMix64. A chunk ends after a byte at which the top bits of h are zero: two bits
/// more than log2(average) before the average is reached, two fewer after it (normalised chunking: Xia
/// et al., "FastCDC", USENIX ATC 2016), and at `maximumBytes` at the latest. Immutable: any thread.
struct GearCutter {
    private let parameters: ChunkerParameters
    let gear: [UInt64]
    let strictMask: UInt64
    let looseMask: UInt64

    init(_ parameters: ChunkerParameters) {
        self.parameters = parameters
        var random = SplitMix64(state: parameters.seed)
        gear = (0..<256).map { _ in random.next() }
        let bits = parameters.averageBytes.trailingZeroBitCount
        strictMask = Self.topBits(bits + 2)
        looseMask = Self.topBits(bits - 2)
    }

    private static func topBits(_ count: Int) -> UInt64 { ~UInt64(0) << UInt64(64 - count) }

    /// The length of the first chunk of `bytes`; nil when more bytes are needed to tell, which is the
    /// case only for fewer than `maximumBytes` that are not the end (`isEnd`) of the object.
    ///
    /// - Complexity: one table load, shift and addition a byte.
    func firstChunkBytes(in bytes: UnsafeRawBufferPointer, isEnd: Bool) -> Int? {
        guard let base = bytes.baseAddress, !bytes.isEmpty else { return nil }
        let end = min(bytes.count, parameters.maximumBytes)
        let middle = min(end, parameters.averageBytes)
        let start = min(end, parameters.minimumBytes)
        let cut = gear.withUnsafeBufferPointer { gear -> Int? in
            guard let table = gear.baseAddress else { return nil }
            var hash: UInt64 = 0
            return scan(base, start, middle, &hash, table, strictMask)
                ?? scan(base, max(start, middle), end, &hash, table, looseMask)
        }
        if let cut { return cut }
        return end == parameters.maximumBytes || isEnd ? end : nil
    }
}

/// The position after the first byte of `base[start..<end]` at which `hash & mask` is zero.
private func scan(
    _ base: UnsafeRawPointer, _ start: Int, _ end: Int, _ hash: inout UInt64, _ table: UnsafePointer<UInt64>,
    _ mask: UInt64
) -> Int? {
    let bytes = base.assumingMemoryBound(to: UInt8.self)
    var position = start
    var value = hash
    // Four bytes a round: the loads of the next table entries overlap the additions.
    while position &+ 4 <= end {
        let first = (value &<< 1) &+ table[Int(bytes[position])]
        let second = (first &<< 1) &+ table[Int(bytes[position &+ 1])]
        let third = (second &<< 1) &+ table[Int(bytes[position &+ 2])]
        value = (third &<< 1) &+ table[Int(bytes[position &+ 3])]
        if first & mask == 0 { return position &+ 1 }
        if second & mask == 0 { return position &+ 2 }
        if third & mask == 0 { return position &+ 3 }
        if value & mask == 0 { return position &+ 4 }
        position &+= 4
    }
    while position < end {
        value = (value &<< 1) &+ table[Int(bytes[position])]
        position &+= 1
        if value & mask == 0 { return position }
    }
    hash = value
    return nil
}
