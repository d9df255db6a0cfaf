import Glibc

/// Where the time of puts and gets goes, stage by stage. Any thread.
///
/// Given to a store by its `StoreEnvironment`, for benchmarks: a stage costs two looks at two clocks each time, about a
/// microsecond, and nothing where nobody measures. Stages do not lie within each other.
public final class StageTimes: Sendable {
    public enum Stage: String, Sendable, CaseIterable {
        /// The source's bytes come in.
        case read
        /// Cut points are found.
        case cut
        case digest
        /// The index is asked for chunks that are there already, or where chunks are.
        case lookUp
        case compress
        /// CRC32C of the stored bytes of a chunk.
        case checksum
        /// Chunks and records are laid into the open block.
        case pack
        /// Parity, tables of contents, the checksums of all cells.
        case encode
        /// Shards go to the devices under temporary names.
        case write
        case sync
        /// Shards get their final names, durably.
        case name
        /// The index follows a commit.
        case index
        /// The stored bytes of a chunk come from the devices, or are made from those of other shards.
        case fetch
        case decompress
        /// The sink takes the bytes.
        case deliver
    }

    public struct Time: Sendable, Hashable {
        /// Of the thread that did it.
        public var cpuNanoseconds: UInt64 = 0
        /// By the clock; of several at once together.
        public var nanoseconds: UInt64 = 0
        /// That went through the stage.
        public var bytes: UInt64 = 0
    }

    private let times = Monitor<[Stage: Time]>([:])

    public init() {}

    public subscript(stage: Stage) -> Time { times.withLock { $0[stage] ?? Time() } }

    public func reset() { times.withLock { $0 = [:] } }

    /// Runs `body`; `byteCount` tells of what it made how many bytes went through.
    func measure<Value, Failure: Error>(
        _ stage: Stage, _ byteCount: (Value) -> Int, _ body: () throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let (cpu, clock) = (Self.now(CLOCK_THREAD_CPUTIME_ID), Self.now(CLOCK_MONOTONIC))
        let value = try body()
        let (cpuEnd, clockEnd) = (Self.now(CLOCK_THREAD_CPUTIME_ID), Self.now(CLOCK_MONOTONIC))
        times.withLock { times in
            times[stage, default: Time()].cpuNanoseconds += cpuEnd - cpu
            times[stage, default: Time()].nanoseconds += clockEnd - clock
            times[stage, default: Time()].bytes += UInt64(byteCount(value))
        }
        return value
    }

    private static func now(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}

extension StoreEnvironment {
    /// Runs `body`, measured where somebody measures.
    @inline(__always)
    func timing<Value, Failure: Error>(
        _ stage: StageTimes.Stage, _ byteCount: (Value) -> Int, _ body: () throws(Failure) -> Value
    ) throws(Failure) -> Value {
        guard let stageTimes else { return try body() }
        return try stageTimes.measure(stage, byteCount, body)
    }

    /// The same where how many bytes go through is known before.
    @inline(__always)
    func timing<Value, Failure: Error>(
        _ stage: StageTimes.Stage, bytes: Int, _ body: () throws(Failure) -> Value
    ) throws(Failure) -> Value {
        guard let stageTimes else { return try body() }
        return try stageTimes.measure(stage, { _ in bytes }, body)
    }
}
