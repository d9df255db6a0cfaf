/// Every command, as data.
enum CommandTable {
    static let globalOptions: [Option] = [
        Option(name: "store", short: "s", value: "HOME", help: "the store's home (else $BSCTL_STORE, else here)"),
        Option(name: "lock-wait", value: "SECONDS", help: "how long to wait for another writer (60)"),
        Option(name: "json", help: "one JSON document on standard output"),
        Option(name: "quiet", short: "q", help: "no progress and no reports"),
    ]

    private static let minimumShards = Option(
        name: "min-shards", value: "N", help: "acknowledge nothing with fewer shards a block than N")
    private static let recursive = Option(name: "recursive", short: "r", help: "a directory and everything in it")
    private static let seed = Option(name: "seed", value: "S", help: "choose the same again")
    private static let real = Option(name: "destroy-real-data", help: "also in a store that is no sandbox")

    static let all: [Command] = [
        Command(
            name: "init", summary: "make a store",
            synopsis: ["bsctl init HOME (--disks N | --device DIR …) [--profile rs:4+2] [--chunk-size 64KiB]"],
            options: [
                Option(name: "disks", value: "N", help: "make a sandbox with N directories as disks, for trials"),
                Option(
                    name: "device", value: "DIR", help: "an empty directory on a disk of its own", isRepeatable: true),
                Option(name: "profile", value: "P", help: "rs:K+M, K data and M parity shards (rs:4+2)"),
                Option(name: "chunk-size", value: "SIZE", help: "average chunk, a power of two (64KiB)"),
            ], operands: 1...1,
            examples: [
                "bsctl init /tmp/store --disks 6",
                "bsctl init ~/store --device /mnt/a --device /mnt/b --device /mnt/c --profile rs:2+1",
            ], run: StoreCommands.initialize),
        Command(
            name: "put", summary: "store a file, a tree, or what a command prints",
            synopsis: [
                "bsctl put FILE [KEY]", "bsctl put - KEY [--length N]", "bsctl put --from-command KEY -- CMD …",
                "bsctl put -r DIR [PREFIX] [--delete]",
            ],
            options: [
                recursive, Option(name: "delete", help: "with -r: delete keys under PREFIX that DIR does not have"),
                Option(name: "length", value: "N", help: "refuse input that is not exactly N bytes"),
                Option(name: "from-command", help: "store what CMD prints, and nothing unless it exits 0"),
                minimumShards,
            ], operands: 1...2, takesCommand: true,
            examples: [
                "bsctl put report.pdf", "bsctl put -r ~/photos photos",
                "bsctl put --from-command db.sql -- pg_dump mydb",
            ], run: PutCommands.put),
        Command(
            name: "get", summary: "read a file or a tree back",
            synopsis: [
                "bsctl get KEY [FILE|-] [--range FIRST-LAST] [--version V]", "bsctl get -r PREFIX DIR",
            ],
            options: [
                recursive, Option(name: "range", value: "FIRST-LAST", help: "only these bytes, counted from 0"),
                Option(name: "version", value: "V", help: "an older version, as bsctl ls --versions names it"),
            ], operands: 1...2,
            examples: ["bsctl get report.pdf", "bsctl get report.pdf - | less", "bsctl get -r photos ~/restored"],
            run: GetCommands.get),
        Command(
            name: "ls", summary: "list keys", synopsis: ["bsctl ls [PREFIX] [-l] [--versions]"],
            options: [
                Option(name: "long", short: "l", help: "with version, size and time"),
                Option(name: "versions", help: "old versions and delete markers too"),
            ], operands: 0...1, examples: ["bsctl ls photos/", "bsctl ls -l"], run: GetCommands.list),
        Command(
            name: "stat", summary: "tell everything about a key", synopsis: ["bsctl stat KEY"], options: [],
            operands: 1...1, run: GetCommands.stat),
        Command(
            name: "rm", summary: "delete keys; old versions stay",
            synopsis: ["bsctl rm KEY …", "bsctl rm -r PREFIX [--dry-run]"],
            options: [recursive, Option(name: "dry-run", help: "say what would be deleted"), minimumShards],
            operands: 1...100_000, examples: ["bsctl rm old.txt", "bsctl rm -r photos/2019 --dry-run"],
            run: PutCommands.remove),
        Command(
            name: "status", summary: "is my data safe, what can still fail, what to do",
            synopsis: ["bsctl status"], options: [], operands: 0...0, run: StoreCommands.status),
        Command(
            name: "device ls", summary: "list the devices", synopsis: ["bsctl device ls"], options: [], operands: 0...0,
            run: StoreCommands.listDevices),
        Command(
            name: "device replace", summary: "put an empty directory in the place of a lost device",
            synopsis: ["bsctl device replace OLD [DIR]"], options: [], operands: 1...2,
            examples: ["bsctl device replace disk-2", "bsctl device replace disk-2 /mnt/new"],
            run: StoreCommands.replaceDevice),
        Command(
            name: "repair", summary: "make lost and damaged shards again", synopsis: ["bsctl repair"], options: [],
            operands: 0...0, run: RepairCommands.repair),
        Command(
            name: "scrub", summary: "read and check every byte of every shard", synopsis: ["bsctl scrub [--repair]"],
            options: [Option(name: "repair", help: "and repair what is bad")], operands: 0...0,
            run: RepairCommands.scrub),
        Command(
            name: "index rebuild", summary: "make the index again from the shards alone",
            synopsis: ["bsctl index rebuild"], options: [], operands: 0...0, run: RepairCommands.rebuildIndex),
        Command(
            name: "recover", summary: "give up commits in doubt", synopsis: ["bsctl recover --abandon"],
            options: [
                Option(name: "abandon", help: "say goodbye to what may have been acknowledged and cannot be read")
            ],
            operands: 0...0, run: RepairCommands.recover),
        Command(
            name: "simulate disk-loss", summary: "destroy devices of a sandbox",
            synopsis: ["bsctl simulate disk-loss (DEVICE … | --count N) [--seed S] [--force]"],
            options: [
                Option(name: "count", value: "N", help: "so many devices, at random"), seed,
                Option(name: "force", help: "beyond what the store survives"), real,
            ], operands: 0...1000, examples: ["bsctl simulate disk-loss --count 2"], run: SimulateCommands.diskLoss),
        Command(
            name: "simulate bit-rot", summary: "flip bits in shards of a sandbox",
            synopsis: ["bsctl simulate bit-rot --count N [--seed S]"],
            options: [Option(name: "count", value: "N", help: "so many bits"), seed, real], operands: 0...0,
            run: SimulateCommands.bitRot),
        Command(
            name: "bench encode", summary: "measure erasure coding against the bare ISA-L loop",
            synopsis: ["bsctl bench encode [--profile P] [--size BYTES] [--threads N]"],
            options: [
                Option(name: "profile", value: "P", help: "rs:K+M (rs:4+2)"),
                Option(name: "size", value: "BYTES", help: "data to encode from memory (512MiB)"),
                Option(name: "threads", value: "N", help: "so many at once (1)"),
            ], operands: 0...0, run: BenchCommands.encode),
    ]
}
