/// Algorithm 2: chunks end at strict local minima of a strong key, which only candidates have.
///
/// With R = `minimumBytes`: a candidate at position e of an object of n bytes is a *cut* when its key is
/// smaller than that of every candidate in [e − R, e) and no larger than that of any in (e, e + R], and
/// R ≤ e ≤ n − R. So cuts are more than R apart and depend on the bytes around them alone. Where they are too
/// far apart, which only regular data bring about, something else ends the chunk:
///
/// - no candidate, nor the end, from R to R + Q after its start (with Q = 3 R but at most 16 KiB, and at least
///   R): it ends after R if it has a candidate inside, so that little of a run of zeros goes with what stands
///   before it; else after 4 R, 2 R or R, the longest that leaves more than Q to the next candidate or the end;
/// - else, the next cut or the end more than `maximumBytes` away: it ends at the candidate with the smallest
///   key (the last one of equals) between R and `maximumBytes` − R after its start, or at the latter.
///
/// Either way what is left is not shorter than R. docs/format.md, §5.3.
///
/// Candidates are taken in as the bytes arrive, so pieces of any size are cut as the whole is. One object
/// at a time, one thread.
///
/// No class, because each candidate would pay for the checks of exclusive access to its fields, more than all else costs.
struct MinimaCutter: ~Copyable {
    private let filter: CandidateFilter
    private let reach: Int
    private let maximum: Int
    /// Q: so long without a candidate is no chance.
    private let quiet: Int
    private let positions: UnsafeMutablePointer<UInt32>
    private let keys: UnsafeMutablePointer<UInt64>
    private static let segmentBytes = 64 << 10

    /// Where the chunk begins that is looked for; positions are counted from the start of the object.
    private var start = 0
    /// Candidates up to here are known.
    private var scanned = 0
    /// The smallest candidate within R before the newest one, the last of equals, and those after it.
    private var lowest: Candidate?
    private var before = SlidingMinimum()
    /// Smaller than everything within R before it; a cut when nothing within R after it is smaller.
    private var contender: Int?
    /// Cuts after `start` that are certain.
    private var cuts = Queue<Int>()
    /// The newest candidate, and where there is none for more than Q, up to the next one.
    private var newest = 0
    private var deserts = Queue<Desert>()
    /// The candidates at which the chunk may have to end, and those too far for it but not for the next.
    private var substitutes = SlidingMinimum()
    private var later = Queue<Candidate>()

    private struct Desert {
        let after: Int
        let until: Int
    }

    init(_ parameters: ChunkerParameters, kernel: FilterKernel) {
        filter = CandidateFilter(seed: parameters.seed, kernel: kernel)
        reach = parameters.minimumBytes
        maximum = parameters.maximumBytes
        quiet = max(reach, min(3 * reach, 16 << 10))
        positions = .allocate(capacity: Self.segmentBytes)
        keys = .allocate(capacity: Self.segmentBytes)
    }

    deinit {
        positions.deallocate()
        keys.deallocate()
    }

    mutating func begin() {
        start = 0
        // No position before this one has all the bytes that its key is made of.
        scanned = CandidateFilter.contextBytes - 1
        lowest = nil
        before.removeAll()
        contender = nil
        cuts.removeAll()
        newest = 0
        deserts.removeAll()
        substitutes.removeAll()
        later.removeAll()
    }

    mutating func firstChunkBytes(in bytes: UnsafeRawBufferPointer, isEnd: Bool) -> Int? {
        guard !bytes.isEmpty else { return nil }
        let end = start + bytes.count
        // An object so short is one chunk, and until there is more nothing can be told.
        if start == 0, bytes.count < 2 * reach { return isEnd ? take(end) : nil }
        while true {
            switch desert(end, isEnd) {
            case .none: break
            case .chunk(let position): return take(position)
            case .unknown:
                guard scanned < end else { return nil }
                scan(bytes, through: min(end, scanned + Self.segmentBytes))
                continue
            }
            if let cut = cuts.first {
                guard cut - start <= maximum else { return take(substitute) }
                cuts.removeFirst()
                return take(cut)
            }
            // No cut can come up to here any more, nor is it the end.
            if bytes.count > maximum, scanned - start >= maximum, (contender ?? .max) - start > maximum {
                return take(substitute)
            }
            if scanned < end {
                scan(bytes, through: min(end, scanned + Self.segmentBytes))
                continue
            }
            guard isEnd else { return nil }
            if let last = contender {
                contender = nil
                if last <= end - reach { cuts.append(last) }
                continue
            }
            return take(end - start <= maximum ? end : substitute)
        }
    }

    private enum DesertEnd {
        case none
        case chunk(Int)
        /// More bytes will tell.
        case unknown
    }

    /// Where the chunk ends that begins before a long stretch without candidates, or in one.
    private mutating func desert(_ end: Int, _ isEnd: Bool) -> DesertEnd {
        let near = start + reach + quiet
        let far = start + 4 * reach + quiet
        while let first = deserts.first, first.until <= near { deserts.removeFirst() }
        let after: Int
        let until: Int
        if let first = deserts.first {
            (after, until) = (first.after, first.until)
        } else {
            guard scanned > near else { return .none }
            (after, until) = (newest, scanned + (isEnd && scanned == end ? 0 : 1))
            if after < start + reach, until <= far, scanned < end || !isEnd { return .unknown }
        }
        guard after < start + reach else { return .none }
        if after > start { return .chunk(start + reach) }
        let longest = [4 * reach, 2 * reach].first { start + $0 + quiet < until }
        return .chunk(start + (longest ?? reach))
    }

