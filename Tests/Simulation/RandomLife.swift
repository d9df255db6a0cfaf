@testable import BlockStore

/// One life of a store, from one seed.
enum RandomLife {
    static func run(seed: UInt64, steps: Int = 30) throws -> UInt64 {
        let model = try StoreModel(seed: seed, devices: 5, profile: "rs:2+2")
        let world = model.world
        let keys = try (0..<8).map { try Key("key-\($0)") }
        let disks = world.state.disks.keys.sorted()
        func pick<Value>(_ values: [Value]) -> Value { values[Int(world.random.next() % UInt64(values.count))] }
        var old = world.state
        do {
            for step in 0..<steps {
                // Half of the steps end in a power cut somewhere on the way.
                let crashes = world.random.next() % 2 == 0
                if crashes { world.crashAtStep = world.steps + 1 + Int(world.random.next() % 60) }
                switch world.random.next() % 12 {
                case 0...4:
                    try model.write([.put(pick(keys), model.randomContent())])
                case 5:
                    try model.write((0..<4).map { _ in .put(pick(keys), model.randomContent()) })
                case 6:
                    if let key = model.keys.first { try model.write([.remove(key)]) }
                case 7:
                    let disk = pick(disks)
                    if model.mayHit(disk) { model.setAbsent(disk) }
                case 8:
                    let disk = pick(disks)
                    if world.state.absent.contains(disk) { model.setPresent(disk) }
                case 9:
                    let disk = pick(disks)
                    if model.mayHit(disk) {
                        switch world.random.next() % 3 {
                        case 0: model.wipe(disk)
                        case 1: model.rot(disk)
                        default: model.rollBack(disk, to: old)
                        }
                    }
                case 10:
                    model.damageIndex()
                default:
                    _ = try model.repairAll()
                }
                if world.isCrashed {
                    model.crash(pick([.loseAllUnsynced, .keepAll, .torn, .random, .random]))
                } else {
                    world.crashAtStep = nil
                }
                try model.check()
                if step % 10 == 5 { old = world.state }
            }
            return world.traceHash
        } catch let broken as BrokenPromise {
            throw BrokenPromise(
                description: "seed \(seed): \(broken)\nwhat happened:\n  " + model.log.joined(separator: "\n  "))
        }
    }
}
