/// Losses on trial, benchmarks, and what the shell asks for.
extension CommandTable {
    static let trials: [Command] = [
        Command(
            "simulate disk-loss", "destroy devices of a sandbox",
            synopsis: ["bsctl simulate disk-loss (DEVICE … | --count N) [--seed S] [--force] [--dry-run]"],
            options: [
                Options.lossCount, Options.seed, Options.force, Options.destroyRealData, Options.dryRun,
            ], operands: 0...1024, takes: [.device],
            details: """
                Refused beyond what the store survives, unless --force is given, and in a store that is no \
                sandbox.
                """,
            ending: Ending("devices destroyed until now stay destroyed"),
            examples: ["bsctl simulate disk-loss --count 2", "bsctl simulate disk-loss disk-1 disk-4"],
            run: SimulateCommands.diskLoss),
        Command(
            "simulate bit-rot", "flip bits in shards of a sandbox",
            synopsis: ["bsctl simulate bit-rot --count N [--seed S] [--force] [--dry-run]"],
            options: [Options.bitCount, Options.seed, Options.force, Options.destroyRealData, Options.dryRun],
            operands: 0...0,
            details: """
                As disks do in the course of years. Refused beyond what the store survives, unless --force is \
                given.
                """,
            examples: ["bsctl simulate bit-rot --count 3 --seed 7"], run: SimulateCommands.bitRot),
        Command(
            "simulate node-loss", "read the store as if nodes, or disks, did not answer",
            synopsis: ["bsctl simulate node-loss (DEVICE … | --count N) [--sample N | --all] [--seed S]"],
            options: [Options.lossCount, Options.drillSample, Options.drillAll, Options.seed],
            operands: 0...1024, takes: [.device],
            details: """
                Of any store: nothing is changed, and nothing is sent to those devices. Objects are read and verified from \
                the others, and it says how long that takes. Exit 0 when everything would be there, 4 when not.
                """,
            ending: Ending("nothing was changed"),
            examples: ["bsctl simulate node-loss nas frankfurt", "bsctl simulate node-loss --count 2 --all"],
            run: SimulateCommands.nodeLoss),
    ]

    static let benchmarks: [Command] = [
        Command(
            "bench encode", "measure erasure coding against the bare ISA-L loop",
            synopsis: ["bsctl bench encode [--profile P] [--size BYTES] [--threads N]"],
            options: [Options.profile, Options.size, Options.threads], operands: 0...0,
            details: """
                Nothing is stored.
                """,
            examples: ["bsctl bench encode --profile rs:6+3", "bsctl bench encode --threads 2"],
            run: BenchCommands.encode),
        Command(
            "bench rebuild", "measure making one lost shard again against the bare ISA-L loop",
            synopsis: ["bsctl bench rebuild [--profile P] [--size BYTES] [--threads N]"],
            options: [Options.profile, Options.size, Options.threads], operands: 0...0,
            details: """
                Nothing is stored.
                """,
            examples: ["bsctl bench rebuild --profile lrc:6+2+2"], run: BenchCommands.rebuild),
        Command(
            "bench store", "measure put, get, degraded get and repair of a whole store, and where the CPU goes",
            synopsis: ["bsctl bench store [FILE|DIR] [--size BYTES] [--profile P] [--rounds N] [--in DIR]"],
            options: [Options.size, Options.profile, Options.rounds, Options.benchDirectory], operands: 0...1,
            takes: [.path],
            details: """
                Each round makes a sandbox, stores what is named (or made-up bytes, half of which LZ4 shortens), reads it \
                back from the page cache, loses a device, reads again, and repairs. Puts are durable. The stores are \
                removed; --in says on which disk they are. They take one and a half times the data there. The tables \
                tell for each stage what a byte of the objects costs in it, what a byte that goes through it costs, \
                and what that costs alone.
                """,
            ending: Ending("nothing was measured to its end; the stores are removed"),
            examples: ["bsctl bench store", "bsctl bench store ~/photos --in /mnt/disk --rounds 5"],
            run: BenchCommands.store),
        Command(
            "bench chunk", "measure cutting against reading the memory once",
            synopsis: [
                "bsctl bench chunk [FILE] [--average SIZE] [--size BYTES] [--threads N]",
                "bsctl bench chunk FILE --cuts [--average SIZE]",
            ],
            options: [Options.average, Options.size, Options.threads, Options.cuts], operands: 0...1, takes: [.file],
            details: """
                Nothing is stored.
                """,
            examples: ["bsctl bench chunk --average 16KiB", "bsctl bench chunk disk.img --cuts"],
            run: BenchCommands.chunk),
        Command(
            "bench digest", "measure SHA-256 chunk by chunk against one digest of everything",
            synopsis: ["bsctl bench digest [FILE] [--average SIZE] [--size BYTES] [--threads N]"],
            options: [Options.average, Options.size, Options.threads], operands: 0...1, takes: [.file],
            details: """
                Nothing is stored.
                """,
            examples: ["bsctl bench digest", "bsctl bench digest disk.img"], run: BenchCommands.digest),
        Command(
            "bench compress", "measure LZ4 both ways against the bare calls",
            synopsis: ["bsctl bench compress [FILE] [--average SIZE] [--size BYTES] [--threads N]"],
            options: [Options.average, Options.size, Options.threads], operands: 0...1, takes: [.file],
            details: """
                Nothing is stored.
                """,
            examples: ["bsctl bench compress", "bsctl bench compress disk.img"], run: BenchCommands.compress),
        Command(
            "bench put", "measure small durable puts, one and many at once, against bare files, and reading them",
            synopsis: ["bsctl bench put [--in DIR] [--tasks N]"],
            options: [Options.benchDirectory, Options.tasks], operands: 0...0,
            details: """
                In a sandbox that is removed afterwards.
                """,
            ending: Ending("nothing was measured to its end; the sandbox is removed"),
            examples: ["bsctl bench put", "bsctl bench put --in /mnt/disk --tasks 16"], run: BenchCommands.put),
    ]

    static let shell: [Command] = [
        Command(
            "completions", "print a script that completes commands, options, keys, versions and devices in your shell",
            synopsis: [
                "bsctl completions bash|zsh|fish", "bsctl completions keys [PREFIX]",
                "bsctl completions versions KEY [PREFIX]", "bsctl completions devices",
            ],
            operands: 1...3, takes: [.choice(CompletionCommands.subjects), .key, .text],
            details: """
                The package installs the scripts; without it, put them where the examples do. The last three forms \
                are what the scripts ask: at most 200 answers, one a line, and none when the store cannot say \
                within two seconds.
                """,
            examples: [
                "bsctl completions bash > ~/.local/share/bash-completion/completions/bsctl",
                "bsctl completions zsh > ~/.zfunc/_bsctl",
                "bsctl completions fish > ~/.config/fish/completions/bsctl.fish",
            ], run: CompletionCommands.completions),
        Command(
            "manual", "write the manual pages into a directory", synopsis: ["bsctl manual DIR"], operands: 1...1,
            takes: [.directory],
            details: """
                bsctl.1, and bsctl-COMMAND.1 for each command: man -l DIR/bsctl.1 shows one. Files of these \
                names are replaced.
                """,
            examples: ["bsctl manual ~/.local/share/man/man1"], run: ManualCommands.manual),
    ]
}
