import Erasure

extension Store {
    /// Begins to write. One session at a time.
    ///
    /// - Throws: `.tooFewDevices` when too many devices are out, `.inDoubt` while a commit is.
    public func startWriting() throws(StoreError) -> WriteSession {
        WriteSession(self, try startTenure())
    }

    /// Begins a tenure, if the store may be written to at all.
    ///
    /// - Parameter allowingAbsent: for repair and replacement, which more devices than the tolerance may need.
    func startTenure(allowingAbsent: Bool = false) throws(StoreError) -> WriterTenure {
        guard isOpen else {
            throw StoreError(.locked, "write", detail: "the store is closed", advice: "open it again")
        }
        guard access == .write, let recovery else {
            throw StoreError(.locked, "write", detail: "the store was opened for reading")
        }
        if let doubt = recovery.doubtful.first {
            throw StoreError(
                .inDoubt, "write",
                detail: "commit \(doubt.number) may have been acknowledged and cannot be read in full; its keys: "
                    + doubt.keys.map(\.description).joined(separator: ", "),
                advice: "bring the missing devices back, or give it up with bsctl recover --abandon")
        }
        let engine = self.engine
        let absent = engine.devices.outOfService
        // Replacing what is gone for good must be possible, but not before everything that is real is known:
        // a commit may stand on as few devices as the tolerance and one.
        let isKnown = allowingAbsent && recovery.hadIndex
        guard isKnown || absent.count <= engine.configuration.profile.tolerance else {
            throw StoreError(
                .tooFewDevices, "write",
                detail: "\(absent.count) devices are out of service, at most \(engine.configuration.profile.tolerance) "
                    + "may be: " + absent.map { engine.devices.label($0) }.joined(separator: ", "),
                advice: "bring them back, or replace them: bsctl device replace")
        }
        return session.withLock { session in
            if let tenure = session.tenure { return tenure }
            let tenure = WriterTenure(engine, recovery)
            session.tenure = tenure
            return tenure
        }
    }
}
