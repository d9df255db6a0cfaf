import Erasure

/// What the devices in service show of a block.
protocol CommitEvidence {
    /// The distinct rows of the block that have a name, valid or not.
    func namedRows(of block: BlockName) -> Set<Row>
    /// Whether the sound shards span its data. Reads and checks them all.
    func isReadable(_ block: BlockName) -> Bool
}

/// The commits found on the devices, and which of them are real (docs/architecture.md, "Recovery").
///
/// It looks at evidence and decides; it writes nothing, and asks for evidence only through
/// `CommitEvidence`.
struct CommitGraph {
    enum Verdict: Sendable, Hashable {
        /// The rows of each of its blocks span the data.
        case accepted
        /// It may have been acknowledged, and cannot be read in full now.
        case inDoubt
        /// It was never acknowledged.
        case void
    }

    /// One commit found, by its last block.
    struct Node: Sendable {
        let record: CommitRecord
        let block: BlockName
        /// What the commit says is retired, all that was before included; nil when it changes nothing of it.
        var retired: RetiredRecord?
    }

    /// One step of the chain from the root to the head.
    enum Step: Sendable {
        case commit(Node)
        /// Linked from above, found nowhere: damage, unless redundant.
        case missing(number: CommitNumber, block: BlockName)
    }

    struct Outcome: Sendable {
        /// Accepted commits above the root, ascending.
        var chain: [Step] = []
        /// Leaves that may have been acknowledged. Writing is refused while there is one.
        var doubtful: [Node] = []
        /// Commits found above the root that are on no accepted chain.
        var offChain: [Node] = []
        /// Of these, the ones with enough shards to have been acknowledged.
        var bypassed: [Node] = []
        /// The accepted leaf, when recovery accepted one above the root.
        var acceptedLeaf: Node?
    }

    let root: CommitHead
    private let nodes: [BlockName: Node]
    private let evidence: any CommitEvidence
    /// As of the root.
    private let retired: RetiredRecord?
    /// Devices in service were asked; a row may hide on any other.
    private let inService: Set<DeviceID>

    init(
        root: CommitHead, nodes: [Node], evidence: any CommitEvidence, retired: RetiredRecord?,
        inService: Set<DeviceID>
    ) {
        self.root = root
        self.nodes = Dictionary(nodes.map { ($0.block, $0) }, uniquingKeysWith: { first, _ in first })
        self.evidence = evidence
        self.retired = retired
        self.inService = inService
    }

    /// Judges the leaves that descend from the root, highest epoch first.
    func resolve() -> Outcome {
        var outcome = Outcome()
        var remaining = reachingRoot(nodes.values.filter { $0.record.number > root.number })
        while outcome.acceptedLeaf == nil, outcome.doubtful.isEmpty {
            let tied = withoutRemnants(highestLeaves(of: remaining))
            if tied.isEmpty { break }
            let judged = tied.map { (node: $0, verdict: judge($0)) }
            let possible = judged.filter { $0.verdict != .void }
            if possible.isEmpty {
                for (node, _) in judged { remaining.remove(node.block) }
            } else if possible.count > 1, !Mutant.isActive(.equalEpochsAccepted) {
                outcome.doubtful = possible.map(\.node)
            } else if possible[0].verdict == .inDoubt {
                outcome.doubtful = [possible[0].node]
            } else {
                outcome.acceptedLeaf = possible[0].node
            }
        }
        if let leaf = outcome.acceptedLeaf {
            outcome.chain = chain(to: leaf)
        } else if !outcome.doubtful.isEmpty {
            // Whoever wrote a doubtful commit had seen its parent accepted.
            let chains = outcome.doubtful.map { chain(to: $0).dropLast() }
            outcome.chain = chains.dropFirst().reduce(Array(chains[0])) { common, other in
                Array(zip(common, other).prefix { Self.block(of: $0) == Self.block(of: $1) }.map(\.0))
            }
        }
        let onChain = Set(outcome.chain.map(Self.block(of:)))
        let doubtful = Set(outcome.doubtful.map(\.block))
        let gone = outcome.acceptedLeaf.map { governingRetired(of: $0) } ?? retired
        outcome.offChain = nodes.values
            .filter { node in
                node.record.number > root.number && !onChain.contains(node.block) && !doubtful.contains(node.block)
                    && gone?.redundancy(of: node.record.number) == nil
            }
            .sorted { ($0.record.number, $0.block) < ($1.record.number, $1.block) }
        outcome.bypassed = outcome.offChain.filter { mayBeAcknowledged($0, absent: false) }
        return outcome
    }

