/// Finds runs as the bytes arrive: at least `reach` bytes of one value, with another one or nothing before and after them.
/// docs/format.md, §5.3.
///
/// Only every `reach` bytes is looked at, from there as far back and on as the value stays the same: no run escapes
/// that, and data without runs cost nothing.
struct RunFinder: ~Copyable {
    struct Run {
        let start: Int
        let end: Int
        /// It does not go on after `end`.
        let isOver: Bool
    }

    /// A run makes a cut so far in, where no window of a candidate reaches back before it.
    static let leadBytes = 32

    private let reach: Int
    private var known = 0
    /// The bytes from here to `known` are all `value`; there is a cut when they are many.
    private var start = 0
    private var value: UInt8 = 0
    private var isLong = false
    private var over = Queue<Run>()
    private var cuts = Queue<Int>()

    init(_ reach: Int) { self.reach = reach }

    mutating func begin() {
        (known, start, isLong) = (0, 0, false)
        over.removeAll()
        cuts.removeAll()
    }

    /// The bytes of one value up to what is known, be they few or many.
    var newest: Run { Run(start: start, end: known, isOver: false) }

    /// The first run that ends at `position` or later, else the newest bytes of one value. Earlier runs are forgotten.
    mutating func run(reaching position: Int) -> Run {
        while let first = over.first, first.end < position { over.removeFirst() }
        return over.first ?? newest
    }

    /// The first cut at `position` or later. Earlier ones are forgotten.
    mutating func firstCut(from position: Int) -> Int? {
        while let first = cuts.first, first < position { cuts.removeFirst() }
        return cuts.first
    }

    /// Goes on to position `end`; `bytes` begins at position `origin`.
    mutating func takeIn(_ bytes: UnsafeRawBufferPointer, from origin: Int, through end: Int) {
        while known < end {
            let stop = min(end, known + reach)
            let piece = UnsafeRawBufferPointer(rebasing: bytes[(known - origin)..<(stop - origin)])
            if known == 0 { value = piece[0] }
            let more = piece.countOfPrefix(of: value)
            if more < piece.count {
                finish(at: known + more)
                value = piece[piece.count - 1]
                start = stop - piece.countOfSuffix(of: value)
            }
            known = stop
            if known - start >= reach { note() }
        }
    }

    private mutating func finish(at end: Int) {
        if end - start >= reach {
            note()
            cuts.append(end)
            over.append(Run(start: start, end: end, isOver: true))
        }
        isLong = false
    }

    private mutating func note() {
        if !isLong { cuts.append(start + Self.leadBytes) }
        isLong = true
    }
}

extension UnsafeRawBufferPointer {
    /// How many bytes at the start are `value`.
    fileprivate func countOfPrefix(of value: UInt8) -> Int {
        var index = 0
        while index + 32 <= count, isAll(value, in: index) { index += 32 }
        while index < count, self[index] == value { index += 1 }
        return index
    }

    /// How many bytes at the end are `value`.
    fileprivate func countOfSuffix(of value: UInt8) -> Int {
        var index = count
        while index >= 32, isAll(value, in: index - 32) { index -= 32 }
        while index > 0, self[index - 1] == value { index -= 1 }
        return count - index
    }

    /// Whether the 32 bytes at `offset` are `value`.
    @inline(__always)
    private func isAll(_ value: UInt8, in offset: Int) -> Bool {
        let eight = UInt64(value) &* 0x0101_0101_0101_0101
        func difference(_ index: Int) -> UInt64 {
            loadUnaligned(fromByteOffset: offset + 8 * index, as: UInt64.self) ^ eight
        }
        return difference(0) | difference(1) | difference(2) | difference(3) == 0
    }
}
