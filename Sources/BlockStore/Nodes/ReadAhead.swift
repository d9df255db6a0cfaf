import Chunker

/// What was read of shards on a node lately, or is going to be: ahead of who reads.
///
/// Every request costs a round trip, and a get asks for one chunk after the other, some 64 KiB each. So who knows what is going to
/// be read says so (`expect`): stretches of it are fetched side by side, and kept until they were read. Whoever says nothing and reads on
/// from where somebody stopped gets a longer stretch, twice as long each time up to 4 MiB; what is read here and there is read exactly. A
/// shard is short: the next one begins as far ahead as the last one ended. Two who want the same stretch wait for one request.
///
/// Any thread. What is handed on may be older than what stands there: shards are immutable, and every byte is checked by who reads.
final class ReadAhead: Sendable {
    /// Fills the buffer from a byte of a shard on; returns how many bytes there were before its end.
    typealias Fetch =
        @Sendable (_ shard: ShardName, _ offset: Int, _ buffer: UnsafeMutableRawBufferPointer)
        throws(StoreError) -> Int

    private final class Stretch: Sendable {
        let shard: ShardName
        let range: Range<Int>
        /// What came, until then nil.
        let outcome = Monitor<Outcome?>(nil)

        init(_ shard: ShardName, _ range: Range<Int>) { (self.shard, self.range) = (shard, range) }

        deinit {
            if case .bytes(let buffer, _) = outcome.withLock({ $0 }) { Buffers.stretches.give(buffer) }
        }

        func has(_ shard: ShardName, _ range: Range<Int>) -> Bool {
            shard == self.shard && self.range.lowerBound <= range.lowerBound
                && range.upperBound <= self.range.upperBound
        }

        func set(_ outcome: Outcome) {
            self.outcome.withLock { $0 = outcome }
            self.outcome.wakeAll()
        }

        /// Fills `buffer` from byte `offset` of the shard, as far as the stretch goes; waits for it. Returns how much that was.
        func copy(from offset: Int, into buffer: UnsafeMutableRawBufferPointer) -> Int {
            outcome.wait { $0 != nil }
            guard case .bytes(let bytes, let count) = outcome.withLock({ $0 }) else { return 0 }
            let start = offset - range.lowerBound
            let end = min(count, start + buffer.count)
            guard start < end else { return 0 }
            buffer.copyMemory(from: UnsafeRawBufferPointer(bytes.slice(start..<end)))
            return end - start
        }
    }

    private enum Outcome: Sendable {
        /// So many of them, from the stretch's beginning on.
        case bytes(Buffer, Int)
        case nothing
    }

    private struct Kept {
        let stretch: Stretch
        /// Of what was expected: how much is still to be read. Nil where nobody said so.
        var unreadBytes: Int?
        let sinceNanoseconds: UInt64
    }

    private struct State {
        /// The newest last.
        var kept: [Kept] = []
        /// Where each shard was read last, and how far ahead.
        var ends: [ShardName: (offset: Int, aheadBytes: Int)] = [:]
        /// How far ahead who reads on in another shard begins: as far as it paid lately.
        var usualBytes = Limits.leastAheadBytes
        /// When the requests began that have no answer yet.
        var begun: [ObjectIdentifier: UInt64] = [:]

        func stretch(_ shard: ShardName, _ range: Range<Int>) -> Int? {
            kept.lastIndex { $0.stretch.has(shard, range) }
        }

        /// Keeps it, in the place of what nobody said he would read, or has not read for long. False where there is no room for it.
        mutating func add(_ stretch: Stretch, unreadBytes: Int? = nil, now: UInt64) -> Bool {
            var byteCount = kept.reduce(stretch.range.count) { $0 + $1.stretch.range.count }
            while byteCount > Limits.keptAheadBytes, !kept.isEmpty {
                let isOld = { (kept: Kept) in
                    kept.unreadBytes == nil || now &- kept.sinceNanoseconds > Limits.keptAheadNanoseconds
                }
                guard let old = kept.firstIndex(where: isOld) else { return false }
                byteCount -= kept.remove(at: old).stretch.range.count
            }
            kept.append(Kept(stretch: stretch, unreadBytes: unreadBytes, sinceNanoseconds: now))
            return true
        }
    }

