/// One writer's tenure: what is true of the store while this process holds the writer lock.
///
/// Use from the thread that writes: one session at a time. Invariants: `state` is what the index holds, or is
/// ahead of it only while `isIndexBehind`; every epoch that names a shard was written to all devices
/// in service before.
final class WriterTenure: @unchecked Sendable {
    // @unchecked: see the thread rule above.
    let engine: Engine
    private(set) var state: IndexState
    /// The number the next block gets: above every accepted commit and every valid header seen.
    private var nextBlock: BlockNumber
    /// The highest epoch counter seen anywhere.
    private var highestEpoch: UInt64
    /// Whether the epoch in `state` stands on every device in service.
    private var isEpochWritten: Bool
    /// The index could not follow a durable commit: it is caught up when the store is opened again.
    private(set) var indexProblem: StoreError?
    /// A commit has its name on some devices, was not acknowledged and could not be withdrawn: until it is, nothing may be taken
    /// for stored already.
    var isOutcomeUnknown = false
    /// Nothing is written, not even an epoch: what a commit would take is only counted.
    let isDryRun: Bool

    /// - Parameter isEpochWritten: the head and the epoch this home left were found unchanged on every
    ///   device in service, so that its epoch goes on.
    init(
        _ engine: Engine, state: IndexState, highestBlock: BlockNumber, highestEpoch: UInt64, isEpochWritten: Bool,
        isDryRun: Bool = false
    ) {
        self.engine = engine
        self.isDryRun = isDryRun
        self.state = state
        nextBlock = max(highestBlock, state.highestBlock).next
        self.highestEpoch = max(highestEpoch, state.epoch.counter)
        self.isEpochWritten = isEpochWritten
    }

    func newBlockName() -> BlockName {
        defer { nextBlock = nextBlock.next }
        return BlockName(number: nextBlock, id: engine.environment.random.identifier())
    }

    /// Makes sure that this tenure's epoch stands on every device in service.
    func ensureEpoch() throws(StoreError) {
        if !isEpochWritten, !isDryRun { try beginEpoch() }
    }

    /// Begins a new epoch, above all that were seen. A device that cannot keep it leaves service.
    func beginEpoch() throws(StoreError) {
        precondition(!isDryRun, "a dry run writes nothing")
        let counter = Mutant.isActive(.epochNotWritten) ? max(1, highestEpoch) : highestEpoch + 1
        let epoch = Epoch(counter: counter, writer: engine.environment.random.identifier())
        let document = EpochDocument(epoch: epoch).encode()
        let answers = engine.devices.ask { _, device throws(StoreError) in
            if !Mutant.isActive(.epochNotWritten) { try device.writeDocument(.epoch, document) }
        }
        let written = answers.count { if case .success = $0.answer { true } else { false } }
        guard written > 0 else {
            throw StoreError(.tooFewDevices, "begin to write", detail: "no device took the new epoch")
        }
        highestEpoch = epoch.counter
        state.epoch = epoch
        isEpochWritten = true
    }

    /// Takes an acknowledged commit over into the index.
    func accept(_ commit: AcceptedCommit, configuration: Configuration?, retired: RetiredRecord?) {
        precondition(!isDryRun, "a dry run commits nothing")
        guard let last = commit.record.blocks.last else { preconditionFailure("a commit has a block") }
        state.head = CommitHead(number: commit.record.number, block: last.name)
        state.highestBlock = max(
            state.highestBlock, commit.record.blocks.map(\.name.number).max() ?? state.highestBlock)
        if let configuration { state.configuration = configuration }
        if let retired { state.retired = retired }
        let present = Mutant.isActive(.absentTakenForPresent) ? engine.devices.order : engine.devices.inService
        for id in present { state.lastInService[id] = state.highestBlock }
        do throws(StoreError) {
            guard indexProblem == nil else { return }
            try engine.environment.timing(.index, bytes: 0) { () throws(StoreError) in
                try engine.index.apply([commit], state: state)
            }
        } catch {
            indexProblem = error
        }
    }
}

extension WriterTenure {
    /// Goes on from where `other` is, over other devices and therefore in an epoch of its own.
    convenience init(_ engine: Engine, continuing other: WriterTenure) {
        self.init(
            engine, state: other.state, highestBlock: BlockNumber(other.nextBlock.value - 1),
            highestEpoch: other.highestEpoch, isEpochWritten: false)
        indexProblem = other.indexProblem
    }

    /// Begins from what the index holds, without a lock, and writes nothing.
    static func dryRun(_ engine: Engine) throws(StoreError) -> WriterTenure {
        guard let state = try engine.index.state() else { throw Index.corrupt("it is empty") }
        return WriterTenure(
            engine, state: state, highestBlock: state.highestBlock, highestEpoch: state.epoch.counter,
            isEpochWritten: false, isDryRun: true)
    }

    /// Continues from what recovery found.
    convenience init(_ engine: Engine, _ recovery: Recovery.Result) {
        self.init(
            engine, state: recovery.state, highestBlock: recovery.highestBlock, highestEpoch: recovery.highestEpoch,
            isEpochWritten: recovery.isUnchanged || Mutant.isActive(.epochReused))
    }
}
