/// One request to an S3 server, as the device means it.
struct S3Call {
    /// To follow "cannot": "read shard d00 of block 12".
    let operation: String
    let method: String
    /// Nil for the bucket itself.
    let key: String?
    var query: [(name: String, value: String)] = []
    /// Names in small letters.
    var headers: [(name: String, value: String)] = []
    var body: [UnsafeRawBufferPointer] = []
    /// Of the body, where it is known.
    var digest: BodyDigest?
    var target: UnsafeMutableRawBufferPointer?
    /// Errors that mean something to the caller: they are answers, not thrown.
    var expectedErrors: Set<String> = []
    /// What is wrong with an answer that says that all went well; nil when nothing is. It is then asked again.
    var problem: (S3Answer) -> String? = { _ in nil }
    /// Asked before each attempt; throws where nothing may be sent any more.
    var mayBegin: () throws(StoreError) -> Void = {}

    init(_ operation: String, _ method: String, _ key: String?) {
        self.operation = operation
        self.method = method
        self.key = key
    }

    /// Encoded and sorted, as it is signed and sent.
    var queryText: String {
        query.map { "\(PercentEncoding.encode($0.name))=\(PercentEncoding.encode($0.value))" }.sorted()
            .joined(separator: "&")
    }
}

/// What an S3 server said.
struct S3Answer: Sendable {
    let http: HTTPAnswer
    /// The code of the error, where it is one: "NoSuchKey". Of an answer without a body, which HEAD has: "404".
    let error: String?
    /// What the server says of its error, on one line.
    let message: String

    init(_ http: HTTPAnswer) {
        self.http = http
        let root = http.body.first == UInt8(ascii: "<") || http.status >= 300 ? MarkupReader.read(http.body) : nil
        if let root, root.name == "Error" {
            error = root.text(of: "Code").map(Self.line) ?? "\(http.status)"
            message = Self.line(root.text(of: "Message") ?? "")
            region = root.text(of: "Region").map(Self.line)
            endpoint = root.text(of: "Endpoint").map(Self.line)
        } else {
            error = (200..<300).contains(http.status) ? nil : "\(http.status)"
            message = ""
            region = nil
            endpoint = nil
        }
        self.root = error == nil ? root : nil
    }

    /// The answer's document.
    let root: MarkupElement?
    private let region: String?
    private let endpoint: String?

    /// Where the bucket is, as far as the server says so.
    var elsewhere: (region: String?, endpoint: String?) {
        let location = http.headers["location"].map(Self.line)
        return (http.headers["x-amz-bucket-region"].map(Self.line) ?? region, endpoint ?? location)
    }

    var entityTag: String? { http.headers["etag"] }

    /// The MD5 digest of an object's bytes, where its entity tag is one.
    var md5: String? {
        guard let tag = entityTag?.filter({ $0 != "\"" }), tag.utf8.count == 32,
            http.headers["x-amz-server-side-encryption"].map({ !$0.hasPrefix("aws:kms") }) ?? true,
            http.headers["x-amz-server-side-encryption-customer-algorithm"] == nil
        else { return nil }
        return tag.lowercased()
    }

    /// The server's clock.
    var date: CalendarTime? { http.headers["date"].flatMap { CalendarTime(http: $0) } }

    /// Whether to ask again: the server could not, now.
    var isPassing: Bool {
        // The second line: other bytes came than were sent.
        let passing: Set = [
            "SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "OperationAborted",
            "XAmzContentSHA256Mismatch", "BadDigest", "IncompleteBody",
        ]
        if let error, passing.contains(error) { return true }
        return [429, 500, 502, 503, 504].contains(http.status)
    }

    /// Foreign text in few words and on one line.
    private static func line(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.prefix(300).map { $0.value < 0x20 || (0x7f..<0xa0).contains($0.value) ? " " : $0 }))
    }
}

extension S3Answer {
    /// What an unexpected answer means.
    func storeError(_ call: S3Call, at place: String, clock: CalendarTime) -> StoreError {
        func failure(_ code: StoreError.Code, _ detail: String, _ advice: String? = nil) -> StoreError {
            StoreError(code, call.operation, at: place, detail: detail, advice: advice)
        }
        let said = message.isEmpty ? "" : ": \(message)"
        let (region, endpoint) = elsewhere
        switch error ?? "" {
        case "NoSuchBucket":
            return failure(.notFound, "there is no such bucket", "make it first, or mend the address")
        case "RequestTimeTooSkewed", "RequestExpired":
            let other = date.map { "the node's \($0.text)" } ?? "the node's another time"
            return failure(
                .denied, "the clocks disagree: this machine's says \(clock.text), \(other)",
                "set this machine's clock: timedatectl set-ntp true")
        case "InvalidAccessKeyId": return failure(.denied, "it does not know the access key", Self.credentialAdvice)
        case "SignatureDoesNotMatch":
            return failure(.denied, "the secret key is not the one of the access key", Self.credentialAdvice)
        case "ExpiredToken", "InvalidToken", "TokenRefreshRequired":
            return failure(.denied, "the session token is not valid any more", "get new credentials and try again")
        case "AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect",
            "IllegalLocationConstraintException",
            "InvalidRegionName", "301", "302", "307", "308":
            let where_ = region.map { "region \($0)" } ?? endpoint ?? "elsewhere"
            return failure(
                .invalid, "the bucket is at \(where_), and no redirect is followed\(said)",
                region.map { "write region=\($0) into the address" }
                    ?? "write that region or endpoint into the address: region=REGION, endpoint=URL")
        case "QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "507":
            return failure(.noSpace, "it is full\(said)", nil)
        case "NotImplemented", "501": return failure(.unsupported, "it cannot do what is needed\(said)", nil)
        case let code where http.status == 401 || http.status == 403:
            return failure(
                .denied, "it refuses access (\(code))\(said)",
                "the credentials need to list the bucket and to get, put and delete its objects (docs/nodes.md)")
        case let code where http.status == 404:
            return failure(
                .io, code == "404" ? "it answers 404 and does not say what is missing" : "it says \(code)\(said)",
                "is the endpoint that of an S3 server?")
        default: return failure(.io, "it answers \(http.status)\(error.map { " \($0)" } ?? "")\(said)", nil)
        }
    }

    private static let credentialAdvice =
        "see which credentials are used: AWS_ACCESS_KEY_ID first, else the profile in ~/.aws/credentials"
}
