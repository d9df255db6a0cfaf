/// An object's name: 1–1,024 bytes without NUL, compared as bytes.
///
/// Never a Swift `String`: there `"a\u{301}" == "á"`, which would merge two objects.
public struct Key: Hashable, Sendable, Comparable, CustomStringConvertible {
    public static let maximumBytes = 1024

    public let bytes: [UInt8]

    /// - Throws: `.invalid` when `bytes` is empty, too long or contains NUL.
    public init(_ bytes: some Collection<UInt8>) throws(StoreError) {
        let bytes = Array(bytes)
        guard !bytes.isEmpty else {
            throw StoreError(.invalid, "use an empty key", detail: "a key has 1 to 1,024 bytes")
        }
        guard bytes.count <= Self.maximumBytes else {
            throw StoreError(
                .invalid, "use a key of \(bytes.count) bytes", detail: "a key has at most 1,024 bytes")
        }
        guard !bytes.contains(0) else {
            throw StoreError(.invalid, "use this key", detail: "a key must not contain a NUL byte")
        }
        self.bytes = bytes
    }

    /// The key whose bytes are `text` in UTF-8.
    public init(_ text: String) throws(StoreError) {
        try self.init(Array(text.utf8))
    }

    /// For people: the bytes as UTF-8, repaired where they are not.
    public var description: String { String(decoding: bytes, as: UTF8.self) }

    /// Whether this is `prefix` itself or lies under `prefix/`, as `-r` means it.
    public func isAtOrUnder(_ prefix: [UInt8]) -> Bool {
        guard !prefix.isEmpty, bytes.starts(with: prefix) else { return prefix.isEmpty }
        return bytes.count == prefix.count || prefix.last == UInt8(ascii: "/")
            || bytes[prefix.count] == UInt8(ascii: "/")
    }

    /// All bytes at once: derived, it would take them one by one.
    public func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }

    public static func < (left: Key, right: Key) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }
}
