/// What reading is like while some devices do not answer.
public struct RehearsalReport: Sendable {
    public var silentDevices: [String] = []
    public var forecast: LossForecast
    public var reading = DrillReport.Reading()
    public var seconds = 0.0
}

extension Store {
    /// Reads and verifies objects as if these devices did not answer. Nothing is changed but what any read notes of damage, nothing is sent
    /// to them, and others read and write meanwhile. Blocks the calling thread.
    ///
    /// - Parameters:
    ///   - sampleCount: so many objects, chosen at random; nil for all.
    ///   - random: chooses them: a seed brings the same back.
    /// - Throws: `.interrupted`; what keeps the index from being read. That objects do not read is in the report.
    public func rehearse(
        losing silent: Set<DeviceID>, sampleCount: Int?, random: any RandomSource
    ) throws(StoreError) -> RehearsalReport {
        let clock = environment.clock
        var report = RehearsalReport(forecast: try forecast(losing: silent))
        let members = engine.devices.all.map { member in
            guard silent.contains(member.configured.id) else { return member }
            report.silentDevices.append(member.configured.label)
            return DeviceSet.Member(
                configured: member.configured, lane: member.lane, device: nil,
                state: .absent("it is played to be gone"),
                path: member.path)
        }
        let engine = Engine(
            environment: environment, configuration: engine.configuration,
            devices: DeviceSet(members, environment.executor),
            index: engine.index)
        let objects = try sample(of: sampleCount, random: random)
        let start = clock.monotonicNanoseconds()
        report.reading = try DrillReport.Reading(of: objects, through: engine)
        report.seconds = Double(clock.monotonicNanoseconds() &- start) / 1e9
        return report
    }
}
