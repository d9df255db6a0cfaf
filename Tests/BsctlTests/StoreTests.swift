import BlockStore
import Foundation
import XCTest

/// Making stores, replacing devices, destroying sandboxes, and bad input to all of it.
final class StoreTests: CommandTest {
    private func makeDevices(_ count: Int) -> String {
        (1...count).map { number in
            Disk.makeDirectory("\(directory)/d\(number)")
            return " --device \(directory)/d\(number)"
        }.joined()
    }

    func testTooFewDevicesMakeNoStore() {
        for line in ["init x --disks 5", "init x --disks 5 --profile rs:4+2", "init x --disks 6 --profile rs:6+3"] {
            let outcome = expect(2, line)
            XCTAssertTrue(outcome.complaints.contains("needs at least"), outcome.complaints)
        }
        expect(2, "init x")
        expect(2, "init x --disks 6 --device d")
        XCTAssertFalse(Disk.exists(directory + "/x"))
        expect(2, "init x --disks 6 --chunk-size 5000")
        XCTAssertFalse(Disk.exists(directory + "/x"), "what was begun is taken back")
    }

    func testEveryChunkSizeStoresWhatItIsGiven() {
        // Zeros have no place to be cut at, which is where the most must be in memory before it is known.
        let bytes = [UInt8](repeating: 0, count: 20_000_000) + Self.bytes(5_000_000, seed: 1)
        Disk.write(bytes, to: "\(directory)/in")
        for size in ["4KiB", "256KiB", "4MiB"] {
            expect(0, "init \(size) --disks 3 --profile rs:2+1 --chunk-size \(size)")
            XCTAssertEqual(run("--store \(size) put - k", input: "\(directory)/in").code, 0, size)
            expect(0, "--store \(size) get k out-\(size)")
            XCTAssertTrue(Disk.read("\(directory)/out-\(size)") == bytes, size)
        }
    }

    func testADeviceMustBeAnEmptyDirectoryOfItsOwn() {
        let devices = makeDevices(6)
        let five = devices.replacingOccurrences(of: " --device \(directory)/d6", with: "")
        Disk.makeDirectory(directory + "/full")
        Disk.write([1], to: directory + "/full/photo")
        let full = expect(1, "init home\(five) --device \(directory)/full")
        XCTAssertTrue(full.complaints.contains("photo"), full.complaints)
        let twice = expect(2, "init home\(five) --device \(directory)/d1")
        XCTAssertTrue(twice.complaints.contains("same directory"), twice.complaints)
        Disk.makeLink(directory + "/alias", to: "d1")
        expect(2, "init home\(five) --device \(directory)/alias")
        expect(3, "init home\(five) --device \(directory)/nothing")
        Disk.write([1], to: directory + "/file")
        XCTAssertNotEqual(run("init home\(five) --device \(directory)/file").code, 0)
        XCTAssertFalse(Disk.exists(directory + "/home"))
        for number in 1...6 { XCTAssertEqual(Disk.names("\(directory)/d\(number)"), []) }
        expect(0, "init home\(devices)")
        let taken = expect(1, "init other\(devices)")
        XCTAssertTrue(taken.complaints.contains("device of a store already"), taken.complaints)
        expect(1, "init home --disks 6")
        expect(0, "--store home status")
    }

    func testABareMountPointIsNoDevice() {
        _ = makeDevices(2)
        let table = directory + "/fstab"
        Disk.write(Disk.bytes("/dev/none \(directory)/d1 ext4 defaults 0 0\n"), to: table)
        let provider = DirectoryProvider(mountTable: table)
        XCTAssertThrowsError(try provider.prepare(directory + "/d1", creating: false) { _, _ in false }) { error in
            XCTAssertEqual((error as? StoreError)?.code, .invalid)
            XCTAssertTrue("\(error)".contains("nothing mounted"), "\(error)")
        }
        XCTAssertNoThrow(try provider.prepare(directory + "/d2", creating: false) { _, _ in false })
    }

