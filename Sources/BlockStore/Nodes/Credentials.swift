import Glibc

/// Who signs. In memory only: it is in no description, and neither stored, logged nor handed to another process.
struct Credentials: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
    let accessKey: String
    let secretKey: String
    let sessionToken: String?

    /// The access key is a name and no secret.
    var description: String { "access key \(accessKey)" }
    var customMirror: Mirror { Mirror(self, children: []) }
}

/// Finds credentials where the AWS tools do: in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; else in the profile
/// of AWS_PROFILE, or `default`, in ~/.aws/credentials and ~/.aws/config. A profile named in the address is looked for in the
/// files alone. Read again when they are asked for anew: tokens are renewed by whoever renews them.
struct CredentialSource: Sendable {
    let variable: @Sendable (String) -> String?
    let contents: @Sendable (_ path: String) -> [UInt8]?

    /// The process's environment and the user's files.
    static let system = CredentialSource(
        variable: { name in getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 } },
        contents: { path in
            guard let root = try? Files.open(Array("/".utf8), O_RDONLY | O_DIRECTORY) else { return nil }
            return try? Files.contents(
                of: Array(DirectoryProvider.absolute(path).utf8), in: root, maximumBytes: 1 << 20)
        })

    /// - Throws: `.denied` where there are none.
    func credentials(profile: String?, for place: String) throws(StoreError) -> Credentials {
        if profile == nil, let accessKey = variable("AWS_ACCESS_KEY_ID"),
            let secretKey = variable("AWS_SECRET_ACCESS_KEY")
        {
            return Credentials(
                accessKey: accessKey, secretKey: secretKey, sessionToken: variable("AWS_SESSION_TOKEN"))
        }
        let settings = settings(profile: profile)
        if let accessKey = settings["aws_access_key_id"], let secretKey = settings["aws_secret_access_key"] {
            return Credentials(
                accessKey: accessKey, secretKey: secretKey, sessionToken: settings["aws_session_token"])
        }
        let name = self.profile(profile)
        let helper = ["credential_process", "role_arn", "sso_session", "sso_start_url"].first { settings[$0] != nil }
        let detail =
            helper.map { "profile \(name) has its credentials from \($0), which is not supported" }
            ?? (profile == nil
                ? "there are no credentials: neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment nor profile \(name) in "
                    + "\(credentialsPath)"
                : "there are no credentials of profile \(name) in \(credentialsPath)")
        throw StoreError(
            .denied, "ask the node", at: place, detail: detail,
            advice: "export them, or write them into that file: aws configure"
                + (name == "default" ? "" : " --profile \(name)"))
    }

    /// What the environment or the profile says; nil where they do not.
    func region(profile: String?) -> String? {
        (profile == nil ? variable("AWS_REGION") ?? variable("AWS_DEFAULT_REGION") : nil)
            ?? settings(profile: profile)["region"]
    }

    /// A file of certificates to trust in the place of the system's.
    var certificates: String? { variable("AWS_CA_BUNDLE") }

    private func profile(_ named: String?) -> String { named ?? variable("AWS_PROFILE") ?? "default" }

    private var credentialsPath: String {
        variable("AWS_SHARED_CREDENTIALS_FILE") ?? "\(variable("HOME") ?? "~")/.aws/credentials"
    }

    private var configPath: String { variable("AWS_CONFIG_FILE") ?? "\(variable("HOME") ?? "~")/.aws/config" }

    private func settings(profile: String?) -> [String: String] {
        let name = self.profile(profile)
        let credentials = contents(credentialsPath).map { Self.section(name, of: $0) } ?? [:]
        let section = name == "default" ? name : "profile \(name)"
        let config = contents(configPath).map { Self.section(section, of: $0) } ?? [:]
        return credentials.merging(config) { first, _ in first }
    }

    /// The settings of one section of an INI file.
    static func section(_ wanted: String, of bytes: [UInt8]) -> [String: String] {
        var settings: [String: String] = [:]
        var isInside = false
        for line in String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline) {
            let text = trimmed(line)
            if text.hasPrefix("[") {
                guard let end = text.firstIndex(of: "]") else { continue }
                let name = text[text.index(after: text.startIndex)..<end].split(whereSeparator: \.isWhitespace)
                isInside = name.joined(separator: " ") == wanted
                continue
            }
            // An indented line goes on with a nested setting.
            guard isInside, !text.hasPrefix("#"), !text.hasPrefix(";"), line.first?.isWhitespace == false,
                let equals = text.firstIndex(of: "=")
            else { continue }
            let name = trimmed(text[..<equals]).lowercased()
            let value = String(trimmed(text[text.index(after: equals)...]))
            if !value.isEmpty { settings[name] = value }
        }
        return settings
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
