import Glibc
import XCTest

/// Files for tests. Names are bytes; what fails, fails the test at once.
enum Disk {
    /// What an entry of a tree is, and all that a restore must bring back.
    struct Entry: Equatable, CustomStringConvertible {
        var kind: Character
        var mode: UInt32
        var seconds: Int
        var nanoseconds: Int
        var content: [UInt8]

        var description: String {
            "\(kind) \(String(mode, radix: 8)) \(seconds).\(nanoseconds) \(content.count) bytes"
        }
    }

    static func bytes(_ path: String) -> [UInt8] { Array(path.utf8) }

    private static func string(_ path: [UInt8]) -> [CChar] { path.map { CChar(bitPattern: $0) } + [0] }

    static func read(_ path: String) -> [UInt8] { read(bytes(path)) }

    static func read(_ path: [UInt8]) -> [UInt8] {
        let file = open(string(path), O_RDONLY)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var result: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(file, &buffer, buffer.count)
            if count <= 0 { return result }
            result += buffer[..<count]
        }
    }

    static func write(_ content: [UInt8], to path: String, mode: mode_t = 0o644) {
        write(content, to: bytes(path), mode: mode)
    }

    static func write(_ content: [UInt8], to path: [UInt8], mode: mode_t = 0o644) {
        let file = open(string(path), O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        XCTAssertGreaterThanOrEqual(file, 0, "cannot write \(String(decoding: path, as: UTF8.self)): \(errno)")
        XCTAssertEqual(Glibc.write(file, content, content.count), content.count)
        XCTAssertEqual(fchmod(file, mode), 0)
        close(file)
    }

    static func makeDirectory(_ path: String, mode: mode_t = 0o755) { makeDirectory(bytes(path), mode: mode) }

    static func makeDirectory(_ path: [UInt8], mode: mode_t = 0o755) {
        XCTAssertEqual(mkdir(string(path), 0o700), 0, "\(String(decoding: path, as: UTF8.self)): \(errno)")
        XCTAssertEqual(chmod(string(path), mode), 0)
    }

    static func makeLink(_ path: String, to target: String) { XCTAssertEqual(symlink(target, path), 0) }

    static func setModified(_ path: String, seconds: Int, nanoseconds: Int) {
        let time = timespec(tv_sec: seconds, tv_nsec: nanoseconds)
        XCTAssertEqual(utimensat(AT_FDCWD, path, [time, time], AT_SYMLINK_NOFOLLOW), 0)
    }

    static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    static func names(_ path: String) -> [[UInt8]] { names(bytes(path)) }

    static func names(_ path: [UInt8]) -> [[UInt8]] {
        guard let stream = opendir(string(path)) else { return [] }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != bytes("."), name != bytes("..") { names.append(name) }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// Everything below `path` and the directory itself (as the empty name).
    static func snapshot(_ path: String) -> [[UInt8]: Entry] {
        var result: [[UInt8]: Entry] = [:]
        func visit(_ path: [UInt8], _ name: [UInt8]) {
            var status = stat()
            guard lstat(string(path), &status) == 0 else { return }
            var entry = Entry(
                kind: "-", mode: status.st_mode & 0o7777, seconds: status.st_mtim.tv_sec,
                nanoseconds: status.st_mtim.tv_nsec, content: [])
            switch status.st_mode & S_IFMT {
            case S_IFDIR:
                entry.kind = "d"
                for child in names(path) { visit(path + bytes("/") + child, name + bytes("/") + child) }
            case S_IFLNK:
                entry.kind = "l"
                var buffer = [CChar](repeating: 0, count: 4096)
                let count = readlink(string(path), &buffer, buffer.count)
                entry.content = buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }
            case S_IFREG: entry.content = read(path)
            default: entry.kind = "?"
            }
            result[name] = entry
        }
        visit(bytes(path), [])
        return result
    }

    /// What tells whether anything about a file was changed, without reading it.
    struct Stamp: Equatable {
        let file: UInt64
        let byteCount: Int
        /// Of the last change to content, name or attributes.
        let seconds: Int
        let nanoseconds: Int
    }

    /// The stamps of everything below `path`, and of the directory itself (as the empty name).
    static func stamps(_ path: String) -> [[UInt8]: Stamp] {
        var result: [[UInt8]: Stamp] = [:]
        func visit(_ path: [UInt8], _ name: [UInt8]) {
            var status = stat()
            guard lstat(string(path), &status) == 0 else { return }
            result[name] = Stamp(
                file: UInt64(status.st_ino), byteCount: Int(status.st_size), seconds: status.st_ctim.tv_sec,
                nanoseconds: status.st_ctim.tv_nsec)
            guard status.st_mode & S_IFMT == S_IFDIR else { return }
            for child in names(path) { visit(path + bytes("/") + child, name + bytes("/") + child) }
        }
        visit(bytes(path), [])
        return result
    }

    static func removeTree(_ path: String) {
        func remove(_ path: [UInt8]) {
            var status = stat()
            guard lstat(string(path), &status) == 0 else { return }
            guard status.st_mode & S_IFMT == S_IFDIR else {
                unlink(string(path))
                return
            }
            chmod(string(path), 0o700)
            for name in names(path) { remove(path + bytes("/") + name) }
            rmdir(string(path))
        }
        remove(bytes(path))
    }
}
