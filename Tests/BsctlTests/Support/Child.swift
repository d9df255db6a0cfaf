import Glibc

/// What a finished command left.
struct Outcome {
    /// The exit code; 128 + the signal for one that a signal ended.
    let code: Int32
    let output: [UInt8]
    let complaints: String
    let isEndedBySignal: Bool

    var text: String { String(decoding: output, as: UTF8.self) }
}

/// A command under way. Its output goes to files, so that it never waits for its reader.
final class Child {
    let process: pid_t
    private let outputPath: String
    private let errorPath: String
    private var input: Int32?

    /// - Parameter input: a file to read from, or nil for a pipe that `feed` writes into.
    init(_ words: [[UInt8]], in directory: String, environment: [String], input: String?, scratch: String) {
        outputPath = scratch + ".out"
        errorPath = scratch + ".err"
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        var ends: [Int32] = [-1, -1]
        if let input {
            posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
        } else {
            precondition(pipe(&ends) == 0, "no pipe")
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            posix_spawn_file_actions_adddup2(&actions, ends[0], 0)
        }
        posix_spawn_file_actions_addopen(&actions, 1, outputPath, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, errorPath, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        // Inherited: the tests of a process run one after the other.
        precondition(chdir(directory) == 0, "no directory \(directory)")
        var arguments = words.map(Self.string) + [nil]
        var variables = environment.map { Self.string(Array($0.utf8)) } + [nil]
        defer { for pointer in arguments + variables { free(pointer) } }
        var process: pid_t = 0
        guard let program = arguments[0] else { preconditionFailure("a command has a name") }
        // Whoever runs the tests in the background ignores it for all their children.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&signals, number) }
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
        let status = posix_spawn(&process, program, &actions, &attributes, &arguments, &variables)
        precondition(status == 0, "cannot start \(String(decoding: words[0], as: UTF8.self)): \(status)")
        self.process = process
        if ends[0] >= 0 {
            close(ends[0])
            self.input = ends[1]
        }
    }

    /// Writes into the command's input; false when it has stopped reading.
    func feed(_ bytes: [UInt8]) -> Bool {
        guard let input else { return false }
        signal(SIGPIPE, SIG_IGN)
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { write(input, $0.baseAddress.map { $0 + done }, bytes.count - done) }
            if count <= 0 { return false }
            done += count
        }
        return true
    }

    func kill() { Glibc.kill(process, SIGKILL) }

    var outputSoFar: [UInt8] { Disk.read(outputPath) }
    var complaintsSoFar: String { String(decoding: Disk.read(errorPath), as: UTF8.self) }

    /// Ends the input, before or after the command's end, and waits.
    func wait(endingInput: Bool = true) -> Outcome {
        if endingInput { endInput() }
        defer { endInput() }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        let code = status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
        return Outcome(
            code: code, output: Disk.read(outputPath),
            complaints: String(decoding: Disk.read(errorPath), as: UTF8.self), isEndedBySignal: status & 0x7f != 0)
    }

    private func endInput() {
        if let input { close(input) }
        input = nil
    }

    private static func string(_ bytes: [UInt8]) -> UnsafeMutablePointer<CChar>? {
        strdup(bytes.map { CChar(bitPattern: $0) } + [0])
    }
}
