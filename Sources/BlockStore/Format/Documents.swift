import Chunker
import Erasure
import FoundationEssentials

/// `device.json` (docs/format.md §9): which device this is, and a copy of the configuration.
struct DeviceDocument: Sendable, Hashable {
    let storeID: StoreID
    let deviceID: DeviceID
    let configuration: Configuration
    /// Where the devices were last found. Hints: identity decides.
    let paths: [DeviceID: String]

    func encode() -> [UInt8] {
        Document(storeID: storeID, deviceID: deviceID, configuration: configuration, paths: paths).encode()
    }

    static func parse(_ bytes: [UInt8], at place: String) throws(StoreError) -> DeviceDocument {
        let document = try Document.parse(bytes, "device.json", at: place)
        guard let deviceID = document.deviceID.flatMap({ DeviceID(hex: $0) }) else {
            throw Document.corrupt("device.json", place, "it names no device")
        }
        let (storeID, configuration, paths) = try document.common("device.json", place)
        return DeviceDocument(storeID: storeID, deviceID: deviceID, configuration: configuration, paths: paths)
    }
}

/// `store.json` in the home (docs/format.md §9).
///
/// Configuration number 0 means that `init` was not finished.
struct StoreDocument: Sendable, Hashable {
    let storeID: StoreID
    let configuration: Configuration
    let paths: [DeviceID: String]

    func encode() -> [UInt8] {
        Document(storeID: storeID, deviceID: nil, configuration: configuration, paths: paths).encode()
    }

    static func parse(_ bytes: [UInt8], at place: String) throws(StoreError) -> StoreDocument {
        let document = try Document.parse(bytes, "store.json", at: place)
        let (storeID, configuration, paths) = try document.common("store.json", place)
        return StoreDocument(storeID: storeID, configuration: configuration, paths: paths)
    }
}

/// `epoch.json` on a device (docs/format.md §9): the newest epoch that wrote there.
struct EpochDocument: Sendable, Hashable {
    let epoch: Epoch

    private struct JSON: Codable {
        let format: Int
        let counter: UInt64
        let writer: String
        let checksum: String
    }

    func encode() -> [UInt8] {
        Document.json(
            JSON(
                format: 1, counter: epoch.counter, writer: epoch.writer.description,
                checksum: Self.checksum(epoch.counter, epoch.writer)))
    }

    static func parse(_ bytes: [UInt8], at place: String) throws(StoreError) -> EpochDocument {
        let json = try Document.decode(JSON.self, bytes, "epoch.json", place)
        guard let writer = WriterID(hex: json.writer), json.counter <= CommitNumber.maximum,
            json.checksum == checksum(json.counter, writer)
        else { throw Document.corrupt("epoch.json", place, "it fails its checksum") }
        return EpochDocument(epoch: Epoch(counter: json.counter, writer: writer))
    }

    private static func checksum(_ counter: UInt64, _ writer: WriterID) -> String {
        Document.checksum(["epoch", String(counter), writer.description])
    }
}

/// The JSON that device.json and store.json share.
struct Document: Codable {
    struct Copy: Codable {
        struct Device: Codable {
            let id: String
            let label: String
            let domain: String
            let weight: UInt32
            let state: UInt8
        }

        let number: UInt64
        let profile: String
        let sandbox: Bool
        let chunker: Chunker
        let devices: [Device]
        /// SHA-256 of the configuration's record body.
        let digest: String
    }

    struct Chunker: Codable {
        let algorithm: UInt16
        let minimumBytes: Int
        let averageBytes: Int
        let maximumBytes: Int
        let seed: UInt64
    }

    let format: Int
    let storeID: String
    let deviceID: String?
    let configuration: Copy
    let paths: [String: String]
    /// CRC32C over everything the configuration's digest does not cover.
    let checksum: String

    init(storeID: StoreID, deviceID: DeviceID?, configuration: Configuration, paths: [DeviceID: String]) {
        format = 1
        self.storeID = storeID.description
        self.deviceID = deviceID?.description
        let chunker = configuration.chunker
        self.configuration = Copy(
            number: configuration.number, profile: configuration.profile.description,
            sandbox: configuration.isSandbox,
            chunker: Chunker(
                algorithm: chunker.algorithm, minimumBytes: chunker.minimumBytes, averageBytes: chunker.averageBytes,
                maximumBytes: chunker.maximumBytes, seed: chunker.seed),
            devices: configuration.devices.map {
                Copy.Device(
                    id: $0.id.description, label: $0.label, domain: $0.domain, weight: $0.weight,
                    state: $0.state.rawValue)
            },
            digest: Self.digest(of: configuration))
        let paths = Dictionary(uniqueKeysWithValues: paths.map { ($0.key.description, $0.value) })
        self.paths = paths
        checksum = Self.checksum(storeID.description, deviceID?.description, paths)
    }

