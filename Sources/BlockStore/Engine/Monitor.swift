import Glibc

/// State under a lock, with a condition to wait for.
///
/// The one kind of lock here: the standard library's `Mutex` has no condition, and ThreadSanitizer does not
/// see it, so that nothing guarded by it could be checked for races.
final class Monitor<State>: @unchecked Sendable {
    // @unchecked: `state` is touched only while `mutex` is held.
    private var state: State
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init(_ state: State) {
        self.state = state
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        // A wait with an end must not depend on who sets the time of day.
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func withLock<Value, Failure: Error>(
        _ body: (inout State) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&state)
    }

    /// Blocks until `isReady` holds.
    func wait(until isReady: (State) -> Bool) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while !isReady(state) { pthread_cond_wait(condition, mutex) }
    }

    /// Blocks until `take` returns a value, for `nanoseconds` at most.
    func wait<Value>(atMost nanoseconds: UInt64, until take: (inout State) -> Value?) -> Value? {
        var end = timespec()
        clock_gettime(CLOCK_MONOTONIC, &end)
        let sum = UInt64(end.tv_nsec) + nanoseconds
        end.tv_sec += Int(sum / 1_000_000_000)
        end.tv_nsec = Int(sum % 1_000_000_000)
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let value = take(&state) { return value }
            if pthread_cond_timedwait(condition, mutex, &end) == ETIMEDOUT { return take(&state) }
        }
    }

    /// Blocks until `take` returns a value; `idle` counts the threads that are blocked here.
    func waitCountingIdle<Value>(
        _ idle: WritableKeyPath<State, Int>, until take: (inout State) -> Value?
    ) -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let value = take(&state) { return value }
            state[keyPath: idle] += 1
            pthread_cond_wait(condition, mutex)
            state[keyPath: idle] -= 1
        }
    }

    func wakeOne() { pthread_cond_signal(condition) }
    func wakeAll() { pthread_cond_broadcast(condition) }
}
