import BlockStore
import Glibc
import Synchronization
import XCTest

@testable import bsctl

/// How far a command is.
final class ProgressTests: XCTestCase {
    private final class Hand: Clock {
        let time = Mutex<UInt64>(1_000_000_000_000)

        func wallNanoseconds() -> Int64 { Int64(monotonicNanoseconds()) }
        func monotonicNanoseconds() -> UInt64 { time.withLock { $0 } }
        func sleep(nanoseconds: UInt64) { time.withLock { $0 += nanoseconds } }
    }

    private final class Lines: Sendable {
        let all = Mutex<[String]>([])
        func add(_ line: String) { all.withLock { $0.append(line) } }
        var count: Int { all.withLock { $0.count } }
    }

    private func draw(isTerminal: Bool, seconds: Double, every milliseconds: UInt64) -> [String] {
        let (clock, lines) = (Hand(), Lines())
        let line = ProgressLine(isTerminal: isTerminal, clock: clock, draw: { lines.add($0) })
        for step in 1...Int(seconds * 1000) / Int(milliseconds) {
            clock.sleep(nanoseconds: milliseconds * 1_000_000)
            line.update {
                BlockStore.Progress(
                    phase: "reading", doneBytes: UInt64(step) * 1_000_000 * milliseconds / 10,
                    totalBytes: 10_000_000_000)
            }
        }
        return lines.all.withLock { $0 }
    }

    func testATerminalIsDrawnOnTenTimesASecondAtMost() {
        XCTAssertEqual(draw(isTerminal: true, seconds: 1, every: 1).count, 10)
        XCTAssertEqual(draw(isTerminal: true, seconds: 1, every: 500).count, 2)
    }

    func testElsewhereThereIsALineNowAndThen() {
        XCTAssertEqual(draw(isTerminal: false, seconds: 14, every: 100).count, 0)
        let lines = draw(isTerminal: false, seconds: 61, every: 100)
        XCTAssertEqual(lines.count, 4)
        XCTAssertEqual(lines.last, "reading: 5.59 GiB of 9.31 GiB (60 %), 100 MB/s, done in 40 s")
    }

    func testQuietIsQuiet() {
        let line = ProgressLine(isTerminal: true, clock: Hand(), draw: nil)
        XCTAssertFalse(line.isShown)
        line.update { fatalError("nobody is told") }
    }

    func testALineSaysHowFarHowFastAndHowLong() {
        func text(_ progress: BlockStore.Progress, _ rate: Double?, _ ratio: String? = nil) -> String {
            ProgressText.line(progress, ratio: ratio, bytesPerSecond: rate)
        }
        XCTAssertEqual(text(BlockStore.Progress(phase: "opening"), nil), "opening")
        XCTAssertEqual(text(BlockStore.Progress(phase: "p", doneItems: 3, totalItems: 9), 0), "p: 3 of 9")
        XCTAssertEqual(
            text(BlockStore.Progress(phase: "storing", doneBytes: 1 << 20, totalBytes: 4 << 20), 1e6, "2.10×"),
            "storing: 1.00 MiB of 4.00 MiB (25 %), 1 MB/s, ratio 2.10×, done in 3 s")
        XCTAssertEqual(text(BlockStore.Progress(phase: "p", doneBytes: 5, totalBytes: 4), 1024), "p: 5 B, 1.00 KiB/s")
        XCTAssertEqual(
            text(BlockStore.Progress(phase: "p", doneItems: 1, totalItems: 2, secondsToSafe: 4, secondsToEnd: 9), nil),
            "p: 1 of 2, safe in 4 s, done in 9 s")
        XCTAssertEqual(
            text(BlockStore.Progress(phase: "p", doneBytes: 1, totalBytes: .max), 1), "p: 1 B of 16.0 EiB (0 %), 1 B/s")
    }

    func testTheRateFollowsWhatWasOfLate() {
        var estimate = RateEstimate()
        var rate: Double?
        for second in 1...60 { rate = estimate.add(UInt64(second) * 100, at: Double(second)) }
        XCTAssertEqual(try XCTUnwrap(rate), 100, accuracy: 0.001)
        for second in 1...60 { rate = estimate.add(6000 + UInt64(second) * 10, at: 60 + Double(second)) }
        XCTAssertEqual(try XCTUnwrap(rate), 10, accuracy: 0.1)
        // Another phase.
        XCTAssertEqual(try XCTUnwrap(estimate.add(7, at: 121)), 7, accuracy: 0.001)
        XCTAssertEqual(try XCTUnwrap(estimate.add(8, at: 121)), 7, accuracy: 0.001, "no time has passed")
    }

    func testALineIsCutToTheScreen() {
        XCTAssertEqual(Text.cut("abcdef", columns: 6), "abcdef")
        XCTAssertEqual(Text.cut("abcdef", columns: 5), "abcd…")
        XCTAssertEqual(Text.cut("abc", columns: 0), "…")
        XCTAssertEqual(
            Text.wrapped("a bb ccc dddddddd e", columns: 6),
            ["a bb", "ccc", "dddddddd e"].flatMap { $0 == "dddddddd e" ? ["dddddddd", "e"] : [$0] })
    }

    func testATreeIsCountedBesideTheWork() throws {
        var template = Array("/tmp/bsctl-size.XXXXXX".utf8.map { CChar(bitPattern: $0) }) + [0]
        let directory = try XCTUnwrap(mkdtemp(&template).map { String(cString: $0) })
        defer { Disk.removeTree(directory) }
        Disk.makeDirectory(directory + "/sub")
        Disk.write([UInt8](repeating: 1, count: 1000), to: directory + "/a")
        Disk.write([UInt8](repeating: 1, count: 234), to: directory + "/sub/b")
        Disk.makeLink(directory + "/sub/link", to: directory)
        let size = TreeSize(Disk.bytes(directory))
        for _ in 0..<6000 where size.bytes == 0 { usleep(10_000) }
        XCTAssertEqual(size.bytes, 1234, "links are not followed")
    }

    func testABarShowsHowFull() {
        XCTAssertEqual(Bar.text(0.5, isPlain: true), "[#####.....]  50 %")
        XCTAssertEqual(Bar.text(0, isPlain: false), "[░░░░░░░░░░]   0 %")
        XCTAssertEqual(Bar.text(1.5, isPlain: false), "[██████████] 100 %")
        XCTAssertEqual(Bar.text(nil), "")
    }
}
