@testable import BlockStore

/// What must not happen to a store over nodes, each small and made by hand. Four nodes with `rs:2+2`.
enum NodeAccidents {
    static func all() throws {
        try whatListingsLackIsLookedForByName()
        try aWriteThatArrivesLateBringsNothingBack()
        try whatIsGarbledOnTheWayIsReadElsewhere()
        try whatLingersIsMadeFromTheOthers()
    }

    private static let nodes = ["disk-1", "disk-2", "disk-3", "disk-4"]

    private static func expect(_ condition: Bool, _ promise: String) throws {
        guard condition else { throw BrokenPromise(description: promise) }
    }

    private static func model() throws -> StoreModel {
        let model = try StoreModel(seed: 31, devices: 4, profile: "rs:2+2", nodes: Set(nodes))
        try expect(
            try model.write([.put(Key("a"), SeededRandom.bytes(20_000, seed: 1))]),
            "a put on healthy nodes is acknowledged")
        model.closeStore()
        return model
    }

    /// The listings of all nodes but one lack the newest shards, and there is no index.
    static func whatListingsLackIsLookedForByName() throws {
        let model = try model()
        try model.write([.put(Key("b"), SeededRandom.bytes(5_000, seed: 2))])
        model.closeStore()
        model.world.state.index = nil
        for node in nodes.dropLast() { model.world.nodeFaults[node] = .stale }
        try model.check()
        try expect(model.contents[try Key("b")] != nil, "what was acknowledged is there")
    }

    /// Two nodes do what they are asked long after nobody waits for it, from any call of a put on.
    static func aWriteThatArrivesLateBringsNothingBack() throws {
        let base = try model()
        let whole = try base.fork(seed: 3)
        try whole.write([.put(Key("b"), SeededRandom.bytes(5_000, seed: 2))])
        for call in 1...whole.world.calls {
            let model = try base.fork(seed: UInt64(call))
            for node in nodes.prefix(2) { model.world.nodeFaults[node] = .late }
            model.world.faultsFromCall = call
            let isDone = try model.write([.put(Key("b"), SeededRandom.bytes(5_000, seed: 2))])
            model.world.endFaults()
            model.closeStore()
            try model.write([.put(Key("c"), SeededRandom.bytes(3_000, seed: 4))])
            model.closeStore()
            model.world.land { true }
            if model.world.random.next() % 2 == 0 { model.world.state.index = nil }
            try model.check()
            try expect((model.contents[try Key("b")] != nil) == isDone, "what was refused stays away, call \(call)")
            try expect(model.contents[try Key("c")] != nil, "what was put afterwards is there, call \(call)")
        }
    }

    static func whatIsGarbledOnTheWayIsReadElsewhere() throws {
        let model = try model()
        for node in nodes.prefix(2) { model.world.nodeFaults[node] = .garbled }
        for _ in 0..<8 { try model.check() }
    }

    /// Those with the data take their time: what they have is made from the others, and nobody is called damaged.
    static func whatLingersIsMadeFromTheOthers() throws {
        let model = try model()
        for node in nodes.prefix(2) { model.world.nodeFaults[node] = .lingering }
        var rerouted: UInt64 = 0
        let store = try Store.open(model.world.environment, access: .read)
        defer { store.close() }
        for _ in 0..<8 {
            let sink = MemorySink()
            let report = try store.read(try store.newestVersion(of: Key("a")), into: sink)
            try expect(sink.bytes == model.contents[try Key("a")], "what comes in a roundabout way is the same")
            try expect(report.damaged.isEmpty && report.rebuiltBytes == 0, "late is no damage")
            rerouted += report.reroutedBytes
        }
        try expect(rerouted > 0, "nobody waits for what others have")
    }
}