    func testARealStoreNeverWritesWhereADeviceIsMissing() {
        let devices = makeDevices(4)
        expect(0, "init store\(devices) --profile rs:2+2")
        let content = Self.bytes(300_000, seed: 1)
        put(content, as: "k")
        expect(1, "simulate disk-loss disk-1")
        XCTAssertEqual(rename(directory + "/d1", directory + "/unmounted"), 0)
        Disk.makeDirectory(directory + "/d1")
        let repair = expect(6, "repair")
        XCTAssertTrue(repair.complaints.contains("bsctl device replace disk-1"), repair.complaints)
        XCTAssertEqual(Disk.names(directory + "/d1"), [], "a bare mount point is not written to")
        let status = expect(6, "status")
        XCTAssertTrue(status.text.contains("bsctl device replace disk-1"), status.text)
        XCTAssertEqual(self.content("k"), content)
        expect(6, "device ls")
        XCTAssertEqual(rmdir(directory + "/d1"), 0)
        XCTAssertEqual(rename(directory + "/unmounted", directory + "/d1"), 0)
        expect(0, "repair")
        expect(0, "status")
    }

    func testAReplacedDeviceIsFilledByRepair() {
        let devices = makeDevices(4)
        expect(0, "init store\(devices) --profile rs:2+2")
        let content = Self.bytes(300_000, seed: 2)
        put(content, as: "k")
        Disk.removeTree(directory + "/d2")
        Disk.makeDirectory(directory + "/fresh")
        expect(3, "device replace disk-9")
        let slip = expect(3, "device replace dsik-2")
        XCTAssertTrue(slip.complaints.contains("did you mean disk-2?"), slip.complaints)
        Disk.makeDirectory(directory + "/used")
        Disk.write([1], to: directory + "/used/x")
        expect(1, "device replace disk-2 \(directory)/used")
        expect(1, "device replace disk-2 \(directory)/d1")
        expect(6, "device replace disk-2 \(directory)/fresh")
        expect(0, "repair")
        expect(0, "status")
        Disk.removeTree(directory + "/d1")
        Disk.removeTree(directory + "/d3")
        XCTAssertEqual(self.content("k"), content)
    }

    func testADeviceThatIsStillNeededIsNotReplaced() {
        let devices = makeDevices(4)
        expect(0, "init store\(devices) --profile rs:3+1")
        let content = Self.bytes(100_000, seed: 3)
        put(content, as: "k")
        Disk.removeTree(directory + "/d1")
        Disk.makeDirectory(directory + "/fresh")
        let outcome = expect(1, "device replace disk-2 \(directory)/fresh")
        XCTAssertTrue(outcome.complaints.contains("cannot be read"), outcome.complaints)
        XCTAssertEqual(Disk.names(directory + "/fresh"), [])
        XCTAssertEqual(self.content("k"), content)
    }

    func testADeviceOfAnotherStoreIsNotTakenForThisOnes() {
        makeStore()
        let content = Self.bytes(200_000, seed: 4)
        put(content, as: "k")
        expect(0, "init other --disks 6")
        let path = "/disk-1"
        Disk.removeTree(store + path)
        XCTAssertEqual(rename(directory + "/other" + path, store + path), 0)
        let status = expect(6, "status")
        XCTAssertTrue(status.text.contains("disk-1") && status.text.contains("absent"), status.text)
        XCTAssertEqual(self.content("k"), content)
        expect(6, "put /etc/hostname k2")
    }

    func testTheSimulatorAsksBeforeItDestroysWhatCannotComeBack() {
        makeStore()
        put(Self.bytes(200_000, seed: 5), as: "k")
        let refused = expect(1, "simulate disk-loss --count 3 --seed 1")
        XCTAssertTrue(refused.complaints.contains("--force"), refused.complaints)
        expect(1, "simulate bit-rot --count 1000 --seed 1")
        expect(0, "scrub")
        expect(2, "simulate disk-loss")
        expect(2, "simulate disk-loss disk-1 --count 1")
        expect(2, "simulate disk-loss --count 7")
        expect(3, "simulate disk-loss disk-7")
        expect(0, "simulate disk-loss disk-1 disk-1")
        expect(3, "simulate disk-loss disk-1")
        expect(0, "simulate disk-loss disk-3 disk-2 disk-4 --force")
        expect(4, "get k -")
        expect(4, "status")
    }

