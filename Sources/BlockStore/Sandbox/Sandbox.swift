import Glibc

/// What a simulated loss or decay did.
public struct SandboxReport: Sendable {
    /// What was destroyed, in words: labels of devices, or shards with byte and bit.
    public var damage: [String] = []
}

/// Bits that are to flip, chosen but not yet flipped.
public struct BitRotPlan: Sendable {
    struct Flip: Sendable, Hashable {
        let device: DeviceID
        let shard: ShardName
        let offset: Int
        let bit: Int
    }

    let flips: [Flip]

    /// The shards that would be damaged, for `Store.forecast(losing:and:)`.
    public var shards: Set<ShardName> { Set(flips.map(\.shard)) }
}

extension Store {
    /// Destroys the shards and the identity of these devices, as if the disks had died.
    ///
    /// The caller decides whether that is allowed, and closes the store afterwards.
    /// - Throws: `.notFound` when a device is not there: then nothing is destroyed.
    public func destroyDevices(_ ids: [DeviceID]) throws(StoreError) -> SandboxReport {
        let places = try places(toDestroy: ids)
        for (_, path) in places {
            try explaining("destroy the device", at: path) { () throws(SystemError) in
                let root = try Files.open(Array(path.utf8), O_RDONLY | O_DIRECTORY)
                for name in ["blocks", "tmp"] { try Files.removeTree(Array(name.utf8), in: root) }
                for name in [DocumentName.device, .epoch] { try Files.remove(Array(name.rawValue.utf8), in: root) }
                try Files.sync(root)
            }
        }
        return SandboxReport(damage: places.map(\.label))
    }

    /// What `destroyDevices` would destroy. Changes nothing.
    ///
    /// - Throws: as that does.
    public func planLoss(_ ids: [DeviceID]) throws(StoreError) -> SandboxReport {
        SandboxReport(damage: try places(toDestroy: ids).map(\.label))
    }

    private func places(toDestroy ids: [DeviceID]) throws(StoreError) -> [(label: String, path: String)] {
        var places: [(label: String, path: String)] = []
        for id in ids {
            guard let member = engine.devices[id], member.device != nil, let path = member.path else {
                throw StoreError(.notFound, "destroy device \(engine.devices.label(id))", detail: "it is not there")
            }
            places.append((member.configured.label, path))
        }
        return places
    }

    /// Chooses `count` different bits in random shards on the devices in service.
    ///
    /// - Throws: `.notFound` when there are not so many bits.
    public func planBitRot(count: Int, random: any RandomSource) throws(StoreError) -> BitRotPlan {
        var shards: [(device: DeviceID, shard: ShardName, byteCount: Int)] = []
        for id in engine.devices.inService {
            guard let device = engine.devices.device(id) else { continue }
            for shard in try device.shards(from: .none) {
                if let byteCount = try device.byteCount(of: shard), byteCount > 0 {
                    shards.append((id, shard, byteCount))
                }
            }
        }
        // Half of all bits at most: random choice then finds new ones quickly.
        guard count <= shards.reduce(0, { $0 + $1.byteCount * 4 }) else {
            throw StoreError(
                .notFound, "flip \(Count.text(count, "bit"))",
                detail:
                    "the \(Count.text(shards.count, "shard")) in service \(shards.count == 1 ? "has" : "have") not enough"
            )
        }
        var chosen: Set<BitRotPlan.Flip> = []
        var flips: [BitRotPlan.Flip] = []
        while flips.count < count {
            let target = shards[Int(random.next() % UInt64(shards.count))]
            let flip = BitRotPlan.Flip(
                device: target.device, shard: target.shard, offset: Int(random.next() % UInt64(target.byteCount)),
                bit: Int(random.next() % 8))
            if chosen.insert(flip).inserted { flips.append(flip) }
        }
        return BitRotPlan(flips: flips)
    }

    /// Flips the bits of `plan`, behind the store's back. The caller decides whether that is allowed.
    public func rotBits(_ plan: BitRotPlan) throws(StoreError) -> SandboxReport {
        for flip in plan.flips {
            guard let path = engine.devices[flip.device]?.path else { continue }
            let file = "\(path)/blocks/\(flip.shard.directoryName)/\(flip.shard.fileName)"
            try explaining("damage a shard", at: file) { () throws(SystemError) in
                try Files.flip(bit: flip.bit, at: flip.offset, in: try Files.open(Array(file.utf8), O_RDWR))
            }
        }
        return report(of: plan)
    }

    /// What `rotBits` flips, in words.
    public func report(of plan: BitRotPlan) -> SandboxReport {
        SandboxReport(
            damage: plan.flips.map { flip in
                "\(flip.shard) on \(engine.devices.label(flip.device)): byte \(flip.offset), bit \(flip.bit)"
            })
    }
}
