/// Every command, as data.
enum CommandTable {
    static let all = groups.flatMap(\.commands)

    /// Under headings, as the help lists them.
    static let groups: [(title: String, commands: [Command])] = [
        ("a store and what is in it", objects), ("versions", versions), ("is the data safe", safety),
        ("devices", devices),
        ("upkeep", upkeep), ("losses on trial, in a sandbox", trials), ("how fast it is", benchmarks),
        ("for the shell", shell),
    ]

    private static let objects: [Command] = [
        Command(
            "init", "make a store",
            synopsis: [
                "bsctl init HOME (--disks N | --device DIR[,domain=D] …) [--profile rs:4+2] [--chunk-size 64KiB] [--dry-run]"
            ],
            options: [Options.disks, Options.device, Options.profile, Options.chunkSize, Options.dryRun],
            operands: 1...1, takes: [.directory],
            details: """
                HOME gets the list of devices, the index and the writer lock. Each device is an empty directory that is \
                there already, on a disk of its own, or a bucket on a node: s3://BUCKET/PREFIX?endpoint=URL&region=R, with \
                credentials as the AWS tools find them; rs:4+2 needs six of them and survives the loss of any two. \
                Another profile can be chosen later too (bsctl reshape), and devices added (bsctl device add). \
                Other commands find the store by --store HOME or BSCTL_STORE. With --disks the store is a sandbox: directories under HOME stand for \
                disks, and bsctl simulate may destroy them.
                """,
            ending: Ending("no store was made", next: "remove what is in the directories named, or run it again"),
            examples: [
                "bsctl init /tmp/store --disks 6",
                "bsctl init ~/store --device /mnt/a/bs /mnt/b/bs /mnt/c/bs --profile rs:2+1",
                "bsctl init ~/store --device /mnt/a/bs,domain=left /mnt/b/bs,domain=right --profile rs:1+1",
                "bsctl init /tmp/wide --disks 16 --profile lrc:12+2+2",
                "bsctl init ~/store --device /mnt/a s3://mine/a 's3://shards?endpoint=https://nas:8333' --profile rs:2+1",
            ], run: StoreCommands.initialize),
        Command(
            "put", "store a file, a tree, or what a command prints",
            synopsis: [
                "bsctl put FILE [KEY] [--checksum] [--if-absent | --if-version V] [--profile P] [--dry-run]",
                "bsctl put - KEY [--length N] [--if-absent | --if-version V] [--dry-run]",
                "bsctl put --from-command KEY [--if-absent | --if-version V] [--dry-run] -- CMD …",
                "bsctl put -r DIR [PREFIX] [--delete] [--checksum] [--profile P] [--dry-run]",
            ],
            options: [
                Options.recursive, Options.delete, Options.checksum, Options.length, Options.fromCommand,
                Options.ifAbsent, Options.ifVersion, Options.putProfile, Options.minimumShards, Options.putDryRun,
            ], operands: 1...2, takes: [.path, .key], commandOption: Options.fromCommand.name,
            details: """
                Exit code 0 means that everything is on the devices, durable and redundant; 6 that it is stored \
                and survives less than usual, because devices are out. A file keeps its mode and modification \
                time. Content that is stored already is not stored again. With -r links are kept and not \
                followed, what did not change makes no new version, and files whose times, size and inode are as \
                they were are not read. Each object appears whole or not at all.
                """,
            examples: [
                "bsctl put report.pdf", "bsctl put -r ~/photos photos", "bsctl put -r ~/photos photos --dry-run",
                "bsctl put --from-command db.sql -- pg_dump mydb", "bsctl put lock.txt --if-absent",
                "bsctl put keys.kdbx --profile rs:2+4",
            ], run: PutCommands.put),
        Command(
            "get", "read a file or a tree back",
            synopsis: [
                "bsctl get KEY [FILE|-] [--range FIRST-LAST] [--version V | --at COMMIT|TIME]",
                "bsctl get -r PREFIX DIR [--at COMMIT|TIME]",
            ],
            options: [Options.recursive, Options.range, Options.version, Options.at], operands: 1...2,
            takes: [.key, .path],
            details: """
                Every byte is compared with its digest; damaged or missing shards are rebuilt from the others on \
                the way, and named. Nothing that exists is overwritten. A file gets its name when it is whole.
                """,
            ending: Ending(
                "files that have their name are whole, nothing else was written",
                next: "run it again for the others: what exists is not overwritten"),
            examples: [
                "bsctl get report.pdf", "bsctl get report.pdf - | less", "bsctl get -r photos ~/restored",
                "bsctl get -r photos ~/photos-then --at 2026-03-01T12:30",
            ],
            run: GetCommands.get),
        Command(
            "ls", "list keys", synopsis: ["bsctl ls [PREFIX] [-l] [--versions] [--at COMMIT|TIME]"],
            options: [Options.long, Options.versions, Options.at], operands: 0...1, takes: [.key],
            details: """
                Keys are printed in the order of their bytes, one a line. PREFIX is the beginning of a key, not \
                a directory.
                """,
            examples: ["bsctl ls photos/", "bsctl ls -l", "bsctl ls --at 412", "bsctl ls --at 2026-03-01T12:30:05"],
            run: ListCommands.list),
        Command(
            "stat", "tell everything about a key", synopsis: ["bsctl stat KEY [--at COMMIT|TIME]"],
            options: [Options.at], operands: 1...1, takes: [.key],
            details: """
                Kind, size, times, mode, and all versions of KEY.
                """,
            examples: ["bsctl stat report.pdf", "bsctl stat report.pdf --at 2026-03-01 --json"], run: ListCommands.stat),
        Command(
            "rm", "delete keys, old versions stay; or remove one version for good",
            synopsis: [
                "bsctl rm KEY … [--dry-run]", "bsctl rm -r PREFIX [--dry-run]", "bsctl rm KEY --version V [--dry-run]",
            ],
            options: [Options.recursive, Options.purgedVersion, Options.dryRun, Options.minimumShards],
            operands: 1...1_000_000, takes: [.key], freesRoom: true,
            details: """
                KEY gets a delete marker; its versions stay, and bsctl undelete brings it back, until bsctl \
                prune lets go of them. With several keys all are deleted or none. --version removes one version \
                for good.
                """,
            examples: ["bsctl rm old.txt", "bsctl rm -r photos/2019 --dry-run", "bsctl rm a.txt --version 12.0"],
            run: PutCommands.remove),
        Command(
            "cp", "copy inside the store: a new version, and no data is read or written",
            synopsis: [
                "bsctl cp SRC DST [--version V | --at COMMIT|TIME] [--if-absent | --if-version V] [--dry-run]",
                "bsctl cp -r SRC DST [--at COMMIT|TIME] [--dry-run]",
            ],
            options: [
                Options.recursive, Options.version, Options.at, Options.ifAbsent, Options.ifVersion, Options.dryRun,
                Options.minimumShards,
            ], operands: 2...2, takes: [.key, .key],
            details: """
                Only a record is written: the copy rests on the blocks of the original. A DST that ends in / \
                takes the last name of SRC.
                """,
            examples: [
                "bsctl cp report.pdf archive/", "bsctl cp -r photos backup/photos",
                "bsctl cp -r photos photos-then --at 2026-03-01",
            ], run: CopyCommands.copy),
        Command(
            "mv", "move inside the store: a copy and a delete in one commit, never half done",
            synopsis: [
                "bsctl mv SRC DST [--if-absent | --if-version V] [--dry-run]", "bsctl mv -r SRC DST [--dry-run]",
            ],
            options: [
                Options.recursive, Options.ifAbsent, Options.ifVersion, Options.dryRun, Options.minimumShards,
            ], operands: 2...2, takes: [.key, .key],
            details: """
                DST appears and SRC is deleted in the same commit. The versions of SRC stay under SRC.
                """,
            examples: ["bsctl mv draft.txt final.txt --if-absent", "bsctl mv -r photos/2019 archive/2019"],
            run: CopyCommands.move),
    ]

