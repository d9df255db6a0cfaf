import XCTest

@testable import Simulation

/// Runs Tests/IndependentReader/reader.py, which knows a store by docs/format.md alone.
struct IndependentReader {
    static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("IndependentReader").path

    struct Outcome {
        let code: Int32
        let output: String
        let complaints: String
    }

    private let python: String

    /// Skips the test where Python 3.9 or later is not installed.
    init() throws {
        let paths = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/python3" }
        guard let found = paths.first(where: FileManager.default.isExecutableFile(atPath:)) else {
            throw XCTSkip("no python3 in PATH: the independent reader was not run")
        }
        python = found
        guard try run(["-c", "import sys; sys.exit(sys.version_info < (3, 9))"]).code == 0 else {
            throw XCTSkip("\(found) is older than 3.9: the independent reader was not run")
        }
    }

    func callAsFunction(_ arguments: [String]) throws -> Outcome {
        try run(["\(Self.directory)/reader.py"] + arguments)
    }

    /// Output and complaints go to files, so that the process never waits for its reader.
    private func run(_ arguments: [String]) throws -> Outcome {
        let scratch = try TemporaryDirectory()
        let paths = ["\(scratch.path)/output", "\(scratch.path)/complaints"]
        for path in paths { _ = FileManager.default.createFile(atPath: path, contents: nil) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = arguments
        process.standardOutput = try XCTUnwrap(FileHandle(forWritingAtPath: paths[0]))
        process.standardError = try XCTUnwrap(FileHandle(forWritingAtPath: paths[1]))
        try process.run()
        process.waitUntilExit()
        let texts = try paths.map { try String(contentsOfFile: $0, encoding: .utf8) }
        return Outcome(code: process.terminationStatus, output: texts[0], complaints: texts[1])
    }
}
