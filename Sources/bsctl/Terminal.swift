import BlockStore
import Glibc

/// The only place that writes to the terminal.
enum Terminal {
    static let isErrorTerminal = isatty(2) == 1
    static let isOutputTerminal = isatty(1) == 1

    static func print(_ text: String) { write(Array((text + "\n").utf8), to: 1) }

    static func print(bytes: [UInt8]) { write(bytes, to: 1) }

    static func error(_ text: String) {
        clearProgress()
        write(Array("bsctl: \(text)\n".utf8), to: 2)
    }

    static func warning(_ text: String) {
        clearProgress()
        write(Array("bsctl: warning: \(text)\n".utf8), to: 2)
    }

    /// One line that is drawn over; nothing where there is no terminal.
    static func progress(_ text: String) {
        guard isErrorTerminal else { return }
        write(Array("\r\u{1b}[K\(text)".utf8), to: 2)
    }

    static func clearProgress() { progress("") }

    private static func write(_ bytes: [UInt8], to file: Int32) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(file, $0.baseAddress.map { $0 + done }, bytes.count - done)
            }
            if count > 0 {
                done += count
            } else if errno != EINTR {
                return
            }
        }
    }

    /// A key for people: control bytes escaped on a terminal, where they could do harm; raw elsewhere.
    static func printable(_ key: Key) -> [UInt8] {
        guard isOutputTerminal else { return key.bytes }
        return key.bytes.flatMap { byte -> [UInt8] in
            byte < 0x20 || byte == 0x7f ? Array("\\x\(byte < 16 ? "0" : "")\(String(byte, radix: 16))".utf8) : [byte]
        }
    }
}

/// A progress line, drawn at most ten times a second.
final class ProgressLine: @unchecked Sendable {
    // @unchecked: used by the thread that runs the operation.
    private let isQuiet: Bool
    private let start = SystemClock().monotonicNanoseconds()
    private var last: UInt64 = 0

    init(_ invocation: Invocation) { isQuiet = invocation.has("quiet") || !Terminal.isErrorTerminal }

    var seconds: Double { Double(SystemClock().monotonicNanoseconds() - start) / 1e9 }

    func update(_ text: () -> String) {
        guard !isQuiet else { return }
        let now = SystemClock().monotonicNanoseconds()
        guard now - last > 100_000_000 else { return }
        last = now
        Terminal.progress(text())
    }

    var handler: ProgressHandler {
        { progress in
            self.update {
                let items = progress.totalItems > 0 ? " \(progress.doneItems) of \(progress.totalItems)" : ""
                let bytes = progress.doneBytes > 0 ? ", \(Size.text(progress.doneBytes))" : ""
                return progress.phase + items + bytes
            }
        }
    }

    func clear() { if !isQuiet { Terminal.clearProgress() } }
}
