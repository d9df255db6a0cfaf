/// What was read of shards on a node lately, ahead of who reads on.
///
/// A get asks for one chunk after the other, some 64 KiB each, and every request costs a round trip. So whoever reads on from where
/// somebody stopped gets a longer stretch, twice as long each time up to 4 MiB, and what comes next is there already. What
/// is read here and there is read exactly. A shard is short: the next one begins as far ahead as the last one ended. Stretches are kept in memory, 16 MiB together; two who want the same one
/// wait for one request.
///
/// Any thread. What is handed on may be older than what stands there: shards are immutable, and every byte is checked by who reads.
final class ReadAhead: Sendable {
    private final class Stretch: Sendable {
        let shard: ShardName
        let range: Range<Int>
        /// What came; nil in it where nothing did. Nil until then.
        let outcome = Monitor<[UInt8]??>(nil)

        init(_ shard: ShardName, _ range: Range<Int>) { (self.shard, self.range) = (shard, range) }

        func set(_ bytes: [UInt8]?) {
            outcome.withLock { $0 = .some(bytes) }
            outcome.wakeAll()
        }

        func bytes() -> [UInt8]? {
            outcome.wait { $0 != nil }
            return outcome.withLock { $0 ?? nil }
        }
    }

    private struct State {
        /// The newest last.
        var stretches: [Stretch] = []
        /// Where each shard was read last, and how far ahead.
        var ends: [ShardName: (offset: Int, aheadBytes: Int)] = [:]
        /// How far ahead who reads on in another shard begins: as far as it paid lately.
        var usualBytes = Limits.leastAheadBytes
    }

    private let state = Monitor(State())

    /// Fills `buffer` from byte `offset` of `shard`, by way of `fetch`, which returns how many bytes there were before the
    /// shard's end.
    ///
    /// - Returns: how many bytes there are, at most `buffer.count`.
    func read(
        _ shard: ShardName, at offset: Int, into buffer: UnsafeMutableRawBufferPointer,
        _ fetch: (_ offset: Int, _ buffer: UnsafeMutableRawBufferPointer) throws(StoreError) -> Int
    ) throws(StoreError) -> Int {
        // Past any shard's end, or so long that it pays by itself.
        guard offset < Limits.documentBytes << 4, buffer.count <= Limits.readAheadBytes / 2 else {
            return try fetch(offset, buffer)
        }
        let wanted = offset..<(offset + buffer.count)
        let (known, own) = state.withLock { Self.plan(&$0, shard, wanted) }
        if let known, let bytes = known.bytes(), copy(bytes, from: known.range.lowerBound, wanted, into: buffer) {
            return buffer.count
        }
        guard let own else { return try fetch(offset, buffer) }
        var bytes = [UInt8](repeating: 0, count: own.range.count)
        do throws(StoreError) {
            let count = try bytes.withMutableBytes { raw throws(StoreError) in try fetch(own.range.lowerBound, raw) }
            bytes.removeSubrange(count...)
        } catch {
            forget(own)
            throw error
        }
        own.set(bytes)
        let count = min(bytes.count, buffer.count)
        bytes.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        return count
    }

    func forget(_ shard: ShardName) {
        state.withLock { state in
            state.stretches.removeAll { $0.shard == shard }
            state.ends[shard] = nil
        }
    }

    private func forget(_ stretch: Stretch) {
        state.withLock { $0.stretches.removeAll { $0 === stretch } }
        stretch.set(nil)
    }

    /// The stretch that has what is wanted, or one that is to be fetched, or neither.
    private static func plan(
        _ state: inout State, _ shard: ShardName, _ wanted: Range<Int>
    ) -> (known: Stretch?, own: Stretch?) {
        let known = state.stretches.last {
            $0.shard == shard && $0.range.lowerBound <= wanted.lowerBound && wanted.upperBound <= $0.range.upperBound
        }
        if let known { return (known, nil) }
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
        state.stretches.append(stretch)
        while state.stretches.reduce(0, { $0 + $1.range.count }) > Limits.keptAheadBytes {
            state.stretches.removeFirst()
        }
        return (nil, stretch)
    }

    private func copy(
        _ bytes: [UInt8], from start: Int, _ wanted: Range<Int>, into buffer: UnsafeMutableRawBufferPointer
    ) -> Bool {
        let own = (wanted.lowerBound - start)..<(wanted.upperBound - start)
        guard own.upperBound <= bytes.count else { return false }
        bytes.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[own])) }
        return true
    }
}
