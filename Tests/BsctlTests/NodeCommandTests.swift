import Foundation
import Simulation
import XCTest

/// Stores with devices on nodes, by the command line.
final class NodeCommandTests: CommandTest {
    private var servers: [TestNode] = []

    override func setUpWithError() throws {
        try super.setUpWithError()
        try XCTSkipIf(TestNode.python == nil, "there is no python3")
        environment = TestNode.variables.map { "\($0.key)=\($0.value)" }
        servers = try (0..<3).map { _ in try TestNode("server.py", ["--bucket", "tests"]) }
    }

    override func tearDown() {
        servers = []
        super.tearDown()
    }

    /// Three directories and three nodes.
    private func makeMixedStore() throws {
        var line = "init \(store) --profile rs:3+3"
        for number in 1...3 {
            try FileManager.default.createDirectory(
                atPath: "\(directory)/d\(number)", withIntermediateDirectories: false)
            line += " --device \(directory)/d\(number)"
        }
        for (number, server) in servers.enumerated() {
            line += " --device \(server.address("n\(number)")),domain=host-\(number),label=node-\(number)"
        }
        let made = expect(0, line)
        XCTAssertTrue(made.complaints.contains("can read the keys"), made.complaints)
    }

    func testAStoreOverDirectoriesAndNodesKeepsWhatAnyThreeOfThemLose() throws {
        try makeMixedStore()
        let large = Self.bytes(9_000_000, seed: 1)
        put(large, as: "large")
        put([1, 2, 3], as: "small")
        let status = expect(0, "status").text
        XCTAssertTrue(status.contains("s3://tests/n0?endpoint=\(servers[0].endpoint)&region=us-east-1"), status)
        for server in servers { server.kill() }
        XCTAssertEqual(content("large"), large)
        XCTAssertEqual(content("small"), [1, 2, 3])
        servers = []
    }

    func testAStoreComesBackFromItsNodesAlone() throws {
        try makeMixedStore()
        let bytes = Self.bytes(2_000_000, seed: 1)
        put(bytes, as: "a")
        Disk.removeTree(store)
        for number in 1...3 { Disk.removeTree("\(directory)/d\(number)") }
        let places = servers.enumerated().map { "--device \($1.address("n\($0)"))" }
        expect(6, "recover \(store) \(places.joined(separator: " "))")
        XCTAssertEqual(content("a"), bytes)
    }

    func testANodeIsAddedFilledAndListed() throws {
        makeStore(disks: 6)
        let bytes = Self.bytes(3_000_000, seed: 1)
        put(bytes, as: "a")
        let place = servers[0].address("new")
        XCTAssertTrue(expect(0, "device add \(place) --domain elsewhere --dry-run").text.contains("would"))
        let added = expect(0, "device add \(place) --domain elsewhere")
        XCTAssertTrue(added.complaints.contains("can read the keys"), added.complaints)
        expect(0, "device add \(place) --domain elsewhere")
        XCTAssertTrue(expect(0, "device ls").text.contains(place))
        expect(0, "device drain disk-1")
        XCTAssertEqual(content("a"), bytes)
        let scrubbed = expect(0, "scrub")
        XCTAssertTrue(scrubbed.text.contains(" 0 damaged or missing"), scrubbed.text)
    }

    func testTheBucketOfAnotherStoreIsRefusedBeforeAnythingIsWritten() throws {
        try makeMixedStore()
        let other = (1...5).map { number -> String in
            try? FileManager.default.createDirectory(
                atPath: "\(directory)/e\(number)", withIntermediateDirectories: false)
            return "--device \(directory)/e\(number)"
        }
        let line = "init \(directory)/other \(other.joined(separator: " ")) --device \(servers[0].address("n0"))"
        let refused = expect(1, line)
        XCTAssertTrue(refused.complaints.contains("[exists]"), refused.complaints)
        XCTAssertFalse(FileManager.default.fileExists(atPath: "\(directory)/e1/device.json"))
    }

    func testWithoutCredentialsItIsSaidAndNoSecretIsEverShown() throws {
        try makeMixedStore()
        put([1], as: "a")
        environment = ["HOME=\(directory)", "no_proxy=127.0.0.1"]
        let outcome = expect(0, "get a -")
        XCTAssertTrue(outcome.complaints.contains("AWS_ACCESS_KEY_ID"), outcome.complaints)
        for file in ["\(store)/store.json", "\(directory)/d1/device.json"] {
            let text = String(decoding: Disk.read(file), as: UTF8.self)
            XCTAssertTrue(text.contains("s3://tests/n0"), text)
            XCTAssertFalse(text.contains(TestNode.accessKey) || text.contains(TestNode.secretKey), text)
        }
    }
}