    private let state = Monitor(State())
    private let clock: any Clock
    private let fetch: Fetch
    private let threads = ThreadPool(threads: Limits.nodeReadThreads)

    init(clock: any Clock, _ fetch: @escaping Fetch) {
        self.clock = clock
        self.fetch = fetch
    }

    /// Begins to fetch what is going to be read, unless it is on its way. Near things are fetched together. What there is no room
    /// for is left to whoever reads it.
    func expect(_ reads: [ExpectedRead]) {
        let now = clock.monotonicNanoseconds()
        let new = state.withLock { state -> [Stretch] in
            var new: [(shard: ShardName, range: Range<Int>, unreadBytes: Int?)] = []
            for read in reads where !read.range.isEmpty {
                let isCounted = read.aheadBytes == nil
                if let known = state.stretch(read.shard, read.range) {
                    if isCounted, let unread = state.kept[known].unreadBytes {
                        state.kept[known].unreadBytes = unread + read.range.count
                    }
                } else if let last = new.lastIndex(where: { Self.isNear(read, $0.shard, $0.range) }) {
                    let end = max(new[last].range.upperBound, read.range.upperBound)
                    new[last].range = new[last].range.lowerBound..<end
                    new[last].unreadBytes = new[last].unreadBytes.map { $0 + read.range.count }
                } else {
                    let range = read.range.lowerBound..<(read.range.upperBound + (read.aheadBytes ?? 0))
                    new.append((read.shard, range, isCounted ? read.range.count : nil))
                }
            }
            return new.compactMap { shard, range, unreadBytes in
                let stretch = Stretch(shard, range)
                return state.add(stretch, unreadBytes: unreadBytes, now: now) ? stretch : nil
            }
        }
        for stretch in new { begin(stretch) }
    }

    /// Whether it is fetched with a stretch at no more than what may lie between.
    private static func isNear(_ read: ExpectedRead, _ shard: ShardName, _ range: Range<Int>) -> Bool {
        read.aheadBytes == nil && shard == read.shard && range.lowerBound <= read.range.lowerBound
            && read.range.lowerBound <= range.upperBound + Limits.passedAheadBytes
            && max(range.upperBound, read.range.upperBound) - range.lowerBound <= Limits.readAheadBytes
    }

    private func begin(_ stretch: Stretch) {
        threads.submit { [self] in
            // Nobody will find it any more.
            guard state.withLock({ $0.kept.contains { $0.stretch === stretch } }) else { return stretch.set(.nothing) }
            // Why it fails is found out, and told, by who reads it.
            try? fill(stretch)
        }
    }

    /// Waits until a read would be answered from here; false when a request has had no answer for `patience`: this one, or
    /// another, behind which this one may stand.
    func isAtHand(_ shard: ShardName, _ range: Range<Int>, patience nanoseconds: UInt64) -> Bool {
        var known = stretch(shard, range)
        if known == nil {
            if isLate(patience: nanoseconds) { return false }
            known = beginReading(shard, range)
        }
        // There is no room for it, or it has failed already, as who reads it is told.
        guard let known else { return true }
        let step = min(max(1_000_000, nanoseconds / 8), 10_000_000)
        while known.outcome.wait(atMost: step, until: { $0 == nil ? nil : true }) == nil {
            if isLate(patience: nanoseconds) { return false }
        }
        return true
    }

    /// What nobody expected: a longer stretch for who reads on, else just that.
    private func beginReading(_ shard: ShardName, _ range: Range<Int>) -> Stretch? {
        let now = clock.monotonicNanoseconds()
        let (known, own) = state.withLock { Self.plan(&$0, shard, range, now) }
        if let own { begin(own) }
        if let found = known ?? own { return found }
        expect([ExpectedRead(shard: shard, range: range)])
        return stretch(shard, range)
    }

    private func stretch(_ shard: ShardName, _ range: Range<Int>) -> Stretch? {
        state.withLock { state in state.stretch(shard, range).map { state.kept[$0].stretch } }
    }

