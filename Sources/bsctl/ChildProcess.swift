import BlockStore
import Glibc

/// A command whose standard output is the object: its end counts only when it exits 0.
final class ChildProcess: ByteSource {
    private let name: String
    private var process: pid_t = 0
    private let output: Int32
    private var isReaped = false

    init(_ arguments: [[UInt8]]) throws(StoreError) {
        name = String(decoding: arguments[0], as: UTF8.self)
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw StoreError(.io, "run \(name)", detail: "no pipe could be made") }
        _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
        _ = fcntl(ends[1], F_SETFD, FD_CLOEXEC)
        output = ends[0]
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { word in
            strdup(word.map { CChar(bitPattern: $0) } + [0])
        }
        words.append(nil)
        var status = EINVAL
        if let program = words[0] { status = posix_spawnp(&process, program, &actions, nil, words, environ) }
        for word in words { free(word) }
        posix_spawn_file_actions_destroy(&actions)
        close(ends[1])
        guard status == 0 else {
            close(output)
            isReaped = true
            throw StoreError(.input, "run \(name)", detail: String(cString: strerror(status)))
        }
    }

    deinit {
        close(output)
        if !isReaped { _ = reap() }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) -> Int {
        let count = try DescriptorSource(output, place: "the output of \(name)").read(into: buffer)
        if count > 0 || isReaped { return count }
        let status = reap()
        guard status == 0 else {
            throw StoreError(
                .input, "store the output of \(name)",
                detail: status & 0x7f == 0
                    ? "it exited with code \(status >> 8 & 0xff)" : "it was ended by signal \(status & 0x7f)",
                advice: "nothing was stored under this key")
        }
        return 0
    }

    private func reap() -> Int32 {
        isReaped = true
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        return status
    }
}
