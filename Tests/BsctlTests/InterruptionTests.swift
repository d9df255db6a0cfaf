import Foundation
import Glibc
import XCTest

@testable import bsctl

/// SIGINT, SIGTERM and SIGHUP: a clean end, that says what was kept.
final class InterruptionTests: CommandTest {
    /// Waits until `isTrue`; a minute, which no machine needs.
    private func wait(_ isTrue: () -> Bool, file: StaticString = #filePath, at line: UInt = #line) {
        for _ in 0..<6000 {
            if isTrue() { return }
            usleep(10_000)
        }
        XCTFail("nothing came", file: file, line: line)
    }

    private func start(_ line: String, input: String? = "/dev/null") -> Child { start(Self.words(line), input: input) }

    func testAPutThatWaitsForInputEndsAndLeavesNothing() throws {
        makeStore()
        for (signal, code) in [(SIGINT, 130), (SIGTERM, 143), (SIGHUP, 129)] as [(Int32, Int32)] {
            let put = start("put - key", input: nil)
            // More than a pipe holds: it reads.
            XCTAssertTrue(put.feed(Self.bytes(300_000, seed: 1)))
            kill(put.process, signal)
            let outcome = put.wait(endingInput: false)
            XCTAssertEqual(outcome.code, code)
            XCTAssertTrue(outcome.isEndedBySignal, "a script that runs it ends as well")
            XCTAssertTrue(outcome.complaints.contains("nothing was stored or removed"), outcome.complaints)
            XCTAssertTrue(outcome.complaints.contains("[interrupted]"), outcome.complaints)
            expect(3, "get key -")
            for disk in 1...6 { XCTAssertEqual(Disk.names("\(store)/disk-\(disk)/tmp"), [], "signal \(signal)") }
        }
    }

    func testAProducerIsEndedToo() throws {
        makeStore()
        let script = directory + "/producer"
        Disk.write(Array("#!/bin/sh\necho $$ > \(directory)/started\nexec sleep 1000\n".utf8), to: script, mode: 0o755)
        let child = start("put --from-command key -- \(script)")
        wait { !Disk.read(directory + "/started").isEmpty }
        kill(child.process, SIGTERM)
        let outcome = child.wait()
        XCTAssertEqual(outcome.code, 143)
        XCTAssertTrue(outcome.complaints.contains("nothing was stored"), outcome.complaints)
        let producer = try XCTUnwrap(
            pid_t(String(decoding: Disk.read(directory + "/started"), as: UTF8.self).filter(\.isNumber)))
        XCTAssertEqual(kill(producer, 0), -1, "it is gone and reaped")
        expect(3, "get key -")
    }

    func testASecondSignalEndsAtOnce() throws {
        makeStore()
        let script = directory + "/stubborn"
        Disk.write(
            Array("#!/bin/sh\ntrap '' TERM\necho $$ > \(directory)/started\nwhile :; do sleep 0.1; done\n".utf8),
            to: script,
            mode: 0o755)
        let child = start("put --from-command key -- \(script)")
        wait { !Disk.read(directory + "/started").isEmpty }
        kill(child.process, SIGTERM)
        // It waits for the producer, which does not listen, and says how to end it all the same.
        wait { child.complaintsSoFar.contains("once more ends at once") }
        kill(child.process, SIGTERM)
        let outcome = child.wait()
        XCTAssertEqual(outcome.code, 143)
        XCTAssertTrue(outcome.complaints.contains("[interrupted]"), outcome.complaints)
        let producer = try XCTUnwrap(
            pid_t(String(decoding: Disk.read(directory + "/started"), as: UTF8.self).filter(\.isNumber)))
        kill(producer, SIGKILL)
        expect(3, "get key -")
    }

    func testACommandThatOnlyReadsEndsAtOnceAndSaysSo() throws {
        makeStore()
        put([1], as: "a")
        let follow = start("changes --follow")
        wait { !follow.outputSoFar.isEmpty }
        kill(follow.process, SIGINT)
        let outcome = follow.wait()
        XCTAssertEqual(outcome.code, 130)
        XCTAssertEqual(outcome.complaints, "", "that is how it always ends")
        let blocked = start("put - b", input: nil)
        XCTAssertTrue(blocked.feed(Self.bytes(300_000, seed: 1)))
        let waiting = start("rm a")
        wait { waiting.complaintsSoFar.contains("waiting for bsctl put") }
        kill(waiting.process, SIGTERM)
        let waited = waiting.wait()
        XCTAssertEqual(waited.code, 143)
        XCTAssertTrue(waited.complaints.contains("interrupted: nothing was changed [interrupted]"), waited.complaints)
        XCTAssertEqual(blocked.wait().code, 0)
        XCTAssertEqual(content("a"), [1])
    }

    func testABenchmarkThatIsInterruptedRemovesItsDirectory() {
        let place = directory + "/place"
        Disk.makeDirectory(place)
        for line in ["bench put", "bench store --size 64MiB --rounds 99"] {
            let bench = start("\(line) --in \(place)")
            wait { Disk.names(place).contains { !Disk.names(Disk.bytes(place) + [47] + $0).isEmpty } }
            kill(bench.process, SIGINT)
            let outcome = bench.wait()
            XCTAssertEqual(outcome.code, 130, line)
            XCTAssertTrue(outcome.complaints.contains("nothing was measured to its end"), outcome.complaints)
            XCTAssertEqual(Disk.names(place), [], line)
        }
    }

    func testASignalThatIsIgnoredFromTheStartStaysIgnored() throws {
        makeStore()
        let line = "trap '' HUP; exec \(Self.binaryPath) put - key"
        let put = Child(
            [Disk.bytes("/bin/sh"), Disk.bytes("-c"), Disk.bytes(line)], in: directory,
            environment: ["PATH=/usr/bin:/bin", "BSCTL_STORE=\(store)"], input: nil, scratch: directory + "/.nohup")
        XCTAssertTrue(put.feed(Self.bytes(300_000, seed: 1)))
        kill(put.process, SIGHUP)
        XCTAssertTrue(put.feed([1, 2, 3]))
        XCTAssertEqual(put.wait().code, 0)
        XCTAssertEqual(content("key").count, 300_003)
    }
}
