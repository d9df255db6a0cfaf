import CCurl
import Chunker
import Glibc

/// One request over HTTP.
struct HTTPRequest {
    var method: String
    var url: String
    var headers: [(name: String, value: String)] = []
    /// The body's pieces, one behind the other. They must stay where they are during the call.
    var body: [UnsafeRawBufferPointer] = []
    /// Where the body of an answer with one of `placedStatuses` goes; any other body goes into the answer.
    var target: UnsafeMutableRawBufferPointer?
    /// The request that is told nothing but headers.
    var isHead: Bool { method == "HEAD" }

    var bodyBytes: Int { body.reduce(0) { $0 + $1.count } }
}

/// What a server said.
struct HTTPAnswer: Sendable {
    var status = 0
    /// By name, in small letters.
    var headers: [String: String] = [:]
    /// What did not go into the request's target.
    var body: [UInt8] = []
    /// How much of the target was filled.
    var placedBytes = 0
}

/// Why there was no answer.
struct HTTPFailure: Error, Sendable {
    enum Kind: Sendable {
        /// Nothing came, or too slowly: a deadline passed.
        case late
        /// The connection could not be made, or broke: another attempt may fare better.
        case broken
        /// The server could not be shown to be who it should be. No attempt will fare better.
        case untrusted
        /// The request cannot be made as it is.
        case impossible
    }

    let kind: Kind
    let detail: String
}

/// How long calls may take. Every call ends: no node can hang a program.
struct HTTPDeadlines: Sendable {
    var connectNanoseconds = Limits.nodeConnectNanoseconds
    /// Nothing moves for so long, in whole seconds.
    var silenceNanoseconds = Limits.nodeSilenceNanoseconds
    /// A call with many bytes may take as much longer as they take at this rate.
    var leastBytesPerSecond = Limits.nodeBytesPerSecond
}

/// Asks servers over HTTP, by libcurl.
///
/// Connections are kept and used again. TLS certificates are verified; the environment's proxies (https_proxy, no_proxy) are used;
/// redirects are never followed: what is signed for one server is shown to no other. Any thread; a call blocks its thread.
final class HTTPClient: Sendable {
    private struct State {
        /// Handles nobody uses, with their connections.
        var idle: [Handle] = []
    }

    /// @unchecked: used by one thread at a time, whoever took it out of `idle`.
    private struct Handle: @unchecked Sendable {
        let pointer: UnsafeMutableRawPointer
    }

    private let state = Monitor(State())
    private let deadlines: HTTPDeadlines
    private let certificates: String?

    private static let isReady: Bool = {
        Cryptography.prepare()
        return curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK
    }()

    /// - Parameter certificates: a file of certificates to trust in the place of the system's.
    init(deadlines: HTTPDeadlines = HTTPDeadlines(), certificates: String? = nil) {
        self.deadlines = deadlines
        self.certificates = certificates
    }

    deinit { for handle in state.withLock(\.idle) { curl_easy_cleanup(handle.pointer) } }

    /// Makes one attempt.
    func send(_ request: HTTPRequest) throws(HTTPFailure) -> HTTPAnswer {
        let handle = try take()
        let transfer = Transfer(request)
        let code = withoutBrokenPipeSignals { perform(handle.pointer, request, transfer) }
        var status = 0
        _ = bs_curl_get_long(handle.pointer, CURLINFO_RESPONSE_CODE, &status)
        transfer.answer.status = status
        // A connection that failed is not used again; its handle may be.
        state.withLock { state in
            if state.idle.count < Limits.nodeIdleConnections {
                state.idle.append(handle)
            } else {
                curl_easy_cleanup(handle.pointer)
            }
        }
        guard code == CURLE_OK else { throw failure(code, transfer) }
        return transfer.answer
    }

    private func take() throws(HTTPFailure) -> Handle {
        guard Self.isReady else { throw HTTPFailure(kind: .impossible, detail: "libcurl cannot be used") }
        if let handle = state.withLock({ $0.idle.popLast() }) {
            // Forgets the options and keeps the connection.
            curl_easy_reset(handle.pointer)
            return handle
        }
        guard let pointer = curl_easy_init() else {
            throw HTTPFailure(kind: .impossible, detail: "libcurl makes no handle: memory ran out")
        }
        return Handle(pointer: pointer)
    }

