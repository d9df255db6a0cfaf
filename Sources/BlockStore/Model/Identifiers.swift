/// A random 16-byte identifier. `Tag` keeps a device's id from being passed for a block's.
public struct Identifier<Tag>: Hashable, Sendable, Comparable, CustomStringConvertible {
    public static var byteCount: Int { 16 }

    /// The bytes, big-endian, so that comparing words compares bytes.
    let high: UInt64
    let low: UInt64

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Reads 32 hexadecimal digits; nil when `text` is anything else.
    public init?(hex text: String) {
        let digits = Array(text.utf8)
        guard digits.count == 32, digits.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
            let high = UInt64(String(decoding: digits[..<16], as: UTF8.self), radix: 16),
            let low = UInt64(String(decoding: digits[16...], as: UTF8.self), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }

    /// The first 8 bytes, as they appear in a shard's name.
    var prefix: UInt64 { high }

    /// 32 hexadecimal digits.
    public var description: String { hexadecimal(high, digits: 16) + hexadecimal(low, digits: 16) }

    public static func < (left: Self, right: Self) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}

public enum StoreTag: Sendable {}
public enum DeviceTag: Sendable {}
public enum BlockTag: Sendable {}
public enum WriterTag: Sendable {}

public typealias StoreID = Identifier<StoreTag>
public typealias DeviceID = Identifier<DeviceTag>
public typealias BlockID = Identifier<BlockTag>
public typealias WriterID = Identifier<WriterTag>

/// A number that only grows: blocks and commits are counted from 1, 0 means "none".
///
/// Numbers read from a device are capped at `maximum`, so that adding one never overflows.
public struct SequenceNumber<Tag>: Hashable, Sendable, Comparable, CustomStringConvertible {
    public static var none: Self { Self(0) }
    public static var maximum: UInt64 { 1 << 48 }

    public let value: UInt64

    public init(_ value: UInt64) { self.value = value }

    var next: Self { Self(value + 1) }

    public var description: String { String(value) }

    public static func < (left: Self, right: Self) -> Bool { left.value < right.value }
}

public enum CommitTag: Sendable {}
public typealias BlockNumber = SequenceNumber<BlockTag>
public typealias CommitNumber = SequenceNumber<CommitTag>

/// One block, without doubt: numbers may be reused by a void sibling, ids never are.
public struct BlockName: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let number: BlockNumber
    public let id: BlockID

    public init(number: BlockNumber, id: BlockID) {
        self.number = number
        self.id = id
    }

    public var description: String { "\(number) (\(hexadecimal(id.prefix, digits: 16)))" }

    public static func < (left: Self, right: Self) -> Bool {
        (left.number, left.id) < (right.number, right.id)
    }
}

/// One writer's tenure: a growing counter and a random writer id.
public struct Epoch: Hashable, Sendable, CustomStringConvertible {
    public let counter: UInt64
    public let writer: WriterID

    public init(counter: UInt64, writer: WriterID) {
        self.counter = counter
        self.writer = writer
    }

    public var description: String { "\(counter) (\(hexadecimal(writer.prefix, digits: 16)))" }
}

/// A record's identity, which survives being copied: the commit that made it and its place there.
public struct RecordIdentity: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let commit: CommitNumber
    public let ordinal: UInt32

    public init(commit: CommitNumber, ordinal: UInt32) {
        self.commit = commit
        self.ordinal = ordinal
    }

    public var description: String { "\(commit).\(ordinal)" }

    public static func < (left: Self, right: Self) -> Bool {
        (left.commit, left.ordinal) < (right.commit, right.ordinal)
    }
}

/// `value` as exactly `digits` lower-case hexadecimal digits.
func hexadecimal(_ value: UInt64, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
}
