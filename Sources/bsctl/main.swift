import Glibc

// A reader that goes away must be an error, not the end.
signal(SIGPIPE, SIG_IGN)

// With 0, 1 or 2 closed, the next file opened would take its number, and a report would be written into
// a shard.
for number: Int32 in 0...2 where fcntl(number, F_GETFD) < 0 {
    if open("/dev/null", number == 0 ? O_RDONLY : O_WRONLY) != number { exit(ExitCode.failed.rawValue) }
}

// Many devices want many descriptors: take all that the system allows.
var descriptorLimit = rlimit()
if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptorLimit) == 0 {
    descriptorLimit.rlim_cur = descriptorLimit.rlim_max
    _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptorLimit)
}

Interruption.install()
exit(Program.run(Program.argumentBytes()))
