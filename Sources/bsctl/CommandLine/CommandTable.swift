/// Every command, as data.
enum CommandTable {
    static let all: [Command] = [
        Command(
            "init", "make a store",
            synopsis: ["bsctl init HOME (--disks N | --device DIR …) [--profile rs:4+2] [--chunk-size 64KiB]"],
            options: [Options.disks, Options.device, Options.profile, Options.chunkSize], operands: 1...1,
            examples: [
                "bsctl init /tmp/store --disks 6",
                "bsctl init ~/store --device /mnt/a --device /mnt/b --device /mnt/c --profile rs:2+1",
                "bsctl init /tmp/wide --disks 16 --profile lrc:12+2+2",
            ], run: StoreCommands.initialize),
        Command(
            "put", "store a file, a tree, or what a command prints",
            synopsis: [
                "bsctl put FILE [KEY]", "bsctl put - KEY [--length N]", "bsctl put --from-command KEY -- CMD …",
                "bsctl put -r DIR [PREFIX] [--delete]",
            ],
            options: [
                Options.recursive, Options.delete, Options.length, Options.fromCommand, Options.minimumShards,
            ], operands: 1...2, commandOption: Options.fromCommand.name,
            examples: [
                "bsctl put report.pdf", "bsctl put -r ~/photos photos",
                "bsctl put --from-command db.sql -- pg_dump mydb",
            ], run: PutCommands.put),
        Command(
            "get", "read a file or a tree back",
            synopsis: [
                "bsctl get KEY [FILE|-] [--range FIRST-LAST] [--version V]", "bsctl get -r PREFIX DIR",
            ],
            options: [Options.recursive, Options.range, Options.version], operands: 1...2,
            examples: ["bsctl get report.pdf", "bsctl get report.pdf - | less", "bsctl get -r photos ~/restored"],
            run: GetCommands.get),
        Command(
            "ls", "list keys", synopsis: ["bsctl ls [PREFIX] [-l] [--versions]"],
            options: [Options.long, Options.versions], operands: 0...1,
            examples: ["bsctl ls photos/", "bsctl ls -l"], run: ListCommands.list),
        Command(
            "stat", "tell everything about a key", synopsis: ["bsctl stat KEY"], operands: 1...1,
            run: ListCommands.stat),
        Command(
            "rm", "delete keys; old versions stay",
            synopsis: ["bsctl rm KEY … [--dry-run]", "bsctl rm -r PREFIX [--dry-run]"],
            options: [Options.recursive, Options.dryRun, Options.minimumShards], operands: 1...1_000_000,
            examples: ["bsctl rm old.txt", "bsctl rm -r photos/2019 --dry-run"], run: PutCommands.remove),
        Command(
            "status", "is my data safe, what can still fail, what to do", synopsis: ["bsctl status"],
            operands: 0...0, run: StatusCommands.status),
        Command(
            "device ls", "list the devices", synopsis: ["bsctl device ls"], operands: 0...0,
            run: StatusCommands.listDevices),
        Command(
            "device replace", "put an empty directory in the place of a lost device",
            synopsis: ["bsctl device replace OLD [DIR]"], operands: 1...2,
            examples: ["bsctl device replace disk-2", "bsctl device replace disk-2 /mnt/new"],
            run: StoreCommands.replaceDevice),
        Command(
            "repair", "make lost and damaged shards again", synopsis: ["bsctl repair"], operands: 0...0,
            run: RepairCommands.repair),
        Command(
            "scrub", "read and check every byte of every shard", synopsis: ["bsctl scrub [--repair]"],
            options: [Options.repair], operands: 0...0, run: RepairCommands.scrub),
        Command(
            "index rebuild", "make the index again from the shards alone", synopsis: ["bsctl index rebuild"],
            operands: 0...0, run: RepairCommands.rebuildIndex),
        Command(
            "recover", "give up commits in doubt", synopsis: ["bsctl recover --abandon"],
            options: [Options.abandon], operands: 0...0, run: RepairCommands.recover),
        Command(
            "simulate disk-loss", "destroy devices of a sandbox",
            synopsis: ["bsctl simulate disk-loss (DEVICE … | --count N) [--seed S] [--force]"],
            options: [Options.lossCount, Options.seed, Options.force, Options.destroyRealData], operands: 0...1024,
            examples: ["bsctl simulate disk-loss --count 2", "bsctl simulate disk-loss disk-1 disk-4"],
            run: SimulateCommands.diskLoss),
        Command(
            "simulate bit-rot", "flip bits in shards of a sandbox",
            synopsis: ["bsctl simulate bit-rot --count N [--seed S] [--force]"],
            options: [Options.bitCount, Options.seed, Options.force, Options.destroyRealData], operands: 0...0,
            examples: ["bsctl simulate bit-rot --count 3 --seed 7"], run: SimulateCommands.bitRot),
        Command(
            "bench encode", "measure erasure coding against the bare ISA-L loop",
            synopsis: ["bsctl bench encode [--profile P] [--size BYTES] [--threads N]"],
            options: [Options.profile, Options.size, Options.threads], operands: 0...0,
            run: BenchCommands.encode),
        Command(
            "bench rebuild", "measure making one lost shard again against the bare ISA-L loop",
            synopsis: ["bsctl bench rebuild [--profile P] [--size BYTES] [--threads N]"],
            options: [Options.profile, Options.size, Options.threads], operands: 0...0,
            run: BenchCommands.rebuild),
        Command(
            "bench chunk", "measure cutting against reading the memory once",
            synopsis: [
                "bsctl bench chunk [FILE] [--average SIZE] [--size BYTES] [--threads N]",
                "bsctl bench chunk FILE --cuts [--average SIZE]",
            ],
            options: [Options.average, Options.size, Options.threads, Options.cuts], operands: 0...1,
            run: BenchCommands.chunk),
        Command(
            "bench digest", "measure SHA-256 chunk by chunk against one digest of everything",
            synopsis: ["bsctl bench digest [FILE] [--average SIZE] [--size BYTES] [--threads N]"],
            options: [Options.average, Options.size, Options.threads], operands: 0...1,
            run: BenchCommands.digest),
        Command(
            "bench compress", "measure LZ4 both ways against the bare calls",
            synopsis: ["bsctl bench compress [FILE] [--average SIZE] [--size BYTES] [--threads N]"],
            options: [Options.average, Options.size, Options.threads], operands: 0...1,
            run: BenchCommands.compress),
    ]
}
