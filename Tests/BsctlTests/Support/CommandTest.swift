import BlockStore
import Foundation
import Glibc
import XCTest

/// A test that runs the real binary in a directory of its own, with a store in `store` after `makeStore`.
class CommandTest: XCTestCase {
    private(set) var directory = ""
    private var commands = 0
    /// Variables added to an otherwise nearly empty environment.
    var environment: [String] = []

    var store: String { directory + "/store" }

    override func setUpWithError() throws {
        var template = Array("/tmp/bsctl-test.XXXXXX".utf8.map { CChar(bitPattern: $0) }) + [0]
        let made = mkdtemp(&template)
        directory = try XCTUnwrap(made.map { String(cString: $0) })
        environment = []
        _ = try Self.binary.get()
    }

    override func tearDown() { Disk.removeTree(directory) }

    /// The binary that was built with the tests, or the one that BSCTL_BINARY names.
    static let binary = Result<String, any Error> {
        if let path = getenv("BSCTL_BINARY").map({ String(cString: $0) }), !path.isEmpty { return path }
        let resolved = try XCTUnwrap(realpath("/proc/self/exe", nil))
        defer { free(resolved) }
        let tests = String(cString: resolved)
        let path = tests[..<(tests.lastIndex(of: "/") ?? tests.startIndex)] + "/bsctl"
        guard access(String(path), X_OK) == 0 else { throw XCTSkip("there is no \(path)") }
        return String(path)
    }

    /// Where bsctl is.
    static var binaryPath: String { (try? binary.get()) ?? "" }

    /// Starts bsctl in `directory`, with the store in BSCTL_STORE.
    func start(_ words: [[UInt8]], input: String? = "/dev/null") -> Child {
        commands += 1
        return Child(
            [Disk.bytes(Self.binaryPath)] + words, in: directory,
            environment: ["PATH=/usr/bin:/bin", "BSCTL_STORE=\(store)"] + environment, input: input,
            scratch: "\(directory)/.command-\(commands)")
    }

    func run(_ words: [[UInt8]], input: String? = "/dev/null") -> Outcome { start(words, input: input).wait() }

    /// Runs a command written as one line, with words separated by spaces.
    func run(_ line: String, input: String? = "/dev/null") -> Outcome { run(Self.words(line), input: input) }

    static func words(_ line: String) -> [[UInt8]] { line.split(separator: " ").map { Array($0.utf8) } }

    /// Runs a command that must end with `code`.
    @discardableResult
    func expect(
        _ code: Int32, _ line: String, input: String? = "/dev/null", file: StaticString = #filePath,
        at lineNumber: UInt = #line
    ) -> Outcome {
        check(code, run(line, input: input), line, file: file, at: lineNumber)
    }

    @discardableResult
    func expect(
        _ code: Int32, words: [[UInt8]], input: String? = "/dev/null", file: StaticString = #filePath,
        at lineNumber: UInt = #line
    ) -> Outcome {
        let line = words.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
        return check(code, run(words, input: input), line, file: file, at: lineNumber)
    }

    private func check(
        _ code: Int32, _ outcome: Outcome, _ line: String, file: StaticString, at lineNumber: UInt
    ) -> Outcome {
        XCTAssertEqual(
            outcome.code, code, "bsctl \(line)\n\(outcome.text)\(outcome.complaints)", file: file, line: lineNumber)
        return outcome
    }

    func makeStore(disks: Int = 6, _ options: String = "") {
        expect(0, "init \(store) --disks \(disks) \(options)")
    }

    /// Puts `content` under `key`, by way of a pipe.
    func put(_ content: [UInt8], as key: [UInt8], file: StaticString = #filePath, at line: UInt = #line) {
        let path = directory + "/.input"
        Disk.write(content, to: path)
        expect(
            0, words: [Disk.bytes("put"), Disk.bytes("-"), Disk.bytes("--"), key], input: path, file: file, at: line)
    }

    func put(_ content: [UInt8], as key: String, file: StaticString = #filePath, at line: UInt = #line) {
        put(content, as: Disk.bytes(key), file: file, at: line)
    }

    /// What `get KEY -` delivers.
    func content(_ key: String, _ code: Int32 = 0, file: StaticString = #filePath, at line: UInt = #line) -> [UInt8] {
        expect(code, "get \(key) -", file: file, at: line).output
    }

    /// The keys that begin with `prefix`, in the order listed.
    func object(_ outcome: Outcome) throws -> [String: Any] {
        try XCTUnwrap(JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any], outcome.text)
    }

    func keys(_ prefix: String = "", file: StaticString = #filePath, at line: UInt = #line) -> [[UInt8]] {
        let outcome = expect(0, "ls --json \(prefix)", file: file, at: line)
        let listing = try? JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any]
        let objects = listing?["objects"] as? [[String: Any]]
        XCTAssertNotNil(objects, outcome.text, file: file, line: line)
        return (objects ?? []).map { object in
            if let key = object["key"] as? String { return Array(key.utf8) }
            return (object["keyBase64"] as? String).flatMap { Data(base64Encoded: $0) }.map(Array.init) ?? []
        }
    }

    /// Bytes that compress a little and repeat nothing, from a seed.
    static func bytes(_ count: Int, seed: UInt64) -> [UInt8] {
        let random = SeededRandom(seed)
        var result: [UInt8] = []
        result.reserveCapacity(count + 8)
        while result.count < count {
            withUnsafeBytes(of: random.next()) { result.append(contentsOf: $0) }
        }
        return Array(result.prefix(count))
    }
}