    private func perform(
        _ handle: UnsafeMutableRawPointer, _ request: HTTPRequest, _ transfer: Transfer
    ) -> CURLcode {
        var headers: UnsafeMutablePointer<curl_slist>?
        defer { curl_slist_free_all(headers) }
        // Not waited for: a server that refuses does so behind the body as well.
        for header in request.headers.map({ "\($0.name): \($0.value)" }) + ["Expect:", "Accept:"] {
            guard let longer = curl_slist_append(headers, header) else { return CURLE_OUT_OF_MEMORY }
            headers = longer
        }
        let context = Unmanaged.passUnretained(transfer).toOpaque()
        let bodyBytes = request.bodyBytes
        let seconds = max(1, deadlines.silenceNanoseconds / 1_000_000_000)
        let moving = max(bodyBytes, request.target?.count ?? 0) / max(1, deadlines.leastBytesPerSecond)
        let total = deadlines.connectNanoseconds / 1_000_000 + deadlines.silenceNanoseconds / 1_000_000
        let options: [() -> CURLcode] = [
            { bs_curl_set_text(handle, CURLOPT_URL, request.url) },
            { bs_curl_set_pointer(handle, CURLOPT_HTTPHEADER, headers) },
            { bs_curl_set_long(handle, CURLOPT_NOSIGNAL, 1) },
            { bs_curl_set_long(handle, CURLOPT_FOLLOWLOCATION, 0) },
            { bs_curl_set_long(handle, CURLOPT_PATH_AS_IS, 1) },
            { bs_curl_set_long(handle, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1)) },
            { bs_curl_set_long(handle, CURLOPT_TCP_KEEPALIVE, 1) },
            { bs_curl_set_long(handle, CURLOPT_CONNECTTIMEOUT_MS, Int(self.deadlines.connectNanoseconds / 1_000_000)) },
            { bs_curl_set_long(handle, CURLOPT_LOW_SPEED_LIMIT, 1) },
            { bs_curl_set_long(handle, CURLOPT_LOW_SPEED_TIME, Int(seconds)) },
            { bs_curl_set_long(handle, CURLOPT_TIMEOUT_MS, Int(total) + moving * 1000) },
            { bs_curl_set_long(handle, CURLOPT_BUFFERSIZE, 256 << 10) },
            { bs_curl_set_long(handle, CURLOPT_UPLOAD_BUFFERSIZE, 256 << 10) },
            { bs_curl_set_data(handle, CURLOPT_WRITEFUNCTION, Transfer.take) },
            { bs_curl_set_pointer(handle, CURLOPT_WRITEDATA, context) },
            { bs_curl_set_data(handle, CURLOPT_HEADERFUNCTION, Transfer.takeHeader) },
            { bs_curl_set_pointer(handle, CURLOPT_HEADERDATA, context) },
            { bs_curl_set_pointer(handle, CURLOPT_ERRORBUFFER, transfer.message) },
            { self.certificates.map { bs_curl_set_text(handle, CURLOPT_CAINFO, $0) } ?? CURLE_OK },
        ]
        for set in options {
            let code = set()
            guard code == CURLE_OK else { return code }
        }
        let code: CURLcode
        switch request.method {
        case "GET": code = bs_curl_set_long(handle, CURLOPT_HTTPGET, 1)
        case "HEAD": code = bs_curl_set_long(handle, CURLOPT_NOBODY, 1)
        case "PUT", "POST":
            for set in [
                { bs_curl_set_long(handle, CURLOPT_UPLOAD, 1) },
                { bs_curl_set_text(handle, CURLOPT_CUSTOMREQUEST, request.method) },
                { bs_curl_set_offset(handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(bodyBytes)) },
                { bs_curl_set_data(handle, CURLOPT_READFUNCTION, Transfer.give) },
                { bs_curl_set_pointer(handle, CURLOPT_READDATA, context) },
                { bs_curl_set_seek(handle, Transfer.rewind) },
                { bs_curl_set_pointer(handle, CURLOPT_SEEKDATA, context) },
            ] {
                let code = set()
                guard code == CURLE_OK else { return code }
            }
            code = CURLE_OK
        default: code = bs_curl_set_text(handle, CURLOPT_CUSTOMREQUEST, request.method)
        }
        guard code == CURLE_OK else { return code }
        return withExtendedLifetime(transfer) { curl_easy_perform(handle) }
    }

    private func failure(_ code: CURLcode, _ transfer: Transfer) -> HTTPFailure {
        let told = String(cString: transfer.message)
        let general = String(cString: curl_easy_strerror(code))
        let detail = told.isEmpty ? general : told
        switch code {
        case CURLE_OPERATION_TIMEDOUT:
            let seconds = deadlines.silenceNanoseconds / 1_000_000_000
            return HTTPFailure(kind: .late, detail: "it did not answer, or not go on, within \(seconds) s")
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR,
            CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_SSL_CRL_BADFILE:
            return HTTPFailure(kind: .untrusted, detail: detail)
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL, CURLE_OUT_OF_MEMORY, CURLE_UNKNOWN_OPTION,
            CURLE_BAD_FUNCTION_ARGUMENT, CURLE_NOT_BUILT_IN:
            return HTTPFailure(kind: .impossible, detail: detail)
        case CURLE_WRITE_ERROR: return HTTPFailure(kind: .impossible, detail: "it sent more than was asked for")
        default: return HTTPFailure(kind: .broken, detail: detail)
        }
    }
}

