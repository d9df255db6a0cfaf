/// Bytes that are not what docs/format.md says.
enum FormatError: Error, Sendable, Hashable, CustomStringConvertible {
    case tooShort(String)
    case trailing(String, Int)
    case wrongMagic(String)
    case wrongChecksum(String)
    /// A version, feature, codec or record type that must be understood and is not.
    case unsupported(String)
    case tooLong(String, UInt64, maximum: UInt64)
    case invalid(String)

    var description: String {
        switch self {
        case .tooShort(let what): "it ends within its \(what)"
        case .trailing(let what, let count): "\(Count.text(count, "byte")) too many in its \(what)"
        case .wrongMagic(let what): "no \(what): it does not begin as one"
        case .wrongChecksum(let what): "its \(what) fails its checksum"
        case .unsupported(let what): "it needs a newer version: \(what)"
        case .tooLong(let what, let found, let maximum): "its \(what) claims \(found), at most \(maximum) is allowed"
        case .invalid(let what): "invalid \(what)"
        }
    }
}
