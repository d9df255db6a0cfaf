import BlockStore
import Glibc

/// A command whose standard output is the object: its end counts only when it exits 0.
///
/// Its standard error and input are this process's. When it is given up before its end, it is told to
/// terminate. Use from one thread.
final class ChildProcess: ByteSource {
    private let name: String
    private var process: pid_t = 0
    private let output: Int32
    private var isReaped = false

    /// - Throws: `.input` when the command cannot be started.
    init(_ words: [[UInt8]]) throws(StoreError) {
        let name = String(decoding: words.first ?? [], as: UTF8.self)
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else {
            throw StoreError(.io, "run \(name)", detail: "no pipe could be made", cause: SystemError(errno))
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        self.name = name
        output = ends[0]
        let status = Self.spawn(words, output: ends[1], &process)
        close(ends[1])
        guard status == 0 else {
            close(output)
            isReaped = true
            throw StoreError(.input, "run \(name)", detail: "it could not be started", cause: SystemError(status))
        }
    }

    deinit {
        guard !isReaped else { return }
        close(output)
        kill(process, SIGTERM)
        _ = reap()
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) -> Int {
        guard !isReaped else { return 0 }
        try Interruption.waitForInput(output)
        let count = try DescriptorSource(output, place: "the output of \(name)").read(into: buffer)
        if count > 0 { return count }
        close(output)
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

    private static func spawn(_ words: [[UInt8]], output: Int32, _ process: inout pid_t) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        // This process ignores SIGPIPE, which would be inherited: `yes | head` would not end as usual.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        // And blocks those that `Interruption` takes.
        var blocked = sigset_t()
        sigemptyset(&blocked)
        posix_spawnattr_setsigmask(&attributes, &blocked)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { word in
            strdup(word.map { CChar(bitPattern: $0) } + [0])
        }
        defer { for argument in arguments { free(argument) } }
        arguments.append(nil)
        guard let program = arguments[0] else { return EINVAL }
        return posix_spawnp(&process, program, &actions, &attributes, arguments, environ)
    }

    private func reap() -> Int32 {
        isReaped = true
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        return status
    }
}