/// The body on its way out and the answer on its way in. One thread, that of the call.
private final class Transfer {
    var answer = HTTPAnswer()
    let message = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
    private let body: [UnsafeRawBufferPointer]
    private let target: UnsafeMutableRawBufferPointer?
    private var piece = 0
    private var offset = 0
    private var status = 0

    init(_ request: HTTPRequest) {
        body = request.body
        target = request.target
        message.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    }

    deinit { message.deallocate() }

    static let give: bs_curl_data = { bytes, size, count, context in
        guard let bytes, let context else { return Int(CURL_READFUNC_ABORT) }
        let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
        return transfer.give(UnsafeMutableRawBufferPointer(start: bytes, count: size * count))
    }

    static let rewind: bs_curl_seek = { context, offset, origin in
        guard let context, offset == 0, origin == SEEK_SET else { return CURL_SEEKFUNC_FAIL }
        let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
        (transfer.piece, transfer.offset) = (0, 0)
        return CURL_SEEKFUNC_OK
    }

    static let take: bs_curl_data = { bytes, size, count, context in
        guard let bytes, let context else { return 0 }
        let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
        return transfer.take(UnsafeRawBufferPointer(start: bytes, count: size * count))
    }

    static let takeHeader: bs_curl_data = { bytes, size, count, context in
        guard let bytes, let context else { return 0 }
        let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
        transfer.takeHeader(UnsafeRawBufferPointer(start: bytes, count: size * count))
        return size * count
    }

    private func give(_ room: UnsafeMutableRawBufferPointer) -> Int {
        var given = 0
        while given < room.count, piece < body.count {
            let count = min(room.count - given, body[piece].count - offset)
            if count > 0 {
                UnsafeMutableRawBufferPointer(rebasing: room[given..<(given + count)])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: body[piece][offset..<(offset + count)]))
            }
            given += count
            offset += count
            if offset == body[piece].count { (piece, offset) = (piece + 1, 0) }
        }
        return given
    }

    /// Returns another number than came where it is too much.
    private func take(_ bytes: UnsafeRawBufferPointer) -> Int {
        if let target, status == 206 {
            guard bytes.count <= target.count - answer.placedBytes else { return bytes.count &+ 1 }
            UnsafeMutableRawBufferPointer(rebasing: target[answer.placedBytes..<(answer.placedBytes + bytes.count)])
                .copyMemory(from: bytes)
            answer.placedBytes += bytes.count
        } else {
            guard bytes.count <= Limits.documentBytes - answer.body.count else { return bytes.count &+ 1 }
            answer.body.append(contentsOf: bytes)
        }
        return bytes.count
    }

    private func takeHeader(_ bytes: UnsafeRawBufferPointer) {
        let line = String(decoding: bytes.prefix(8192), as: UTF8.self)
        if line.hasPrefix("HTTP/") {
            // Another answer begins; of what a proxy or "100 Continue" said nothing stays.
            status = line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
            answer.headers = [:]
            return
        }
        guard let colon = line.firstIndex(of: ":"), answer.headers.count < 128 else { return }
        var value = line[line.index(after: colon)...].drop(while: \.isWhitespace)
        while value.last?.isWhitespace == true { value.removeLast() }
        answer.headers[line[..<colon].lowercased()] = String(value)
    }
}

/// Runs `body` on a thread on which writing to a connection that is closed ends in an error and not in the process's end:
/// OpenSSL writes with write(2).
private func withoutBrokenPipeSignals<Value>(_ body: () -> Value) -> Value {
    var pipes = sigset_t()
    var before = sigset_t()
    var pending = sigset_t()
    sigemptyset(&pipes)
    sigaddset(&pipes, SIGPIPE)
    sigpending(&pending)
    let wasPending = sigismember(&pending, SIGPIPE) == 1
    pthread_sigmask(SIG_BLOCK, &pipes, &before)
    let value = body()
    sigpending(&pending)
    if !wasPending, sigismember(&pending, SIGPIPE) == 1 {
        var now = timespec()
        while sigtimedwait(&pipes, nil, &now) == -1, errno == EINTR {}
    }
    pthread_sigmask(SIG_SETMASK, &before, nil)
    return value
}
