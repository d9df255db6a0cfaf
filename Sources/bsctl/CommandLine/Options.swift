/// Every option there is, with the type of its value.
enum Options {
    static let store = Option(
        "store", short: "s", "HOME", .directory, "the store's home (else $BSCTL_STORE, else here)")
    static let lockWait = Option("lock-wait", "SECONDS", .seconds, "how long to wait for another writer (60)")
    static let json = Option("json", "one JSON document on standard output")
    static let quiet = Option("quiet", short: "q", "no progress and no reports: the exit code says it")

    static let everywhere: [any AnyOption] = [store, lockWait, json, quiet]

    static let recursive = Option("recursive", short: "r", "a directory and everything in it")
    static let minimumShards = Option(
        "min-shards", "N", .count(1...64), "acknowledge nothing with fewer shards a block than N")

    static let disks = Option("disks", "N", .count(1...1024), "make a sandbox with N directories as disks, for trials")
    static let device = Option(
        "device", "DIR[,domain=D][,label=L][,weight=W] …", .newDevice, takesSeveral: true,
        "empty directories, each on a disk of its own, or s3://BUCKET/PREFIX; devices of one failure domain fail together (each is one of its own)"
    )
    static let foundDevice = Option(
        "device", "DIR …", .directory, takesSeveral: true,
        "devices of the store; the others are looked for where they were last")
    static let label = Option("label", "L", .text, "what it is called (disk-N)")
    static let domain = Option("domain", "D", .text, "what fails as one with it, such as a host (none but itself)")
    static let weight = Option(
        "weight", "W", .number(1...UInt64(UInt32.max)), "its share of the shards, against the others (by capacity)")
    static let cost = Option(
        "cost", "C", .number(0...1_000_000), "what a byte read from this bucket costs, beside others (1; directories 0)"
    )
    static let cancel = Option("cancel", "take it back into service; what was moved stays where it is")
    static let profile = Option(
        "profile", "P", .profile,
        "rs:K+M, K data and M parity shards, or lrc:K+L+G, with L local groups and G global parities (rs:4+2)")
    static let chunkSize = Option(
        "chunk-size", "SIZE", .size(4 << 10...4 << 20), "average chunk, a power of two (64KiB)")

    static let putProfile = Option(
        "profile", "P", .profile, "blocks of this put are coded with P, whatever the store's own profile is")

    static let newProfile = Option(
        "profile", "P", .profile,
        "of all blocks, and of new ones; without it the store's own, for what was interrupted")

    static let delete = Option("delete", "with -r: delete keys under PREFIX that DIR does not have")
    static let checksum = Option(
        "checksum", "read every file, also those whose times, size and inode say that they are as they were")
    static let length = Option(
        "length", "N", .number(0...UInt64(Int64.max)), "refuse input that is not exactly N bytes")
    static let fromCommand = Option("from-command", "store what CMD prints, and nothing unless it exits 0")

    static let range = Option("range", "FIRST-LAST", .byteRange, "only these bytes, counted from 0")
    static let version = Option("version", "V", .version(.first), "an older version, as bsctl versions names it")
    static let toVersion = Option("version", "V", .version(.first), "the version that is to be the newest again")
    static let purgedVersion = Option(
        "version", "V", .version(.first), "remove this one version of KEY, put or delete marker, for good")
    static let ifAbsent = Option("if-absent", "only if the target has no version or is deleted; else exit 7")
    static let ifVersion = Option(
        "if-version", "V", .version(.last), "only if V, as bsctl versions names it, is the target's newest; else exit 7"
    )
    static let since = Option(
        "since", "SEQ", .sequence, "what comes after SEQ, the seq of the last line seen, or after a whole commit (412)")
    static let follow = Option("follow", "go on with new ones as they are committed, until interrupted")
    static let at = Option(
        "at", "COMMIT|TIME", .moment,
        "as of a commit (412) or a time (2026-03-01, 2026-03-01T12:30:05Z, @SECONDS); times are the writers' clocks")

    static let keepLast = Option(
        "keep-last", "N", .count(0...1_000_000_000),
        "keep the newest N versions of each key, delete markers not counted")
    static let keepWithin = Option(
        "keep-within", "AGE", .age,
        "keep what was written, replaced or deleted less than AGE (12h, 30d, 2w) ago, by the clocks of who wrote")
    static let prefix = Option("prefix", "P", .bytes, "only keys that begin with P")

