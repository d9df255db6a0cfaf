/// Signs requests as S3 wants it: AWS Signature Version 4, in a header.
///
/// libcurl signs too, but not everywhere the same: before 7.87 it does not take the digest of a body that is streamed,
/// and versions since differ in what they do to paths and queries. So there is nothing of it here but strings and one
/// hash, which published examples prove (`RequestSignerTests`).
struct RequestSigner: Sendable {
    let credentials: Credentials
    let region: String

    /// The headers with which a request is signed: the date, the body's digest, the token where there is one, and the signature.
    ///
    /// - Parameters:
    ///   - path: encoded, as it is sent.
    ///   - query: encoded and sorted, as it is sent.
    ///   - headers: those of the request that begin with "x-amz-" are signed with it; names in small letters.
    ///   - seconds: since 1970. Servers refuse what is more than fifteen minutes off.
    func headers(
        method: String, host: String, path: String, query: String, headers: [(name: String, value: String)],
        bodyDigest: String, seconds: Int64
    ) -> [(name: String, value: String)] {
        let time = CalendarTime(seconds: seconds).compact
        let date = String(time.prefix(8))
        var added = [(name: "x-amz-content-sha256", value: bodyDigest), (name: "x-amz-date", value: time)]
        if let token = credentials.sessionToken { added.append((name: "x-amz-security-token", value: token)) }
        let signed =
            ([(name: "host", value: host)] + headers.filter { $0.name.hasPrefix("x-amz-") } + added)
            .sorted { $0.name < $1.name }
        let names = signed.map(\.name).joined(separator: ";")
        let request = [
            method, path, query, signed.map { "\($0.name):\($0.value)\n" }.joined(), names, bodyDigest,
        ].joined(separator: "\n")
        let scope = "\(date)/\(region)/s3/aws4_request"
        let text = ["AWS4-HMAC-SHA256", time, scope, BodyDigest.sha256(of: request)].joined(separator: "\n")
        var key = Array("AWS4\(credentials.secretKey)".utf8)
        for part in [date, region, "s3", "aws4_request"] { key = BodyDigest.code(of: part, key: key) }
        let signature = BodyDigest.text(BodyDigest.code(of: text, key: key))
        return added + [
            (
                name: "authorization",
                value: "AWS4-HMAC-SHA256 Credential=\(credentials.accessKey)/\(scope), SignedHeaders=\(names), "
                    + "Signature=\(signature)"
            )
        ]
    }
}

/// A time of day of the Gregorian calendar, in UTC. (Howard Hinnant, chrono-compatible low-level date algorithms.)
struct CalendarTime: Sendable, Hashable {
    /// Since 1970.
    let seconds: Int64

    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    init(seconds: Int64) { self.seconds = min(max(seconds, 0), 253_402_300_799) }

    /// Reads "Thu, 26 Nov 2026 07:36:54 GMT", the form of HTTP's headers; nil for any other.
    init?(http text: String) {
        let parts = text.split(separator: " ")
        guard parts.count == 6, parts[5] == "GMT", let day = Int64(parts[1]), (1...31).contains(day),
            let month = Self.months.firstIndex(of: String(parts[2])), let year = Int64(parts[3]),
            (1970...9999).contains(year)
        else { return nil }
        let time = parts[4].split(separator: ":").map { Int64($0) }
        guard time.count == 3, let hour = time[0], let minute = time[1], let second = time[2], (0...23).contains(hour),
            (0...59).contains(minute), (0...60).contains(second)
        else { return nil }
        seconds = Self.days(year, Int64(month) + 1, day) * 86400 + hour * 3600 + minute * 60 + second
    }

    /// "20261126T073654Z"
    var compact: String {
        let (year, month, day) = date
        let rest = UInt64(seconds % 86400)
        return Self.digits(year, 4) + Self.digits(month, 2) + Self.digits(day, 2) + "T" + Self.digits(rest / 3600, 2)
            + Self.digits(rest / 60 % 60, 2) + Self.digits(rest % 60, 2) + "Z"
    }

    /// "2026-11-26 07:36:54 UTC"
    var text: String {
        let (year, month, day) = date
        let rest = UInt64(seconds % 86400)
        return Self.digits(year, 4) + "-" + Self.digits(month, 2) + "-" + Self.digits(day, 2) + " "
            + [rest / 3600, rest / 60 % 60, rest % 60].map { Self.digits($0, 2) }.joined(separator: ":") + " UTC"
    }

    private var date: (year: UInt64, month: UInt64, day: UInt64) {
        let days = seconds / 86400 + 719_468
        let era = days / 146_097
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (UInt64(year), UInt64(month), UInt64(dayOfYear - (153 * shifted + 2) / 5 + 1))
    }

    /// Days since 1970.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = year / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func digits(_ value: UInt64, _ count: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, count - text.count)) + text
    }
}
