import Erasure
import Foundation
import XCTest

@testable import BlockStore
@testable import Simulation

/// What a device on a node does when the network, the server, or whoever runs it, do what they should not.
final class NodeTests: XCTestCase {
    private var server: TestNode?
    private var proxy: TestNode?

    override func setUpWithError() throws {
        try XCTSkipIf(TestNode.python == nil, "there is no python3")
    }

    override func tearDown() {
        proxy = nil
        server = nil
    }

    /// A device behind a proxy, and the same without one.
    private func device(_ options: [String] = [], home: String = "home") throws -> (any Device, TestNode, any Device) {
        let server = try TestNode.real ?? TestNode("server.py", ["--bucket", "tests"] + options)
        let proxy = try TestNode("proxy.py", ["--to", String(server.endpoint.dropFirst("http://".count))])
        (self.server, self.proxy) = (server, proxy)
        let direct = try TestNode.provider(home: home).open(server.address("d"))
        try direct.writeDocument(.device, [1])
        return (try TestNode.provider(home: home).open(server.behind(proxy).address("d")), proxy, direct)
    }

    private func shard(_ number: UInt64) -> ShardName {
        ShardName(number: BlockNumber(number), idPrefix: 0xabcd, row: .data(column: 0))
    }

    private func write(_ device: any Device, _ bytes: [UInt8], _ name: ShardName, replacing: Bool = false) throws {
        let staged = try bytes.withBytes { raw throws(StoreError) in try device.stage([raw], as: name) }
        try device.sync([staged])
        try device.name([staged], replacing: replacing)
    }

    private func read(_ device: any Device, _ name: ShardName, _ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withMutableBytes { raw throws(StoreError) in try device.read(name, at: 0, into: raw, from: .cache) }
        return bytes
    }

    /// Short ones are written at once, long ones in parts.
    private static let sizes = [1000, (1 << 20) + 1, 17 << 20]

