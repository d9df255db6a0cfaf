/// Algorithm 2: chunks end at strict local minima of a strong key, which only candidates have.
///
/// With R = `minimumBytes`: a candidate at position e of an object of n bytes is a *cut* when its key is
/// smaller than that of every candidate in [e − R, e) and no larger than that of any in (e, e + R], and
/// R ≤ e ≤ n − R. So these cuts are more than R apart and depend on the bytes around them alone. A *run*, R bytes or
/// more of one value, which has no candidates, makes cuts 32 bytes after its start and at its end. A chunk ends at
/// the first cut that is R or more after its start, with exceptions that only regular data bring about:
///
/// - in a run, if 2 R or more are left of it: after 8 R, 4 R, 2 R or R, the longest that leaves R of it; and after R,
///   where the run begins before that and goes on as long again;
/// - no candidate, cut, nor the end from R to R + Q after its start (with Q = 3 R but at most 16 KiB, and at least
///   R): after R if it has a candidate inside; else after 4 R, 2 R or R, the longest that leaves more than Q to the
///   next candidate, cut or the end;
/// - the next cut or the end more than `maximumBytes` away: at the candidate with the smallest key (the last one of
///   equals) between R and `maximumBytes` − R after its start, or at the latter.
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
    /// Cuts after `start` at candidates that are certain.
    private var cuts = Queue<Int>()
    private var runs: RunFinder
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
        runs = RunFinder(reach)
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
        runs.begin()
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
            switch regular(end, isEnd) {
            case .none: break
            case .chunk(let position): return take(position)
            case .unknown:
                guard scanned < end else { return nil }
                scan(bytes, through: min(end, scanned + Self.segmentBytes))
                continue
            }
            if let cut = nextCut {
                return take(cut - start <= maximum ? cut : substitute)
            }
            // No cut can come up to here any more, nor is it the end.
            if scanned - start > maximum, (contender ?? .max) - start > maximum, !runMayCut {
                return take(substitute)
            }
            if scanned < end {
                scan(bytes, through: min(end, scanned + Self.segmentBytes))
                continue
            }
            guard isEnd else { return nil }
            // A contender that is left is within R of the end.
            return take(end - start <= maximum ? end : substitute)
        }
    }

    /// The first cut R or more after `start`, as soon as nothing can come before it.
    private var nextCut: Int? {
        mutating get {
            let nearest = start + reach
            while let first = cuts.first, first < nearest { cuts.removeFirst() }
            let ofRun = runs.firstCut(from: nearest).flatMap { $0 <= scanned - reach ? $0 : nil }
            return cuts.first.map { min($0, ofRun ?? $0) } ?? ofRun
        }
    }

    /// Whether more bytes may show that a run has a cut in time.
    private var runMayCut: Bool {
        mutating get {
            let next = min(runs.firstCut(from: start + reach) ?? .max, runs.newest.start + RunFinder.leadBytes)
            return scanned < start + maximum + reach && next <= start + maximum
        }
    }

    private enum Regular {
        case none
        case chunk(Int)
        /// More bytes will tell.
        case unknown
    }

    /// Where the chunk ends that begins in a run, before one, or where there are no candidates for long.
    private mutating func regular(_ end: Int, _ isEnd: Bool) -> Regular {
        let isWhole = isEnd && scanned == end
        let run = runs.run(reaching: start + 2 * reach)
        if run.start + RunFinder.leadBytes <= start + reach {
            if run.end >= start + 2 * reach { return inRun(run, isOver: run.isOver || isWhole) }
            // It may go on; if not, it is too short.
            if !isWhole { return .unknown }
        }
        return inDesert(isWhole)
    }

    private func inRun(_ run: RunFinder.Run, isOver: Bool) -> Regular {
        if run.start > start { return .chunk(start + reach) }
        let lengths = [8, 4, 2, 1].map { $0 * reach }.drop { $0 > maximum }
        let longest = lengths.first { start + $0 + reach <= run.end } ?? reach
        return isOver || longest == lengths.first ? .chunk(start + longest) : .unknown
    }

    private mutating func inDesert(_ isWhole: Bool) -> Regular {
        let near = start + reach + quiet
        while let first = deserts.first, first.until <= near { deserts.removeFirst() }
        let desert: Desert
        if let first = deserts.first {
            desert = first
        } else {
            guard scanned > near else { return .none }
            desert = Desert(after: newest, until: isWhole ? scanned : scanned + 1)
        }
        guard desert.after < start + reach else { return .none }
        // Cuts of runs up to here are known.
        let ripe = scanned - reach
        let cut = runs.firstCut(from: start + reach).flatMap { $0 <= ripe ? $0 : nil }
        let until = min(desert.until, cut ?? (isWhole ? .max : ripe + 1))
        let isKnown = isWhole || cut != nil || desert.until <= ripe
        if desert.after > start, until > near { return .chunk(start + reach) }
        let lengths = [4, 2, 1].map { $0 * reach }.filter { $0 == reach || $0 + quiet <= maximum }
        guard isKnown || until - start - quiet > lengths[0] else { return .unknown }
        return until > near ? .chunk(start + (lengths.first { start + $0 + quiet < until } ?? reach)) : .none
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
        runs.takeIn(bytes, from: start, through: end)
        scanned = end
        if let contender, contender + reach <= scanned { confirm(contender) }
    }

    @inline(__always)
    private mutating func takeIn(_ candidate: Candidate) {
        if let contender, contender + reach < candidate.position { confirm(contender) }
        if candidate.position - newest > quiet { deserts.append(Desert(after: newest, until: candidate.position)) }
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
    private var kept = Queue<Candidate>(capacity: 1024)
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
