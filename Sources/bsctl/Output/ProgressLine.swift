import BlockStore
import Synchronization

/// How far a command is, on standard error: on a terminal a line that is drawn over ten times a second at most and erased at
/// the end, elsewhere a line of its own every fifteen seconds. Nothing with `--quiet`. Any thread.
final class ProgressLine: Sendable {
    private let isTerminal: Bool
    private let clock: any Clock
    private let draw: (@Sendable (String) -> Void)?
    private let start: UInt64
    private let state: Mutex<State>

    private struct State {
        /// When something was last drawn.
        var last: UInt64
        var rate = RateEstimate()
    }

    private static let terminalPause: UInt64 = 100_000_000
    private static let plainPause: UInt64 = 15_000_000_000

    convenience init(_ invocation: Invocation) {
        let isTerminal = Terminal.isErrorTerminal
        let draw: @Sendable (String) -> Void = { line in
            if Terminal.isErrorTerminal { Terminal.progress(line) } else { Terminal.progressLine(line) }
        }
        self.init(
            isTerminal: isTerminal, clock: SystemClock(), draw: invocation.has(Options.quiet) ? nil : draw)
    }

    /// - Parameter draw: what shows a line; nil for nothing.
    init(isTerminal: Bool, clock: any Clock, draw: (@Sendable (String) -> Void)?) {
        self.isTerminal = isTerminal
        self.clock = clock
        self.draw = draw
        start = clock.monotonicNanoseconds()
        // What is over in a moment shows nothing.
        state = Mutex(State(last: start))
    }

    var seconds: Double { Double(clock.monotonicNanoseconds() &- start) / 1e9 }

    /// Whether anything is ever shown: what is costly to know is asked only then.
    var isShown: Bool { draw != nil }

    var handler: ProgressHandler {
        { progress in self.update { progress } }
    }

    /// Shows what `progress` says when it is time for it.
    func update(ratio: () -> String? = { nil }, _ progress: () -> Progress) {
        guard let draw else { return }
        let now = clock.monotonicNanoseconds()
        let pause = isTerminal ? Self.terminalPause : Self.plainPause
        let isDue = state.withLock { state in
            guard now &- state.last >= pause else { return false }
            state.last = now
            return true
        }
        guard isDue else { return }
        let progress = progress()
        let rate = state.withLock { $0.rate.add(progress.doneBytes, at: Double(now &- start) / 1e9) }
        draw(ProgressText.line(progress, ratio: ratio(), bytesPerSecond: progress.bytesPerSecond ?? rate))
    }

    func clear() { if isTerminal, draw != nil { Terminal.clearProgress() } }
}

/// Bytes a second of late: what lies further back counts less and less.
struct RateEstimate {
    private var bytes: UInt64 = 0
    private var seconds = 0.0
    private var rate: Double?

    /// - Parameter seconds: since the beginning.
    /// - Returns: nil while it cannot be told.
    mutating func add(_ bytes: UInt64, at seconds: Double) -> Double? {
        let passed = seconds - self.seconds
        guard passed > 0 else { return rate }
        // Another phase begins to count anew.
        let isAnew = bytes < self.bytes
        let now = Double(isAnew ? bytes : bytes - self.bytes) / passed
        // A step of five seconds counts for half.
        let weight = passed / (passed + 5)
        rate = rate.map { isAnew ? now : $0 + (now - $0) * weight } ?? now
        (self.bytes, self.seconds) = (bytes, seconds)
        return rate
    }
}

/// A line of progress. Pure.
enum ProgressText {
    static func line(_ progress: Progress, ratio: String? = nil, bytesPerSecond: Double?) -> String {
        var parts: [String] = []
        if progress.totalItems > 0 { parts.append("\(progress.doneItems) of \(progress.totalItems)") }
        let (done, total) = (progress.doneBytes, progress.totalBytes)
        if total > 0, done <= total {
            parts.append(
                "\(Size.text(done)) of \(Size.text(total)) (\(Size.decimals(100 * Double(done) / Double(total), 0)) %)")
        } else if done > 0 {
            parts.append(Size.text(done))
        }
        if let rate = bytesPerSecond, rate >= 500_000 {
            parts.append(Size.rate(UInt64(min(rate, 1e15)), seconds: 1))
        } else if let rate = bytesPerSecond, rate >= 1 {
            parts.append("\(Size.text(UInt64(rate)))/s")
        }
        if let ratio { parts.append("ratio \(ratio)") }
        if let seconds = progress.secondsToSafe, seconds > 0 { parts.append("safe in \(Time.duration(seconds))") }
        if let seconds = progress.secondsToEnd {
            parts.append("done in \(Time.duration(seconds))")
        } else if total > done, let rate = bytesPerSecond, rate > 0, Double(total - done) / rate < 3.2e7 {
            parts.append("done in \(Time.duration(Double(total - done) / rate))")
        }
        return parts.isEmpty ? progress.phase : "\(progress.phase): \(parts.joined(separator: ", "))"
    }
}

/// Counts bytes for a progress line. Use from one thread.
final class ByteProgress {
    let line: ProgressLine
    private let phase: String
    private(set) var bytes: UInt64 = 0
    /// How many there will be; 0 while that is not known.
    var totalBytes: () -> UInt64 = { 0 }
    /// What else is known: how many objects, how many bytes were not read because they are known, and how far LZ4 reduces
    /// what is new.
    var more: () -> (objects: Int, unreadBytes: UInt64, ratio: String?) = { (0, 0, nil) }

    init(_ invocation: Invocation, _ phase: String) {
        line = ProgressLine(invocation)
        self.phase = phase
    }

    func add(_ count: Int) {
        bytes += UInt64(count)
        line.update(ratio: { more().ratio }) {
            let more = more()
            return Progress(
                phase: more.objects > 1 ? "\(phase) \(Count.text(more.objects, "object"))" : phase,
                doneBytes: bytes + more.unreadBytes, totalBytes: totalBytes())
        }
    }
}

/// A source that counts.
final class ProgressSource: ByteSource {
    private let source: any ByteSource
    private let progress: ByteProgress

    init(_ source: any ByteSource, _ progress: ByteProgress) {
        self.source = source
        self.progress = progress
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) -> Int {
        let count = try source.read(into: buffer)
        progress.add(count)
        return count
    }
}

/// A pipe or terminal of which nobody knows when something comes: a signal ends the waiting.
final class WaitingSource: ByteSource {
    private let source: any ByteSource
    private let descriptor: Int32

    init(_ source: any ByteSource, descriptor: Int32) {
        self.source = source
        self.descriptor = descriptor
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) -> Int {
        try Interruption.waitForInput(descriptor)
        return try source.read(into: buffer)
    }
}

/// A sink that counts.
final class ProgressSink: ByteSink {
    private let sink: any ByteSink
    private let progress: ByteProgress

    init(_ sink: any ByteSink, _ progress: ByteProgress) {
        self.sink = sink
        self.progress = progress
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        try sink.write(bytes)
        progress.add(bytes.count)
    }
}
