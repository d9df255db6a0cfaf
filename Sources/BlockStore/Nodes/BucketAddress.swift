/// Where a node is: `s3://BUCKET/PREFIX?endpoint=URL&region=R&profile=P&capacity=SIZE&cost=C`.
///
/// Only the bucket is needed. Without an endpoint it is one of Amazon's; with one the bucket stands in the path, as every
/// server understands it. It never holds a secret: credentials in it are refused. `description` is the one way of writing it
/// that every other way is turned into.
struct BucketAddress: Sendable, Hashable, CustomStringConvertible {
    static let scheme = "s3://"

    /// A server: scheme, host and port, as in a URL.
    struct Endpoint: Sendable, Hashable, CustomStringConvertible {
        let isEncrypted: Bool
        /// A name, an IPv4 address, or an IPv6 address in brackets.
        let host: String
        /// Nil for that of the scheme.
        let port: UInt16?

        /// On this machine.
        var isLocal: Bool { host == "localhost" || host.hasPrefix("127.") || host == "[::1]" }

        var authority: String { host + (port.map { ":\($0)" } ?? "") }
        var description: String { (isEncrypted ? "https://" : "http://") + authority }
    }

    let bucket: String
    /// What every key begins with, without a slash at either end; empty for the whole bucket.
    let prefix: String
    let endpoint: Endpoint?
    /// Nil for what the credentials' profile says, else us-east-1.
    let region: String?
    /// Whose credentials are used; nil for what the environment says.
    let profile: String?
    /// What the device counts as, for it has no size of its own.
    let capacityBytes: UInt64?
    /// What a byte read from it costs, in any unit that all devices share; nil for 1, where directories cost nothing.
    let cost: Double?

    var readCost: Double { cost ?? 1 }

    /// Whether `hint` means a bucket, and not a path.
    static func isMeant(by hint: String) -> Bool { hint.hasPrefix(scheme) }

    /// - Throws: `.invalid`, which says what was expected.
    init(_ text: String) throws(StoreError) {
        guard Self.isMeant(by: text) else { throw Self.invalid(text, "it does not begin with s3://") }
        var rest = text.dropFirst(Self.scheme.count)
        guard !rest.contains("#") else { throw Self.invalid(text, "a # has no meaning in it") }
        var query: Substring?
        if let mark = rest.firstIndex(of: "?") {
            query = rest[rest.index(after: mark)...]
            rest = rest[..<mark]
        }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        bucket = try Self.bucket(rest[..<slash], of: text)
        prefix = try Self.prefix(rest[slash...], of: text)
        var settings: [String: String] = [:]
        for setting in query?.split(separator: "&", omittingEmptySubsequences: true) ?? [] {
            let parts = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(parts[0])
            guard ["endpoint", "region", "profile", "capacity", "cost"].contains(name) else {
                // What it is said to be may be a secret: it is not repeated.
                throw Self.invalid(
                    Self.withoutSecrets(text),
                    "\(Self.isSecret(name) ? "credentials do not belong into it" : "\(name) is no setting"); "
                        + "endpoint, region, profile, capacity and cost are")
            }
            guard parts.count == 2, let value = PercentEncoding.decode(parts[1]), !value.isEmpty else {
                throw Self.invalid(text, "expected \(name)=VALUE")
            }
            guard settings.updateValue(value, forKey: name) == nil else {
                throw Self.invalid(text, "\(name) stands there twice")
            }
        }
        endpoint = try settings["endpoint"].map { value throws(StoreError) in try Self.endpoint(value, of: text) }
        region = settings["region"]
        profile = settings["profile"]
        for (name, value) in [("region", region), ("profile", profile)] {
            guard let value else { continue }
            let isPlain = value.utf8.allSatisfy { PercentEncoding.isUnreserved($0) || " @+:".utf8.contains($0) }
            guard isPlain, value.utf8.count <= 128,
                name == "profile" || value.utf8.allSatisfy(PercentEncoding.isUnreserved)
            else { throw Self.invalid(text, "\(name)=\(value) cannot be one") }
        }
        if let size = settings["capacity"] {
            guard let bytes = ByteSize.parse(size), bytes >= 1 << 30 else {
                throw Self.invalid(text, "expected capacity=SIZE of at least 1GiB, such as 2TB")
            }
            capacityBytes = UInt64(bytes)
        } else {
            capacityBytes = nil
        }
        cost = try settings["cost"].map { text throws(StoreError) -> Double in
            guard let cost = Double(text), (0...1_000_000).contains(cost) else {
                throw Self.invalid(
                    text, "expected cost=NUMBER from 0 to a million: what reading a byte costs beside other devices")
            }
            return cost
        }
    }

    var description: String {
        var settings: [String] = []
        if let endpoint { settings.append("endpoint=\(PercentEncoding.encode(endpoint.description, keeping: ":/[]"))") }
        if let region { settings.append("region=\(region)") }
        if let profile { settings.append("profile=\(PercentEncoding.encode(profile))") }
        if let capacityBytes { settings.append("capacity=\(capacityBytes)") }
        if let cost { settings.append("cost=" + (cost == cost.rounded() ? "\(Int(cost))" : "\(cost)")) }
        return "\(Self.scheme)\(bucket)" + (prefix.isEmpty ? "" : "/" + PercentEncoding.encode(prefix, keeping: "/"))
            + (settings.isEmpty ? "" : "?" + settings.joined(separator: "&"))
    }

