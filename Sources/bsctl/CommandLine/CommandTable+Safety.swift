/// What a person asks of a store, and its proof.
extension CommandTable {
    static let safety: [Command] = [
        Command(
            "sync", "copy what another store lacks: a second copy, made and kept up to date",
            synopsis: ["bsctl sync HOME OTHER [--prefix P] [--dry-run]"],
            options: [Options.prefix, Options.syncDryRun, Options.minimumShards], operands: 2...2,
            takes: [.directory, .directory],
            details: """
                OTHER, the home of another store, gets every version of every key of the store at HOME that it \
                lacks, the oldest first, with mode and times, delete markers too; what OTHER has beside that \
                stays. The two may differ in devices, profile and size of chunks. Only chunks that OTHER does not \
                have are read, and each is compared with its digest. Run again it copies what is new; interrupted, \
                it leaves OTHER as HOME was at an earlier commit, and goes on from there. HOME is not changed, and \
                may be written to meanwhile. Exit code 1, or 4 where data is lost, when some version could not be \
                read; the others are copied.
                """,
            ending: .goesOn,
            examples: [
                "bsctl sync ~/store /mnt/backup/store", "bsctl sync ~/store /mnt/backup/store --dry-run",
                "bsctl sync ~/store ~/public --prefix photos/",
            ], run: SyncCommands.sync),
        Command(
            "status", "is my data safe, what can still fail, what to do", synopsis: ["bsctl status [--watch]"],
            options: [Options.watch],
            operands: 0...0,
            details: """
                Tells whether all data is safe now, what may still fail, what is owed and since when that is \
                known, and the command to run next. Exit code 0: all is well; 6: something is owed or out of \
                service; 4: data is lost. With --watch it is drawn again and again until q or Ctrl-C.
                """,
            examples: [
                "bsctl status", "bsctl status --watch", "bsctl status --quiet || mail -s \"store\" root < /dev/null",
            ], run: StatusCommands.status),
        Command(
            "odds", "how likely it is to lose data within a year, why, and what would change it",
            synopsis: [
                "bsctl odds [--profile P] [--afr RATE] [--repair-hours H] [--scrub-every TIME] …",
                "bsctl odds --devices N [--domains N] [--profile P] [--data SIZE] …",
                "bsctl odds --simulate YEARS [--devices N …] [--profile P …] [--seed S] …",
            ],
            options: [
                Options.oddsProfile, Options.deviceCount, Options.domainCount, Options.dataSize, Options.failureRate,
                Options.repairHours, Options.domainFailureRate, Options.latentErrorRate, Options.scrubInterval,
                Options.simulatedYears, Options.seed,
            ], operands: 0...0,
            details: """
                Says it as a percentage and as once in so many years, for the blocks where they lie, with the speed \
                of repairs and the age of scrubs where these are known; names the greatest risk and what would \
                change the odds; prints every assumption, with the option that replaces it, and what the model \
                leaves out. With --devices no store is needed. --simulate plays years of a fleet, the same for \
                each profile. docs/odds.md has the model.
                """,
            examples: [
                "bsctl odds", "bsctl odds --profile rs:4+3", "bsctl odds --profile lrc:12+2+2 --devices 16 --afr 2%",
                "bsctl odds --simulate 10000 --devices 1000 --domains 50 --profile rs:8+3 --profile lrc:12+2+2",
            ], run: OddsCommands.odds),
        Command(
            "report", "a page about the store, to read in a browser, print or send",
            synopsis: ["bsctl report FILE.html"], operands: 1...1, takes: [.file],
            details: """
                One file that needs nothing else: devices, redundancy, age of verification, space, growth, the odds \
                of loss, health in words and the command to run next. It appears whole or not at all and replaces \
                nothing. It names devices, their paths and domains, and keys only where commits are in doubt. The \
                exit code is that of bsctl status.
                """,
            examples: ["bsctl report store.html", "bsctl report report-2026-03.html"], run: ReportCommands.report),
        Command(
            "drill", "prove on a view of the store that it survives what it promises",
            synopsis: ["bsctl drill [--sample N | --all] [--losses N] [--bits N] [--seed S]"],
            options: [
                Options.drillSample, Options.drillAll, Options.drillLosses, Options.drillBits, Options.seed,
            ],
            operands: 0...0,
            details: """
                The view has the shards as hard links and the index as a copy. In it bits flip on as many devices as the \
                store survives the loss of, in copies of the shards; objects are read and verified, and the damaged \
                shards are found and made again. Then those devices are lost, objects are read again, and what was lost is \
                made again on empty directories beside them, if there is room for twice as much. At the end the view is \
                removed, and the store's own shards are compared with how they were. Nobody can write while the view is made; \
                afterwards the store is open to all. Exit 0 when everything held, 4 when an object could not be read.
                """,
            ending: Ending("the view is removed, the store is as it was"),
            examples: ["bsctl drill", "bsctl drill --all --bits 1000", "bsctl drill --losses 1 --seed 7"],
            run: DrillCommands.drill),
    ]
}
