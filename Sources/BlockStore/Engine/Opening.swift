import Erasure

/// Opens a store: finds the devices, takes the locks, brings the index level with the shards.
///
/// To start, the highest copy of the configuration is taken; the configuration records of the commits
/// then have the last word, and when they name a newer one everything starts again with it.
struct Opening {
    let environment: StoreEnvironment
    let access: Store.Access
    let options: Store.Options
    let progress: ProgressHandler?
    /// The index is made anew whatever it says.
    var discardsIndex = false
    /// Devices that failed in this session before, and why: they do not come back.
    var failed: [DeviceID: StoreError] = [:]

    mutating func run() throws(StoreError) -> Store.Session {
        let home = try readHome()
        let openedNanoseconds = environment.clock.monotonicNanoseconds()
        let mayRecover = try lockHome(since: openedNanoseconds)
        if options.freesRoom, mayRecover, access == .write { environment.home.openReserve() }
        var isDone = false
        defer { if !isDone, mayRecover { environment.home.unlock() } }
        var known: Configuration?
        while true {
            let discovery = Discovery(environment, home: home, atLeast: known)
            let session = try open(discovery, home, mayRecover: mayRecover, openedNanoseconds)
            if let session {
                isDone = true
                return session
            }
            // The commits name a newer configuration than any copy.
            guard let newer = newerConfiguration else { preconditionFailure("only a newer one asks for more") }
            known = newer
            newerConfiguration = nil
        }
    }

    private var newerConfiguration: Configuration?

    init(
        environment: StoreEnvironment, access: Store.Access, options: Store.Options, progress: ProgressHandler?
    ) {
        self.environment = environment
        self.access = access
        self.options = options
        self.progress = progress
    }

    func readHome() throws(StoreError) -> StoreDocument {
        guard let bytes = try environment.home.readDocument(.store) else {
            throw StoreError(
                .notFound, "open the store", at: environment.home.place, detail: "there is no store.json here",
                advice:
                    "name the store's home with --store, make one with bsctl init, or bring a lost one back from its "
                    + "devices: bsctl recover HOME --device DIR …")
        }
        do throws(StoreError) {
            return try StoreDocument.parse(bytes, at: environment.home.place)
        } catch {
            guard error.code == .corrupt else { throw error }
            throw StoreError(
                .corrupt, error.operation, at: error.place, detail: error.detail,
                advice: "the devices hold what it says: bsctl recover \(environment.home.place) --device DIR …")
        }
    }

    /// Takes the home's lock: a writer waits for it, a reader only looks whether it is free.
    private func lockHome(since start: UInt64) throws(StoreError) -> Bool {
        var hasTold = false
        defer { if hasTold { environment.home.stopWaiting() } }
        while true {
            do throws(StoreError) {
                if try environment.home.tryLock() { return true }
            } catch {
                // A home that cannot be written to can still be read from.
                if access == .read { return false }
                throw error
            }
            if access == .read { return false }
            try environment.checkStop("wait for another writer")
            let waited = Double(environment.clock.monotonicNanoseconds() &- start) / 1e9
            let holder = environment.home.lockHolder() ?? "another process"
            guard waited < options.lockWaitSeconds else {
                throw StoreError(
                    .locked, "lock the store", at: environment.home.place, detail: "\(holder) is writing",
                    advice: "try again later, or wait longer with --lock-wait SECONDS")
            }
            if !hasTold {
                environment.home.startWaiting()
                options.onWait?(holder)
            }
            hasTold = true
            environment.clock.sleep(nanoseconds: 50_000_000)
        }
    }

