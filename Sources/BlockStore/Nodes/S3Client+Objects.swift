/// What a server says of an object.
struct S3Object: Sendable {
    let byteCount: Int
    let entityTag: String?
    /// The MD5 digest of its bytes, where the entity tag is one: not of an upload in parts, nor where the server encrypts with a key
    /// that it manages or was given.
    let md5: String?
    /// The random number of the write that made it, where this program did.
    let mark: String?
    /// How many seconds ago it was written, by the server's clock alone.
    let ageSeconds: Int64?

    init(_ answer: S3Answer) {
        byteCount = answer.http.headers["content-length"].flatMap { Int($0) } ?? 0
        entityTag = answer.entityTag
        md5 = answer.md5
        mark = answer.http.headers[S3Client.markHeader]
        let written = answer.http.headers["last-modified"].flatMap { CalendarTime(http: $0) }
        ageSeconds = answer.date.flatMap { date in written.map { date.seconds - $0.seconds } }
    }
}

/// When an object may be written.
enum S3Condition: Sendable, Hashable {
    case always
    case isAbsent
    /// It still is what it was.
    case isUnchanged(entityTag: String)

    var headers: [(name: String, value: String)] {
        switch self {
        case .always: []
        case .isAbsent: [(name: "if-none-match", value: "*")]
        case .isUnchanged(let tag): [(name: "if-match", value: tag)]
        }
    }

    /// Errors of a server where the condition does not hold, or that knows no conditions.
    static let failed: Set<String> = ["PreconditionFailed", "412", "ConditionalRequestConflict", "409"]
    static let unknown: Set<String> = ["NotImplemented", "501"]
}

enum S3Writing: Sendable, Hashable {
    case done
    /// The condition does not hold.
    case refused
    /// The server knows no conditions; nothing was written.
    case unsupported
}

extension S3Client {
    /// Goes with every object: a random number for each write, by which a writer knows its own where an answer was lost.
    static let markHeader = "x-amz-meta-write"

    static let absent: Set<String> = ["NoSuchKey"]

    func mark() -> String { random128().description }

    /// Writes an object whole. On return it is durable, and the server said that it has the bytes that were sent: by the digests that
    /// go with them, which not every server looks at, and by its entity tag where that is an MD5 digest.
    ///
    /// - Parameter mark: the write's own. Where the condition fails because an earlier attempt of the same write succeeded, it
    ///   succeeded.
    func put(
        _ key: String, _ pieces: [UnsafeRawBufferPointer], if condition: S3Condition = .always, mark: String,
        _ operation: String, mayBegin: @escaping () throws(StoreError) -> Void = {}
    ) throws(StoreError) -> S3Writing {
        var call = S3Call(operation, "PUT", key)
        call.body = pieces
        call.mayBegin = mayBegin
        call.headers = condition.headers + [(name: Self.markHeader, value: mark)]
        let digest = BodyDigest(of: pieces)
        call.headers += digest.headers
        call.digest = digest
        if condition != .always { call.expectedErrors = S3Condition.failed.union(S3Condition.unknown) }
        for _ in 0..<Limits.nodeAttempts {
            let answer = try send(call)
            if let error = answer.error, S3Condition.unknown.contains(error) { return .unsupported }
            let md5: String?
            if answer.error == nil {
                md5 = answer.md5
            } else {
                guard let found = try head(key, operation), found.mark == mark else { return .refused }
                md5 = found.md5
            }
            if digest.agrees(with: md5) { return .done }
            // Written by this very call, and wrong on the way: it stands in nobody's way but its own.
            call.headers = [(name: Self.markHeader, value: mark)] + digest.headers
        }
        // What was there before is gone already, and wrong bytes are known for wrong; a name that is new is taken back.
        if condition == .isAbsent { try? delete(key, operation) }
        throw StoreError(
            .io, operation, at: place, detail: "it has other bytes than were sent, each time",
            advice: "something on the way changes them; use https")
    }

    /// The whole of a small object; nil when there is none.
    func get(_ key: String, _ operation: String) throws(StoreError) -> (bytes: [UInt8], object: S3Object)? {
        var call = S3Call(operation, "GET", key)
        call.expectedErrors = Self.absent
        call.problem = { answer in
            answer.http.headers["content-length"].flatMap { Int($0) } == answer.http.body.count
                ? nil : "the answer is not as long as it says"
        }
        let answer = try send(call)
        return answer.error == nil ? (answer.http.body, S3Object(answer)) : nil
    }