    /// Two addresses of the same keys have the same, whoever asks for them.
    func identity(region: String) -> String { "s3:\(server(region: region))/\(bucket)/\(prefix)" }

    /// The server, and whether the bucket is part of its name.
    private func host(region: String) -> (server: Endpoint, hasBucket: Bool) {
        if let endpoint { return (endpoint, false) }
        // No certificate holds for a name with more dots.
        let hasBucket = !bucket.contains(".")
        let domain = region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
        let server = (hasBucket ? "\(bucket)." : "") + "s3.\(region).\(domain)"
        return (Endpoint(isEncrypted: true, host: server, port: nil), hasBucket)
    }

    func server(region: String) -> Endpoint { host(region: region).server }

    /// The path of `key` below the server, encoded; of the bucket itself where it is nil.
    func path(of key: String?, region: String) -> String {
        let root = host(region: region).hasBucket ? "" : "/\(bucket)"
        guard let key else { return root.isEmpty ? "/" : root }
        return root + "/" + PercentEncoding.encode(key, keeping: "/")
    }

    /// The key of something below the prefix.
    func key(_ name: String) -> String { prefix.isEmpty ? name : "\(prefix)/\(name)" }

    private static func bucket(_ text: Substring, of address: String) throws(StoreError) -> String {
        guard !text.contains("@") else {
            throw invalid(withoutSecrets(address), "credentials do not belong into it")
        }
        let isPlain = text.utf8.allSatisfy { byte in PercentEncoding.isUnreserved(byte) && byte != UInt8(ascii: "~") }
        guard isPlain, (3...63).contains(text.utf8.count), !text.contains(".."), !text.hasPrefix("."),
            !text.hasSuffix(".")
        else {
            throw invalid(address, "a bucket's name is 3 to 63 letters, digits, dots and dashes")
        }
        return String(text)
    }

    private static func prefix(_ text: Substring, of address: String) throws(StoreError) -> String {
        guard let decoded = PercentEncoding.decode(text) else {
            throw invalid(address, "a percent sign begins two hexadecimal digits")
        }
        var trimmed = decoded[...]
        while trimmed.hasPrefix("/") { trimmed = trimmed.dropFirst() }
        while trimmed.hasSuffix("/") { trimmed = trimmed.dropLast() }
        if trimmed.isEmpty { return "" }
        let parts = trimmed.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }), trimmed.utf8.count <= 512,
            trimmed.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f })
        else {
            throw invalid(address, "a prefix is names between single slashes, at most 512 bytes together")
        }
        return String(trimmed)
    }

    private static func endpoint(_ text: String, of address: String) throws(StoreError) -> Endpoint {
        guard !text.contains("@") else {
            throw invalid(withoutSecrets(address), "credentials do not belong into it")
        }
        var rest = text[...]
        var isEncrypted = true
        for (scheme, encrypts) in [("https://", true), ("http://", false)] where rest.hasPrefix(scheme) {
            rest = rest.dropFirst(scheme.count)
            isEncrypted = encrypts
            break
        }
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        var host = rest
        var port: UInt16?
        if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("]") {
            host = rest[..<colon]
            port = UInt16(rest[rest.index(after: colon)...])
            guard let port, port > 0 else { throw invalid(address, "\(text) has no port that is a number") }
        }
        let isName: Bool
        if host.hasPrefix("["), host.hasSuffix("]") {
            isName =
                host.dropFirst().dropLast().utf8.allSatisfy { "0123456789abcdefABCDEF:.".utf8.contains($0) }
                && host.utf8.count > 4
        } else {
            isName =
                !host.isEmpty && host.utf8.allSatisfy { PercentEncoding.isUnreserved($0) && $0 != UInt8(ascii: "~") }
        }
        guard isName, host.utf8.count <= 253 else {
            throw invalid(address, "expected endpoint=https://HOST:PORT, with nothing behind it")
        }
        if port == (isEncrypted ? 443 : 80) { port = nil }
        return Endpoint(isEncrypted: isEncrypted, host: host.lowercased(), port: port)
    }

    private static func isSecret(_ name: String) -> Bool {
        let name = name.lowercased()
        return ["key", "secret", "token", "pass", "cred", "user"].contains { name.contains($0) }
    }

    /// The address as far as it can be shown where somebody wrote a secret into it.
    private static func withoutSecrets(_ text: String) -> String {
        let end = text.firstIndex(of: "?") ?? text.endIndex
        let place = text[..<end]
        guard let at = place.lastIndex(of: "@") else { return String(place) }
        return scheme + place[place.index(after: at)...]
    }

    private static func invalid(_ text: String, _ detail: String) -> StoreError {
        StoreError(
            .invalid, "use this address", at: text, detail: detail,
            advice:
                "write s3://BUCKET/PREFIX?endpoint=https://HOST:PORT&region=REGION, and give credentials as the AWS tools "
                + "take them: AWS_ACCESS_KEY_ID, or a profile in ~/.aws/credentials")
    }
}