    /// The leaves with the highest epoch counter: several only where two writers drew the same one, or where one collected.
    private func highestLeaves(of remaining: Set<BlockName>) -> [Node] {
        var leaves: [Node] = []
        var covered: Set<BlockName> = []
        let downwards = remaining.compactMap { nodes[$0] }.sorted {
            ($0.record.number, $0.block) > ($1.record.number, $1.block)
        }
        for node in downwards where !covered.contains(node.block) {
            leaves.append(node)
            var walk = Walk(from: node)
            while let next = nodeBelow(walk) {
                covered.insert(next.block)
                walk.step(to: next)
            }
        }
        if Mutant.isActive(.leavesJudgedInOrder) {
            return Array(leaves.sorted { $0.block < $1.block }.prefix(1))
        }
        guard let highest = leaves.map(\.record.epoch.counter).max() else { return [] }
        return leaves.filter { $0.record.epoch.counter == highest }.sorted { $0.block < $1.block }
    }

    /// Of commits that one writer made redundant later, files may be left. They are no rivals of what replaced them; should
    /// that turn out void, they are leaves like others.
    private func withoutRemnants(_ leaves: [Node]) -> [Node] {
        if leaves.count < 2 || Mutant.isActive(.remnantTakenForLeaf) { return leaves }
        let sets = leaves.map { governingRetired(of: $0) }
        return leaves.filter { leaf in
            !zip(leaves, sets).contains { other, retired in
                other.record.number > leaf.record.number && other.record.epoch == leaf.record.epoch
                    && retired?.redundancy(of: leaf.record.number) != nil
            }
        }
    }

    /// What is retired for whoever takes `leaf` for the head.
    func governingRetired(of leaf: Node) -> RetiredRecord? {
        var walk = Walk(from: leaf)
        while walk.retired == nil, let next = nodeBelow(walk) { walk.step(to: next) }
        return walk.retired ?? retired
    }

    private func judge(_ node: Node) -> Verdict {
        if Mutant.isActive(.voidLeafAccepted) { return .accepted }
        if node.record.blocks.allSatisfy({ evidence.isReadable($0.name) }) { return .accepted }
        if Mutant.isActive(.inDoubtVoided) { return .void }
        return mayBeAcknowledged(node, absent: true) ? .inDoubt : .void
    }

    /// Whether the rows named, and (where `absent`) those that may hide on devices that could not be
    /// asked, could form a set that was acknowledged.
    private func mayBeAcknowledged(_ node: Node, absent: Bool) -> Bool {
        let hidden = absent ? node.record.devices.filter { !inService.contains($0) }.count : 0
        return node.record.blocks.allSatisfy { block in
            Protection.mayBeAcknowledged(
                evidence.namedRows(of: block.name), hidden: hidden, profile: block.profile,
                leastShards: Int(block.leastShards))
        }
    }

    /// A walk down from a commit. What the topmost retired record on the way says counts for everything below it.
    private struct Walk {
        var node: Node
        var retired: RetiredRecord?
        /// Where that record was found: with the node it decides how the walk goes on.
        private var source: BlockName?

        struct Position: Hashable {
            let block: BlockName
            let source: BlockName?
        }

