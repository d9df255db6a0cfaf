import Erasure

/// How much a set of shards protects a block. "Enough" always means rows that span the data, not a
/// count. Pure functions over values.
enum Protection {
    /// Whether `rows` are enough to read a block of `columns` with `payloadBytes` of payload.
    ///
    /// A block without payload is read from any one shard: its table of contents is all there is.
    static func isReadable(_ rows: some Collection<Row>, columns: Range<Int>, payloadBytes: Int) -> Bool {
        payloadBytes == 0 ? !rows.isEmpty : spans(rows, columns: columns)
    }

    /// How many shards can be lost from `rows`, whichever they are, with the block still readable; −1 when it is not
    /// readable now. Where trying all losses would take too long, perhaps fewer than could.
    static func lossesSurvived(_ rows: some Collection<Row>, columns: Range<Int>, payloadBytes: Int) -> Int {
        guard isReadable(rows, columns: columns, payloadBytes: payloadBytes) else { return -1 }
        if payloadBytes == 0 { return rows.count - 1 }
        return Erasure.lossesSurvived(rows, columns: columns)
    }

    /// Whether a block, coded by `profile` and acknowledged with no fewer than `leastShards`, can have been acknowledged
    /// where `named` are the rows that were found and so many others may be hidden.
    ///
    /// An acknowledged block can be read, so what the rows found lack of spanning the data must be hidden. Each hidden row
    /// may add one dimension: rows of a profile complete any others.
    static func mayBeAcknowledged(
        _ named: some Collection<Row>, hidden: Int, profile: Profile, leastShards: Int
    ) -> Bool {
        guard named.count + hidden >= leastShards else { return false }
        // With fewer than k + 1 it is a block without payload, which is read from any one shard.
        guard leastShards > profile.dataShards else { return true }
        return rank(of: named, columns: profile.columns) + hidden >= profile.dataShards
    }

    /// One place for each row, on as many distinct devices as a look at the rows with the fewest places first finds: what
    /// stands together on one device is lost together.
    static func distinctPlaces(_ places: [Row: [DeviceID]]) -> [Row: DeviceID] {
        var chosen: [Row: DeviceID] = [:]
        var taken: Set<DeviceID> = []
        for (row, devices) in places.sorted(by: { ($0.value.count, $0.key) < ($1.value.count, $1.key) }) {
            guard let device = devices.first(where: { !taken.contains($0) }) ?? devices.first else { continue }
            chosen[row] = device
            taken.insert(device)
        }
        return chosen
    }

    /// Rows that count: the first of those that stand on one device.
    static func onDistinctDevices(_ rows: [Row: DeviceID]) -> [Row: DeviceID] {
        if Mutant.isActive(.rowsTogetherCounted) { return rows }
        var taken: Set<DeviceID> = []
        return rows.sorted { $0.key < $1.key }.reduce(into: [:]) { result, place in
            if taken.insert(place.value).inserted { result[place.key] = place.value }
        }
    }
}

/// Answers `Protection.lossesSurvived` for many blocks. Most lack the same few sets of rows, and with local parities the
/// answer is found by trying. Use from one thread.
struct SurvivalTable {
    private struct Shape: Hashable {
        let rows: Set<Row>
        let columns: Range<Int>
        let hasPayload: Bool
    }

    private var known: [Shape: Int] = [:]

    mutating func lossesSurvived(_ rows: some Collection<Row>, columns: Range<Int>, payloadBytes: Int) -> Int {
        let shape = Shape(rows: Set(rows), columns: columns, hasPayload: payloadBytes > 0)
        if let losses = known[shape] { return losses }
        let losses = Protection.lossesSurvived(rows, columns: columns, payloadBytes: payloadBytes)
        known[shape] = losses
        return losses
    }
}
