import BlockStore
import Glibc

/// The whole terminal, drawn over and given back as it was. Use from one thread.
final class Screen {
    private let former: termios?

    /// Nil where standard output is no terminal.
    init?() {
        guard Terminal.isOutputTerminal else { return nil }
        var settings = termios()
        if isatty(0) == 1, tcgetattr(0, &settings) == 0 {
            former = settings
            // Keys come at once and are not shown; Ctrl-C stays a signal.
            settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
            tcsetattr(0, TCSANOW, &settings)
        } else {
            former = nil
        }
        // The other screen, without a cursor.
        Terminal.control("\u{1b}[?1049h\u{1b}[?25l\u{1b}[2J")
    }

    func close() {
        Terminal.control("\u{1b}[?25h\u{1b}[?1049l")
        if var former { tcsetattr(0, TCSANOW, &former) }
    }

    /// Draws `lines` over what was there, without a moment of nothing, cut to the screen. Where there are more than fit the last
    /// ones stand: the verdict is among them.
    func draw(_ lines: [(text: String, style: Terminal.Style)]) {
        let columns = Terminal.columns(of: 1)
        let shown = lines.suffix(Terminal.rows(of: 1))
        let rows = shown.map { line in
            Terminal.styled(Text.cut(Printable.text(line.text), columns: columns), line.style) + "\u{1b}[K"
        }
        Terminal.control("\u{1b}[H" + rows.joined(separator: "\r\n") + "\u{1b}[J")
    }

    /// Waits so long; true when q was pressed or a signal came.
    func isQuit(within milliseconds: Int32) -> Bool {
        let clock = SystemClock()
        let end = clock.monotonicNanoseconds() + UInt64(milliseconds) * 1_000_000
        while Interruption.signal == nil {
            let now = clock.monotonicNanoseconds()
            guard now < end else { return false }
            let isKey = former != nil
            guard Interruption.pause(milliseconds: Int32((end - now) / 1_000_000) + 1, orInput: isKey ? 0 : -1) else {
                continue
            }
            var key: UInt8 = 0
            guard read(0, &key, 1) == 1 else { return true }
            if key == UInt8(ascii: "q") || key == UInt8(ascii: "Q") { return true }
        }
        return true
    }
}