    /// Whether a request has had no answer for so long.
    func isLate(patience nanoseconds: UInt64) -> Bool {
        let now = clock.monotonicNanoseconds()
        return state.withLock { $0.begun.values.contains { now > $0 &+ nanoseconds } }
    }

    /// Fills `buffer` from byte `offset` of `shard`.
    ///
    /// - Returns: how many bytes there are, at most `buffer.count`.
    func read(
        _ shard: ShardName, at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> Int {
        // Past any shard's end.
        guard offset < Limits.documentBytes << 4 else { return try fetch(shard, offset, buffer) }
        let wanted = offset..<(offset + buffer.count)
        let now = clock.monotonicNanoseconds()
        let (known, own) = state.withLock { Self.plan(&$0, shard, wanted, now) }
        if let known {
            let count = known.copy(from: offset, into: buffer)
            noteRead(known, wanted.count)
            if count == buffer.count { return count }
        }
        guard let own else { return try fetch(shard, offset, buffer) }
        try fill(own)
        return own.copy(from: offset, into: buffer)
    }

    func forget(_ shard: ShardName) {
        state.withLock { state in
            state.kept.removeAll { $0.stretch.shard == shard }
            state.ends[shard] = nil
        }
    }

    private func fill(_ stretch: Stretch) throws(StoreError) {
        let began = clock.monotonicNanoseconds()
        state.withLock { $0.begun[ObjectIdentifier(stretch)] = began }
        let byteCount = stretch.range.count
        let buffer =
            byteCount > Limits.readAheadBytes / 2
            ? Buffers.stretches.take(atLeast: byteCount) : Buffer(byteCount: byteCount)
        do throws(StoreError) {
            let count = try fetch(stretch.shard, stretch.range.lowerBound, buffer.slice(0..<byteCount))
            state.withLock { $0.begun[ObjectIdentifier(stretch)] = nil }
            stretch.set(.bytes(buffer, count))
        } catch {
            Buffers.stretches.give(buffer)
            state.withLock { state in
                state.begun[ObjectIdentifier(stretch)] = nil
                state.kept.removeAll { $0.stretch === stretch }
            }
            stretch.set(.nothing)
            throw error
        }
    }

    /// What was expected and has been read is not kept.
    private func noteRead(_ stretch: Stretch, _ byteCount: Int) {
        state.withLock { state in
            guard let index = state.kept.lastIndex(where: { $0.stretch === stretch }),
                let unread = state.kept[index].unreadBytes
            else { return }
            if unread <= byteCount {
                state.kept.remove(at: index)
            } else {
                state.kept[index].unreadBytes = unread - byteCount
            }
        }
    }

    /// The stretch that has what is wanted, or one that is to be fetched, or neither.
    private static func plan(
        _ state: inout State, _ shard: ShardName, _ wanted: Range<Int>, _ now: UInt64
    ) -> (known: Stretch?, own: Stretch?) {
        if let known = state.stretch(shard, wanted) { return (state.kept[known].stretch, nil) }
        // So long that it pays by itself.
        guard wanted.count <= Limits.readAheadBytes / 2 else { return (nil, nil) }
        guard let last = state.ends[shard], wanted.lowerBound >= last.offset - last.aheadBytes,
            wanted.lowerBound <= last.offset + last.aheadBytes
        else {
            if state.ends.count >= 256 { state.ends = [:] }
            // Here and there in one shard: it does not pay.
            if state.ends[shard] != nil { state.usualBytes = max(Limits.leastAheadBytes, state.usualBytes / 2) }
            state.ends[shard] = (wanted.upperBound, state.usualBytes)
            return (nil, nil)
        }
        let stretch = Stretch(
            shard, wanted.lowerBound..<max(wanted.upperBound, wanted.lowerBound + last.aheadBytes))
        state.usualBytes = min(last.aheadBytes * 2, Limits.readAheadBytes)
        state.ends[shard] = (stretch.range.upperBound, state.usualBytes)
        return (nil, state.add(stretch, now: now) ? stretch : nil)
    }
}
