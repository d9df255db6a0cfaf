/// A store that is open for reading for as long as anybody likes: it holds no lock, and is opened again when what it knew of the
/// store has changed.
///
/// Any thread that may block. Whoever was given a `Store` goes on with it meanwhile.
final class CurrentReader: Sendable {
    private struct Opened: Sendable {
        let store: Store
        let index: String?
        let nanoseconds: UInt64
    }

    private struct State: Sendable {
        var opened: Opened?
        var isClosed = false
    }

    private let environment: StoreEnvironment
    private let options: Store.Options
    private let state = Monitor(State())

    init(_ environment: StoreEnvironment, _ options: Store.Options) {
        self.environment = environment
        self.options = options
    }

    func close() {
        state.withLock { state in
            state.opened = nil
            state.isClosed = true
        }
    }

    /// The store as it is now.
    func current() throws(StoreError) -> Store {
        try state.withLock { state throws(StoreError) in
            if state.isClosed {
                throw StoreError(.locked, "read", detail: "the store is closed", advice: "open it again")
            }
            if let opened = state.opened, isCurrent(opened) { return opened.store }
            // Before opening: what is replaced in between is noticed the next time.
            let index = environment.home.indexIdentity
            do throws(StoreError) {
                let store = try Store.open(environment, access: .read, options: options)
                state.opened = Opened(
                    store: store, index: index, nanoseconds: environment.clock.monotonicNanoseconds())
                return store
            } catch {
                // While another process makes the index anew, the old one reads on.
                guard let opened = state.opened else { throw error }
                return opened.store
            }
        }
    }

    private func isCurrent(_ opened: Opened) -> Bool {
        guard opened.index == environment.home.indexIdentity else { return false }
        let engine = opened.store.engine
        guard engine.index.isFile else {
            // Made from the shards as they were, because the home could not be written to.
            return environment.clock.monotonicNanoseconds() &- opened.nanoseconds < Limits.indexInMemoryNanoseconds
        }
        guard let state = try? engine.index.state() else { return false }
        return state.configuration.number == engine.configuration.number
    }
}
