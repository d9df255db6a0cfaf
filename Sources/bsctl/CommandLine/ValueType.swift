import BlockStore
import Erasure

/// How the value of an option is read. Errors say what was expected, and what may have been meant.
struct ValueType<Value: Sendable>: Sendable {
    let kind: WordKind
    let read: @Sendable ([UInt8]) throws(UsageError) -> Value

    init(_ kind: WordKind = .text, _ read: @escaping @Sendable ([UInt8]) throws(UsageError) -> Value) {
        self.kind = kind
        self.read = read
    }
}

extension ValueType<String> {
    static var text: Self { ValueType { bytes throws(UsageError) in try utf8(bytes) } }
    static var directory: Self { ValueType(.directory) { bytes throws(UsageError) in try utf8(bytes) } }
}

extension ValueType<[UInt8]> {
    /// Part of a key: any bytes.
    static var bytes: Self { ValueType(.key) { bytes in bytes } }
}

extension ValueType<Duration> {
    /// How long ago, or how long: "30d", "12h", "2w".
    static var age: Self {
        ValueType { bytes throws(UsageError) in
            let text = try utf8(bytes)
            guard let age = Age.parse(text) else {
                throw UsageError(
                    description: "expected a whole number of " + Age.units.map(\.name).joined(separator: ", ")
                        + " for " + Age.units.map(\.meaning).joined(separator: ", ") + ", such as 30d")
            }
            return age
        }
    }
}

extension ValueType<NewDevice> {
    /// "DIR", "DIR,domain=host-a,label=fast-1,weight=2000".
    static var newDevice: Self {
        ValueType(.directory) { bytes throws(UsageError) in
            var device = NewDevice(path: try utf8(bytes))
            // From the end: a path may hold commas itself.
            while let comma = device.path.lastIndex(of: ",") {
                let setting = device.path[device.path.index(after: comma)...]
                let parts = setting.split(separator: "=", maxSplits: 1).map(String.init)
                guard parts.count == 2, ["domain", "label", "weight"].contains(parts[0]) else { break }
                switch parts[0] {
                case "domain": device.domain = parts[1]
                case "label": device.label = parts[1]
                default:
                    guard let weight = UInt32(parts[1]), weight > 0 else {
                        throw UsageError(description: "expected weight=N with a whole number from 1")
                    }
                    device.weight = weight
                }
                device.path = String(device.path[..<comma])
            }
            guard !device.path.isEmpty else { throw UsageError(description: "expected a directory") }
            return device
        }
    }
}

