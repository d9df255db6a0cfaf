import BlockStore
import Foundation
import XCTest

/// With `--dry-run` everything is looked at and nothing is changed; what it tells is what the command then does.
final class DryRunTests: CommandTest {
    private let profile = "--profile rs:2+2"
    /// The places of devices that lie beside the home.
    private var places: [String] = []

    /// Empty directories, and the options that name them.
    private func directories(_ count: Int) -> String {
        places = (1...count).map { "\(directory)/d\($0)" }
        for place in places { Disk.makeDirectory(place) }
        return places.map { " --device \($0)" }.joined()
    }

    /// Every file of the home and the devices. Whoever reads takes the lock for a moment, and the index makes files beside
    /// itself while it is open: these two may show that, and nothing else.
    private func everything() -> [[[UInt8]: Disk.Stamp]] {
        XCTAssertEqual(Disk.read(store + "/lock"), [])
        return ([store] + places).map { place in
            var stamps = Disk.stamps(place)
            if place == store { for name in ["", "/lock"] { stamps[Disk.bytes(name)] = nil } }
            return stamps
        }
    }

    /// Runs `line` with `--dry-run --json`, and without JSON, over a store that stays as it is.
    @discardableResult
    private func dryRun(
        _ line: String, _ code: Int32 = 0, input: String? = "/dev/null", file: StaticString = #filePath,
        at lineNumber: UInt = #line
    ) throws -> [String: Any] {
        let before = everything()
        expect(code, line + " --dry-run", input: input, file: file, at: lineNumber)
        let report = try object(expect(code, line + " --dry-run --json", input: input, file: file, at: lineNumber))
        XCTAssertTrue(before == everything(), "bsctl \(line) --dry-run changed something", file: file, line: lineNumber)
        return report
    }

    /// With and without `--dry-run` the same exit code and the same complaints; the first changes nothing.
    @discardableResult
    private func expectLikeness(_ line: String) -> Outcome {
        let before = FileManager.default.fileExists(atPath: store) ? everything() : []
        let planned = run(line + " --dry-run")
        if !before.isEmpty { XCTAssertTrue(before == everything(), line) }
        let done = run(line)
        XCTAssertEqual(planned.code, done.code, line)
        XCTAssertEqual(planned.complaints, done.complaints, line)
        return planned
    }

    /// Runs `line` with `--json`.
    private func report(
        _ line: String, _ code: Int32 = 0, input: String? = "/dev/null", at lineNumber: UInt = #line
    ) throws -> [String: Any] {
        try object(expect(code, line + " --json", input: input, at: lineNumber))
    }

    private func expectSame(
        _ names: [String], _ plan: [String: Any], _ report: [String: Any], at line: UInt = #line
    ) {
        for name in names {
            let (planned, done) = (plan[name] as? Int, report[name] as? Int)
            XCTAssertNotNil(planned, name, line: line)
            XCTAssertEqual(planned, done, name, line: line)
        }
    }

    private let putFigures = [
        "objects", "unchanged", "removed", "copied", "logicalBytes", "chunks", "duplicateChunks", "knownBytes",
        "newBytes",
        "compressedBytes", "shardBytes",
    ]

    func testAPutTellsWhatItWouldStore() throws {
        makeStore()
        let content = Self.bytes(3_000_000, seed: 1)
        Disk.write(content + content, to: directory + "/twice")
        Disk.write(Array(repeating: 7, count: 500_000) + content.prefix(1_000_000), to: directory + "/other")
        let plan = try dryRun("put twice")
        expect(3, "get twice -")
        let done = try report("put twice")
        expectSame(putFigures, plan, done)
        XCTAssertGreaterThan(try XCTUnwrap(plan["duplicateChunks"] as? Int), 10)
        XCTAssertNil(done["dryRun"])
        // Over what is stored, and coded otherwise.
        expectSame(putFigures, try dryRun("put other k"), try report("put other k"))
        let strong = "put other strong --profile rs:2+4"
        expectSame(putFigures, try dryRun(strong), try report(strong))
        expectSame(
            putFigures, try dryRun("put - piped", input: directory + "/twice"),
            try report("put - piped", input: directory + "/twice"))
        XCTAssertEqual(self.content("twice"), content + content)
        let text = expect(0, "put other again --dry-run").text
        XCTAssertTrue(text.hasPrefix("would store 1 object: 1.43 MiB in "), text)
        expect(0, words: Self.words("put --from-command k --dry-run -- sh -c") + [Disk.bytes("echo one")])
    }

