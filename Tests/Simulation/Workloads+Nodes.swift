@testable import BlockStore

extension Workload {
    /// Three of the five devices are nodes: what was on its way to one when the power went is done, or not, or some time later.
    static let overNodes: [Workload] = [
        Workload(
            name: "puts over nodes", largestShardBytes: 4096, nodes: nodes,
            prepare: { try $0.write([.put(key("a"), bytes(5_000, seed: 1))]) },
            run: { model in
                try model.write([.put(key("a"), bytes(30_000, seed: 2)), .put(key("b"), bytes(100, seed: 3))])
                try model.write([.remove(key("b"))])
            }),
        Workload(
            name: "a repair over nodes", nodes: nodes,
            prepare: { model in
                try model.write([.put(key("a"), bytes(9_000, seed: 1)), .put(key("b"), bytes(100, seed: 2))])
                for disk in ["disk-1", "disk-3"] { model.setAbsent(disk) }
                try model.write([.put(key("c"), bytes(4_000, seed: 3))])
                try model.write([.put(key("d"), bytes(70, seed: 4))])
                for disk in ["disk-1", "disk-3"] { model.setPresent(disk) }
                model.rot("disk-2")
            }, run: { try $0.repairInPlace() }),
        Workload(
            name: "collect over nodes", nodes: nodes,
            prepare: { model in
                try model.write([.put(key("a"), bytes(9_000, seed: 1)), .put(key("b"), bytes(300, seed: 2))])
                try model.write([.put(key("a"), bytes(7_000, seed: 3)), .put(key("c"), bytes(5_000, seed: 4))])
                try model.purge(key("a"), age: 1)
            },
            run: { model in
                try model.collect(isFull: true)
                try model.write([.put(key("d"), bytes(5_000, seed: 4))])
            }),
    ]

    private static let nodes: Set<String> = ["disk-1", "disk-2", "disk-4"]
}
