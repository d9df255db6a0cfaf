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

    /// Not what PATH names, which may be a script around it.
    private let interpreter: String

    /// Skips the test where Python 3.9 or later is not installed.
    init() throws {
        let asked = try Self.run(
            "/usr/bin/env",
            ["python3", "-c", "import sys; print(sys.executable if sys.version_info >= (3, 9) else '')"])
        interpreter = asked.output.trimmingCharacters(in: .whitespacesAndNewlines)
        if asked.code != 0 || interpreter.isEmpty {
            throw XCTSkip("no python3 of version 3.9 or later in PATH: the independent reader was not run")
        }
    }

    func callAsFunction(_ arguments: [String]) throws -> Outcome {
        // -S: without packages that are installed beside the standard library.
        try Self.run(interpreter, ["-S", "\(Self.directory)/reader.py"] + arguments)
    }

    /// Output and complaints go to files, so that the process never waits for its reader.
    private static func run(_ program: String, _ arguments: [String]) throws -> Outcome {
        let scratch = try TemporaryDirectory()
        let paths = ["\(scratch.path)/output", "\(scratch.path)/complaints"]
        for path in paths { _ = FileManager.default.createFile(atPath: path, contents: nil) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardOutput = try XCTUnwrap(FileHandle(forWritingAtPath: paths[0]))
        process.standardError = try XCTUnwrap(FileHandle(forWritingAtPath: paths[1]))
        try process.run()
        process.waitUntilExit()
        let texts = try paths.map { try String(contentsOfFile: $0, encoding: .utf8) }
        return Outcome(code: process.terminationStatus, output: texts[0], complaints: texts[1])
    }
}
