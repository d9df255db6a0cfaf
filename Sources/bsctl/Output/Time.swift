import Glibc

enum Time {
    /// "2026-03-01 12:34:56", local time.
    static func text(_ nanoseconds: Int64) -> String {
        // Down, also before 1970.
        var seconds = time_t(nanoseconds >= 0 ? nanoseconds / 1_000_000_000 : (nanoseconds + 1) / 1_000_000_000 - 1)
        var parts = tm()
        guard localtime_r(&seconds, &parts) != nil else { return "\(nanoseconds) ns" }
        var buffer = [CChar](repeating: 0, count: 64)
        let count = strftime(&buffer, buffer.count, "%Y-%m-%d %H:%M:%S", &parts)
        return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// "42 s", "7 min", "3.5 h", "12 days".
    static func duration(_ seconds: Double) -> String {
        switch seconds {
        case ..<100: "\(Size.decimals(seconds, 0)) s"
        case ..<6000: "\(Size.decimals(seconds / 60, 0)) min"
        case ..<172_800: "\(Size.decimals(seconds / 3600, 1)) h"
        default: "\(Size.decimals(seconds / 86400, 0)) days"
        }
    }
}
