import Synchronization

/// Deliberate bugs, one at a time, with which the tests prove that they would notice
/// (docs/testing.md). In builds without `MUTANTS` every question is answered "no" at compile time.
public enum Mutant: Int, CaseIterable, Sendable {
    case stageSyncDropped = 1
    case nameSyncDropped
    case parentSyncDropped
    case documentSyncDropped
    case commitBlockNamedFirst
    case voidLeafAccepted
    case leavesJudgedInOrder
    case equalEpochsAccepted
    case inDoubtVoided
    case cellChecksumSkipped
    case digestSkipped
    case indexTrustedWithoutShard
    case refusedPutComesBack
    case duplicateUnprotected
    case epochNotWritten
    case leastShardsIgnored
    case repairUnproved
    case missingRowOverlooked
    case newerFormatTakenForDamage
    case repairNotReadBack
    case failedDeviceNotRead
    case swappedDeviceNotFound
    case rowsTogetherCounted
    case headNotCompleted
    case absentTakenForPresent
    case deviceNotLocked
    case foreignDeviceAccepted
    case paddingNotZeroed
    case contentsUnchecked
    case lengthUnchecked
    case deleteNotFolded
    case epochReused
    case voidLeftUndecided
    case moveInTwoCommits
    case purgeKillsNewest
    case conditionOverlooksOpenCommit
    case remnantTakenForLeaf
    case siblingsOrphaned
    case purgeDroppedTooSoon
    case deleteNotCopied
    case retiredSetForgotten
    case newVersionsUnmarked
    case collectedBlocksRemovedFirst
    case pruneTakesNewest
    case reshapeDropsOldFirst
    case reshapeNotReadBack
    case removedDeviceAccepted
    case drainingTakesShards
    case movedBeforeDurable
    case drainUnconfirmed
    case damagedCellCopied
    case endangeredLast
    case youngFileTrusted
    case knownFileUnprotected
    case groupToldTooSoon
    case syncSplitsCommit
    case syncKeepsUnread
    case listingBelieved

    #if MUTANTS
        private static let current = Atomic<Int>(0)

        public static var active: Mutant? {
            get { Mutant(rawValue: current.load(ordering: .relaxed)) }
            set { current.store(newValue?.rawValue ?? 0, ordering: .relaxed) }
        }

        @inline(__always)
        public static func isActive(_ mutant: Mutant) -> Bool { current.load(ordering: .relaxed) == mutant.rawValue }
    #else
        @inline(__always)
        public static func isActive(_ mutant: Mutant) -> Bool { false }
    #endif
}
