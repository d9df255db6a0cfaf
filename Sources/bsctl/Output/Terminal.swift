import BlockStore
import Glibc
import Synchronization

/// The only place that writes to standard output and standard error.
enum Terminal {
    enum Style: String {
        case plain = "0"
        case good = "32"
        case warning = "33"
        case bad = "1;31"
        case dim = "2"
    }

    static let isErrorTerminal = isatty(2) == 1
    static let isOutputTerminal = isatty(1) == 1

    /// One line on standard output, buffered unless it is a terminal.
    static func print(_ text: String, _ style: Style = .plain) {
        let line = isOutputTerminal ? Printable.text(text) : text
        output.withLock { $0.append(Array((styled(line, style, isOutputTerminal) + "\n").utf8)) }
    }

    /// A part of a line on standard output.
    static func print(part text: String) { output.withLock { $0.append(Array(text.utf8)) } }

    /// A key between two texts, and the end of the line: escaped on a terminal, its very bytes elsewhere.
    static func print(_ before: String = "", _ key: Key, _ after: String = "") {
        let bytes = isOutputTerminal ? Printable.bytes(key) : key.bytes
        output.withLock { $0.append(Array(before.utf8) + bytes + Array(after.utf8) + [UInt8(ascii: "\n")]) }
    }

    /// Two keys in one line.
    static func print(_ before: String, _ key: Key, _ between: String, _ other: Key) {
        func bytes(_ key: Key) -> [UInt8] { isOutputTerminal ? Printable.bytes(key) : key.bytes }
        let line = Array(before.utf8) + bytes(key) + Array(between.utf8) + bytes(other) + [UInt8(ascii: "\n")]
        output.withLock { $0.append(line) }
    }

    static func error(_ text: String) { complain("bsctl: ", Array(text.utf8), .bad) }

    static func error(_ complaint: Complaint) { error(complaint.text) }

    /// One failure of several: what they have in common is told once.
    static func error(partOf complaint: Complaint) { error(complaint.head) }

    static func warning(_ text: String) { complain("bsctl: warning: ", Array(text.utf8), .warning) }

    /// An error that names a key, with the key's very bytes where no terminal could be harmed by them.
    static func error(_ before: String, _ key: Key, _ after: String = "") {
        complain("bsctl: ", Array(before.utf8) + key.bytes + Array(after.utf8), .bad)
    }

    /// One line that is drawn over, cut to the width of the terminal; nothing where there is no terminal.
    static func progress(_ text: String) {
        guard isErrorTerminal else { return }
        // In the background the terminal is another's.
        if !text.isEmpty, tcgetpgrp(2) != getpgrp() { return }
        isProgressDrawn.store(!text.isEmpty, ordering: .releasing)
        // The last columns stay free: for the ^C that a terminal shows, and some break a full line.
        let line = Text.cut(Printable.text(text), columns: columns(of: 2) - 3)
        write(Array("\r\u{1b}[K\(line)".utf8), to: 2)
    }

    static func clearProgress() { if isProgressDrawn.load(ordering: .acquiring) { progress("") } }

    /// A line of progress that stays.
    static func progressLine(_ text: String) {
        output.withLock { $0.flush() }
        write(Array("bsctl: \(Printable.text(text))\n".utf8), to: 2)
    }

    /// For the thread that takes signals: waits for no lock.
    static func complainAtOnce(_ text: String) {
        let erase = isProgressDrawn.exchange(false, ordering: .acquiringAndReleasing) ? "\r\u{1b}[K" : ""
        write(Array("\(erase)\(styled("bsctl: ", .bad, isErrorTerminal))\(Printable.text(text))\n".utf8), to: 2)
    }

    /// How wide the terminal behind `file` is; 80 where that cannot be told.
    static func columns(of file: Int32) -> Int {
        var size = winsize()
        return ioctl(file, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    }

    static func rows(of file: Int32) -> Int {
        var size = winsize()
        return ioctl(file, UInt(TIOCGWINSZ), &size) == 0 && size.ws_row > 0 ? Int(size.ws_row) : 24
    }

    private static let isProgressDrawn = Atomic(false)

    /// Whether standard output has stopped taking anything.
    static var isOutputClosed: Bool { output.withLock { $0.failure != nil } }

    /// Writes what is buffered. Throws when standard output did not take all that was printed.
    static func flush() throws(StoreError) {
        let failure = output.withLock { output in
            output.flush()
            return output.failure
        }
        guard let failure else { return }
        throw StoreError(.io, "write the report", at: "standard output", detail: "", cause: failure)
    }

    private struct Output: Sendable {
        var buffer: [UInt8] = []
        var failure: SystemError?

        mutating func append(_ bytes: [UInt8]) {
            buffer += bytes
            if buffer.count >= 64 << 10 || Terminal.isOutputTerminal { flush() }
        }

        mutating func flush() {
            if failure == nil { failure = Terminal.write(buffer, to: 1) }
            buffer.removeAll(keepingCapacity: true)
        }
    }

    private static let output = Mutex(Output())

    private static func complain(_ name: String, _ text: [UInt8], _ style: Style) {
        // What was printed before the complaint stands before it.
        output.withLock { $0.flush() }
        clearProgress()
        let text = isErrorTerminal ? Array(Printable.text(text).utf8) : text
        write(Array(styled(name, style, isErrorTerminal).utf8) + text + [UInt8(ascii: "\n")], to: 2)
    }

    static func styled(_ text: String, _ style: Style) -> String { styled(text, style, isOutputTerminal) }

    /// What moves the cursor of the terminal behind standard output.
    static func control(_ text: String) { write(Array(text.utf8), to: 1) }

    private static func styled(_ text: String, _ style: Style, _ isTerminal: Bool) -> String {
        guard isTerminal, style != .plain, usesColour else { return text }
        return "\u{1b}[\(style.rawValue)m\(text)\u{1b}[0m"
    }

    /// https://no-color.org
    private static let usesColour: Bool = {
        if let value = getenv("NO_COLOR"), value.pointee != 0 { return false }
        return getenv("TERM").map { strcmp($0, "dumb") != 0 } ?? false
    }()

    @discardableResult
    private static func write(_ bytes: [UInt8], to file: Int32) -> SystemError? {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(file, $0.baseAddress.map { $0 + done }, bytes.count - done)
            }
            if count > 0 {
                done += count
            } else if errno != EINTR {
                return SystemError(errno)
            }
        }
        return nil
    }
}
