@testable import BlockStore

extension StoreModel {
    /// What the callers of one group were told, and whether all of them heard it before the power went.
    private final class Answers: @unchecked Sendable {
        // @unchecked: simulations run on one thread.
        var outcomes: [GroupedWrite.Outcome] = []
        var areHeard = true
    }

    /// Changes that as many callers want at the same time. Acknowledged is what they were told while there was power.
    @discardableResult
    func writeTogether(_ changes: [Change]) throws -> Bool {
        closeStore()
        let (answers, world) = (Answers(), world)
        let group = changes.map { change in
            GroupedWrite(change.key, change.kind, condition: nil) { outcome in
                answers.outcomes.append(outcome)
                if world.isCrashed { answers.areHeard = false }
            }
        }
        return try perform(changes, isHeard: { answers.areHeard }) { () throws(StoreError) in
            let committer = GroupCommitter(world.environment, Store.Options())
            committer.commit(group)
            committer.rest()
            var report = WriteReport()
            for outcome in answers.outcomes { report.debt = try outcome.get().debt ?? report.debt }
            return report
        }
    }
}

extension StoreModel.Change {
    fileprivate var key: Key {
        switch self {
        case .put(let key, _), .remove(let key): key
        case .copy(_, let target), .move(_, let target): target
        }
    }

    fileprivate var kind: GroupedWrite.Kind {
        switch self {
        case .put(_, let bytes):
            .put(ObjectAttributes(), declaredBytes: nil, skippingUnchanged: false, PieceQueue(whole: bytes))
        case .remove: .removal
        case .copy, .move: preconditionFailure("groups put and remove")
        }
    }
}