    func encode() -> [UInt8] { Self.json(self) }

    static func parse(_ bytes: [UInt8], _ name: String, at place: String) throws(StoreError) -> Document {
        let document = try decode(Document.self, bytes, name, place)
        guard document.format == 1 else {
            throw StoreError(
                .unsupported, "read \(name)", at: place, detail: "format \(document.format) is newer than this program")
        }
        guard document.checksum == checksum(document.storeID, document.deviceID, document.paths) else {
            throw corrupt(name, place, "it fails its checksum")
        }
        return document
    }

    /// The parts both kinds have, validated.
    func common(
        _ name: String, _ place: String
    ) throws(StoreError) -> (StoreID, Configuration, [DeviceID: String]) {
        guard let storeID = StoreID(hex: storeID) else { throw Self.corrupt(name, place, "it names no store") }
        var hints: [DeviceID: String] = [:]
        for (text, path) in paths {
            guard let id = DeviceID(hex: text) else { throw Self.corrupt(name, place, "a path of no device") }
            hints[id] = path
        }
        let copy = try configuration(of: storeID, name, place)
        return (storeID, copy, hints)
    }

    private func configuration(
        of storeID: StoreID, _ name: String, _ place: String
    ) throws(StoreError) -> Configuration {
        var devices: [Configuration.Device] = []
        for device in configuration.devices {
            guard let id = DeviceID(hex: device.id), let state = Configuration.Device.State(rawValue: device.state)
            else { throw Self.corrupt(name, place, "its list of devices") }
            devices.append(
                Configuration.Device(
                    id: id, label: device.label, domain: device.domain, weight: device.weight, state: state))
        }
        let result: Configuration
        do {
            result = Configuration(
                number: configuration.number, storeID: storeID, profile: try Profile(configuration.profile),
                chunker: try ChunkerParameters(
                    algorithm: configuration.chunker.algorithm, minimumBytes: configuration.chunker.minimumBytes,
                    averageBytes: configuration.chunker.averageBytes, maximumBytes: configuration.chunker.maximumBytes,
                    seed: configuration.chunker.seed),
                isSandbox: configuration.sandbox, devices: devices)
            try result.validate()
        } catch {
            throw Self.corrupt(name, place, "its configuration: \(error)")
        }
        guard Self.digest(of: result) == configuration.digest else {
            throw Self.corrupt(name, place, "its configuration fails its digest")
        }
        return result
    }

    private static func digest(of configuration: Configuration) -> String {
        let bytes = configuration.canonicalBytes
        return Workspaces.shared.with { workspace in bytes.withUnsafeBytes { workspace.digest(of: $0) } }.description
    }

    private static func checksum(_ storeID: String, _ deviceID: String?, _ paths: [String: String]) -> String {
        checksum([storeID, deviceID ?? ""] + paths.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] })
    }

    /// CRC32C of the fields, each followed by a zero byte.
    static func checksum(_ fields: [String]) -> String {
        hexadecimal(UInt64(CRC32C.of(fields.flatMap { Array($0.utf8) + [0] })), digits: 8)
    }

    static func json(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do {
            return Array(try encoder.encode(value)) + [UInt8(ascii: "\n")]
        } catch {
            preconditionFailure("plain values encode: \(error)")
        }
    }

    static func decode<Value: Decodable>(
        _: Value.Type, _ bytes: [UInt8], _ name: String, _ place: String
    ) throws(StoreError) -> Value {
        guard bytes.count <= Limits.documentBytes else { throw corrupt(name, place, "it is too long") }
        do {
            return try JSONDecoder().decode(Value.self, from: Data(bytes))
        } catch {
            throw corrupt(name, place, "it does not parse as what it should be")
        }
    }

    static func corrupt(_ name: String, _ place: String, _ detail: String) -> StoreError {
        StoreError(.corrupt, "read \(name)", at: place, detail: detail)
    }
}
