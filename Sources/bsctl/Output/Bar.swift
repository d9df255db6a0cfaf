import BlockStore
import Glibc

/// How full something is, drawn.
enum Bar {
    private static let cells = 10

    /// "[███░░░░░░░]  31 %"; empty where it is not known.
    static func text(_ space: DeviceSpace?) -> String {
        guard let space, space.totalBytes > 0 else { return "" }
        return text(Double(space.totalBytes - min(space.freeBytes, space.totalBytes)) / Double(space.totalBytes))
    }

    static func text(_ part: Double, isPlain: Bool = !isUnicode) -> String {
        let part = min(1, max(0, part))
        let full = min(cells, Int((part * Double(cells)).rounded()))
        let percent = "\(Int((part * 100).rounded(.down)))"
        return "[" + String(repeating: isPlain ? "#" : "█", count: full)
            + String(repeating: isPlain ? "." : "░", count: cells - full) + "] "
            + String(repeating: " ", count: 3 - percent.count) + percent + " %"
    }

    /// Whether the locale says that the terminal shows more than ASCII.
    private static let isUnicode: Bool = {
        for name in ["LC_ALL", "LC_CTYPE", "LANG"] {
            guard let value = getenv(name), value.pointee != 0 else { continue }
            let text = String(cString: value).lowercased()
            return text.contains("utf-8") || text.contains("utf8")
        }
        return false
    }()
}
