import Foundation
import XCTest

/// docs/tutorial.md shows commands and what they print. It is played from top to bottom, in one shell.
final class TutorialDocumentTests: CommandTest {
    private struct Step {
        let command: String
        var output: [String] = []
    }

    func testEveryCommandOfTheTutorialPrintsWhatItSays() throws {
        let told = Self.steps(in: try Documents.text("docs/tutorial.md"))
        XCTAssertGreaterThan(told.count, 40)
        let seen = try play(told.map(\.command))
        for (step, (output, code)) in zip(told, seen) {
            // 6 is part of the story: damage was found, or shards are owed.
            XCTAssertTrue(code == 0 || code == 6, "\(step.command): exit code \(code)\n\(output)")
            XCTAssertEqual(
                Self.comparable(output), Self.comparable(step.output.joined(separator: "\n")),
                "\(step.command)\nprinted\n\(output)")
        }
    }

    func testTheTimerOfTheTutorialRunsACommandThatExists() throws {
        let text = try Documents.text("docs/tutorial.md")
        let lines = text.split(separator: "\n").filter { $0.hasPrefix("ExecStart=/usr/bin/bsctl ") }
        XCTAssertEqual(lines.count, 1)
        // Everything is understood, and only the store is missing.
        for line in lines { expect(3, String(line.dropFirst("ExecStart=/usr/bin/bsctl ".count))) }
    }

    /// The lines of the `console` blocks that begin with a prompt, and what stands below each.
    private static func steps(in text: String) -> [Step] {
        var steps: [Step] = []
        for block in text.components(separatedBy: "```console\n").dropFirst() {
            for line in block.components(separatedBy: "```")[0].components(separatedBy: "\n") {
                if line.hasPrefix("$ ") {
                    steps.append(Step(command: String(line.dropFirst(2))))
                } else if !line.isEmpty, !steps.isEmpty {
                    steps[steps.count - 1].output.append(line)
                }
            }
        }
        return steps
    }

    /// Runs commands in one shell, with a directory of this test for /tmp/try: what each printed, and its exit code.
    private func play(_ commands: [String]) throws -> [(output: String, code: Int)] {
        let mark = "== exit code of the step above:"
        var script = "exec 2>&1\n"
        for command in commands { script += "\(command)\ncode=$?; echo; echo '\(mark)' $code; (exit $code)\n" }
        let place = "\(directory)/try"
        Disk.makeDirectory("\(directory)/bin")
        Disk.makeLink("\(directory)/bin/bsctl", to: Self.binaryPath)
        let shell = Child(
            ["/bin/bash", "-c", script.replacing("/tmp/try", with: place)].map(Disk.bytes), in: directory,
            environment: ["PATH=\(directory)/bin:/usr/bin:/bin", "HOME=\(directory)", "LANG=C.UTF-8"],
            input: "/dev/null", scratch: "\(directory)/.tutorial")
        let text = shell.wait().text.replacing(place, with: "/tmp/try")
        var played: [(output: String, code: Int)] = []
        var output = ""
        for line in text.components(separatedBy: "\n") {
            if line.hasPrefix(mark) {
                played.append((output, try XCTUnwrap(Int(line.split(separator: " ").last ?? ""))))
                output = ""
            } else {
                output += line + "\n"
            }
        }
        XCTAssertEqual(played.count, commands.count, text)
        return played
    }

    /// The words of `output` without what is another each time: numbers, ids, which row is where, what part of a shard a bit
    /// falls into, and what a get tells of damage, which it meets in some rows and not in others. Files are read, at some rate, or
    /// not by how long ago they were written.
    private static func comparable(_ output: String) -> [String] {
        output.components(separatedBy: "\n").compactMap { line in
            if line.contains(#/^bsctl: warning: (shard .* of block|.* rebuilt from other shards)/#) { return nil }
            let words =
                line
                .replacing(#/^(  block .*): .*/#) { "\($0.1) is damaged" }
                .replacing(#/ \([0-9.]+ [KMGT]?i?B not read\)/#, with: "")
                .replacing(#/( in [0-9.]+ s), [0-9]+ MB\/s/#) { "\($0.1)" }
                .replacing(#/\b[0-9a-f]{8,32}\b/#.wordBoundaryKind(.simple), with: "N")
                .replacing(#/\b[dp][0-9]{2}(-[0-9]{2}-[0-9]{2})?\b/#.wordBoundaryKind(.simple), with: "row")
                .replacing(#/[0-9]([0-9.:,-]*[0-9])?(e-[0-9]+)?( [KMGT]?i?B\b)?/#.wordBoundaryKind(.simple), with: "N")
                .replacing(#/[█░]+/#, with: "bar")
                .split(separator: #/\s+/#)
            return words.isEmpty ? nil : words.joined(separator: " ")
        }
    }
}