    func testAPutOfATreeTellsWhatItWouldStoreAndDelete() throws {
        makeStore()
        let tree = directory + "/tree"
        for path in ["", "/a", "/b"] { Disk.makeDirectory(tree + path) }
        for number in 0..<40 {
            Disk.write(Self.bytes(10_000 + number, seed: UInt64(number)), to: "\(tree)/a/\(number)")
        }
        for number in 0..<20 {
            Disk.write(Self.bytes(10_000 + number, seed: UInt64(number)), to: "\(tree)/b/\(number)")
        }
        Disk.makeLink(tree + "/link", to: "a/1")
        expectSame(putFigures, try dryRun("put -r tree"), try report("put -r tree"))
        for number in 0..<10 { Disk.write(Self.bytes(50_000, seed: 100 + UInt64(number)), to: "\(tree)/a/\(number)") }
        Disk.removeTree(tree + "/b")
        let plan = try dryRun("put -r tree --delete")
        XCTAssertEqual(plan["removed"] as? Int, 21)
        expectSame(putFigures, plan, try report("put -r tree --delete"))
        let unchanged = try dryRun("put -r tree")
        XCTAssertEqual(unchanged["objects"] as? Int, 0)
        XCTAssertEqual(unchanged["newBytes"] as? Int, 0)
    }

    func testAPutIsRefusedWhereItWouldBe() throws {
        makeStore()
        put([1, 2, 3], as: "k")
        Disk.write([1], to: directory + "/file")
        for (code, line) in [
            (7, "put file k --if-absent"), (7, "put file k --if-version 9.9"), (1, "put file k --length 7"),
            (1, "put nothing"), (1, "put file --profile rs:8+2"), (1, "put -r nothing"),
            (1, "put file k --min-shards 20"),
        ] as [(Int32, String)] {
            let planned = expectLikeness(line)
            if line != "put file k --min-shards 20" { XCTAssertEqual(planned.code, code, line) }
        }
        expect(0, "simulate disk-loss disk-2")
        let owing = try dryRun("put file", 6)
        XCTAssertTrue(try XCTUnwrap(owing["debt"] as? String).contains("owed"))
        try dryRun("put file k --min-shards 6", 1)
        expect(0, "simulate disk-loss disk-1 disk-3 --force")
        let planned = run("put file --dry-run")
        XCTAssertEqual(planned.code, 1)
        XCTAssertEqual(planned.complaints, run("put file").complaints)
    }

    func testAPutBesideAWriterNeedsNoLock() throws {
        makeStore()
        put([1], as: "k")
        Disk.write(Self.bytes(100_000, seed: 5), to: directory + "/file")
        let writer = start(Self.words("put - slow"), input: nil)
        XCTAssertTrue(writer.feed([1, 2, 3]))
        var attempts = 0
        while run("rm nothing --lock-wait 0").code != 5, attempts < 200 {
            attempts += 1
            usleep(20_000)
        }
        expect(0, "put file --dry-run")
        expect(0, "rm k --dry-run")
        XCTAssertEqual(writer.wait().code, 0)
        XCTAssertEqual(keys(), ["k", "slow"].map(Disk.bytes))
    }

    func testWhatChangesKeysIsRefusedWhereItWouldBe() throws {
        makeStore()
        put([1], as: "a")
        put([2], as: "a")
        put([3], as: "b")
        expect(0, "rm b")
        let versions = try XCTUnwrap(report("versions a")["versions"] as? [[String: Any]])
        let old = try XCTUnwrap(versions.last?["version"] as? String)
        for line in [
            "rm a", "rm -r a", "rm a --version \(old)", "cp a c", "cp -r a c", "mv a c", "restore a --version \(old)",
            "undelete b", "cp a c --if-absent",
        ] { try dryRun(line) }
        for line in [
            "rm nothing", "rm b", "rm a --version 9.9", "cp a a", "cp b c", "cp a a/ --if-absent",
            "mv a b --if-version 9.9",
            "cp -r nothing x", "restore a --version 9.9", "undelete a", "undelete nothing",
        ] {
            expectLikeness(line)
        }
    }