    private static let versions: [Command] = [
        Command(
            "versions", "list the versions of a key, the newest first", synopsis: ["bsctl versions KEY"],
            operands: 1...1, takes: [.key],
            details: """
                A version is named COMMIT.ORDINAL, and --version of other commands takes that.
                """,
            examples: ["bsctl versions report.pdf"], run: VersionCommands.versions),
        Command(
            "restore", "make an older version the newest again",
            synopsis: ["bsctl restore KEY --version V [--dry-run]"],
            options: [Options.toVersion, Options.dryRun, Options.minimumShards], operands: 1...1, takes: [.key],
            details: """
                The version becomes the newest as a new version; the others stay. Nothing is read or written but \
                a record.
                """,
            examples: ["bsctl restore report.pdf --version 12.0"], run: VersionCommands.restore),
        Command(
            "undelete", "bring a deleted key back", synopsis: ["bsctl undelete KEY [--dry-run]"],
            options: [Options.dryRun, Options.minimumShards], operands: 1...1, takes: [.key],
            details: """
                The newest version below the delete marker becomes the newest again.
                """,
            examples: ["bsctl undelete report.pdf"], run: VersionCommands.undelete),
        Command(
            "prune", "remove old versions for good, but those that a rule keeps; the newest of a key always stays",
            synopsis: ["bsctl prune [--keep-last N] [--keep-within AGE] [--prefix P] [--dry-run]"],
            options: [
                Options.keepLast, Options.keepWithin, Options.prefix, Options.dryRun, Options.minimumShards,
            ], operands: 0...0, freesRoom: true,
            details: """
                At least one rule is needed, and what any rule keeps stays. The room comes back with bsctl \
                collect. A delete marker goes when nothing it hides is kept.
                """,
            ending: .goesOn,
            examples: [
                "bsctl prune --keep-last 5 --keep-within 30d", "bsctl prune --keep-within 2w --prefix logs/ --dry-run",
            ],
            run: PruneCommands.prune),
        Command(
            "changes", "every put, delete and purge in the order of commits, as JSON lines",
            synopsis: ["bsctl changes [--since SEQ] [--follow]"], options: [Options.since, Options.follow],
            operands: 0...0,
            details: """
                Each line is an object with seq, change (put, delete or purge) and key. Go on from any seq with \
                --since. Exit code 3 when some of what lies between is not known any more.
                """,
            ending: nil, examples: ["bsctl changes", "bsctl changes --since 412.3 --follow"],
            run: ChangeCommands.changes),
    ]