    func testReadingADirectoryCostsNothing() {
        makeStore()
        Disk.makeDirectory(directory + "/seventh")
        let refused = expect(2, "device add \(directory)/seventh --cost 5")
        XCTAssertTrue(refused.complaints.contains("is no bucket"), refused.complaints)
    }

    func testPlayingThatDevicesAreSilentReadsFromTheOthersAndChangesNothing() {
        makeStore()
        put(Self.bytes(300_000, seed: 5), as: "k")
        let survived = expect(0, "simulate node-loss disk-1 disk-4")
        XCTAssertTrue(survived.text.contains("disk-1 and disk-4") && survived.text.contains("all right"), survived.text)
        let lost = expect(4, "simulate node-loss --count 3 --seed 1 --all")
        XCTAssertTrue(lost.complaints.contains("k: "), lost.complaints)
        expect(0, "status")
        expect(0, "scrub")
        expect(2, "simulate node-loss")
        expect(3, "simulate node-loss disk-7")
    }

    func testSimulationsRepeatFromTheirSeed() {
        makeStore()
        put(Self.bytes(200_000, seed: 6), as: "k")
        XCTAssertTrue(expect(0, "simulate bit-rot --count 2").text.contains("seed "))
        expect(6, "scrub --repair")
        let first = expect(0, "simulate bit-rot --count 2 --seed 11").text
        // The same bits again: flipped back.
        XCTAssertEqual(expect(0, "simulate bit-rot --count 2 --seed 11").text, first)
        expect(0, "scrub")
    }

    func testRealDataIsDestroyedOnlyOnPurpose() {
        let devices = makeDevices(3)
        expect(0, "init store\(devices) --profile rs:2+1")
        put([1, 2, 3], as: "k")
        expect(1, "simulate disk-loss disk-1")
        expect(1, "simulate bit-rot --count 1")
        expect(1, "simulate disk-loss disk-1 --force")
        expect(0, "scrub")
        expect(0, "simulate disk-loss disk-1 --destroy-real-data")
        XCTAssertEqual(content("k"), [1, 2, 3])
    }

    func testNoStoreIsExitThree() {
        expect(3, "--store \(directory)/nothing status")
        expect(3, "status")
        Disk.makeDirectory(directory + "/empty")
        expect(3, "--store \(directory)/empty ls")
        environment = ["BSCTL_STORE="]
        makeStore()
        XCTAssertEqual(codeOfStatus(in: store), 0, "a home finds itself")
        XCTAssertEqual(codeOfStatus(in: directory), 3)
    }

    /// The exit code of `bsctl status` without any variable, in `place`.
    private func codeOfStatus(in place: String) -> Int32 {
        Child(
            [Disk.bytes(Self.binaryPath), Disk.bytes("status")], in: place, environment: [], input: "/dev/null",
            scratch: directory + "/.status"
        ).wait().code
    }

    func testStatusAnswersInWords() throws {
        makeStore()
        put(Self.bytes(100_000, seed: 7), as: "k")
        XCTAssertTrue(expect(0, "status").text.contains("All data is safe: any 2 devices may fail now."))
        expect(0, "simulate disk-loss disk-1")
        let degraded = expect(6, "status").text
        XCTAssertTrue(degraded.contains("any one device may fail now"), degraded)
        XCTAssertTrue(degraded.contains("Next: bsctl repair"), degraded)
        let json = try XCTUnwrap(
            JSONSerialization.jsonObject(with: Data(expect(6, "status --json").output)) as? [String: Any])
        XCTAssertEqual(json["lossesSurvivedNow"] as? Int, 1)
        XCTAssertEqual(json["canWrite"] as? Bool, true)
        XCTAssertEqual((json["devices"] as? [[String: Any]])?.first?["state"] as? String, "absent")
    }

