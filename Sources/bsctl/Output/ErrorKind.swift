import BlockStore

/// One kind of failure, as data: what programs branch on, and what people are told besides the facts.
///
/// docs/errors.md explains each in full; a test holds the two together.
struct ErrorKind: Sendable {
    /// Stable: it never means anything else.
    let code: String
    let exit: ExitCode
    /// What is at risk, to follow "at risk:"; nil where nothing is, because nothing was begun.
    let risk: String?
    /// What to do next where the error itself has no better advice.
    let next: String?

    /// Every code that can be printed.
    static let all: [ErrorKind] =
        [usage, refused, partial, output, unexpected] + StoreError.Code.allCases.map(ErrorKind.init)

    static let usage = ErrorKind(
        "usage", .usage, next: "bsctl help lists the commands, bsctl COMMAND --help explains one")
    static let refused = ErrorKind("refused", .failed)
    static let interrupted = ErrorKind("interrupted", .failed)
    static let output = ErrorKind(
        "output", .failed, risk: "the report alone: what the command was to do, it did",
        next: "make room where the output goes, and ask bsctl status")
    static let partial = ErrorKind(
        "partial", .failed, risk: "the files or keys named, and no others: they are not done",
        next: "mend what is told of each and run it again: what is done is not done twice")
    static let unexpected = ErrorKind(
        "unexpected", .failed, risk: "what this command was doing; what was acknowledged before is safe",
        next: "run bsctl status, and report this with the command that led to it")

    private init(_ code: String, _ exit: ExitCode, risk: String? = nil, next: String? = nil) {
        self.code = code
        self.exit = exit
        self.risk = risk
        self.next = next
    }

    init(_ code: StoreError.Code) {
        switch code {
        case .notFound:
            self.init(
                "notFound", .notFound,
                next:
                    "bsctl ls, bsctl versions KEY and bsctl device ls list what there is; --store HOME names the store"
            )
        case .invalid: self.init("invalid", .usage, next: "bsctl COMMAND --help says what is possible")
        case .exists: self.init("exists", .failed, next: "choose another name, or move away what is there")
        case .conditionFailed:
            self.init("conditionFailed", .conditionFailed, next: "bsctl versions KEY shows the newest version")
        case .locked:
            self.init("locked", .busy, next: "try again later, or wait longer with --lock-wait SECONDS")
        case .input:
            self.init(
                "input", .failed, risk: "nothing that is stored: the key is as it was",
                next: "mend the input and run the command again")
        case .interrupted: self = Self.interrupted
        case .corrupt:
            self.init(
                "corrupt", .failed,
                risk: "what stands there; other shards hold it too unless more is bad than the profile bears",
                next: "bsctl scrub finds what is damaged, bsctl repair mends it")
        case .io:
            self.init(
                "io", .failed, risk: "what this command was to do; what was acknowledged before is safe",
                next: "look after the disk or file named (dmesg, mount), then bsctl status")
        case .denied:
            self.init(
                "denied", .failed, risk: "what this command was to do there; what was acknowledged before is safe",
                next: "look after the credentials of the node named (docs/nodes.md)")
        case .noSpace:
            self.init(
                "noSpace", .failed, risk: "what this command was to write; what was acknowledged before is safe",
                next: "bsctl prune and bsctl collect free room, bsctl device add DIR brings more")
        case .lost:
            self.init(
                "lost", .lost,
                risk: "the objects named, and nothing else: they cannot be read from the devices there are",
                next: "bring devices back that are absent, then bsctl repair; bsctl status says which")
        case .tooFewDevices:
            self.init(
                "tooFewDevices", .failed,
                risk: "what this command was to write; and what is stored survives less while devices are out",
                next: "bsctl status says which devices are missed")
        case .inDoubt:
            self.init(
                "inDoubt", .failed,
                risk: "the commits in doubt, until their devices are back; everything before is safe",
                next: "bring the devices back; or give those commits up: bsctl recover --abandon")
        case .unknownOutcome:
            self.init(
                "unknownOutcome", .failed,
                risk: "what this command wrote: it may appear whole later, or not at all, never in part",
                next: "bsctl status; when the devices are back, run the command again")
        case .indexBehind:
            self.init(
                "indexBehind", .degraded, risk: "nothing: what was committed is durable, and the index catches up",
                next: "run the command again for what is left")
        case .indexDamaged:
            self.init(
                "indexDamaged", .failed, risk: "no data: the index is a cache of what the shards say",
                next: "bsctl index rebuild makes it again")
        case .unsupported:
            self.init(
                "unsupported", .failed, risk: "nothing, as long as nothing older writes there",
                next: "use the version of bsctl that wrote it, or a newer one")
        }
    }
}

/// A failure as it is told: what happened, what is at risk, what to do next.
struct Complaint {
    let kind: ErrorKind
    let what: String
    let risk: String?
    let next: String?

    init(_ error: any Error) {
        switch error {
        case let error as UsageError:
            self.init(.usage, error.description, next: error.next)
        case let error as Refusal:
            self.init(.refused, error.description, next: error.next)
        case let error as StoreError:
            self.init(ErrorKind(error.code), error.summary, next: error.advice)
        case let ending as Ending:
            self.init(ending)
        default:
            self.init(.unexpected, "\(error)")
        }
    }

    /// That some of many failed; nil when none did. `what` is what one of them is called, `fate` what could not be done.
    static func partial(_ failures: [StoreError], _ what: String, _ fate: String) -> Complaint? {
        guard !failures.isEmpty else { return nil }
        return Complaint(
            failures.contains { $0.code == .lost } ? ErrorKind(.lost) : .partial,
            "\(Count.text(failures.count, what)) could not be \(fate); the others are")
    }

    init(_ ending: Ending) { self.init(.interrupted, "interrupted: \(ending.kept)", next: ending.next) }

    init(_ kind: ErrorKind, _ what: String, risk: String? = nil, next: String? = nil) {
        self.kind = kind
        self.what = what
        self.risk = risk ?? kind.risk
        self.next = next ?? kind.next
    }

    /// The first line with the code at its end, and the others below it.
    var text: String { head + details }

    /// What happened, in one line unless the usage belongs to it: for a list of failures that share the rest.
    var head: String {
        var lines = what.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        lines[0] += " [\(kind.code)]"
        return lines.joined(separator: "\n")
    }

    var details: String {
        (risk.map { "\n  at risk: \($0)" } ?? "") + (next.map { "\n  next: \($0)" } ?? "")
    }

    var fields: [(String, JSON)] {
        [
            ("error", .string(what)), ("code", .string(kind.code)), ("risk", .optional(risk)),
            ("next", .optional(next)),
        ]
    }
}
