@testable import BlockStore
import Erasure

// Profiles of single puts, and of blocks that are there, against what the store must survive.
extension StoreModel {
    /// Puts with another profile than the store's, of no less tolerance.
    func putStronger(_ key: Key, _ content: [UInt8]) throws {
        let devices = world.state.disks.count
        let choices = try ["rs:1+2", "rs:2+2", "rs:1+3", "rs:2+3", "rs:3+3", "lrc:2+2+1", "lrc:4+2+1"].map {
            try Profile($0)
        }
        .filter { $0.shardCount <= devices && $0.tolerance >= tolerance }
        guard !choices.isEmpty else { return }
        let profile = world.random.pick(choices)
        note("put \(key) (\(content.count) bytes) with \(profile)")
        // From now on some block may have it, acknowledged or not.
        profiles.insert(profile)
        try perform([.put(key, content)]) { () throws(StoreError) in
            let session = try openStore().startWriting(profile: profile)
            try session.put(key, from: MemorySource(content))
            return try session.finish()
        }
    }

    /// Reshapes to some profile that the faults there are allow: most times with as many data shards as the store's.
    func reshapeSomewhere() throws {
        guard let now = attempt("look", { store throws(StoreError) in store.configuration.profile }) else { return }
        let devices = world.state.disks.count
        let all = try [
            "rs:1+1", "rs:1+2", "rs:1+3", "rs:2+1", "rs:2+2", "rs:2+3", "lrc:2+2+1", "rs:3+1", "rs:3+2", "rs:3+3",
            "lrc:3+3+1", "rs:4+1", "rs:4+2", "rs:4+3", "lrc:4+2+1", "lrc:4+2+2", "rs:6+2", "rs:6+3", "lrc:6+3+1",
            "lrc:6+2+1",
        ].map { try Profile($0) }.filter {
            $0.shardCount <= devices && $0.tolerance >= faulty.count
        }
        let inPlace = all.filter { $0.dataShards == now.dataShards }
        let choices = world.random.next() % 3 == 0 ? all : inPlace
        guard !choices.isEmpty else { return }
        try reshape(to: world.random.pick(choices))
    }

    /// Whether every block that can have the profile has it now.
    @discardableResult
    func reshape(to profile: Profile) throws -> Bool {
        // In between some blocks have one, some the other, and new ones have it anyway.
        if !world.isCrashed { profiles.insert(profile) }
        let found = attempt("reshape to \(profile)") { store throws(StoreError) in try store.reshape(to: profile) }
        guard !world.isCrashed else { return false }
        noteFailedDevices()
        guard let report = found else { return false }
        note(
            "… \(report.blocks) blocks, \(report.writtenShards) shards, \(report.removedShards) removed, \(report.left) left, "
                + "\(report.leftoverShards) left over \(report.problems)\(report.debt ?? "")")
        guard report.isComplete else { return false }
        profiles = [profile]
        if faulty.isEmpty { try expectShards(of: profile) }
        return true
    }

    /// A reshape with nothing in the way gives every block the profile.
    func requireReshape(to profile: Profile) throws {
        if try reshape(to: profile) || world.isCrashed { return }
        throw BrokenPromise(description: "what can be reshaped is not: \(log.last ?? "")")
    }

    /// Each block stands in all rows of its profile: no reshape, however it ended, owes anything.
    func expectNothingOwed() throws {
        guard let status = attempt("status", { store throws(StoreError) in try store.status() }) else {
            if world.isCrashed { return }
            throw BrokenPromise(description: "there is no status: \(log.last ?? "")")
        }
        guard status.owedShards == 0 || isIndexBehindRepair else {
            throw BrokenPromise(description: "\(status.owedShards) shards are owed after a reshape, however it ended")
        }
    }

    private func expectShards(of profile: Profile) throws {
        try expectNothingOwed()
        guard let status = attempt("status", { store throws(StoreError) in try store.status() }) else { return }
        let others = status.profiles.map(\.profile).filter { $0 != profile }
        guard status.profile == profile, others.isEmpty, status.shardsBeyondProfiles == 0 else {
            throw BrokenPromise(
                description:
                    "after a reshape to \(profile) there are blocks of \(others), new ones have \(status.profile), and "
                    + "\(status.shardsBeyondProfiles) shards are left over")
        }
    }
}
