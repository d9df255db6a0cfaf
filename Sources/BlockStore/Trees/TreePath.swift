/// The names a key stands for below a prefix: the one place where keys become paths.
///
/// Pure, and strict: what comes out are names of single directory entries that cannot lead anywhere else.
enum TreePath {
    private static let slash = UInt8(ascii: "/")
    /// No file system takes longer names.
    private static let maximumNameBytes = 255

    /// Why a key cannot be restored.
    struct Refusal: Error {
        let reason: String
    }

    /// `prefix` without the slashes at its end; "/" stays what it is.
    static func trimmed(_ prefix: [UInt8]) -> [UInt8] {
        var prefix = prefix
        while prefix.count > 1, prefix.last == slash { prefix.removeLast() }
        return prefix
    }

    /// The key of the directory that `prefix` names: it ends in "/".
    static func directoryKey(_ prefix: [UInt8]) -> [UInt8] {
        let prefix = trimmed(prefix)
        return prefix.last == slash ? prefix : prefix + [slash]
    }

    /// The path of `key` below the directory that stands for `prefix`; empty for that directory itself.
    /// An object named exactly as the prefix goes by its last name.
    static func names(of key: Key, isDirectory: Bool, below prefix: [UInt8]) throws(Refusal) -> [[UInt8]] {
        let root = directoryKey(prefix)
        var rest: ArraySlice<UInt8>
        if key.bytes.starts(with: root) {
            rest = key.bytes[root.count...]
            if rest.isEmpty, isDirectory { return [] }
        } else if key.bytes == trimmed(prefix) {
            rest = key.bytes[(key.bytes.lastIndex(of: slash).map { $0 + 1 } ?? 0)...]
        } else {
            throw Refusal(reason: "it is not under \(String(decoding: prefix, as: UTF8.self))")
        }
        if isDirectory, rest.last == slash { rest = rest.dropLast() }
        return try rest.split(separator: slash, omittingEmptySubsequences: false).map { part throws(Refusal) in
            try name(part)
        }
    }

    private static func name(_ part: ArraySlice<UInt8>) throws(Refusal) -> [UInt8] {
        guard !part.isEmpty else { throw Refusal(reason: "a part of the path is empty") }
        guard !part.elementsEqual(".".utf8), !part.elementsEqual("..".utf8) else {
            throw Refusal(reason: "the path has a part \"\(String(decoding: part, as: UTF8.self))\"")
        }
        guard part.count <= maximumNameBytes else {
            throw Refusal(reason: "a part of the path is longer than \(maximumNameBytes) bytes")
        }
        return Array(part)
    }
}
