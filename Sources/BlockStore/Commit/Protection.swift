import Erasure

/// How much a set of shards protects a block. "Enough" always means rows that span the data, not a
/// count. Pure functions over values.
enum Protection {
    /// Whether `rows` are enough to read a block of `columns` with `payloadBytes` of payload.
    ///
    /// A block without payload is read from any one shard: its table of contents is all there is.
    static func isReadable(_ rows: some Collection<Row>, columns: Range<Int>, payloadBytes: Int) -> Bool {
        payloadBytes == 0 ? !rows.isEmpty : spans(Array(rows), columns: columns)
    }

    /// The largest number of shards that can be lost from `rows`, whichever they are, with the
    /// block still readable; −1 when it is not readable now.
    static func lossesSurvived(_ rows: some Collection<Row>, columns: Range<Int>, payloadBytes: Int) -> Int {
        guard isReadable(rows, columns: columns, payloadBytes: payloadBytes) else { return -1 }
        if payloadBytes == 0 { return rows.count - 1 }
        // The matrix is MDS: rows over all columns are interchangeable.
        let isMDS = rows.allSatisfy { row in
            switch row {
            case .data: true
            case .parity(_, let span): span == columns
            }
        }
        if isMDS { return rows.count - columns.count }
        let rows = Array(rows)
        var losses = 0
        while losses < rows.count, survivesEvery(losses + 1, of: rows, columns: columns) { losses += 1 }
        return losses
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

    private static func survivesEvery(_ losses: Int, of rows: [Row], columns: Range<Int>) -> Bool {
        var lost = Array(0..<losses)
        while true {
            let left = rows.indices.filter { !lost.contains($0) }.map { rows[$0] }
            guard spans(left, columns: columns) else { return false }
            guard let next = lost.indices.last(where: { lost[$0] < rows.count - losses + $0 }) else { return true }
            lost[next] += 1
            for following in (next + 1)..<losses { lost[following] = lost[following - 1] + 1 }
        }
    }
}
