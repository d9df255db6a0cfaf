/// Devices.
extension CommandTable {
    static let devices: [Command] = [
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
            synopsis: ["bsctl device add DIR [--label L] [--domain D] [--weight W] [--cost C] [--dry-run]"],
            options: [Options.label, Options.domain, Options.weight, Options.cost, Options.dryRun], operands: 1...1,
            takes: [.directory],
            details: """
                Its share of the shards, by weight, moves onto it, and nothing else moves anywhere. Others read \
                and write meanwhile. A bucket is s3://BUCKET/PREFIX?endpoint=URL&region=R; it counts as 1 TiB unless \
                capacity=SIZE or --weight says otherwise. Gets and repairs read where it costs least (--cost, or \
                cost=C in the address).
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
}