    private mutating func open(
        _ discovery: Discovery, _ home: StoreDocument, mayRecover: Bool, _ openedNanoseconds: UInt64
    ) throws(StoreError) -> Store.Session? {
        let devices = discovery.deviceSet()
        for (id, problem) in failed { devices.fail(id, problem) }
        var recovers = mayRecover
        if mayRecover { recovers = try lockDevices(devices) }
        var isDone = false
        defer { if !isDone { Self.release(devices) } }
        var notices = discovery.notices
        var index: Index
        do throws(StoreError) {
            index = try openIndex(recovers: recovers, &notices)
        } catch {
            index = try indexInMemory(insteadOf: error, &notices)
            recovers = true
        }
        var recovery: Recovery.Result?
        if recovers {
            do throws(StoreError) {
                recovery = try recover(devices, index, discovery.storeID, &notices)
            } catch {
                index.close()
                index = try indexInMemory(insteadOf: error, &notices)
                recovery = try recover(devices, index, discovery.storeID, &notices)
            }
            if let found = recovery?.state.configuration, found.number > discovery.configuration.number {
                newerConfiguration = found
                index.close()
                return nil
            }
        }
        // A reader beside a writer sees what the index holds.
        guard let state = try index.state() else {
            throw StoreError(
                .locked, "open the store", at: environment.home.place,
                detail: "there is no index yet, and another process is writing", advice: "try again in a moment")
        }
        let engine = Engine(
            environment: environment, configuration: state.configuration, devices: devices, index: index)
        if access == .write, recovers {
            refreshCopies(discovery, state.configuration, devices, home, &notices)
            _ = devices.ask { _, device throws(StoreError) in try device.clearStaging() }
        }
        if let recovery { notices += Self.notices(recovery, devices) }
        if access == .read, mayRecover {
            Self.release(environment, devices)
        }
        var session = Store.Session(
            engine: engine, recovery: recovery, notices: notices,
            openedNanoseconds: openedNanoseconds)
        if access == .write, let recovery, recovery.doubtful.isEmpty {
            session.tenure = try completeHead(recovery, engine, &session.notices)
            if recovery.hasUndecided { session.tenure = settle(recovery, engine, session.tenure) }
        }
        isDone = true
        return session
    }

    private func lockDevices(_ devices: DeviceSet) throws(StoreError) -> Bool {
        if Mutant.isActive(.deviceNotLocked) { return true }
        if let id = devices.lock() {
            Self.release(devices)
            guard access == .write, let device = devices.device(id) else { return false }
            throw StoreError(
                .locked, "lock device \(devices.name(id))",
                detail: device.lockHolder().map { "it is taken by \($0)" }
                    ?? "a process with another home of this store is writing",
                advice: device.lockHolder() == nil
                    ? "try again later"
                    : "try again later: where it ended without giving the lock back, that ends by itself within two minutes"
            )
        }
        return true
    }

    private func openIndex(recovers: Bool, _ notices: inout [String]) throws(StoreError) -> Index {
        guard recovers else { return try environment.home.openIndex() }
        if discardsIndex { try environment.home.discardIndex() }
        do throws(StoreError) {
            return try environment.home.openIndex()
        } catch {
            guard error.code == .indexDamaged else { throw error }
            notices.append("the index cannot be used as it is and is rebuilt from the shards (\(error.detail))")
            try environment.home.discardIndex()
            return try environment.home.openIndex()
        }
    }

    /// A home that is full, read-only or failing keeps nobody from reading: the shards hold everything.
    private func indexInMemory(
        insteadOf problem: StoreError, _ notices: inout [String]
    ) throws(StoreError) -> Index {
        guard access == .read, problem.code == .io || problem.code == .noSpace else { throw problem }
        notices.append(
            "the index cannot be used and the shards are read instead, which takes longer (\(problem.detail))")
        return try Index.inMemory()
    }

    private func recover(
        _ devices: DeviceSet, _ index: Index, _ storeID: StoreID, _ notices: inout [String]
    ) throws(StoreError) -> Recovery.Result {
        do throws(StoreError) {
            return try Recovery(devices: devices, storeID: storeID, index: index, progress: progress).run()
        } catch {
            guard error.code == .indexDamaged else { throw error }
            // The index is a cache: whatever is wrong with it, the shards have the last word.
            notices.append("the index was in doubt and is rebuilt from the shards (\(error.detail))")
            try index.clear()
            return try Recovery(devices: devices, storeID: storeID, index: index, progress: progress).run()
        }
    }

