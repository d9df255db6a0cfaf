/// Objects and their versions.
extension CommandTable {
    static let objects: [Command] = [
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

    static let versions: [Command] = [
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
}
