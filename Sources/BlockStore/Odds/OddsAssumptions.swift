import Glibc

/// The rates that the odds rest on. Years have 365.25 days.
public struct OddsAssumptions: Sendable, Hashable {
    public static let hoursPerYear = 8766.0

    /// One device's failures a year in service, for good: the annualized failure rate as a fraction.
    public var failuresPerYear: Double
    /// From the failure of a device until all its shards are made again, in the mean.
    public var repairHours: Double
    /// Losses a year, for good and at one blow, of all devices of a failure domain that has several.
    public var domainFailuresPerYear: Double
    /// Places a year that go bad on a device, unnoticed until they are read.
    public var latentErrorsPerYear: Double
    /// From one reading of every byte to the next.
    public var scrubDays: Double

    public init(
        failuresPerYear: Double = Defaults.failuresPerYear, repairHours: Double,
        domainFailuresPerYear: Double = Defaults.domainFailuresPerYear,
        latentErrorsPerYear: Double = Defaults.latentErrorsPerYear, scrubDays: Double
    ) {
        self.failuresPerYear = failuresPerYear
        self.repairHours = repairHours
        self.domainFailuresPerYear = domainFailuresPerYear
        self.latentErrorsPerYear = latentErrorsPerYear
        self.scrubDays = scrubDays
    }

    /// What is taken where nobody said otherwise and nothing was measured; sources in docs/odds.md.
    public enum Defaults {
        /// Backblaze, Drive Stats for 2024: 1.57 % over some 300,000 disks.
        public static let failuresPerYear = 0.015
        /// Nobody publishes it for a cupboard. Once in two hundred years.
        public static let domainFailuresPerYear = 0.005
        /// Bairavasundaram et al. 2007: of nearline disks 3.15 % showed one in their first year.
        public static let latentErrorsPerYear = 0.03
        /// Until somebody has put another device in the place of a failed one.
        public static let replacementHours = 72.0
        /// Until the daily repair begins to make shards again on the other devices.
        public static let repairStartHours = 12.0
        /// What repair reads and writes a second.
        public static let repairBytesPerSecond = 100e6
        /// Where scrubs run.
        public static let scrubDays = 30.0
        /// Where none is known of.
        public static let unscrubbedDays = 365.0
    }

    var repairYears: Double { repairHours / Self.hoursPerYear }

    /// Bad places that nobody knows of yet on one device, in the mean: half of the time between two scrubs makes them.
    var hiddenErrors: Double { latentErrorsPerYear * scrubDays / 365.25 / 2 }

    /// The probability that something is lost to hidden errors when so many devices' worth of bytes has no redundancy left.
    func hiddenLoss(_ criticalDevices: Double) -> Double { -expm1(-hiddenErrors * criticalDevices) }

    func without(domains: Bool = false, latent: Bool = false) -> OddsAssumptions {
        var other = self
        if domains { other.domainFailuresPerYear = 0 }
        if latent { other.latentErrorsPerYear = 0 }
        return other
    }
}
