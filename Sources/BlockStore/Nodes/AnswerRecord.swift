/// How a node answered: what is counted, and how long its last answers took. Any thread.
final class AnswerRecord: Sendable {
    /// The last times, in the order of a ring.
    private struct Recent {
        private static let count = 64
        private var times: [UInt64] = []
        private var next = 0
        /// Told anew now and then: sorting costs more than adding.
        private(set) var median: UInt64?
        private(set) var tail: UInt64?
        /// Nothing rests on a few.
        var provenTail: UInt64? { times.count < 8 ? nil : tail }

        mutating func add(_ nanoseconds: UInt64) {
            if times.count < Self.count { times.append(nanoseconds) } else { times[next] = nanoseconds }
            next = (next + 1) % Self.count
            guard next % 8 == 0 || times.count <= 8 else { return }
            let sorted = times.sorted()
            median = sorted[sorted.count / 2]
            tail = sorted[(sorted.count - 1) * 95 / 100]
        }
    }

    private struct State {
        var requests = 0
        var failures = 0
        var short = Recent()
        var reads = Recent()
    }

    private let state = Monitor(State())

    /// Notes an attempt, and how long its answer took where one came that could be used.
    func note(_ nanoseconds: UInt64, isRead: Bool, byteCount: Int, isGood: Bool) {
        state.withLock { state in
            state.requests += 1
            guard isGood else {
                state.failures += 1
                return
            }
            // Short and long reads tell little of each other.
            if byteCount <= Limits.leastAheadBytes / 4 {
                state.short.add(nanoseconds)
            } else if isRead, byteCount >= Limits.readAheadBytes / 4 {
                state.reads.add(nanoseconds)
            }
        }
    }

    var times: AnswerTimes {
        state.withLock { state in
            AnswerTimes(
                requests: state.requests, failures: state.failures, medianNanoseconds: state.short.median,
                tailNanoseconds: state.short.tail, readTailNanoseconds: state.reads.provenTail)
        }
    }
}
