import BlockStore
import Glibc

/// Paths as bytes.
enum Paths {
    private static let slash = UInt8(ascii: "/")

    /// `path` without the slashes at its end; "/" stays what it is.
    static func withoutSlash(_ path: [UInt8]) -> [UInt8] {
        var path = path
        while path.count > 1, path.last == slash { path.removeLast() }
        return path
    }

    /// What is behind the last slash that has something behind it. Pure: for keys as well.
    static func lastName(_ path: [UInt8]) -> [UInt8] {
        let path = withoutSlash(path)
        return path.lastIndex(of: slash).map { Array(path[($0 + 1)...]) } ?? path
    }

    /// The name of the file or directory at `path`; for ".", ".." and the like its real name. Empty for the
    /// root.
    static func baseName(_ path: [UInt8]) -> [UInt8] {
        let name = lastName(path)
        guard name == Array(".".utf8) || name == Array("..".utf8),
            let resolved = realpath(path.map { CChar(bitPattern: $0) } + [0], nil)
        else { return name }
        defer { free(resolved) }
        return lastName(Array(UnsafeRawBufferPointer(start: resolved, count: strlen(resolved))))
    }

    /// The home or device at `path` from the root: a hint must hold from anywhere. That of a bucket does.
    static func absolute(_ path: String) -> String { PlaceProvider.absolute(path) }
}
