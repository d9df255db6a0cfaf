/// What makes a store whole again, and room in it.
extension CommandTable {
    static let upkeep: [Command] = [
        Command(
            "repair", "make lost and damaged shards again, the most endangered blocks first",
            synopsis: ["bsctl repair [--rate SIZE] [--dry-run]"], options: [Options.rate, Options.dryRun],
            operands: 0...0,
            details: """
                Reads the fewest shards the code allows, checks what it makes by the digests, writes it and \
                reads it back. Others write in between. With nothing to do it only looks for each shard.
                """,
            ending: .goesOn, examples: ["bsctl repair --dry-run", "bsctl repair --rate 50MB"],
            run: RepairCommands.repair),
        Command(
            "reshape", "change how what is there is coded, while it is read; or finish what was interrupted",
            synopsis: ["bsctl reshape [--profile P] [--dry-run]"], options: [Options.newProfile, Options.dryRun],
            operands: 0...0,
            details: """
                Parity is added or taken away in place; with another number of data shards what blocks hold \
                moves into new ones. Everything reads meanwhile, others write in between.
                """,
            ending: .goesOn,
            examples: [
                "bsctl reshape --profile rs:4+3 --dry-run", "bsctl reshape --profile lrc:12+2+2", "bsctl reshape",
            ], run: ReshapeCommands.reshape),
        Command(
            "scrub", "read and check every byte of every shard, what waits longest first",
            synopsis: ["bsctl scrub [--older-than TIME] [--rate SIZE] [--repair] [--dry-run]"],
            options: [Options.olderThan, Options.rate, Options.repair, Options.dryRun], operands: 0...0,
            details: """
                Takes no lock. What is found damaged is remembered for bsctl repair; --repair does both. Run \
                each week with --older-than 20d it reads everything within four.
                """,
            ending: .goesOn, examples: ["bsctl scrub", "bsctl scrub --older-than 30d --rate 50MB --repair"],
            run: RepairCommands.scrub),
        Command(
            "collect", "free what no version needs, and merge small blocks",
            synopsis: ["bsctl collect [--full] [--max-bytes SIZE] [--dry-run]"],
            options: [Options.full, Options.maximumBytes, Options.dryRun], operands: 0...0, freesRoom: true,
            details: """
                Blocks with little in them that any version needs are copied to new ones and retired. Others \
                read and write in between.
                """,
            ending: .goesOn,
            examples: ["bsctl collect --dry-run", "bsctl collect --max-bytes 10GiB", "bsctl collect --full"],
            run: CollectCommands.collect),
        Command(
            "index rebuild", "make the index again from the shards alone",
            synopsis: ["bsctl index rebuild [--dry-run]"], options: [Options.dryRun], operands: 0...0,
            details: """
                The index is a cache: it is deleted and made from the tables that every shard carries. The \
                listing is the same afterwards.
                """,
            ending: Ending("no data is touched by it", next: "the next command makes the index again"),
            examples: ["bsctl index rebuild", "bsctl index rebuild --dry-run"], run: RepairCommands.rebuildIndex),
        Command(
            "recover",
            "bring a lost home back from the devices, say where devices are now, or give up commits in doubt",
            synopsis: ["bsctl recover [HOME] --device DIR … [--dry-run]", "bsctl recover --abandon [--dry-run]"],
            options: [Options.foundDevice, Options.abandon, Options.dryRun], operands: 0...1, takes: [.directory],
            details: """
                With --device: HOME is made from what the devices say, or learns where they are now; it comes before \
                --device, and is the store's home as elsewhere where it is not named. Name all devices that have moved; \
                the others are found where they were. With --abandon: commits whose shards cannot be had, which bsctl status lists as in doubt, are given \
                up for good, so that writing goes on.
                """,
            ending: .goesOn,
            examples: [
                "bsctl recover ~/store --device /mnt/a/bs /mnt/b/bs /mnt/c/bs", "bsctl recover --device /mnt/new/bs",
            ],
            run: RepairCommands.recover),
    ]
}