    private func bytes(_ count: Int, _ seed: UInt8) -> [UInt8] {
        let piece = SeededRandom.bytes(4099, seed: UInt64(seed))
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + piece.count)
        while bytes.count < count { bytes.append(contentsOf: piece) }
        return Array(bytes[..<count])
    }

    func testWhatFailsInPassingIsAskedAgainAndWrittenOnce() throws {
        let (device, proxy, direct) = try device()
        var number: UInt64 = 0
        for fault in ["refuse", "drop", "error", "late-error", "slow-down", "cut", "twice", "delay", "damage"] {
            for size in Self.sizes.prefix(2) {
                for method in size > Limits.keptShardBytes ? ["PUT", "POST"] : ["PUT"] {
                    number += 1
                    let bytes = bytes(size, UInt8(number))
                    _ = try device.readDocument(.device)
                    if fault == "damage", method == "POST" { continue }
                    proxy.tell("\(fault) 1 \(method)")
                    XCTAssertNoThrow(try write(device, bytes, shard(number)), "\(fault) \(method) \(size)")
                    proxy.tell("clear")
                    XCTAssertEqual(try read(direct, shard(number), size), bytes, "\(fault) \(method) \(size)")
                }
            }
        }
    }

    func testTheAnswerToTheNamingThatIsLostIsNoFailureAndNoSecondShard() throws {
        let (device, proxy, direct) = try device()
        for (number, size) in Self.sizes.enumerated() {
            let name = shard(UInt64(number) + 1)
            let bytes = bytes(size, 1)
            let staged = try bytes.withBytes { raw throws(StoreError) in try device.stage([raw], as: name) }
            XCTAssertNil(try direct.byteCount(of: name), "not there before it is named")
            proxy.tell("drop 1 \(size > Limits.keptShardBytes ? "POST" : "PUT")")
            try device.name([staged], replacing: false)
            XCTAssertEqual(try read(direct, name, size), bytes)
            XCTAssertEqual(code { try write(device, bytes, name) }, .exists, "another's is not taken for one's own")
        }
    }

    func testWrongBytesOnTheWayInAreNeverNamed() throws {
        for digests in ["yes", "ignored"] {
            let (device, proxy, direct) = try device(["--digests", digests])
            for (number, size) in Self.sizes.prefix(2).enumerated() {
                proxy.tell("damage always PUT")
                let name = shard(UInt64(number) + 1)
                XCTAssertNotNil(code { try write(device, bytes(size, 1), name) })
                XCTAssertNil(try direct.byteCount(of: name), digests)
                proxy.tell("clear")
                try write(device, bytes(size, 2), name)
                XCTAssertEqual(try read(direct, name, size), bytes(size, 2))
            }
        }
    }

    /// Found against SeaweedFS: the second attempt was refused because of the first, which had the same mark and other bytes.
    func testWrongBytesOfAnEarlierAttemptAreNotTakenForWhatWasSent() throws {
        for digests in ["yes", "ignored"] {
            let (device, proxy, direct) = try device(["--digests", digests])
            for (number, size) in Self.sizes.prefix(2).enumerated() {
                let name = shard(UInt64(number) + 1)
                proxy.tell("damage 1 PUT")
                try write(device, bytes(size, 1), name)
                XCTAssertEqual(try read(direct, name, size), bytes(size, 1), digests)
            }
        }
    }

    func testReadsThatAreCutOffAreMadeAgain() throws {
        let (device, proxy, direct) = try device()
        let bytes = SeededRandom.bytes(200_000, seed: 1)
        try write(direct, bytes, shard(1))
        for fault in ["refuse", "drop", "error", "slow-down", "cut", "delay", "twice"] {
            proxy.tell("\(fault) 1 GET")
            XCTAssertEqual(try read(device, shard(1), bytes.count), bytes, fault)
        }
    }

    func testAFrozenNodeCostsItsDeadlineOnce() throws {
        let (device, proxy, direct) = try device()
        try write(direct, [1, 2, 3], shard(1))
        XCTAssertEqual(try read(device, shard(1), 3), [1, 2, 3])
        proxy.tell("stall always")
        let before = Int(proxy.tell("count")) ?? 0
        for _ in 0..<5 {
            XCTAssertEqual(code { _ = try read(device, shard(1), 3) }, .io)
            XCTAssertEqual(code { _ = try device.byteCount(of: shard(1)) }, .io, "late is not absent")
        }
        XCTAssertEqual(Int(proxy.tell("count")), before + 1, "it was waited for once, and set aside")
    }

    func testAbsenceIsWhatTheServerSaysOfTheNameAndNothingElse() throws {
        let (device, proxy, direct) = try device()
        try write(direct, [1], shard(1))
        try write(direct, [2], shard(2))
        proxy.tell("stale 1 GET list-type")
        XCTAssertEqual(try device.shards(from: .none), [shard(1)], "a listing may lack something")
        XCTAssertEqual(try device.byteCount(of: shard(2)), 1, "and the name finds it")
        XCTAssertNil(try device.byteCount(of: shard(3)))
        // A bucket that is gone is a device that is gone.
        let elsewhere = try TestNode.provider().open(XCTUnwrap(server).address("d", bucket: "no-bucket"))
        XCTAssertEqual(code { _ = try elsewhere.byteCount(of: shard(1)) }, .notFound)
        XCTAssertEqual(code { _ = try elsewhere.shards(from: .none) }, .notFound)
        XCTAssertEqual(code { try elsewhere.remove(shard(1)) }, .notFound)
    }

    func testAListingOfManyPagesIsWholeAndBeginsWhereItShould() throws {
        let (_, _, direct) = try device()
        let names = (1...23).map { shard(UInt64($0)) }
        for name in names { try write(direct, [1], name) }
        let client = try XCTUnwrap(server).client("d")
        for (first, expected) in [(0, 23), (7, 16), (23, 0)] {
            var keys: [String] = []
            let blocks = client.address.key("blocks/")
            let start = first == 0 ? "" : "\(blocks)\(names[first - 1].directoryName)/\(names[first - 1].fileName)"
            try client.list(blocks, after: start, pageKeys: 3, "list") { page in
                keys += page
                return true
            }
            XCTAssertEqual(
                keys.map { String($0.suffix(names[0].fileName.count)) }, names.suffix(expected).map(\.fileName))
        }
    }

    func testUploadsThatWereGivenUpAreRemoved() throws {
        let (device, _, direct) = try device()
        for number: UInt64 in 1...3 {
            _ = try bytes(2 << 20, 1).withBytes { raw throws(StoreError) in
                try device.stage([raw], as: shard(number))
            }
        }
        let client = try XCTUnwrap(server).client("d")
        XCTAssertEqual(try client.uploads(client.address.key(""), "look").count, 3)
        try direct.clearStaging()
        XCTAssertEqual(try client.uploads(client.address.key(""), "look").count, 0)
    }

    // MARK: Before anything is written

    private func prepare(_ address: String, _ provider: PlaceProvider) throws {
        _ = try provider.prepare(address, creating: false) { _, _ in false }
    }

    private func refusal(_ address: String, _ provider: PlaceProvider) -> (StoreError.Code?, String) {
        do {
            try prepare(address, provider)
            return (nil, "")
        } catch {
            return ((error as? StoreError)?.code, "\(error)")
        }
    }

    func testWrongCredentialsAMissingBucketAndAClockThatIsOffAreToldBeforeAnythingIsWritten() throws {
        let server = try TestNode("server.py", ["--bucket", "tests"])
        let place = server.address("d")
        let unknown = refusal(place, TestNode.provider(accessKey: "AKIAOTHER"))
        XCTAssertEqual(unknown.0, .denied)
        XCTAssertTrue(unknown.1.contains("does not know the access key"), unknown.1)
        let wrong = refusal(place, TestNode.provider(secretKey: "hush"))
        XCTAssertEqual(wrong.0, .denied)
        XCTAssertTrue(wrong.1.contains("the secret key is not"), wrong.1)
        XCTAssertFalse(wrong.1.contains("hush"), wrong.1)
        let missing = refusal(server.address("d", bucket: "none"), TestNode.provider())
        XCTAssertEqual(missing.0, .notFound)
        XCTAssertTrue(missing.1.contains("no such bucket"), missing.1)
        XCTAssertNil(refusal(place, TestNode.provider()).0)
        let late = try TestNode("server.py", ["--bucket", "tests", "--skew", "7200"])
        let skewed = refusal(late.address("d"), TestNode.provider())
        XCTAssertEqual(skewed.0, .denied)
        XCTAssertTrue(skewed.1.contains("this machine's says 20") && skewed.1.contains("the node's 20"), skewed.1)
    }

    func testACertificateThatExpiredOrIsUnknownIsNotAccepted() throws {
        let certificate = TestNode.file("expired.pem")
        let server = try TestNode("server.py", ["--bucket", "tests", "--certificate", certificate])
        let expired = refusal(server.address("d"), TestNode.provider(certificates: certificate))
        XCTAssertEqual(expired.0, .io)
        XCTAssertTrue(expired.1.contains("expired"), expired.1)
        let unknown = refusal(server.address("d"), TestNode.provider())
        XCTAssertEqual(unknown.0, .io)
        XCTAssertTrue(unknown.1.contains("certificate"), unknown.1)
    }

    func testARedirectIsNotFollowedAndSaysWhereTheBucketIs() throws {
        let server = try TestNode("server.py", ["--bucket", "tests", "--elsewhere", "eu-south-2"])
        let moved = refusal(server.address("d"), TestNode.provider())
        XCTAssertEqual(moved.0, .invalid)
        XCTAssertTrue(moved.1.contains("region=eu-south-2"), moved.1)
    }

    func testABucketThatHoldsSomethingIsNoNewDevice() throws {
        let server = try TestNode("server.py", ["--bucket", "tests"])
        let device = try TestNode.provider().open(server.address("d"))
        XCTAssertNil(refusal(server.address("d"), TestNode.provider()).0)
        try device.writeDocument(.device, [1])
        let taken = refusal(server.address("d"), TestNode.provider())
        XCTAssertEqual(taken.0, .exists)
        XCTAssertTrue(taken.1.contains("a device of a store already"), taken.1)
        let around = refusal(server.address(""), TestNode.provider())
        XCTAssertEqual(around.0, .exists)
        XCTAssertTrue(around.1.contains("it holds d/device.json"), around.1)
        XCTAssertNil(refusal(server.address("d2"), TestNode.provider()).0, "what only begins the same is another")
    }

    func testOfTwoStoresMadeOfOneBucketAtTheSameTimeOneIsRefused() throws {
        for conditions in ["yes", "refused", "ignored"] {
            let server = try TestNode("server.py", ["--bucket", "tests", "--conditions", conditions])
            let devices = try (1...2).map { try TestNode.provider(home: "home-\($0)").open(server.address("d")) }
            for device in devices { XCTAssertNil(try device.readDocument(.device)) }
            try devices[0].writeDocument(.device, [1])
            XCTAssertEqual(code { try devices[1].writeDocument(.device, [2]) }, .exists, conditions)
            XCTAssertEqual(try devices[0].readDocument(.device), [1], conditions)
            try devices[0].writeDocument(.device, [3])
            XCTAssertEqual(code { try devices[1].writeDocument(.device, [2]) }, .exists, conditions)
        }
    }

    // MARK: The lock

    func testALockIsTakenOverFromTheSameHomeAtOnceAndFromAnotherWhenItsLeaseIsOver() throws {
        for conditions in ["yes", "refused", "ignored"] {
            let server = try TestNode("server.py", ["--bucket", "tests", "--conditions", conditions])
            let place = server.address("d")
            let first = try TestNode.provider(home: "a").open(place)
            XCTAssertTrue(try first.tryLock())
            // As after a kill: nobody gave it back.
            XCTAssertTrue(try TestNode.provider(home: "a").open(place).tryLock(), conditions)
            let other = try TestNode.provider(home: "b").open(place)
            XCTAssertFalse(try other.tryLock(), conditions)
            XCTAssertEqual(other.lockHolder(), "a test in a")
            server.tell("age \(Limits.leaseTakeoverSeconds + 60)")
            XCTAssertTrue(try other.tryLock(), conditions)
            other.unlock()
        }
    }

    func testAWriterWhoseLeaseIsOverWritesNothingMore() throws {
        let server = try TestNode("server.py", ["--bucket", "tests"])
        let clock = MovedClock()
        let device = try server.device("d", owner: LockOwner(home: "a", name: "a"), clock: clock)
        try device.writeDocument(.device, [1])
        XCTAssertTrue(try device.tryLock())
        try write(device, [1], shard(1))
        let staged = try [UInt8](repeating: 1, count: 2 << 20).withBytes { raw throws(StoreError) in
            try device.stage([raw], as: shard(2))
        }
        clock.move(by: Limits.leaseNanoseconds)
        for attempt in [
            { try device.name([staged], replacing: false) }, { try device.writeDocument(.epoch, [1]) },
            { try device.remove(self.shard(1)) }, { try self.write(device, [1], self.shard(3)) },
        ] {
            XCTAssertEqual(code { try attempt() }, .io)
        }
        XCTAssertEqual(try device.shards(from: .none), [shard(1)])
        device.unlock()
    }

    func testNothingAServerSaysReachesATrap() {
        let texts = [
            "HTTP", "<Error>", "<Error><Code/></Error>",
            "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
            "<ListBucketResult><Contents><Key>z</Key></Contents><Contents><Key>a</Key></Contents></ListBucketResult>",
        ]
        for text in texts {
            for status in [-1, 0, 200, 301, 404, 503, 999] {
                let answer = S3Answer(
                    HTTPAnswer(status: status, headers: ["content-range": "bytes -5-9/1"], body: Array(text.utf8)))
                _ = answer.storeError(S3Call("ask", "GET", nil), at: "x", clock: CalendarTime(seconds: .max))
                XCTAssertNil(ListingPage(answer, prefix: "d/"), text)
            }
        }
        for range in ["", "bytes", "bytes 5-4/9", "bytes 0-9223372036854775807/9", "bytes x-y/z", "bytes -1-2/3"] {
            XCTAssertNil(ContentRange(range), range)
        }
        XCTAssertEqual(ContentRange("bytes 0-99/1000")?.bytes, 0..<100)
    }
}
