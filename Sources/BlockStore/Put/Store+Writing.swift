public import Erasure

extension Store {
    /// Begins to write. One session at a time.
    ///
    /// - Parameter profile: how the blocks of this session are coded; nil for the store's own profile. A chunk that is stored
    ///   already in a block that survives less than one of this profile is stored again.
    /// - Throws: `.tooFewDevices` when too many devices are out, or the store has fewer than the profile has shards; `.inDoubt`
    ///   while a commit is.
    public func startWriting(profile: Profile? = nil) throws(StoreError) -> WriteSession {
        if let profile { try requireDevices(for: profile, "store with profile \(profile)") }
        return WriteSession(self, try startTenure(profile: profile), profile: profile)
    }

    /// Begins a session that writes nothing, for what a writing one would do and where it would be refused. Needs no lock;
    /// any number at a time, also beside a writer.
    ///
    /// What no look can tell, such as a device that fails or fills up while it is written to, it does not foresee.
    ///
    /// - Throws: as `startWriting`.
    public func startDryRun(profile: Profile? = nil) throws(StoreError) -> WriteSession {
        if let profile { try requireDevices(for: profile, "store with profile \(profile)") }
        try requireWritable(profile: profile)
        return WriteSession(self, try .dryRun(engine), profile: profile)
    }

    /// Throws unless the store has a device for each shard of a block, be some of them out of service now.
    func requireDevices(for profile: Profile, _ operation: String) throws(StoreError) {
        let count = engine.devices.all.filter { $0.configured.state == .inService }.count
        guard count >= profile.shardCount else {
            throw StoreError(
                .tooFewDevices, operation,
                detail:
                    "a block of it has \(profile.shardCount) shards, each on a device of its own, and the store has "
                    + "\(Count.text(count, "device")) to put them on",
                advice: "choose a profile of at most \(Count.text(count, "shard")), or add devices first")
        }
    }

    /// Begins a tenure, if the store may be written to at all.
    ///
    /// - Parameters:
    ///   - allowingAbsent: for repair and replacement, which more devices than the tolerance may need.
    ///   - profile: which is about to be used as well.
    func startTenure(
        allowingAbsent: Bool = false, profile: Profile? = nil
    ) throws(StoreError) -> WriterTenure {
        guard access == .write, let recovery else {
            throw StoreError(.locked, "write", detail: "the store was opened for reading")
        }
        try requireWritable(allowingAbsent: allowingAbsent, profile: profile)
        let engine = self.engine
        let tenure = session.withLock { session in
            if let tenure = session.tenure { return tenure }
            let tenure = WriterTenure(engine, recovery)
            session.tenure = tenure
            return tenure
        }
        if tenure.isOutcomeUnknown {
            do throws(StoreError) {
                try CommitWriter.withdraw(tenure)
            } catch {
                // What is repaired was acknowledged before, and a new device may be what is missing.
                if !allowingAbsent { throw error }
            }
        }
        return tenure
    }

    /// Throws unless the store may be written to, be it open for that or not.
    ///
    /// - Parameters: as for `startTenure`.
    func requireWritable(allowingAbsent: Bool = false, profile: Profile? = nil) throws(StoreError) {
        guard isOpen else {
            throw StoreError(.locked, "write", detail: "the store is closed", advice: "open it again")
        }
        // A reader beside a writer has not recovered: the writer has, and is at work because it found nothing amiss.
        let recovery = self.recovery
        if let doubt = recovery?.doubtful.first {
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
        let isKnown = allowingAbsent && recovery?.hadIndex ?? true
        let tolerated = absent.isEmpty ? 0 : max(try engine.absencesTolerated(), profile?.tolerance ?? 0)
        guard isKnown || absent.count <= tolerated else {
            throw StoreError(
                .tooFewDevices, "write",
                detail:
                    "\(Count.text(absent.count, "device", one: "is", many: "are")) out of service, at most \(tolerated) may be: "
                    + absent.map { engine.devices.label($0) }.joined(separator: ", "),
                advice: "bring them back, or replace them: bsctl device replace")
        }
    }
}