    /// Fills `buffer` from byte `offset` on, as far as the object goes. Returns how many bytes there were; nil when there is no
    /// such object.
    func read(
        _ key: String, at offset: Int, into buffer: UnsafeMutableRawBufferPointer, _ operation: String
    ) throws(StoreError) -> Int? {
        guard !buffer.isEmpty else { return try head(key, operation).map { _ in 0 } }
        var call = S3Call(operation, "GET", key)
        call.headers = [(name: "range", value: "bytes=\(offset)-\(offset + buffer.count - 1)")]
        call.target = buffer
        call.expectedErrors = Self.absent.union(["InvalidRange", "416"])
        call.problem = { answer in
            guard answer.http.status == 206,
                let range = answer.http.headers["content-range"].flatMap(ContentRange.init),
                range.bytes.lowerBound == offset
            else { return "it answers with another part than was asked for" }
            return range.bytes.count == answer.http.placedBytes
                ? nil : "\(answer.http.placedBytes) bytes came, expected \(range.bytes.count)"
        }
        let answer = try send(call)
        if answer.error.map(Self.absent.contains) == true { return nil }
        // Nothing is left behind its end.
        return answer.error == nil ? answer.http.placedBytes : 0
    }

    /// What is known of an object; nil when there is none.
    ///
    /// Absence is never concluded from an answer to HEAD, which cannot say what is missing: a bucket that is gone, and
    /// an endpoint that is no S3 server, answer the same.
    func head(_ key: String, _ operation: String) throws(StoreError) -> S3Object? {
        var call = S3Call(operation, "HEAD", key)
        call.expectedErrors = ["404"]
        let answer = try send(call)
        if answer.error == nil { return S3Object(answer) }
        var byte: UInt8 = 0
        let found = try withUnsafeMutableBytes(of: &byte) { byte -> Result<Int?, StoreError> in
            do throws(StoreError) {
                return .success(try read(key, at: 0, into: byte, operation))
            } catch {
                return .failure(error)
            }
        }.get()
        guard found != nil else { return nil }
        throw StoreError(
            .io, operation, at: place, detail: "it is there and not there at the same time", advice: "try again")
    }

    /// Removes an object; one that is not there is removed.
    func delete(_ key: String, _ operation: String) throws(StoreError) {
        var call = S3Call(operation, "DELETE", key)
        call.expectedErrors = Self.absent
        _ = try send(call)
    }

    /// Calls `body` with the keys that begin with `prefix` and come after `first`, a page at a time, until it returns false. They come in
    /// the server's order, which is not everywhere that of their bytes. The listing may lack what was written lately: nothing
    /// is absent because it is not in it.
    func list(
        _ prefix: String, after first: String = "", pageKeys: Int = 1000, _ operation: String,
        _ body: ([String]) throws(StoreError) -> Bool
    ) throws(StoreError) {
        var token: String?
        var highest = Array(first.utf8)
        while true {
            var call = S3Call(operation, "GET", nil)
            call.query = [
                (name: "list-type", value: "2"), (name: "encoding-type", value: "url"),
                (name: "max-keys", value: "\(pageKeys)"), (name: "prefix", value: prefix),
            ]
            if let token {
                call.query.append((name: "continuation-token", value: token))
            } else if !first.isEmpty {
                call.query.append((name: "start-after", value: first))
            }
            call.problem = { answer in ListingPage(answer, prefix: prefix) == nil ? "its listing makes no sense" : nil }
            guard let page = ListingPage(try send(call), prefix: prefix) else {
                preconditionFailure("a page was looked at before")
            }
            let keys = page.keys.filter { Array(first.utf8).lexicographicallyPrecedes(Array($0.utf8)) }
            if !keys.isEmpty, try !body(keys) { return }
            guard let next = page.nextToken else { return }
            // It must come to an end.
            let last = keys.map { Array($0.utf8) }.max { $0.lexicographicallyPrecedes($1) } ?? []
            guard highest.lexicographicallyPrecedes(last) else {
                throw StoreError(.io, operation, at: place, detail: "its listing goes round in circles")
            }
            highest = last
            token = next
        }
    }

    private func random128() -> Identifier<S3Object> { random.identifier() }
}

/// "bytes 0-99/1000"
struct ContentRange: Sendable, Hashable {
    let bytes: Range<Int>

    init?(_ text: String) {
        guard text.hasPrefix("bytes ") else { return nil }
        let ends = text.dropFirst(6).prefix { $0 != "/" }.split(
            separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = Int(ends[0]), let last = Int(ends[1]), first >= 0, last >= first,
            last < Int.max
        else { return nil }
        bytes = first..<(last + 1)
    }
}

/// One answer to a listing.
struct ListingPage: Sendable {
    let keys: [String]
    /// What the next page is asked with; nil when there is none.
    let nextToken: String?

    /// Nil where it is not what was asked for: keys with the prefix, and a way to go on where there are more.
    init?(_ answer: S3Answer, prefix: String) {
        guard let root = answer.root, root.name == "ListBucketResult" else { return nil }
        let isEncoded = root.text(of: "EncodingType") == "url"
        var keys: [String] = []
        for entry in root.all("Contents") {
            guard let text = entry.text(of: "Key"),
                let key = isEncoded ? PercentEncoding.decode(text, plusIsSpace: true) : text, key.hasPrefix(prefix)
            else { return nil }
            keys.append(key)
        }
        self.keys = keys
        guard root.text(of: "IsTruncated") == "true" else {
            nextToken = nil
            return
        }
        guard let token = root.text(of: "NextContinuationToken"), !token.isEmpty, !keys.isEmpty else { return nil }
        nextToken = token
    }
}
