/// Keeps background work to so many bytes a second. Use from one thread.
///
/// It never catches up: time in which nothing was done is not made good by a burst.
struct RateLimiter {
    private let clock: any Clock
    private let bytesPerSecond: Double?
    /// When the bytes announced so far are used up.
    private var freeAt: UInt64

    /// - Parameter bytesPerSecond: nil for no limit.
    init(_ clock: any Clock, bytesPerSecond: Int?) {
        self.clock = clock
        self.bytesPerSecond = bytesPerSecond.map { Double(max(1, $0)) }
        freeAt = clock.monotonicNanoseconds()
    }

    /// For how long to wait before the next bytes.
    var pauseNanoseconds: UInt64 {
        guard bytesPerSecond != nil else { return 0 }
        let now = clock.monotonicNanoseconds()
        return freeAt > now ? freeAt - now : 0
    }

    /// Takes `bytes` into account, which are read or written now.
    mutating func spend(_ bytes: UInt64) {
        guard let bytesPerSecond else { return }
        let cost = UInt64(min(Double(bytes) / bytesPerSecond * 1e9, 1e17))
        freeAt = max(freeAt, clock.monotonicNanoseconds()) + cost
    }
}
