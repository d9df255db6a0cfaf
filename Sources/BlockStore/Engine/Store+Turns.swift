/// Maintenance takes turns with everybody else: repair, collection, drains and reshapes hold the locks about a
/// second at a time where somebody waits, so that a nightly put never fails because of them.
extension Store {
    /// Whether the locks were held for a turn and somebody waits, or for ten: work under way is to be finished.
    var isTurnOver: Bool {
        let held = environment.clock.monotonicNanoseconds() &- session.withLock(\.openedNanoseconds)
        guard held >= options.turnNanoseconds else { return false }
        // From another home nobody is seen waiting.
        return held >= 10 * options.turnNanoseconds || environment.home.isAwaited
    }

    /// Between two batches of maintenance: gives the locks back for a moment when the turn is over.
    ///
    /// Everything that the caller has of the session (engine, tenure, what it read from the index) is then out of
    /// date: whoever came between may have written, or changed the configuration.
    ///
    /// - Returns: whether the store was opened again.
    /// - Throws: what opening throws; `.locked` when somebody keeps the locks for longer than a command waits.
    func takeTurns() throws(StoreError) -> Bool {
        guard isTurnOver else { return false }
        try reopen(afterNanoseconds: Limits.pauseNanoseconds)
        return true
    }

    /// Starts again with what the store now is: gives the locks back and takes them again. A device that failed stays out
    /// of service (design law 5). Where opening fails the store is closed.
    func reopen(afterNanoseconds pause: UInt64 = 0) throws(StoreError) {
        let old = engine
        old.index.close()
        Opening.release(environment, old.devices)
        if pause > 0 { environment.clock.sleep(nanoseconds: pause) }
        var opening = Opening(environment: environment, access: access, options: options, progress: nil)
        opening.failed = old.devices.failures
        do throws(StoreError) {
            var new = try opening.run()
            session.withLock { session in
                new.notices = session.notices + new.notices.filter { !session.notices.contains($0) }
                session = new
            }
        } catch {
            session.withLock { $0.isOpen = false }
            throw error
        }
    }
}