    func testEveryReportIsOneJSONDocument() throws {
        let lines = [
            "init \(store) --disks 6", "put /etc/passwd k", "put -r tree", "ls", "ls --versions", "stat k", "get k out",
            "get -r tree out2", "status", "device ls", "repair", "scrub", "scrub --repair", "index rebuild",
            "recover --abandon", "simulate bit-rot --count 1", "scrub --repair", "simulate disk-loss --count 1",
            "device replace disk-1", "repair", "rm k --dry-run", "rm k", "get k out", "nonsense", "ls --nonsense",
            "simulate disk-loss --count 5", "bench encode --size 1MiB",
        ]
        Disk.makeDirectory(directory + "/tree")
        for line in lines {
            let outcome = run(line + " --json")
            let value = try? JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any]
            XCTAssertNotNil(value, "bsctl \(line) --json printed \(outcome.text)")
            if [1, 2, 3].contains(outcome.code) {
                XCTAssertNotNil(value?["error"], line)
                XCTAssertNotNil(value?["code"], line)
            }
        }
    }

    func testAFullDiskIsACleanErrorAndHarmsNothing() throws {
        try XCTSkipUnless(geteuid() == 0, "mounting needs root")
        var devices = ""
        for number in 1...3 {
            let path = "\(directory)/d\(number)"
            Disk.makeDirectory(path)
            let status = mount("tmpfs", path, "tmpfs", 0, number == 2 ? "size=1m" : "size=64m")
            try XCTSkipUnless(status == 0, "no tmpfs can be mounted here")
            devices += " --device \(path)"
        }
        defer { for number in 1...3 { umount2("\(directory)/d\(number)", 2) } }
        expect(0, "init store\(devices) --profile rs:2+1")
        let small = Self.bytes(100_000, seed: 8)
        put(small, as: "small")
        Disk.write(Self.bytes(6_000_000, seed: 9), to: directory + "/large")
        let outcome = expect(1, "put large")
        XCTAssertTrue(outcome.complaints.contains("No space left"), outcome.complaints)
        expect(3, "get large -")
        XCTAssertEqual(content("small"), small)
        XCTAssertEqual(Disk.names(directory + "/d2/tmp").count, 0, "temporaries are removed")
        XCTAssertTrue([0, 6].contains(run("rm small").code), "deleting works on a full disk")
        expect(3, "get small -")
    }

    private func json(_ line: String) throws -> [String: Any] {
        try XCTUnwrap(JSONSerialization.jsonObject(with: Data(expect(0, line).output)) as? [String: Any])
    }

    func testAStoreIsReshapedWhileEverythingReads() throws {
        makeStore(disks: 7)
        let content = Self.bytes(900_000, seed: 3)
        put(content, as: "a")
        let shards = Disk.snapshot("\(store)/disk-1").count
        let dry = try json("reshape --profile rs:4+3 --dry-run --json")
        XCTAssertEqual(dry["shardsToWrite"] as? Int, dry["blocks"] as? Int)
        XCTAssertEqual(Disk.snapshot("\(store)/disk-1").count, shards)
        XCTAssertTrue(expect(0, "status").text.contains("rs:4+2"))
        let report = try json("reshape --profile rs:4+3 --json")
        XCTAssertEqual(report["writtenShards"] as? Int, dry["shardsToWrite"] as? Int)
        XCTAssertEqual(report["left"] as? Int, 0)
        XCTAssertTrue(expect(0, "status").text.contains("any 3 devices may fail now"))
        expect(0, "scrub")
        XCTAssertTrue(expect(0, "reshape").text.contains("0 blocks have rs:4+3 now"))
        XCTAssertTrue(expect(0, "reshape --dry-run").text.contains("nothing to reshape"))
        expect(0, "reshape --profile lrc:4+2+1")
        XCTAssertEqual(self.content("a"), content)
        XCTAssertTrue(expect(0, "reshape --profile rs:3+4 --dry-run").text.contains("would move"))
        XCTAssertTrue(expect(0, "reshape --profile rs:3+4").text.contains("stands in new ones"))
        XCTAssertEqual(self.content("a"), content)
        expect(0, "reshape --profile rs:4+3")
        expect(0, "simulate disk-loss --count 3")
        XCTAssertEqual(self.content("a", 0), content)
        for (code, line, words) in [
            (1, "reshape --profile rs:4+4", "7 devices"),
            (1, "reshape --profile rs:4+2", "in service"), (2, "reshape rs:4+2", "too many"),
        ] {
            let outcome = expect(Int32(code), line)
            XCTAssertTrue(outcome.complaints.contains(words), "\(line): \(outcome.complaints)")
        }
    }
}
