import Glibc

/// The executor of real life: one pool for computing, one small pool for each device.
public final class ThreadedExecutor: Executor {
    public let width: Int
    private let threadsPerDevice: Int
    private let compute: ThreadPool
    private let devices = Monitor<[Int: ThreadPool]>([:])

    public init(computeThreads: Int? = nil, threadsPerDevice: Int = 2) {
        let computeThreads = computeThreads ?? max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        width = computeThreads
        self.threadsPerDevice = threadsPerDevice
        compute = ThreadPool(threads: computeThreads)
    }

    public func submit(_ lane: Lane, _ work: @escaping @Sendable () -> Void) {
        switch lane {
        case .compute:
            compute.submit(work)
        case .device(let number):
            let pool = devices.withLock { pools in
                if let pool = pools[number] { return pool }
                let pool = ThreadPool(threads: threadsPerDevice)
                pools[number] = pool
                return pool
            }
            pool.submit(work)
        }
    }

    public func wait(for completion: Completion) { completion.block() }
}

/// Threads that take work from one queue in order. They end when the pool is let go of and its work is done; nobody waits for
/// them: a hung disk must not be able to keep the process from exiting.
final class ThreadPool: Sendable {
    private struct State: Sendable {
        /// First in, first out: taken from `ready`, which is refilled from `added` reversed.
        var ready: [@Sendable () -> Void] = []
        var added: [@Sendable () -> Void] = []
        var idleThreads = 0
        var threads = 0
        var isOver = false

        mutating func take() -> (@Sendable () -> Void)? {
            if ready.isEmpty {
                swap(&ready, &added)
                ready.reverse()
            }
            return ready.popLast()
        }
    }

    private let monitor = Monitor(State())
    private let maximumThreads: Int

    init(threads: Int) { maximumThreads = threads }

    deinit {
        monitor.withLock { $0.isOver = true }
        monitor.wakeAll()
    }

    func submit(_ work: @escaping @Sendable () -> Void) {
        let startsThread = monitor.withLock { state in
            state.added.append(work)
            // Who is idle may have been woken for another piece already.
            let waiting = state.ready.count + state.added.count
            guard waiting > state.idleThreads, state.threads < maximumThreads else { return false }
            state.threads += 1
            return true
        }
        guard startsThread else { return monitor.wakeOne() }
        startThread { [monitor] in
            while let work = Self.next(monitor) { work() }
        }
    }

    /// Nil when the pool is gone.
    private static func next(_ monitor: Monitor<State>) -> (@Sendable () -> Void)? {
        monitor.waitCountingIdle(\.idleThreads) { state -> (@Sendable () -> Void)?? in
            if let work = state.take() { return .some(work) }
            return state.isOver ? .some(nil) : nil
        }
    }
}

/// Runs `body` on a thread of its own.
func startThread(_ body: @escaping @Sendable () -> Void) {
    let context = Unmanaged.passRetained(ThreadBody(body)).toOpaque()
    var thread = pthread_t()
    let status = pthread_create(
        &thread, nil,
        { context in
            guard let context else { return nil }
            Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().run()
            return nil
        }, context)
    precondition(status == 0, "the system refuses a thread: \(status)")
    pthread_detach(thread)
}

private final class ThreadBody: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// Runs everything at once on the calling thread: deterministic, for tests and the simulator.
public final class InlineExecutor: Executor {
    public let width = 1

    public init() {}

    public func submit(_ lane: Lane, _ work: @escaping @Sendable () -> Void) { work() }

    public func wait(for completion: Completion) {
        precondition(completion.isDone, "inline work is done when it is submitted")
    }
}