    /// Brings the copies of the configuration up to date. They are copies: that one cannot be written
    /// costs nothing but the device.
    private func refreshCopies(
        _ discovery: Discovery, _ configuration: Configuration, _ devices: DeviceSet, _ home: StoreDocument,
        _ notices: inout [String]
    ) {
        let paths = discovery.paths()
        for id in discovery.outdated(than: configuration) {
            guard let device = devices.device(id) else { continue }
            if discovery.isOlder(id, than: configuration) {
                notices.append(
                    "\(devices.name(id)) has an older configuration, from when it was last here; it gets the newest")
            }
            let document = DeviceDocument(
                storeID: configuration.storeID, deviceID: id, configuration: configuration, paths: paths)
            do throws(StoreError) {
                try device.writeDocument(.device, document.encode())
            } catch {
                devices.fail(id, error)
            }
        }
        if home.configuration != configuration || home.paths != paths {
            let document = StoreDocument(storeID: configuration.storeID, configuration: configuration, paths: paths)
            do throws(StoreError) {
                try environment.home.writeDocument(.store, document.encode())
            } catch {
                notices.append("the home's copy of the configuration is out of date: \(error)")
            }
        }
    }

    /// Writes what the newest commit lacks to the devices there are; the rest is owed. Looked at each time,
    /// because whoever accepted it may not have lived to complete it.
    private func completeHead(
        _ recovery: Recovery.Result, _ engine: Engine, _ notices: inout [String]
    ) throws(StoreError) -> WriterTenure? {
        if Mutant.isActive(.headNotCompleted) { return nil }
        let head = recovery.state.head
        var tenure: WriterTenure?
        let repairer = BlockRepairer(engine)
        var repaired = 0
        defer {
            if repaired > 0 {
                let verb = repaired == 1 ? "was" : "were"
                notices.append("\(Count.text(repaired, "shard")) that the newest commit lacked \(verb) made again")
            }
        }
        for block in try engine.index.blocks(ofCommit: head.number, upTo: head.block.number).reversed() {
            guard engine.soundRows(of: block).count < Store.wantedShards(block, engine), repairer.canRepair(block)
            else { continue }
            if tenure == nil { tenure = WriterTenure(engine, recovery) }
            do throws(StoreError) {
                try tenure?.ensureEpoch()
            } catch {
                // Whoever wants to write is told then; reading does not need it.
                notices.append("the newest commit lacks shards that could not be made again: \(error)")
                return nil
            }
            repaired += repairer.repair(block).repaired.count
        }
        return tenure
    }

    /// Bypasses what was found void, as the next put would: it stays void for whoever sees fewer devices, or more.
    /// Where that fails it is as undecided as before.
    private func settle(_ recovery: Recovery.Result, _ engine: Engine, _ begun: WriterTenure?) -> WriterTenure? {
        guard let tolerated = try? engine.absencesTolerated(), engine.devices.outOfService.count <= tolerated,
            !Mutant.isActive(.voidLeftUndecided)
        else { return begun }
        let tenure = begun ?? WriterTenure(engine, recovery)
        _ = try? CommitWriter(tenure, minimumShards: nil).commit()
        return tenure
    }

    private static func notices(_ recovery: Recovery.Result, _ devices: DeviceSet) -> [String] {
        var notices: [String] = []
        for id in recovery.rolledBack {
            notices.append(
                "device \(devices.name(id)) lacks shards it should hold (rolled back?); run bsctl repair")
        }
        for commit in recovery.bypassed {
            notices.append(
                "commit \(commit.number) was bypassed although it may have been acknowledged; its keys: "
                    + commit.keys.map(\.description).joined(separator: ", "))
        }
        for missing in recovery.missing { notices.append("\(missing) is missing: its records are lost") }
        return notices
    }

    static func release(_ environment: StoreEnvironment, _ devices: DeviceSet) {
        release(devices)
        environment.home.unlock()
    }

    private static func release(_ devices: DeviceSet) {
        devices.unlock()
    }
}
