import Chunker
import Erasure

extension Configuration {
    /// The record body, which is also the canonical form whose SHA-256 stands in the JSON copies.
    func encode(into writer: inout ByteWriter) {
        writer.append(number)
        writer.append(storeID)
        writer.append(profile.encoded)
        writer.append(chunker.algorithm)
        writer.append(UInt16(isSandbox ? 1 : 0))
        writer.append(UInt32(chunker.minimumBytes))
        writer.append(UInt32(chunker.averageBytes))
        writer.append(UInt32(chunker.maximumBytes))
        writer.append(chunker.seed)
        writer.append(UInt32(devices.count))
        for device in devices {
            writer.append(device.id)
            writer.append(device.weight)
            writer.append(device.state.rawValue)
            writer.zeros(3)
            for text in [device.label, device.domain] {
                writer.append(UInt16(text.utf8.count))
                writer.append(Array(text.utf8))
            }
        }
    }

    init(from cursor: inout ByteCursor) throws(FormatError) {
        let what = "configuration"
        number = try cursor.next(UInt64.self, what)
        storeID = try cursor.next(StoreID.self, what)
        profile = try cursor.nextProfile()
        let algorithm = try cursor.next(UInt16.self, what)
        let flags = try cursor.next(UInt16.self, what)
        let minimum = try cursor.next(UInt32.self, what)
        let average = try cursor.next(UInt32.self, what)
        let maximum = try cursor.next(UInt32.self, what)
        let seed = try cursor.next(UInt64.self, what)
        guard flags <= 1 else { throw .unsupported("configuration flags \(flags)") }
        isSandbox = flags == 1
        do throws(ChunkSizesError) {
            chunker = try ChunkerParameters(
                algorithm: algorithm, minimumBytes: Int(minimum), averageBytes: Int(average),
                maximumBytes: Int(maximum), seed: seed)
        } catch {
            throw .invalid("\(what): \(error.description)")
        }
        var devices: [Device] = []
        for _ in 0..<(try cursor.nextCount("devices", maximum: Limits.devices)) {
            let id = try cursor.next(DeviceID.self, what)
            let weight = try cursor.next(UInt32.self, what)
            let state = try cursor.next(UInt8.self, what)
            try cursor.zeros(3, "configuration's reserved room")
            let label = try cursor.nextText(what)
            let domain = try cursor.nextText(what)
            guard let state = Device.State(rawValue: state) else { throw .unsupported("device state \(state)") }
            devices.append(Device(id: id, label: label, domain: domain, weight: weight, state: state))
        }
        self.devices = devices
        try validate()
    }

    /// What every configuration must satisfy, wherever it comes from.
    func validate() throws(FormatError) {
        guard number <= CommitNumber.maximum else {
            throw .tooLong("configuration number", number, maximum: CommitNumber.maximum)
        }
        guard devices.count <= Limits.devices else { throw .invalid("configuration: too many devices") }
        guard Set(devices.map(\.id)).count == devices.count else { throw .invalid("configuration: a device twice") }
        let present = devices.filter { $0.state != .removed }
        guard Set(present.map(\.label)).count == present.count else { throw .invalid("configuration: a label twice") }
        for device in devices {
            guard (1...Limits.labelBytes).contains(device.label.utf8.count),
                (1...Limits.labelBytes).contains(device.domain.utf8.count), device.weight >= 1
            else { throw .invalid("configuration: device \(device.label)") }
        }
    }

    /// The canonical bytes.
    var canonicalBytes: [UInt8] {
        var writer = ByteWriter()
        encode(into: &writer)
        return writer.bytes
    }
}

extension ByteCursor {
    fileprivate mutating func nextText(_ what: String) throws(FormatError) -> String {
        let count = Int(try next(UInt16.self, what))
        let bytes = try next(bytes: count, what)
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .invalid("\(what): text") }
        return text
    }
}
