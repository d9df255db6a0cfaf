import BlockStore
import Glibc
import Synchronization

/// SIGINT, SIGTERM and SIGHUP, taken by a thread of their own.
///
/// The first one asks the command to end. A command that holds something to be given up (`cooperate`) asks between its steps
/// whether to stop (`StoreEnvironment.shouldStop`), tells what was kept, and ends. One that holds nothing ends at once, and so
/// does any command with the second signal: what it leaves on the devices is what a crash leaves, and the next writer removes
/// it. The process ends by the signal itself, which a shell shows as 128 + its number, so that a script that runs it ends too.
enum Interruption {
    private static let requested = Atomic<Int32>(0)
    /// How many bodies are running that end by themselves.
    private static let cooperating = Atomic<Int>(0)
    /// A pipe that can be read from after the first signal: what waits for anything else waits for this too.
    private static let wake: (reading: Int32, writing: Int32) = {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return (-1, -1) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }()
    /// A signal that is ignored from the start stays ignored (`nohup`).
    private static let mask: sigset_t = {
        var mask = sigset_t()
        sigemptyset(&mask)
        for number in [SIGINT, SIGTERM, SIGHUP] where !isIgnored(number) { sigaddset(&mask, number) }
        return mask
    }()
    /// What the command that runs says when it ends at once. Nil where that goes without saying.
    private static let ending = Mutex<Ending?>(.nothingChanged)

    /// The signal that asked for an end; nil while none has.
    static var signal: Int32? {
        let number = requested.load(ordering: .acquiring)
        return number == 0 ? nil : number
    }

    /// Before any other thread is started: they inherit the mask.
    static func install() {
        var mask = self.mask
        _ = wake
        pthread_sigmask(SIG_BLOCK, &mask, nil)
        var thread = pthread_t()
        // Never joined: it ends with the process.
        pthread_create(
            &thread, nil,
            { _ in
                while true { Interruption.takeOne() }
            }, nil)
    }

    static func set(_ new: Ending?) { ending.withLock { $0 = new } }

    /// Runs `body`, which asks between its steps whether to stop.
    static func cooperate<Value>(unless endsAtOnce: Bool = false, _ body: () throws -> Value) rethrows -> Value {
        if endsAtOnce { return try body() }
        cooperating.add(1, ordering: .acquiringAndReleasing)
        defer { cooperating.subtract(1, ordering: .acquiringAndReleasing) }
        return try body()
    }

    /// Waits until `descriptor` can be read from.
    static func waitForInput(_ descriptor: Int32) throws(StoreError) {
        var waits = [
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: wake.reading, events: Int16(POLLIN), revents: 0),
        ]
        while poll(&waits, 2, -1) < 0 && errno == EINTR {}
        if signal != nil { throw StoreError(.interrupted, "wait for input", detail: "it was interrupted") }
    }

    /// Waits for so long, for a byte on `descriptor` if one is given, or for a signal. True for the byte.
    @discardableResult
    static func pause(milliseconds: Int32, orInput descriptor: Int32 = -1) -> Bool {
        var waits = [
            pollfd(fd: wake.reading, events: Int16(POLLIN), revents: 0),
            pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
        ]
        return poll(&waits, 2, milliseconds) > 0 && waits[1].revents != 0
    }

    /// Ends the process by the signal, as if it had never been caught.
    static func end(by number: Int32) -> Never {
        Glibc.signal(number, SIG_DFL)
        var mask = self.mask
        pthread_sigmask(SIG_UNBLOCK, &mask, nil)
        raise(number)
        _exit(128 + number)
    }

    private static func takeOne() {
        var mask = self.mask
        var number: Int32 = 0
        guard sigwait(&mask, &number) == 0 else { return }
        if requested.compareExchange(expected: 0, desired: number, ordering: .acquiringAndReleasing).exchanged {
            _ = write(wake.writing, [UInt8(0)], 1)
            guard cooperating.load(ordering: .acquiring) > 0 else {
                // Whoever sleeps in `pause` ends by itself, and has a moment for it.
                return endAtOnce(by: number, ending.withLockIfAvailable { $0 } ?? nil)
            }
            var moment = timespec(tv_sec: 0, tv_nsec: 700_000_000)
            var second = siginfo_t()
            let repeated = sigtimedwait(&mask, &second, &moment)
            guard repeated > 0 else {
                return Terminal.complainAtOnce("stopping after what is under way; once more ends at once")
            }
            number = repeated
        }
        endAtOnce(by: number, Ending("what was under way is taken back by the next command that writes"))
    }

    /// Another thread may hold any lock: nothing here waits for one.
    private static func endAtOnce(by number: Int32, _ ending: Ending?) {
        if let ending { Terminal.complainAtOnce(Complaint(ending).text) }
        end(by: number)
    }

    private static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        return sigaction(number, nil, &action) == 0
            && unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
                == unsafeBitCast(SIG_IGN, to: Int.self)
    }
}

/// What a command that is interrupted leaves, and how to go on.
struct Ending: Error, Sendable {
    let kept: String
    let next: String?
    /// The command's report is out, and says so.
    let isReported: Bool

    init(_ kept: String, next: String? = nil, isReported: Bool = false) {
        self.kept = kept
        self.next = next
        self.isReported = isReported
    }

    static let nothingChanged = Ending("nothing was changed")
    /// Between the work and the end of the process.
    static let done = Ending("it had done what it was to do")
    static let goesOn = Ending("what was done until now stays", next: "run it again, it goes on")
}
