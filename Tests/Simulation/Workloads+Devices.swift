@testable import BlockStore

extension Workload {
    /// Devices that come and go.
    static let moving: [Workload] = [
        Workload(
            name: "device add",
            prepare: { model in
                try model.write([.put(key("a"), bytes(9_000, seed: 1))])
                try model.write([.put(key("b"), bytes(100, seed: 2))])
                newDisk(model)
            },
            run: { $0.add("disk-6") },
            afterwards: { try require($0.add("disk-6"), "what was cut off can be added again") }),
        Workload(
            name: "device drain and remove",
            prepare: { model in
                newDisk(model)
                model.add("disk-6")
                try model.write([.put(key("a"), bytes(9_000, seed: 1))])
                try model.write([.put(key("b"), bytes(100, seed: 2))])
            }, run: { try drainAndRemove($0) },
            afterwards: { model in
                try drainAndRemove(model)
                try require(model.outsiders.contains("disk-2"), "a drain that was cut off can be run again")
            }),
        Workload(
            name: "a lost home",
            prepare: { model in
                try model.write([.put(key("a"), bytes(9_000, seed: 1))])
                try model.write([.put(key("b"), bytes(100, seed: 2)), .remove(key("a"))])
            }, run: { $0.recoverHome(from: ["disk-2", "disk-4"]) },
            afterwards: { try require($0.recoverHome(from: ["disk-3"]), "a home comes back from its devices") }),
    ]

    private static func newDisk(_ model: StoreModel) {
        model.closeStore()
        model.world.state.disks["disk-6"] = SimulatedDisk()
        model.outsiders.insert("disk-6")
    }

    /// What is safe to pull is pulled.
    private static func drainAndRemove(_ model: StoreModel) throws {
        try model.check()
        guard !model.outsiders.contains("disk-2"), try model.drain("disk-2") else { return }
        model.closeStore()
        model.world.state.absent.insert("disk-2")
        try model.check()
        model.remove("disk-2")
    }

    private static func require(_ condition: Bool, _ promise: String) throws {
        guard condition else { throw BrokenPromise(description: promise) }
    }
}
