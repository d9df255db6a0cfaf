import BlockStore
import Glibc

/// When it was first noticed that a device is out of service, or that shards are owed: what no shard tells, and a person asks.
///
/// A file in the home, `noticed`, one line for each: seconds since 1970, a space, and what. For people alone: nothing rests on
/// it, it may be deleted, and that it cannot be written is no failure. In a store that is well there is none.
struct Noticed {
    private static let debt = "owed"
    /// Far more than any store has to tell.
    private static let maximumBytes = 1 << 16

    private var seconds: [String: Int64] = [:]

    /// Since when shards are owed.
    var owedSince: Int64? { seconds[Self.debt] }

    func outSince(_ id: DeviceID) -> Int64? { seconds[id.description] }

    /// Before a command writes.
    static func note(devices: [DeviceInfo], home: String) {
        let old = Noticed(home)
        var new = old
        new.set(devices)
        if new.seconds != old.seconds { new.save(home) }
    }

    static func noteDebt(home: String) {
        var noticed = Noticed(home)
        guard noticed.owedSince == nil else { return }
        noticed.seconds[debt] = now
        noticed.save(home)
    }

    /// What is known, brought level with `status`.
    static func update(_ status: StoreStatus, _ invocation: Invocation) -> Noticed {
        guard let home = try? Opening.home(invocation) else { return Noticed() }
        let old = Noticed(home)
        var new = old
        new.set(status.devices)
        new.seconds[debt] = status.owedShards > 0 ? old.owedSince ?? now : nil
        if new.seconds != old.seconds { new.save(home) }
        return new
    }

    private mutating func set(_ devices: [DeviceInfo]) {
        var new: [String: Int64] = [:]
        new[Self.debt] = seconds[Self.debt]
        for device in devices where !device.state.isInService {
            new[device.id.description] = outSince(device.id) ?? Self.now
        }
        seconds = new
    }

    private static var now: Int64 { SystemClock().wallNanoseconds() / 1_000_000_000 }

    private init() {}

    private init(_ home: String) {
        guard let file = fopen(home + "/noticed", "re") else { return }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: Self.maximumBytes)
        let count = fread(&bytes, 1, bytes.count, file)
        for line in String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: " ")
            if parts.count == 2, let time = Int64(parts[0]), (0...4_000_000_000).contains(time) {
                seconds[String(parts[1])] = time
            }
        }
    }

    private func save(_ home: String) {
        let path = home + "/noticed"
        guard !seconds.isEmpty else {
            unlink(path)
            return
        }
        let text = seconds.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)\n" }.joined()
        let bytes = Array(text.utf8)
        guard let file = fopen(path, "we") else { return }
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
    }
}