    func testReplacingTellsWhatWouldBeOwed() throws {
        expect(0, "init store\(directories(4)) \(profile)")
        put(Self.bytes(300_000, seed: 2), as: "k")
        put(Self.bytes(70_000, seed: 3), as: "l")
        Disk.makeDirectory(directory + "/fresh")
        places.append(directory + "/fresh")
        Disk.makeDirectory(directory + "/used")
        Disk.write([1], to: directory + "/used/x")
        try dryRun("device replace disk-9 fresh", 3)
        try dryRun("device replace disk-2 used", 1)
        try dryRun("device replace disk-2 d1", 1)
        try dryRun("device replace disk-2 fresh")
        Disk.removeTree(directory + "/d2")
        let plan = try dryRun("device replace disk-2 fresh")
        XCTAssertTrue((plan["oldPath"] as? String)?.hasSuffix("/d2") ?? false)
        let done = try report("device replace disk-2 fresh", 6)
        expectSame(["owedShards"], plan, done)
        XCTAssertEqual(plan["path"] as? String, done["path"] as? String)
        XCTAssertEqual(plan["oldID"] as? String, done["oldID"] as? String)
        expectSame(["endangeredBlocks", "readBytes", "writtenBytes"], plan, try report("repair --dry-run", 6))
        let repair = try report("repair")
        expectSame(["endangeredBlocks", "readBytes"], plan, repair)
        XCTAssertEqual(plan["owedShards"] as? Int, repair["repairedShards"] as? Int)
    }

    func testReplacingIsRefusedWhereItWouldBe() throws {
        expect(0, "init store\(directories(4)) --profile rs:3+1")
        put(Self.bytes(100_000, seed: 3), as: "k")
        Disk.removeTree(directory + "/d1")
        Disk.makeDirectory(directory + "/fresh")
        let planned = run("device replace disk-2 fresh --dry-run")
        XCTAssertEqual(planned.code, 1)
        XCTAssertEqual(planned.complaints, run("device replace disk-2 fresh").complaints)
        // A sandbox makes the directory, and a dry run does not.
        expect(0, "init sandbox --disks 4 \(profile)")
        Disk.removeTree(directory + "/sandbox/disk-3")
        let text = expect(0, "--store sandbox device replace disk-3 --dry-run").text
        XCTAssertTrue(text.contains("would put an empty device in the place of disk-3"), text)
        XCTAssertFalse(Disk.exists(directory + "/sandbox/disk-3"))
    }

    func testSettingsOfADeviceAreToldOldAndNew() throws {
        expect(0, "init store\(directories(4)) \(profile)")
        put([1], as: "k")
        let relabelled = try dryRun("device relabel disk-2 shelf")
        XCTAssertEqual((relabelled["old"] as? [String: Any])?["label"] as? String, "disk-2")
        XCTAssertEqual((relabelled["new"] as? [String: Any])?["label"] as? String, "shelf")
        XCTAssertEqual(
            (relabelled["new"] as? [String: Any])?["domain"] as? String, "shelf", "its own domain goes along")
        let set = try XCTUnwrap(try dryRun("device set disk-3 --domain host --weight 30")["new"] as? [String: Any])
        expect(0, "device set disk-3 --domain host --weight 30")
        let devices = try XCTUnwrap(try report("device ls")["devices"] as? [[String: Any]])
        let device = try XCTUnwrap(devices.first { $0["label"] as? String == "disk-3" })
        XCTAssertEqual(set["domain"] as? String, device["domain"] as? String)
        XCTAssertEqual(set["weight"] as? Int, device["weight"] as? Int)
        for line in ["device relabel disk-2 disk-1", "device relabel disk-9 x", "device set disk-2"] {
            let planned = run(line + " --dry-run")
            let done = run(line)
            XCTAssertEqual(planned.code, done.code, line)
            XCTAssertEqual(planned.complaints, done.complaints, line)
        }
        let text = expect(0, "device set disk-3 --weight 40 --dry-run").text
        XCTAssertTrue(text.hasPrefix("would change disk-3: weight 30 → 40;"), text)
        XCTAssertTrue(expect(0, "device set disk-3 --weight 30 --dry-run").text.contains("nothing would change"))
        let warned = expect(0, "device set disk-2 --domain host --dry-run")
        XCTAssertEqual(warned.complaints, expect(0, "device set disk-2 --domain host").complaints)
    }

