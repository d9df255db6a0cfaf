public import Erasure
import Glibc

/// The odds of blocks that all lie on the same devices, one shard on each: the case that the formulas of the literature
/// are about, and the yardstick for everything else here. Pure.
///
/// `failuresPerYear` is the rate λ at which one device fails: the annualized failure rate as those who count disks define
/// it, failures per year in service. `repairYears` is the mean time D from a failure until the device's shards are made
/// again. Devices fail independently and are repaired side by side.
public struct DeviceSetOdds: Sendable, Hashable {
    public let profile: Profile
    public let failuresPerYear: Double
    public let repairYears: Double

    public init(_ profile: Profile, failuresPerYear: Double, repairYears: Double) {
        self.profile = profile
        self.failuresPerYear = failuresPerYear
        self.repairYears = repairYears
    }

    /// The rate of loss a year while failures are rare, to leading order.
    ///
    /// For `rs:k+m` with n = k + m it is (m + 1) · C(n, m + 1) · λ^(m+1) · D^m: any m + 1 devices, whichever of them fails
    /// last while the others are down. It rests on the mean of the repair time alone, whatever its distribution (as in the queue
    /// M/G/∞). For a local code each number of failures j has a term, with the share of sets that are lost at j and
    /// were not at j − 1 (`UndecodableShares`).
    public var closedForm: Double {
        let shares = UndecodableShares(profile)
        let n = profile.shardCount
        return (1...n).reduce(0.0) { sum, j in
            sum + Double(j) * binomial(n, j) * (shares[j] - shares[j - 1]) * pow(failuresPerYear, Double(j))
                * pow(repairYears, Double(j - 1))
        }
    }

    /// The probability of loss within a year from when all devices are sound, by the Markov chain on the number of failed
    /// devices: i → i + 1 at (n − i)λ, i → i − 1 at i/D.
    public var markov: Double {
        let shares = UndecodableShares(profile)
        let n = profile.shardCount
        let most = (0...n).last { shares[$0] < 1 } ?? 0
        var chain = AbsorbingChain(stateCount: most + 1)
        for failed in 0...most {
            let dies = (shares[failed + 1] - shares[failed]) / (1 - shares[failed])
            chain.add(
                from: failed, to: min(failed + 1, most), ratePerYear: Double(n - failed) * failuresPerYear, loss: dies)
            if failed > 0 { chain.add(from: failed, to: failed - 1, ratePerYear: Double(failed) / repairYears) }
        }
        return chain.lossProbability(withinYears: 1)
    }

    /// The probability that more devices than the profile's tolerance fail within one window, where each fails in it with
    /// probability `p`, independently: how operators of large fleets count, one repair time as the window.
    public static func windowLoss(devices: Int, tolerance: Int, failureProbability p: Double) -> Double {
        guard tolerance < devices else { return 0 }
        return ((tolerance + 1)...devices).reduce(0.0) { sum, j in
            sum + binomial(devices, j) * pow(p, Double(j)) * pow(1 - p, Double(devices - j))
        }
    }
}

/// C(n, k), as a floating-point number: exact while it is below 2^53.
func binomial(_ n: Int, _ k: Int) -> Double {
    guard k >= 0, k <= n else { return 0 }
    return (0..<min(k, n - k)).reduce(1.0) { product, index in
        (product * Double(n - index) / Double(index + 1)).rounded()
    }
}