    static let long = Option("long", short: "l", "with kind, version, size and time")
    static let versions = Option("versions", "old versions and delete markers too")
    static let watch = Option("watch", "draw it again every other second, until q or Ctrl-C")
    static let dryRun = Option("dry-run", "only say what would be done")
    static let putDryRun = Option(
        "dry-run", "read everything, and only say what would be stored; CMD does run, and a pipe is read to its end")

    static let syncDryRun = Option("dry-run", "only say how much would be copied; no data is read")

    static let full = Option("full", "also what saves little: as if it had never been there")
    static let maximumBytes = Option(
        "max-bytes", "SIZE", .size(1 << 20...1 << 50), "stop when so much was copied; the next run goes on")

    static let repair = Option("repair", "and repair what is bad")
    static let olderThan = Option(
        "older-than", "TIME", .duration, "only what was not read for so long, such as 30d, 12h or 45m")
    static let rate = Option(
        "rate", "SIZE", .size(1 << 10...1 << 40), "read and write at most so many bytes a second, such as 50MB")
    static let abandon = Option("abandon", "say goodbye to what may have been acknowledged and cannot be read")

    static let oddsProfile = Option(
        "profile", "P", .profile, isRepeatable: true,
        "as if all blocks had P (the store's own, or rs:4+2); several to compare with --simulate")
    static let deviceCount = Option(
        "devices", "N", .count(1...10_000), "N devices that are only thought of, and no store")
    static let domainCount = Option("domains", "N", .count(1...10_000), "with --devices: spread over N failure domains")
    static let dataSize = Option(
        "data", "SIZE", .size(1 << 20...1 << 60),
        "with --devices: so much data, without parity (4 TB of shards on each)")
    static let failureRate = Option("afr", "RATE", .yearlyRate, "how many devices fail in a year, of a hundred (1.5%)")
    static let repairHours = Option(
        "repair-hours", "H", .hours, "from a failure until all is made again (a wait, and the time to rebuild)")
    static let domainFailureRate = Option(
        "domain-afr", "RATE", .yearlyRate, "how many failure domains are lost as a whole in a year (0.5%)")
    static let latentErrorRate = Option(
        "latent", "RATE", .yearlyRate, "how many devices get a bad place in a year that only reading finds (3%)")
    static let scrubInterval = Option(
        "scrub-every", "TIME", .duration, "how often everything is read (what is known of scrubs, or 30d)")
    static let simulatedYears = Option(
        "simulate", "YEARS", .count(1...10_000_000), "play so many years of the devices, with dice, and count")

    static let lossCount = Option("count", "N", .count(1...1024), "so many devices, at random")
    static let bitCount = Option("count", "N", .count(1...1_000_000), "so many bits")
    static let drillSample = Option(
        "sample", "N", .count(1...1_000_000_000), "read so many objects, chosen at random (1000)")
    static let drillAll = Option("all", "read every object")
    static let drillLosses = Option(
        "losses", "N", .count(1...64), "lose so many devices (as many as the store survives now)")
    static let drillBits = Option("bits", "N", .count(1...1_000_000), "flip so many bits (20)")
    static let seed = Option("seed", "S", .number(0...UInt64.max), "choose the same again")
    static let force = Option("force", "beyond what the store survives: data is lost")
    static let destroyRealData = Option("destroy-real-data", "also in a store that is no sandbox")

    static let size = Option("size", "BYTES", .size(1 << 20...1 << 36), "how much data (512MiB, or all of FILE)")
    static let average = Option("average", "SIZE", .size(4 << 10...4 << 20), "chunks of this size on average (64KiB)")
    static let cuts = Option("cuts", "print offset and length of each chunk in place of measuring")
    static let rounds = Option("rounds", "N", .count(1...99), "so many times each, in stores of their own (3)")
    static let benchDirectory = Option(
        "in", "DIR", .directory, "where the stores are made and removed again, on the disk to be measured (.)")
    static let threads = Option("threads", "N", .count(1...256), "so many at once (1)")
    static let tasks = Option("tasks", "N", .count(1...4096), "so many put at once (64)")
}
