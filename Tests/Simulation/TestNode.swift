@testable import BlockStore
import Foundation

/// A server or proxy of `Tests/Nodes`, in Python, that runs as long as this object lives.
public final class TestNode {
    /// "http://127.0.0.1:40123"
    public let endpoint: String
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private let bucket: String
    /// What the prefixes of a server begin with that has other things as well.
    private let root: String

    public static let accessKey = "AKIATEST"
    public static let secretKey = "secret/+of=test"

    /// As the AWS tools take them, and no proxy in between.
    public static var variables: [String: String] {
        [
            "AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_REGION": "us-east-1",
            "no_proxy": "127.0.0.1",
        ]
    }

    /// Nil where there is no Python.
    public static let python: String? = ["/usr/bin/python3", "/usr/local/bin/python3"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    /// - Parameter program: "server.py" or "proxy.py".
    public init(_ program: String, _ arguments: [String]) throws {
        (bucket, root) = ("tests", "")
        process.executableURL = URL(fileURLWithPath: Self.python ?? "python3")
        process.arguments = [Self.file(program)] + arguments
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        endpoint = Self.line(output)
    }

    /// The server that scripts/nodes started: each of these has a place of its own in it. Nil where there is none.
    public static var real: TestNode? {
        guard let endpoint = ProcessInfo.processInfo.environment["BS_NODE"], !endpoint.isEmpty else { return nil }
        return TestNode(real: endpoint, root: "\(UUID().uuidString)/")
    }

    /// The same, by way of a proxy.
    public func behind(_ proxy: TestNode) -> TestNode { TestNode(real: proxy.endpoint, root: root, bucket: bucket) }

    private init(real endpoint: String, root: String, bucket: String = "shards") {
        self.endpoint = endpoint
        (self.root, self.bucket) = (root, bucket)
    }

    deinit {
        guard process.executableURL != nil else { return }
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }

    /// Gives a proxy a rule, and returns its answer.
    @discardableResult
    public func tell(_ rule: String) -> String {
        input.fileHandleForWriting.write(Data("\(rule)\n".utf8))
        return Self.line(output)
    }

    /// A file of `Tests/Nodes`.
    public static func file(_ name: String) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Nodes/\(name)").path
    }

    public func kill() { Foundation.kill(process.processIdentifier, SIGKILL) }
    public func freeze() { Foundation.kill(process.processIdentifier, SIGSTOP) }
    public func thaw() { Foundation.kill(process.processIdentifier, SIGCONT) }

    private static func line(_ pipe: Pipe) -> String {
        var line: [UInt8] = []
        while let byte = try? pipe.fileHandleForReading.read(upToCount: 1), let byte = byte.first, byte != 10 {
            line.append(byte)
        }
        return String(decoding: line, as: UTF8.self)
    }
}

extension TestNode {
    /// The address of `prefix` in its bucket, or another.
    public func address(_ prefix: String, bucket: String? = nil, _ settings: String = "") -> String {
        "s3://\(bucket ?? self.bucket)/\(root)\(prefix)?endpoint=\(endpoint)&region=us-east-1\(settings)"
    }

    /// A device with an identity of its choice.
    func device(_ prefix: String, owner: LockOwner, clock: any Clock) throws(StoreError) -> S3Device {
        S3Device(try client(prefix, clock: clock), owner: owner, clock: clock)
    }

    func client(_ prefix: String, clock: any Clock = MovedClock()) throws(StoreError) -> S3Client {
        let variables = Self.variables
        return try S3Client(
            BucketAddress(address(prefix)), CredentialSource(variable: { variables[$0] }, contents: { _ in nil }),
            clock: clock)
    }

    /// Finds nodes with the credentials of tests, and waits for them a second at most unless something else is said.
    static func provider(
        home: String = "home", accessKey: String = TestNode.accessKey, secretKey: String = TestNode.secretKey,
        certificates: String? = nil, silenceSeconds: UInt64 = 1
    ) -> PlaceProvider {
        var variables = ["AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey]
        variables["AWS_CA_BUNDLE"] = certificates
        let values = variables
        let second: UInt64 = 1_000_000_000
        return PlaceProvider(
            owner: LockOwner(home: home, name: "a test in \(home)"),
            credentials: CredentialSource(variable: { values[$0] }, contents: { _ in nil }),
            deadlines: HTTPDeadlines(connectNanoseconds: second, silenceNanoseconds: silenceSeconds * second),
            clock: MovedClock())
    }
}

/// The machine's clock, moved forward, for tests that do not wait: who sleeps does so for 20 ms at most.
final class MovedClock: Clock {
    private let moved = Monitor<UInt64>(0)

    func move(by nanoseconds: UInt64) { moved.withLock { $0 += nanoseconds } }
    func wallNanoseconds() -> Int64 { SystemClock().wallNanoseconds() }
    func monotonicNanoseconds() -> UInt64 { SystemClock().monotonicNanoseconds() &+ moved.withLock { $0 } }
    func sleep(nanoseconds: UInt64) { SystemClock().sleep(nanoseconds: min(nanoseconds, 20_000_000)) }
}
