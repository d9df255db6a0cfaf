import Glibc
import Synchronization

/// How many bytes the files of a tree have, counted on a thread of its own beside the work once that has taken two seconds: for
/// the time that is left.
///
/// Links are not followed, and what cannot be looked at counts nothing: it is an estimate. Any thread.
final class TreeSize: Sendable {
    private let path: [UInt8]
    private let sum = Atomic<UInt64>(0)
    private let isCounted = Atomic(false)
    private let isAbandoned = Atomic(false)

    init(_ path: [UInt8]) {
        self.path = path
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(self)
        let status = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<TreeSize>.fromOpaque(argument).takeRetainedValue().count() }
                return nil
            }, argument.toOpaque())
        if status == 0 { pthread_detach(thread) } else { argument.release() }
    }

    /// 0 until all is counted.
    var bytes: UInt64 { isCounted.load(ordering: .acquiring) ? sum.load(ordering: .relaxed) : 0 }

    /// Nobody asks any more.
    func abandon() { isAbandoned.store(true, ordering: .relaxed) }

    private func count() {
        // It costs the work beside it time: what is over soon is not worth it.
        usleep(2_000_000)
        var waiting = [path]
        while let directory = waiting.popLast() { look(at: directory, &waiting) }
        if !isAbandoned.load(ordering: .relaxed) { isCounted.store(true, ordering: .releasing) }
    }

    private func look(at directory: [UInt8], _ waiting: inout [[UInt8]]) {
        guard let stream = opendir(directory.map { CChar(bitPattern: $0) } + [0]) else { return }
        defer { closedir(stream) }
        while !isAbandoned.load(ordering: .relaxed), let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            var status = stat()
            guard name != Array(".".utf8), name != Array("..".utf8),
                fstatat(dirfd(stream), name.map { CChar(bitPattern: $0) } + [0], &status, AT_SYMLINK_NOFOLLOW) == 0
            else { continue }
            switch status.st_mode & S_IFMT {
            case S_IFDIR: waiting.append(directory + [UInt8(ascii: "/")] + name)
            case S_IFREG: sum.add(UInt64(max(0, status.st_size)), ordering: .relaxed)
            default: break
            }
        }
    }
}
