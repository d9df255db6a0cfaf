/// Asks one bucket: signs, makes attempts, tells what an answer means.
///
/// What fails in passing (5xx, SlowDown, connections that break, answers that do not hold together) is asked again, up to a
/// number of times and after pauses that double and are random. A node that is silent for the whole deadline is not: it has
/// been waited for already. After either the node is *set aside*: for a while every call fails at once, with the same
/// reason, so that a frozen node costs its deadline once and not once a call.
///
/// Any thread; calls block.
final class S3Client: Sendable {
    let address: BucketAddress
    let region: String
    /// For people, and the hint in the store's documents: nothing secret.
    let place: String
    private let source: CredentialSource
    private let http: HTTPClient
    private let clock: any Clock
    let random: any RandomSource
    private let state: Monitor<State>
    private let record = AnswerRecord()

    /// How it answered since this was made.
    var answerTimes: AnswerTimes { record.times }

    private struct State {
        var credentials: Credentials
        /// When the node is asked again, and why it is not now.
        var setAside: (untilNanoseconds: UInt64, reason: StoreError)?
        /// How often that was so since it last answered.
        var timesSetAside: UInt64 = 0
    }

    /// - Throws: `.denied` where there are no credentials.
    init(
        _ address: BucketAddress, _ source: CredentialSource = .system, deadlines: HTTPDeadlines = HTTPDeadlines(),
        clock: any Clock = SystemClock(), random: any RandomSource = SystemRandom()
    ) throws(StoreError) {
        self.address = address
        self.source = source
        self.clock = clock
        self.random = random
        region = address.region ?? source.region(profile: address.profile) ?? "us-east-1"
        place = address.description
        http = HTTPClient(deadlines: deadlines, certificates: source.certificates)
        state = Monitor(State(credentials: try source.credentials(profile: address.profile, for: address.description)))
    }

    /// Asks until there is an answer: one that says that all went well, or an error that the call expects.
    func send(_ call: S3Call) throws(StoreError) -> S3Answer {
        try requireNotSetAside()
        var attempt = 0
        var hasNewCredentials = false
        while true {
            try call.mayBegin()
            attempt += 1
            let reason: StoreError
            var isBroken = false
            let began = clock.monotonicNanoseconds()
            let outcome = answer(to: call)
            note(outcome, of: call, since: began)
            switch outcome {
            case .success(let answer):
                noteAnswer()
                if let error = answer.error {
                    if call.expectedErrors.contains(error) { return answer }
                    reason = answer.storeError(call, at: place, clock: now)
                    if !hasNewCredentials, reason.code == .denied, renewCredentials() {
                        hasNewCredentials = true
                        continue
                    }
                    guard answer.isPassing else { throw reason }
                } else if let problem = call.problem(answer) {
                    reason = failure(call, problem)
                } else {
                    return answer
                }
            case .failure(let failure):
                reason = self.failure(call, failure.detail, failure.kind)
                switch failure.kind {
                case .late: throw setAside(reason)
                case .untrusted, .impossible: throw reason
                case .broken: isBroken = true
                }
            }
            guard attempt < (isBroken ? Limits.nodeBrokenAttempts : Limits.nodeAttempts) else {
                throw isBroken ? setAside(reason) : reason
            }
            pause(before: attempt + 1)
        }
    }

    private func note(_ outcome: Result<S3Answer, HTTPFailure>, of call: S3Call, since began: UInt64) {
        let taken = clock.monotonicNanoseconds() &- began
        let isGood =
            switch outcome {
            case .success(let answer):
                answer.error.map { call.expectedErrors.contains($0) } ?? (call.problem(answer) == nil)
            case .failure: false
            }
        let byteCount = call.target?.count ?? call.body.reduce(0) { $0 + $1.count }
        record.note(taken, isRead: call.target != nil, byteCount: byteCount, isGood: isGood)
    }

    private func answer(to call: S3Call) -> Result<S3Answer, HTTPFailure> {
        do throws(HTTPFailure) {
            return .success(S3Answer(try http.send(request(call))))
        } catch {
            return .failure(error)
        }
    }

    /// What this machine's clock says.
    private var now: CalendarTime { CalendarTime(seconds: clock.wallNanoseconds() / 1_000_000_000) }

    private func request(_ call: S3Call) -> HTTPRequest {
        let credentials = state.withLock(\.credentials)
        let server = address.server(region: region)
        let path = address.path(of: call.key, region: region)
        let query = call.queryText
        let digest = (call.digest ?? (call.body.isEmpty ? .empty : BodyDigest(of: call.body))).sha256
        var request = HTTPRequest(
            method: call.method, url: "\(server)\(path)" + (query.isEmpty ? "" : "?\(query)"), headers: call.headers,
            body: call.body, target: call.target)
        request.headers += RequestSigner(credentials: credentials, region: region).headers(
            method: call.method, host: server.authority, path: path, query: query, headers: call.headers,
            bodyDigest: digest, seconds: now.seconds)
        return request
    }

    private func failure(_ call: S3Call, _ detail: String, _ kind: HTTPFailure.Kind = .broken) -> StoreError {
        let advice =
            switch kind {
            case .untrusted:
                "mend the server's certificate, or name the authority that signed it in AWS_CA_BUNDLE; nothing was sent"
            case .late, .broken: "is the node up, and reachable from here?"
            case .impossible: nil as String?
            }
        return StoreError(.io, call.operation, at: place, detail: detail, advice: advice)
    }

    /// Reads the credentials again; whether they are others than before.
    private func renewCredentials() -> Bool {
        guard let found = try? source.credentials(profile: address.profile, for: place) else { return false }
        return state.withLock { state in
            defer { state.credentials = found }
            return state.credentials != found
        }
    }

    /// Whether the node did not answer lately, and is not asked now.
    var isSetAside: Bool {
        let now = clock.monotonicNanoseconds()
        return state.withLock { $0.setAside.map { now < $0.untilNanoseconds } ?? false }
    }

    private func requireNotSetAside() throws(StoreError) {
        let now = clock.monotonicNanoseconds()
        let reason = state.withLock { state -> StoreError? in
            guard let aside = state.setAside, now < aside.untilNanoseconds else { return nil }
            return aside.reason
        }
        if let reason { throw reason }
    }

    private func setAside(_ reason: StoreError) -> StoreError {
        let now = clock.monotonicNanoseconds()
        state.withLock { state in
            // Several calls were under way.
            if let aside = state.setAside, now < aside.untilNanoseconds { return }
            let doublings = min(state.timesSetAside, Limits.nodeSetAsideDoublings)
            state.setAside = (now &+ (Limits.nodeSetAsideNanoseconds << doublings), reason)
            state.timesSetAside += 1
        }
        return reason
    }

    private func noteAnswer() {
        state.withLock { state in
            state.setAside = nil
            state.timesSetAside = 0
        }
    }

    /// Between half and the whole of a time that doubles with every attempt: those who failed together do not come back
    /// together.
    private func pause(before attempt: Int) {
        let whole = min(Limits.nodePauseNanoseconds << UInt64(min(attempt - 2, 10)), Limits.nodeLongestPauseNanoseconds)
        clock.sleep(nanoseconds: whole / 2 + random.next() % (whole / 2 + 1))
    }
}