    private static let safety: [Command] = [
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

    private static let devices: [Command] = [
        Command(
            "device ls", "list the devices, what they hold and how much room they have", synopsis: ["bsctl device ls"],
            operands: 0...0,
            details: """
                One line a device. Exit code 6 when one is out of service.
                """,
            examples: ["bsctl device ls", "bsctl device ls --json"], run: DeviceCommands.list),
        Command(
            "device add",
            "put an empty directory or bucket into service and move its share of the shards there; run again, it goes on",
            synopsis: ["bsctl device add DIR [--label L] [--domain D] [--weight W] [--dry-run]"],
            options: [Options.label, Options.domain, Options.weight, Options.dryRun], operands: 1...1,
            takes: [.directory],
            details: """
                Its share of the shards, by weight, moves onto it, and nothing else moves anywhere. Others read \
                and write meanwhile. A bucket is s3://BUCKET/PREFIX?endpoint=URL&region=R; it counts as 1 TiB unless \
                capacity=SIZE or --weight says otherwise.
                """,
            ending: .goesOn,
            examples: [
                "bsctl device add /mnt/e --dry-run", "bsctl device add /mnt/e --domain host-3",
                "bsctl device add 's3://archive/store?endpoint=https://nas:8333' --domain nas",
            ], run: DeviceCommands.add),
        Command(
            "device drain", "move everything off a device, so that it can be pulled; run again, it goes on",
            synopsis: ["bsctl device drain DEVICE [--dry-run]", "bsctl device drain DEVICE --cancel [--dry-run]"],
            options: [Options.dryRun, Options.cancel], operands: 1...1, takes: [.device],
            details: """
                Its shards move to the others; afterwards a separate look at all others tells whether it is safe \
                to pull. A device that is gone is drained from the shards of the others. Others read and write \
                meanwhile.
                """,
            ending: .goesOn, examples: ["bsctl device drain disk-2 --dry-run", "bsctl device drain disk-2"],
            run: DeviceCommands.drain),
        Command(
            "device remove", "forget a device for good that was drained, or is gone and not needed",
            synopsis: ["bsctl device remove DEVICE [--dry-run]"], options: [Options.dryRun], operands: 1...1,
            takes: [.device],
            details: """
                Refused while anything on it is needed. If it ever returns it is left alone.
                """,
            examples: ["bsctl device remove disk-2"], run: DeviceCommands.remove),
        Command(
            "device replace", "put an empty directory in the place of a lost device",
            synopsis: ["bsctl device replace OLD [DIR] [--dry-run]"], options: [Options.dryRun], operands: 1...2,
            takes: [.device, .directory],
            details: """
                DIR, or the place where the device was, takes over its part: an empty directory that is there already, \
                on the new disk. Then bsctl repair makes the shards again that were on it. With a device to spare none \
                is needed: bsctl repair makes them on the others.
                """,
            examples: [
                "bsctl device replace disk-2", "bsctl device replace disk-2 /mnt/new --dry-run",
                "bsctl device replace disk-2 /mnt/new",
            ],
            run: DeviceCommands.replace),
        Command(
            "device relabel", "give a device another label",
            synopsis: ["bsctl device relabel DEVICE LABEL [--dry-run]"], options: [Options.dryRun], operands: 2...2,
            takes: [.device, .text],
            details: """
                Labels are for people and for the words of commands; nothing moves.
                """,
            examples: ["bsctl device relabel disk-2 shelf-1-bay-2"], run: DeviceCommands.relabel),
        Command(
            "device set", "change a device's failure domain or weight, for shards written from now on",
            synopsis: ["bsctl device set DEVICE [--domain D] [--weight W] [--dry-run]"],
            options: [Options.domain, Options.weight, Options.dryRun], operands: 1...1, takes: [.device],
            details: """
                What is stored stays where it is.
                """,
            examples: ["bsctl device set disk-2 --domain host-1", "bsctl device set disk-2 --weight 4000"],
            run: DeviceCommands.set),
    ]

    private static let upkeep: [Command] = [
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

    private static let trials: [Command] = [
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
    ]

    private static let benchmarks: [Command] = [
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

    private static let shell: [Command] = [
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
