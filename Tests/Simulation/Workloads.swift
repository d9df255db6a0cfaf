@testable import BlockStore
import Erasure
import Foundation

/// Something a store does, to be cut off anywhere. On five disks with `rs:2+2`.
public struct Workload: Sendable {
    public let name: String
    /// Small blocks, so that what is put fills several; nil for the usual.
    var largestShardBytes: Int?
    /// Which devices are nodes.
    var nodes: Set<String> = []
    /// What was before: not cut off.
    var prepare: @Sendable (StoreModel) throws -> Void = { _ in }
    let run: @Sendable (StoreModel) throws -> Void
    /// What people do after the power cut.
    var afterwards: @Sendable (StoreModel) throws -> Void = { _ in }

    public static let all = general + moving + syncing + overNodes

    static let general: [Workload] = [
        Workload(name: "put", run: { try $0.write([.put(key("a"), bytes(30_000, seed: 1))]) }),
        Workload(
            name: "overwrite", prepare: { try $0.write([.put(key("a"), bytes(20_000, seed: 1))]) },
            run: { try $0.write([.put(key("a"), bytes(25_000, seed: 2))]) }),
        Workload(
            name: "several puts that share blocks and chunks",
            run: { model in
                try model.write((0..<5).map { .put(try key("many/\($0)"), bytes(3_000 * $0, seed: UInt64($0))) })
                try model.write([
                    .put(key("again"), bytes(12_000, seed: 4)), .put(key("many/1"), bytes(9_000, seed: 3)),
                ])
            }),
        Workload(
            name: "writes of many callers in one commit", largestShardBytes: 4096,
            prepare: { try $0.write([.put(key("old"), bytes(5_000, seed: 1)), .put(key("b"), bytes(10, seed: 2))]) },
            run: { model in
                try model.writeTogether([
                    .put(key("a"), bytes(30_000, seed: 3)), .put(key("b"), bytes(700, seed: 4)), .remove(key("old")),
                    .put(key("same"), bytes(30_000, seed: 3)),
                ])
                try model.writeTogether([.put(key("a"), bytes(100, seed: 5))])
            }),
        Workload(
            name: "tree put with --delete",
            prepare: {
                try $0.putTree(["a": bytes(9_000, seed: 1), "b": bytes(100, seed: 2), "sub/c": [1, 2, 3]])
            },
            run: { try $0.putTree(["a": bytes(9_000, seed: 1), "b": bytes(5_000, seed: 5)]) }),
        Workload(
            name: "rm",
            prepare: { try $0.write([.put(key("a"), bytes(5_000, seed: 1)), .put(key("b"), bytes(10, seed: 2))]) },
            run: { try $0.write([.remove(key("a"))]) }),
        Workload(
            name: "degraded put",
            prepare: { model in
                try model.write([.put(key("a"), bytes(5_000, seed: 1))])
                model.setAbsent("disk-2")
                model.setAbsent("disk-4")
            }, run: { try $0.write([.put(key("b"), bytes(9_000, seed: 3))]) }),
        Workload(
            name: "repair",
            prepare: { model in
                try model.write([.put(key("a"), bytes(9_000, seed: 1)), .put(key("b"), bytes(100, seed: 2))])
                for disk in ["disk-1", "disk-2"] { model.setAbsent(disk) }
                try model.write([.put(key("c"), bytes(4_000, seed: 3))])
                try model.write([.put(key("d"), bytes(70, seed: 4))])
                for disk in ["disk-1", "disk-2"] { model.setPresent(disk) }
            }, run: { try $0.repairInPlace() }),
        Workload(
            name: "scrub --repair",
            prepare: { model in
                try model.write([.put(key("a"), bytes(9_000, seed: 1)), .put(key("b"), bytes(100, seed: 2))])
                for _ in 0..<3 { model.rot("disk-2") }
            }, run: { _ = try $0.repairAll() }),
        Workload(
            name: "repair of places inside shards",
            prepare: { model in
                // Four cells a shard: one is damaged here, two there.
                try model.write([.put(key("a"), bytes(500_000, seed: 1))])
                try model.write([.put(key("b"), [1])])
                model.damageCells([("disk-2", 1), ("disk-4", 0), ("disk-4", 3)])
            }, run: { _ = try $0.repairAll() }),
        Workload(
            name: "device replace and repair",
            prepare: { model in
                try model.write([.put(key("a"), bytes(9_000, seed: 1)), .put(key("b"), bytes(100, seed: 2))])
                model.wipe("disk-3")
            }, run: { _ = try $0.repairAll() }),
        Workload(
            name: "configuration change while another device is away",
            prepare: { model in
                try model.write([.put(key("a"), bytes(6_000, seed: 1))])
                model.wipe("disk-3")
                model.setAbsent("disk-5")
            },
            run: { model in
                model.replace("disk-3")
                model.setPresent("disk-5")
                try model.check()
            }),
        Workload(
            name: "index rebuild",
            prepare: { model in
                try model.write([.put(key("a"), bytes(9_000, seed: 1))])
                try model.write([.put(key("a"), bytes(9_500, seed: 2)), .remove(key("a"))])
                try model.write([.put(key("b"), bytes(300, seed: 3))])
            },
            run: { model in
                try model.rebuildIndex()
                try model.write([.put(key("c"), bytes(1_000, seed: 3))])
            }),
        Workload(
            name: "a lost index and a put",
            prepare: { model in
                try model.write([.put(key("a"), bytes(9_000, seed: 1))])
                try model.write([.put(key("a"), bytes(9_500, seed: 2)), .remove(key("a"))])
                model.closeStore()
                model.world.state.index = nil
            }, run: { try $0.write([.put(key("b"), bytes(1_000, seed: 3))]) }),
        Workload(
            name: "catching up of a device that was away",
            prepare: { model in
                try model.write([.put(key("a"), bytes(9_000, seed: 1)), .put(key("gone"), [1])])
                model.setAbsent("disk-3")
                try model.write([.put(key("a"), bytes(9_000, seed: 2)), .remove(key("gone"))])
                try model.write([.put(key("b"), bytes(2_000, seed: 3))])
                model.setPresent("disk-3")
            },
            run: { model in
                try model.check()
                try model.repairInPlace()
                try model.write([.put(key("c"), bytes(500, seed: 4))])
            }),
        Workload(
            name: "a commit in doubt and the devices' return", prepare: doubt,
            run: { model in
                takeDoubtfulDevices(from: model)
                try model.expectDoubt()
                bringAllBack(model)
                try model.write([.put(key("c"), bytes(700, seed: 4))])
            }, afterwards: { bringAllBack($0) }),
        Workload(
            name: "abandoning a commit in doubt", prepare: doubt,
            run: { model in
                takeDoubtfulDevices(from: model)
                try model.abandon([key("b")])
                bringAllBack(model)
                try model.write([.put(key("c"), bytes(700, seed: 4))])
            }, afterwards: { bringAllBack($0) }),
        Workload(
            name: "two homes of one store",
            prepare: { model in
                try model.write([.put(key("a"), bytes(5_000, seed: 1))])
                model.changeHome()
                try model.write([.put(key("b"), bytes(5_000, seed: 2))])
                model.changeHome()
            },
            run: { model in
                try model.write([.put(key("a"), bytes(6_000, seed: 3))])
                model.changeHome()
                try model.write([.put(key("b"), bytes(100, seed: 4)), .remove(key("a"))])
                model.changeHome()
                try model.write([.put(key("c"), bytes(3_000, seed: 5))])
            }),
        Workload(
            name: "prune",
            prepare: { model in
                try model.write([.put(key("a"), bytes(5_000, seed: 1)), .put(key("b"), bytes(300, seed: 2))])
                try model.write([.put(key("a"), bytes(600, seed: 3)), .put(key("b"), bytes(200, seed: 4))])
                try model.write([.put(key("a"), bytes(400, seed: 5)), .remove(key("b"))])
            },
            run: { model in
                try model.prune(keepLast: 2)
                try model.prune(keepLast: 0)
            }),
        Workload(
            name: "reshape to more parity",
            prepare: { try $0.write([.put(key("a"), bytes(9_000, seed: 1))]) },
            run: { try $0.reshape(to: Profile("rs:2+3")) },
            afterwards: { model in
                try model.expectNothingOwed()
                try model.requireReshape(to: Profile("rs:2+3"))
            }),
        Workload(
            name: "reshape to local parities",
            prepare: { try $0.write([.put(key("a"), bytes(9_000, seed: 1))]) },
            run: { try $0.reshape(to: Profile("lrc:2+2+1")) },
            afterwards: { model in
                try model.expectNothingOwed()
                try model.requireReshape(to: Profile("lrc:2+2+1"))
            }),
        Workload(
            name: "reshape that was cut off, once more",
            prepare: { model in
                try model.write([.put(key("a"), bytes(9_000, seed: 1))])
                model.world.resetSteps()
                model.world.crashAtStep = 50
                try model.reshape(to: Profile("lrc:2+2+1"))
                model.crash(.keepAll)
            },
            run: { try $0.reshape(to: Profile("lrc:2+2+1")) },
            afterwards: { model in
                try model.expectNothingOwed()
                try model.requireReshape(to: Profile("lrc:2+2+1"))
            }),
        Workload(
            name: "reshape back to rs, and to less",
            prepare: { model in
                try model.write([.put(key("a"), bytes(9_000, seed: 1))])
                try model.requireReshape(to: Profile("lrc:2+2+1"))
            },
            run: { try $0.reshape(to: Profile("rs:2+1")) },
            afterwards: { model in
                try model.expectNothingOwed()
                try model.requireReshape(to: Profile("rs:2+1"))
            }),
        Workload(
            name: "mv and cp",
            prepare: { model in
                try model.write([.put(key("a"), bytes(30_000, seed: 1)), .put(key("b"), bytes(700, seed: 2))])
            },
            run: { model in
                try model.write([.move(key("a"), key("c")), .copy(key("b"), key("d"))])
                try model.write([.move(key("c"), key("b"))])
            }),
        Workload(
            name: "purge and restore",
            prepare: { model in
                try model.write([.put(key("a"), bytes(9_000, seed: 1)), .put(key("b"), bytes(300, seed: 2))])
                try model.write([.put(key("a"), bytes(9_500, seed: 3))])
                try model.write([.put(key("a"), bytes(400, seed: 4)), .remove(key("b"))])
                try model.watch([key("a"), key("b")])
            },
            run: { model in
                // One in the middle, the newest, the delete marker; then the oldest comes back.
                try model.purge(key("a"), age: 1)
                try model.purge(key("a"), age: 0)
                try model.purge(key("b"), age: 0)
                try model.restore(key("a"), age: 0)
            }),
        Workload(
            name: "puts on conditions",
            prepare: { try $0.write([.put(key("a"), bytes(5_000, seed: 1))]) },
            run: { model in
                try model.putIfAbsent(key("b"), bytes(3_000, seed: 2), bytes(200, seed: 3))
                try model.putIfUnchanged(key("a"), bytes(6_000, seed: 4))
                try model.putIfAbsent(key("a"), [1], [2])
            }),
        Workload(
            name: "collect --full after deletes and purges",
            prepare: { model in
                try model.write([.put(key("a"), bytes(9_000, seed: 1)), .put(key("b"), bytes(300, seed: 2))])
                try model.write([.put(key("a"), bytes(7_000, seed: 3)), .put(key("c"), bytes(5_000, seed: 4))])
                try model.write([.remove(key("b"))])
                try model.watch([key("a"), key("b"), key("c")])
                try model.purge(key("a"), age: 1)
                try model.purge(key("b"), age: 1)
            },
            run: { model in
                try model.collect(isFull: true)
                try model.write([.put(key("d"), bytes(5_000, seed: 4))])
                try model.purge(key("b"), age: 0)
                try model.collect(isFull: true)
            }),
        Workload(
            name: "collect among blocks that stay", largestShardBytes: 16 << 10,
            prepare: { model in
                // One commit of two blocks. The second is garbage later; it has the commit's record, and stays for the first.
                try model.write([.put(key("a"), bytes(40_000, seed: 1)), .put(key("b"), bytes(20_000, seed: 2))])
                try model.write([.put(key("b"), bytes(100, seed: 3))])
                try model.watch([key("a"), key("b")])
                try model.purge(key("b"), age: 1)
            },
            run: { model in
                try model.collect(isFull: true)
                try model.rebuildIndex()
            }),
        Workload(
            name: "collect while another process puts what is garbage",
            prepare: { model in
                for (name, seed) in [("a", 1), ("a", 2), ("b", 3), ("b", 4)] as [(String, UInt64)] {
                    try model.write([.put(key(name), bytes(6_000, seed: seed))])
                }
                try model.watch([key("a"), key("b")])
                try model.purge(key("a"), age: 1)
                try model.purge(key("b"), age: 1)
            },
            run: { try $0.collect(isFull: true, meanwhile: (key("c"), bytes(6_000, seed: 3))) }),
        Workload(
            name: "collect while a device is away",
            prepare: { model in
                try model.write([.put(key("a"), bytes(9_000, seed: 1)), .put(key("b"), bytes(300, seed: 2))])
                try model.write([.put(key("a"), bytes(7_000, seed: 3))])
                try model.watch([key("a"), key("b")])
                try model.purge(key("a"), age: 1)
                model.setAbsent("disk-2")
            },
            run: { model in
                try model.collect(isFull: true)
                model.setPresent("disk-2")
                try model.repairInPlace()
                try model.collect(isFull: true)
            }, afterwards: { bringAllBack($0) }),
    ]

    /// Those whose names begin with one of these.
    static func named(_ beginnings: String...) -> [Workload] {
        all.filter { workload in beginnings.contains { workload.name.hasPrefix($0) } }
    }

    static func key(_ text: String) throws -> Key { try Key(text) }

    static func bytes(_ count: Int, seed: UInt64) -> [UInt8] { SeededRandom.bytes(count, seed: seed) }

    /// A put acknowledged with three shards, of which two will be on devices that cannot be asked.
    @Sendable private static func doubt(_ model: StoreModel) throws {
        try model.write([.put(key("a"), bytes(5_000, seed: 1))])
        model.setAbsent("disk-4")
        model.setAbsent("disk-5")
        try model.write([.put(key("b"), bytes(6_000, seed: 2))])
    }

    private static func takeDoubtfulDevices(from model: StoreModel) {
        for disk in ["disk-4", "disk-5"] { model.setPresent(disk) }
        for disk in ["disk-2", "disk-3"] { model.setAbsent(disk) }
        // Who still had the index would know that it was acknowledged.
        model.world.state.index = nil
    }

    @Sendable private static func bringAllBack(_ model: StoreModel) {
        for disk in model.world.state.absent.sorted() { model.setPresent(disk) }
    }
}