extension ValueType<UInt64> {
    /// A whole number within `range`.
    static func number(_ range: ClosedRange<UInt64>) -> Self {
        ValueType { bytes throws(UsageError) in
            guard let value = UInt64(try utf8(bytes)), range.contains(value) else {
                throw UsageError(
                    description: range.upperBound == .max
                        ? "expected a whole number"
                        : "expected a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
    }
}

extension ValueType<Int> {
    static func count(_ range: ClosedRange<Int>) -> Self {
        ValueType { bytes throws(UsageError) in
            guard let value = Int(try utf8(bytes)), range.contains(value) else {
                throw UsageError(
                    description: "expected a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
    }

    /// A number of bytes: "4096", "64KiB", "10GB".
    static func size(_ range: ClosedRange<Int>) -> Self {
        ValueType { bytes throws(UsageError) in
            let text = try utf8(bytes)
            guard let value = Size.parse(text) else {
                throw UsageError(
                    description: "expected a size such as 4096, 64KiB, 1MiB or 10GB" + Size.suggestion(for: text))
            }
            guard range.contains(value) else {
                throw UsageError(
                    description: "expected \(Size.text(range.lowerBound)) to \(Size.text(range.upperBound))")
            }
            return value
        }
    }
}

extension ValueType<Double> {
    static var seconds: Self {
        ValueType { bytes throws(UsageError) in
            guard let value = Double(try utf8(bytes)), value >= 0, value <= 1e9 else {
                throw UsageError(description: "expected a number of seconds, such as 30 or 0.5")
            }
            return value
        }
    }
}

extension ValueType<Double> {
    /// A length of time in seconds: "30d", "12h", "45m", "90s".
    static var duration: Self {
        ValueType { bytes throws(UsageError) in
            let text = try utf8(bytes)
            let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604_800]
            guard let factor = text.last.flatMap({ units[$0] }), let value = UInt32(text.dropLast()) else {
                throw UsageError(description: "expected a length of time such as 30d, 12h, 45m or 90s")
            }
            return Double(value) * factor
        }
    }
}

extension ValueType<Double> {
    /// "1.5%": of a hundred in a year, as a fraction.
    static var yearlyRate: Self {
        ValueType { bytes throws(UsageError) in
            let text = try utf8(bytes)
            guard text.last == "%", let value = Double(text.dropLast()), value >= 0, value <= 1000 else {
                throw UsageError(description: "expected a percentage, such as 1.5%, of at most 1000%")
            }
            return value / 100
        }
    }

    /// "36", "0.5".
    static var hours: Self {
        ValueType { bytes throws(UsageError) in
            guard let value = Double(try utf8(bytes)), value >= 0.1, value <= 87_660 else {
                throw UsageError(description: "expected a number of hours from 0.1 to 87660, such as 36")
            }
            return value
        }
    }
}

extension ValueType<Profile> {
    /// What is proposed; others are possible.
    private static var usual: [String] {
        [
            "rs:2+1", "rs:4+2", "rs:6+3", "rs:8+3", "rs:8+4", "rs:10+4", "rs:17+3", "lrc:6+2+2", "lrc:8+2+2",
            "lrc:10+2+2", "lrc:12+2+2",
        ]
    }

    static var profile: Self {
        ValueType(.choice(usual)) { bytes throws(UsageError) in
            let text = try utf8(bytes)
            do throws(ProfileError) {
                return try Profile(text)
            } catch {
                throw UsageError(description: error.description + Suggestion.text(text, usual, prefix: ""))
            }
        }
    }
}

extension ValueType<ClosedRange<UInt64>> {
    /// "FIRST-LAST", both counted from 0.
    static var byteRange: Self {
        ValueType { bytes throws(UsageError) in
            let parts = try utf8(bytes).split(separator: "-", omittingEmptySubsequences: false)
            guard parts.count == 2, let first = UInt64(parts[0]), let last = UInt64(parts[1]), first <= last else {
                throw UsageError(description: "expected FIRST-LAST, such as 0-1023")
            }
            return first...last
        }
    }
}

extension ValueType<RecordIdentity> {
    /// - Parameter operand: the one whose versions are proposed.
    static func version(_ operand: WordKind.Operand) -> Self {
        ValueType(.version(of: operand)) { bytes throws(UsageError) in
            let parts = try utf8(bytes).split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 2, let commit = UInt64(parts[0]), commit <= CommitNumber.maximum,
                let ordinal = UInt32(parts[1])
            else {
                throw UsageError(description: "expected COMMIT.ORDINAL, as bsctl versions prints it, such as 12.0")
            }
            return RecordIdentity(commit: CommitNumber(commit), ordinal: ordinal)
        }
    }
}

extension ValueType<RecordIdentity> {
    /// Where a reader of changes stands: "412.3", or "412" for all of a commit.
    static var sequence: Self {
        ValueType { bytes throws(UsageError) in
            if let commit = UInt64(try utf8(bytes)), commit <= CommitNumber.maximum {
                return RecordIdentity(commit: CommitNumber(commit), ordinal: .max)
            }
            do throws(UsageError) {
                return try ValueType.version(.first).read(bytes)
            } catch {
                throw UsageError(description: "expected the seq of a line, such as 412.3, or a commit, such as 412")
            }
        }
    }
}

func utf8(_ bytes: [UInt8]) throws(UsageError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
        throw UsageError(description: "it is not UTF-8")
    }
    return text
}
