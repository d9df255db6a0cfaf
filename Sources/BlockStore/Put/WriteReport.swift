/// What a write session did.
public struct WriteReport: Sendable, Hashable {
    /// Versions put.
    public var objects = 0
    /// Objects that were there already, content and attributes.
    public var unchanged = 0
    /// Keys deleted.
    public var removed = 0
    /// Versions put without data, from a manifest that was stored already: copies, moves, restored versions.
    public var copied = 0
    /// Bytes of these objects.
    public var copiedBytes: UInt64 = 0
    /// Versions purged.
    public var purged = 0
    /// Bytes of the objects that were put.
    public var logicalBytes: UInt64 = 0
    /// Objects whose content was known from an earlier reading of the same file, and not read.
    public var unread = 0
    /// Bytes of these.
    public var unreadBytes: UInt64 = 0
    /// The chunks that what was read was cut into.
    public var chunks = 0
    /// Of these, chunks that were stored already, or came before in the same session.
    public var duplicateChunks = 0
    /// Bytes of chunks that were not stored before.
    public var newBytes: UInt64 = 0
    /// Of these, after compression.
    public var storedBytes: UInt64 = 0
    /// Written to the devices.
    public var shardBytes: UInt64 = 0
    public var commits = 0
    /// What redundancy is owed, in words; nil when everything is as the profile asks.
    public var debt: String?
}
