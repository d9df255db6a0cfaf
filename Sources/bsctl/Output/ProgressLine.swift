import BlockStore
import Synchronization

/// A progress line, drawn at most ten times a second, and the time since it began. Any thread.
final class ProgressLine: Sendable {
    private let isQuiet: Bool
    private let clock = SystemClock()
    private let start: UInt64
    private let last = Mutex<UInt64>(0)

    init(_ invocation: Invocation) {
        isQuiet = invocation.has(Options.quiet) || !Terminal.isErrorTerminal
        start = clock.monotonicNanoseconds()
    }

    var seconds: Double { Double(clock.monotonicNanoseconds() &- start) / 1e9 }

    func update(_ text: () -> String) {
        guard !isQuiet else { return }
        let now = clock.monotonicNanoseconds()
        let isDue = last.withLock { last in
            guard now &- last > 100_000_000 else { return false }
            last = now
            return true
        }
        if isDue { Terminal.progress(text()) }
    }

    var handler: ProgressHandler {
        { progress in
            self.update {
                let items = progress.totalItems > 0 ? " \(progress.doneItems) of \(progress.totalItems)" : ""
                var text = progress.phase + items
                if progress.doneBytes > 0 { text += ", \(Size.text(progress.doneBytes))" }
                if let rate = progress.bytesPerSecond { text += ", \(Size.rate(UInt64(rate), seconds: 1))" }
                if let seconds = progress.secondsToSafe, seconds > 0 { text += ", safe in \(Time.duration(seconds))" }
                if let seconds = progress.secondsToEnd { text += ", done in \(Time.duration(seconds))" }
                return text
            }
        }
    }

    func clear() { if !isQuiet { Terminal.clearProgress() } }
}

/// Counts bytes for a progress line. Use from one thread.
final class ByteProgress {
    let line: ProgressLine
    private var bytes = 0

    init(_ invocation: Invocation) { line = ProgressLine(invocation) }

    func add(_ count: Int) {
        bytes += count
        line.update { "\(Size.text(bytes)), \(Size.rate(bytes, seconds: line.seconds))" }
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
