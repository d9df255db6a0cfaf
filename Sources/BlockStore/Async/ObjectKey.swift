/// What can be used as an object's key: a `Key`, or text.
public protocol ObjectKey: Sendable {
    /// Throws `.invalid` where it is no key.
    func key() throws(StoreError) -> Key
}

extension Key: ObjectKey {
    public func key() -> Key { self }
}

extension String: ObjectKey {
    public func key() throws(StoreError) -> Key { try Key(self) }
}

/// What names a version to read: a key, for its newest one, or a version.
public protocol ObjectReference: Sendable {
    func version(in store: Store) throws(StoreError) -> ObjectVersion
}

extension Key: ObjectReference {
    public func version(in store: Store) throws(StoreError) -> ObjectVersion { try store.newestVersion(of: self) }
}

extension String: ObjectReference {
    public func version(in store: Store) throws(StoreError) -> ObjectVersion { try store.newestVersion(of: Key(self)) }
}

extension ObjectVersion: ObjectReference {
    public func version(in store: Store) -> ObjectVersion { self }
}
