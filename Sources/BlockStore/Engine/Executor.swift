/// Where a piece of work runs.
public enum Lane: Sendable, Hashable {
    /// Hashing, compressing, coding: as many threads as cores.
    case compute
    /// Calls to one device, by its place in the list of devices: a small pool of its own, so that a
    /// slow disk delays nobody else.
    case device(Int)
}

/// Runs work on lanes. Injected, so that the simulator can run the real engine on one thread in an
/// order chosen by its seed.
///
/// Work must never wait for other work: only the caller's own thread does. That is what keeps a
/// bounded pool free of deadlock.
public protocol Executor: Sendable {
    /// How many pieces of compute work can run at the same time.
    var width: Int { get }

    /// Queues `work`; it runs soon, once.
    func submit(_ lane: Lane, _ work: @escaping @Sendable () -> Void)

    /// Returns when `completion` is raised. Called by the thread that owns an operation, never on a lane.
    func wait(for completion: Completion)
}

extension Executor {
    /// Does all of it, and returns when all is done. Call from the thread that owns the operation.
    func run(_ work: [(lane: Lane, body: @Sendable () -> Void)]) {
        guard !work.isEmpty else { return }
        let left = Monitor(work.count)
        let completion = Completion()
        for (lane, body) in work {
            submit(lane) {
                body()
                let isLast = left.withLock { left in
                    left -= 1
                    return left == 0
                }
                if isLast { completion.raise() }
            }
        }
        wait(for: completion)
    }
}

/// A flag that is raised once, and that a thread can wait for.
public final class Completion: Sendable {
    private let monitor = Monitor(false)

    public init() {}

    public var isDone: Bool { monitor.withLock { $0 } }

    public func raise() {
        monitor.withLock { $0 = true }
        monitor.wakeAll()
    }

    /// Blocks the calling thread until the flag is raised.
    public func block() {
        monitor.wait { $0 }
    }
}

/// A value that is being made on a lane.
final class Job<Value: Sendable>: Sendable {
    private let result = Monitor<Result<Value, StoreError>?>(nil)
    private let completion = Completion()
    private let executor: any Executor

    /// Starts `body` on `lane`.
    init(
        _ executor: any Executor, on lane: Lane, _ body: @escaping @Sendable () throws(StoreError) -> Value
    ) {
        self.executor = executor
        executor.submit(lane) { [self] in
            let value: Result<Value, StoreError>
            do throws(StoreError) {
                value = .success(try body())
            } catch {
                value = .failure(error)
            }
            result.withLock { $0 = value }
            completion.raise()
        }
    }

    var isDone: Bool { completion.isDone }

    /// Waits for the value. Call from the thread that owns the operation, never from a lane.
    func value() throws(StoreError) -> Value {
        try outcome().get()
    }

    /// Waits and tells how it went.
    func outcome() -> Result<Value, StoreError> {
        executor.wait(for: completion)
        guard let value = result.withLock({ $0 }) else { preconditionFailure("a done job has a result") }
        return value
    }
}
