public import Chunker
public import Erasure

/// What the store is set to be: made real by a configuration record in a commit, copied to every
/// device and to the home (docs/format.md, "Configuration").
///
/// The copy with the highest number among those that carry a valid checksum wins; the commits
/// have the last word.
public struct Configuration: Sendable, Hashable {
    public struct Device: Sendable, Hashable {
        public enum State: UInt8, Sendable {
            case inService = 0
            /// No new shards; those it has are moved away.
            case draining = 1
            /// Gone for good; kept in the list so that its id is never accepted again.
            case removed = 2
        }

        public let id: DeviceID
        /// 1–64 bytes of UTF-8, unique within the store: "disk-1".
        public var label: String
        /// What fails as one with it; equal to the label where nothing else was said.
        public var domain: String
        /// Share of the shards it attracts, relative to the other devices; at least 1.
        public var weight: UInt32
        public var state: State

        public init(id: DeviceID, label: String, domain: String, weight: UInt32, state: State) {
            self.id = id
            self.label = label
            self.domain = domain
            self.weight = weight
            self.state = state
        }
    }

    /// Grows by one with each change; 1 at init.
    public var number: UInt64
    public let storeID: StoreID
    /// How new blocks are coded.
    public var profile: Profile
    public var chunker: ChunkerParameters
    /// Made for trials by `init --disks`: losses may be simulated, lost disks come back by themselves.
    public var isSandbox: Bool
    public var devices: [Device]

    public init(
        number: UInt64, storeID: StoreID, profile: Profile, chunker: ChunkerParameters, isSandbox: Bool,
        devices: [Device]
    ) {
        self.number = number
        self.storeID = storeID
        self.profile = profile
        self.chunker = chunker
        self.isSandbox = isSandbox
        self.devices = devices
    }
}
