import Glibc

/// A Markov chain in continuous time that ends in loss: states, the rates between them, and the rate from each into loss.
///
/// The probability of loss within a time is worked out by uniformization (Jensen 1953; Stewart, *Introduction to the
/// Numerical Solution of Markov Chains*, 1994): every term of the sum is positive and nothing is subtracted, so that a
/// probability of 1e-20 has as many right digits as one of 0.1.
struct AbsorbingChain {
    private struct Transition {
        let from: Int
        let to: Int
        /// A year.
        let rate: Double
    }

    private var transitions: [Transition] = []
    private var lossRates: [Double]

    init(stateCount: Int) { lossRates = Array(repeating: 0, count: stateCount) }

    /// - Parameter loss: of the transitions at this rate so many end in loss instead of in `to`, from 0 to 1.
    mutating func add(from: Int, to: Int, ratePerYear rate: Double, loss: Double = 0) {
        if rate * loss > 0 { lossRates[from] += rate * loss }
        if rate * (1 - loss) > 0 { transitions.append(Transition(from: from, to: to, rate: rate * (1 - loss))) }
    }

    /// The probability that loss is reached within `years`, from `state`.
    ///
    /// - Complexity: about `years` times the highest rate out of a state, times the transitions.
    func lossProbability(from state: Int = 0, withinYears years: Double) -> Double {
        var exitRates = lossRates
        for transition in transitions { exitRates[transition.from] += transition.rate }
        let pace = exitRates.max() ?? 0
        guard pace > 0, years > 0 else { return 0 }
        let stays = exitRates.map { 1 - $0 / pace }
        var now = [Double](repeating: 0, count: lossRates.count)
        now[state] = 1
        var lost = 0.0
        var result = 0.0
        // Steps come at the highest rate, as a Poisson process; in most of them a slow state stays what it is.
        let mean = pace * years
        let last = Int(mean + 10 * mean.squareRoot() + 30)
        var logWeight = -mean
        for step in 1...last {
            var next = [Double](repeating: 0, count: now.count)
            for index in now.indices {
                next[index] = now[index] * stays[index]
                lost += now[index] * lossRates[index] / pace
            }
            for transition in transitions { next[transition.to] += now[transition.from] * transition.rate / pace }
            now = next
            logWeight += log(mean / Double(step))
            result += exp(logWeight) * lost
        }
        return min(1, result)
    }
}
