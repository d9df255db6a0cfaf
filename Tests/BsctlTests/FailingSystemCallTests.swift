import Foundation
import XCTest

/// T6, from outside: system calls of the real binary fail. A sample of what `scripts/failing-calls` does in
/// full; BS_SEED chooses another.
final class FailingSystemCallTests: CommandTest {
    func testNothingIsLostWhenASystemCallFails() throws {
        try runTool("--seed \(ProcessInfoSeed.value) --every 500")
    }

    func testEveryCallMayBeInterruptedOrShort() throws {
        try runTool(
            "--failure eintr-storm --failure short-for-good --call 1 --workload put-tree --workload get --workload repair"
                + " --workload status --workload init")
    }

    func testAnInterruptedCallOfAPutIsMadeAgain() throws {
        try runTool("--workload put-new --scope device --failure eintr-once")
    }

    func testAFileWhoseCloseFailsDoesNotStay() throws {
        try runTool("--workload get --scope output --failure eintr-sync")
    }

    func testARestoredTreeHasWholeFilesOnlyWhateverFails() throws {
        try runTool("--workload get-tree --scope output --failure eio-late --failure eio-for-good --every 3")
    }

    private func runTool(_ options: String, file: StaticString = #filePath, line: UInt = #line) throws {
        let tool = Process()
        tool.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let script = tests.appendingPathComponent("Soak/failing_calls.py").path
        tool.arguments =
            ["python3", script, "--bsctl", Self.binaryPath] + options.split(separator: " ").map(String.init)
        let pipe = Pipe()
        tool.standardOutput = pipe
        tool.standardError = pipe
        try tool.run()
        let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        tool.waitUntilExit()
        // What env says where there is no python3, and the tool where there is no C compiler.
        if tool.terminationStatus == 127 { throw XCTSkip("there is no python3") }
        if tool.terminationStatus == 77 { throw XCTSkip("there is no C compiler") }
        XCTAssertEqual(tool.terminationStatus, 0, said, file: file, line: line)
        print(said)
    }
}