    /// Where the chunk ends that no cut ends in time.
    private var substitute: Int {
        mutating get { substitutes.smallest(from: start + reach)?.position ?? start + maximum - reach }
    }

    /// Ends the chunk at `position` and returns its length.
    private mutating func take(_ position: Int) -> Int {
        let count = position - start
        start = position
        substitutes.drop(before: start + reach)
        while let next = later.first, next.position <= start + maximum - reach {
            later.removeFirst()
            if next.position >= start + reach { substitutes.push(next) }
        }
        return count
    }

    private mutating func scan(_ bytes: UnsafeRawBufferPointer, through end: Int) {
        let count = filter.candidates(
            in: bytes, after: scanned - start, through: end - start, positions: positions, keys: keys)
        for index in 0..<count { takeIn(Candidate(position: start + Int(positions[index]), key: keys[index])) }
        scanned = end
        if let contender, contender + reach <= scanned { confirm(contender) }
    }

    @inline(__always)
    private mutating func takeIn(_ candidate: Candidate) {
        if let contender, contender + reach < candidate.position { confirm(contender) }
        if candidate.position - newest > 3 * reach { deserts.append(Desert(after: newest, until: candidate.position)) }
        newest = candidate.position
        if let old = lowest, old.position < candidate.position - reach {
            lowest = before.smallest(from: candidate.position - reach)
        }
        if let lowest, lowest.key < candidate.key {
            before.push(candidate)
        } else {
            if candidate.position >= reach, lowest?.key != candidate.key { contender = candidate.position }
            // None of those before it can be the smallest any more.
            before.removeAll()
            before.push(candidate)
            lowest = candidate
        }
        if candidate.position > start + maximum - reach {
            later.append(candidate)
        } else if candidate.position >= start + reach {
            substitutes.push(candidate)
        }
    }

    private mutating func confirm(_ position: Int) {
        cuts.append(position)
        contender = nil
    }
}

/// The smallest of the candidates from some position on, the last of equals: those before a smaller or equal one are never asked for
/// again. Most candidates come and go without a question, so they are sorted out only when one is asked, or room runs out: from the
/// last one back, few are smaller than all after them, which a processor foresees. Constant time for each on average.
private struct SlidingMinimum: ~Copyable {
    private var kept = Queue<Candidate>()
    /// So many of them rise in key, the smallest first.
    private var sorted = 0

    @inline(__always)
    mutating func push(_ candidate: Candidate) {
        if kept.isFull { sort() }
        kept.append(candidate)
    }

    mutating func drop(before position: Int) {
        while let first = kept.first, first.position < position { removeFirst() }
    }

    mutating func smallest(from position: Int) -> Candidate? {
        sort()
        drop(before: position)
        return kept.first
    }

    mutating func removeAll() {
        kept.removeAll()
        sorted = 0
    }

    private mutating func removeFirst() {
        kept.removeFirst()
        sorted = max(0, sorted - 1)
    }

    @inline(never)
    private mutating func sort() {
        sorted = kept.withItems { items in
            guard let last = items.last, sorted < items.count else { return items.count }
            var least = last.key
            var risingFrom = items.count - 1
            for index in (sorted..<risingFrom).reversed() where items[index].key < least {
                least = items[index].key
                risingFrom -= 1
                items[risingFrom] = items[index]
            }
            while sorted > 0, items[sorted - 1].key >= least { sorted -= 1 }
            for index in risingFrom..<items.count { items[sorted + index - risingFrom] = items[index] }
            return sorted + items.count - risingFrom
        }
        kept.removeLast(from: sorted)
    }
}

/// First in, first out, in constant time on average. Memory of its own, because every candidate goes through
/// two of these and an array's checks would cost more than finding it.
private struct Queue<Element: BitwiseCopyable>: ~Copyable {
    private var items = UnsafeMutablePointer<Element>.allocate(capacity: 64)
    private var capacity = 64
    private var head = 0
    private var end = 0

    deinit { items.deallocate() }

    var first: Element? { head < end ? items[head] : nil }
    var isFull: Bool { end == capacity }

    @inline(__always)
    mutating func append(_ element: Element) {
        if end == capacity { makeRoom() }
        (items + end).initialize(to: element)
        end += 1
    }

    /// All but the first `count`.
    mutating func removeLast(from count: Int) { end = head + count }

    mutating func removeFirst() { head += 1 }

    mutating func removeAll() { (head, end) = (0, 0) }

    mutating func withItems<Result>(_ body: (UnsafeMutableBufferPointer<Element>) -> Result) -> Result {
        body(UnsafeMutableBufferPointer(start: items + head, count: end - head))
    }

    /// Moves what is there to the front, of twice the memory when that is not half of it.
    @inline(never)
    private mutating func makeRoom() {
        let count = end - head
        if count * 2 > capacity {
            let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
            larger.moveInitialize(from: items + head, count: count)
            items.deallocate()
            items = larger
            capacity *= 2
        } else {
            items.update(from: items + head, count: count)
        }
        (head, end) = (0, count)
    }
}
