import Chunker
import Erasure

/// A fact about the store, kept in a block's table of contents (docs/format.md, "Records").
enum Record: Sendable, Hashable {
    case put(PutRecord)
    case delete(DeleteRecord)
    case purge(PurgeRecord)
    case profile(ProfileRecord)
    case configuration(Configuration)
    case retired(RetiredRecord)
    case commit(CommitRecord)
}

/// A record with the identity that survives copying.
struct IdentifiedRecord: Sendable, Hashable {
    let identity: RecordIdentity
    let record: Record
}

/// What kind of thing a version is.
public enum ObjectKind: UInt8, Sendable {
    case file = 0
    /// Its content is the target.
    case symbolicLink = 1
    /// No content; the key ends in "/".
    case directory = 2
}

/// What is kept beside an object's bytes.
public struct ObjectAttributes: Sendable, Hashable {
    public var kind: ObjectKind
    /// Permission bits, `st_mode & 0o7777`; nil for an object that was never a file.
    public var mode: UInt16?
    /// Modification time in nanoseconds since 1970; nil likewise.
    public var modifiedNanoseconds: Int64?

    public init(kind: ObjectKind = .file, mode: UInt16? = nil, modifiedNanoseconds: Int64? = nil) {
        self.kind = kind
        self.mode = mode
        self.modifiedNanoseconds = modifiedNanoseconds
    }
}

/// A version was put.
struct PutRecord: Sendable, Hashable {
    let key: Key
    let attributes: ObjectAttributes
    /// Wall clock at the put, nanoseconds since 1970. For people; no decision rests on it.
    let putNanoseconds: Int64
    let byteCount: UInt64
    /// Opaque, at most 64 KiB; empty today.
    let userMetadata: [UInt8]
    let manifest: Manifest
}

/// A delete marker: the key's newest version was `killed`.
struct DeleteRecord: Sendable, Hashable {
    let key: Key
    let killed: RecordIdentity
    let deleteNanoseconds: Int64
}

/// One version (a put, or a delete marker) is gone for good.
struct PurgeRecord: Sendable, Hashable {
    let key: Key
    let killed: RecordIdentity
}

/// The blocks numbered `first` to `last` should have `profile` from now on.
struct ProfileRecord: Sendable, Hashable {
    let first: BlockNumber
    let last: BlockNumber
    let profile: Profile
}

/// Blocks and commits that contribute nothing any more, carried forward and never dropped.
struct RetiredRecord: Sendable, Hashable {
    /// Every block with a number in one of these closed intervals, disjoint and ascending.
    let intervals: [ClosedRange<BlockNumber>]
    /// Single blocks, ascending: void siblings whose number a live block may share.
    let blocks: [BlockName]
    /// Redundant commits as disjoint ascending intervals.
    let commits: [RedundantCommits]
}

/// Commit numbers `first` to `last` are redundant; `below` is the last block of the commit before `first`.
struct RedundantCommits: Sendable, Hashable {
    let first: CommitNumber
    let last: CommitNumber
    let below: BlockName
}

/// Makes a set of blocks real, all at once. The last of `blocks` is the block it stands in.
struct CommitRecord: Sendable, Hashable {
    struct Block: Sendable, Hashable {
        let name: BlockName
        let profile: Profile
        /// The block is not acknowledged with fewer shards than this.
        let leastShards: UInt8
    }

    let number: CommitNumber
    let epoch: Epoch
    /// The last block of commit `number − 1`; nil for commit 1.
    let previous: BlockName?
    /// The devices this epoch writes to.
    let devices: [DeviceID]
    /// At most 1,024, in the order written.
    let blocks: [Block]
}