        var position: Position { Position(block: node.block, source: source) }

        init(from node: Node) {
            self.node = node
            takeRetired()
        }

        mutating func step(to node: Node) {
            self.node = node
            takeRetired()
        }

        private mutating func takeRetired() {
            guard retired == nil, let found = node.retired else { return }
            retired = found
            source = node.block
        }
    }

    /// The commit below, which may be missing. Redundant commits are stepped over, found or not: what is left of them counts
    /// for nothing.
    private func parent(of walk: Walk) -> (number: CommitNumber, block: BlockName)? {
        let record = walk.node.record
        guard let previous = record.previous, record.number.value > 1 else { return nil }
        let number = CommitNumber(record.number.value - 1)
        if previous != root.block, let interval = (walk.retired ?? retired)?.redundancy(of: number) {
            guard interval.first.value > 1 else { return (CommitHead.none.number, CommitHead.none.block) }
            return (CommitNumber(interval.first.value - 1), interval.below)
        }
        return (number, previous)
    }

    /// The next whole commit below: the parent, or, where that is missing, what stands in for it.
    private func nodeBelow(_ walk: Walk) -> Node? {
        guard let below = parent(of: walk), below.number > root.number else { return nil }
        if let node = nodes[below.block], node.record.number == below.number { return node }
        return substitute(below: below.number, under: walk.node.record.epoch)
    }

    /// The steps above the root that lead to `leaf`, ascending.
    private func chain(to leaf: Node) -> [Step] {
        var steps: [Step] = [.commit(leaf)]
        var walk = Walk(from: leaf)
        while let below = parent(of: walk), below.number > root.number {
            if let node = nodes[below.block], node.record.number == below.number {
                steps.append(.commit(node))
                walk.step(to: node)
            } else {
                steps.append(.missing(number: below.number, block: below.block))
                // The walk goes on at the next lower number that is whole.
                guard let next = substitute(below: below.number, under: walk.node.record.epoch) else { break }
                steps.append(.commit(next))
                walk.step(to: next)
            }
        }
        return steps.reversed()
    }

    /// Those of `candidates` from which a walk comes to the root. Walks that have met are one: with as many steps as there are
    /// commits, where commits do not keep retiring others.
    func reachingRoot(_ candidates: [Node]) -> Set<BlockName> {
        var known: [Walk.Position: Bool] = [:]
        var result: Set<BlockName> = []
        for node in candidates {
            var walk = Walk(from: node)
            var passed: [Walk.Position] = []
            var answer = known[walk.position]
            while answer == nil {
                passed.append(walk.position)
                answer = step(&walk) ?? known[walk.position]
            }
            for position in passed { known[position] = answer }
            if answer == true { result.insert(node.block) }
        }
        return result
    }

    /// One step towards the root; at the end, whether it was reached.
    private func step(_ walk: inout Walk) -> Bool? {
        guard let below = parent(of: walk) else { return root.number == .none }
        if below.number <= root.number { return below.number < root.number || below.block == root.block }
        if let next = nodes[below.block], next.record.number == below.number {
            walk.step(to: next)
        } else if let next = substitute(below: below.number, under: walk.node.record.epoch) {
            walk.step(to: next)
        } else {
            return true
        }
        return nil
    }

    /// The commit with the highest number below `number` that a writer of `epoch` can have seen; of
    /// several, the one of the highest epoch.
    private func substitute(below number: CommitNumber, under epoch: Epoch) -> Node? {
        nodes.values
            .filter {
                $0.record.number < number && $0.record.number > root.number
                    && $0.record.epoch.counter <= epoch.counter
            }
            .max {
                ($0.record.number, $0.record.epoch.counter, $0.block)
                    < ($1.record.number, $1.record.epoch.counter, $1.block)
            }
    }

    private static func block(of step: Step) -> BlockName {
        switch step {
        case .commit(let node): node.block
        case .missing(_, let block): block
        }
    }
}