    func testARebuildTellsWhatItWouldRead() throws {
        expect(0, "init store\(directories(4)) \(profile)")
        for number in 0..<5 { put(Self.bytes(20_000, seed: UInt64(number)), as: "k\(number)") }
        let plan = try dryRun("index rebuild")
        let shards = places.map { place in
            (FileManager.default.subpaths(atPath: place + "/blocks") ?? []).filter { $0.contains(".") }.count
        }
        let devices = try XCTUnwrap(plan["devices"] as? [[String: Any]])
        XCTAssertEqual(devices.compactMap { $0["shards"] as? Int }, shards)
        XCTAssertEqual(plan["shards"] as? Int, shards.reduce(0, +))
        expectSame(["blocks"], plan, try report("index rebuild"))
        // Whatever the index is: it is not looked at.
        Disk.write([1, 2, 3], to: store + "/index.db")
        try dryRun("index rebuild")
        XCTAssertEqual(rename(directory + "/d3", directory + "/away"), 0)
        let text = expect(0, "index rebuild --dry-run").text
        XCTAssertTrue(text.contains(" on 3 of 4 devices"), text)
        XCTAssertTrue(text.contains("absent"), text)
        expect(3, "--store nowhere index rebuild --dry-run")
    }

    func testAStoreThatWouldBeMadeIsToldAndNotMade() throws {
        let home = directory + "/new"
        let plan = try object(expect(0, "init \(home) --disks 6 --dry-run --json"))
        XCTAssertEqual((plan["devices"] as? [[String: Any]])?.count, 6)
        expect(0, "init \(home) --disks 6 --dry-run")
        XCTAssertFalse(FileManager.default.fileExists(atPath: home))
        let devices = directories(4)
        let before = places.map(Disk.stamps)
        expect(0, "init \(home) \(profile)\(devices) --dry-run")
        XCTAssertTrue(before == places.map(Disk.stamps))
        XCTAssertFalse(FileManager.default.fileExists(atPath: home))
        expect(0, "init \(home) \(profile)\(devices)")
        for line in [
            "init \(home) \(profile)\(devices)", "init \(home)-2 \(profile)\(devices)", "init \(home)-3 --disks 2",
            "init \(home)-4 \(profile) --device \(directory)/nowhere --device a --device b --device c",
        ] {
            let planned = run(line + " --dry-run")
            let done = run(line)
            XCTAssertNotEqual(done.code, 0, line)
            XCTAssertEqual(planned.code, done.code, line)
            XCTAssertEqual(planned.complaints, done.complaints, line)
        }
    }

    func testWhatASimulationWouldDamageIsWhatItDamages() throws {
        makeStore()
        put(Self.bytes(50_000, seed: 8), as: "k")
        for (line, name) in [
            ("simulate bit-rot --count 3 --seed 7", "flipped"), ("simulate disk-loss --count 1 --seed 7", "destroyed"),
        ] {
            let plan = try dryRun(line)
            XCTAssertFalse(try XCTUnwrap(plan[name] as? [String]).isEmpty)
            XCTAssertEqual(plan[name] as? [String], try report(line)[name] as? [String], line)
        }
        let line = "simulate disk-loss --count 4 --seed 1"
        let planned = run(line + " --dry-run")
        XCTAssertEqual(planned.code, 1)
        XCTAssertEqual(planned.complaints, run(line).complaints)
    }

    func testTheEndOfADrainAndOfDoubtAreToldBefore() throws {
        expect(0, "init \(store) --disks 6 \(profile)")
        put([1, 2, 3], as: "k")
        XCTAssertEqual(expectLikeness("device drain disk-1 --cancel").code, 2, "it is not being drained")
        expect(0, "device drain disk-1")
        try dryRun("device drain disk-1 --cancel")
        expect(0, "device drain disk-1 --cancel")
        XCTAssertEqual((try dryRun("recover --abandon")["abandoned"] as? [Any])?.count, 0)
    }
}
