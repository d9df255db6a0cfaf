import BlockStore
import Foundation
import XCTest

@testable import bsctl

/// What is told of failures, and docs/errors.md.
final class ErrorTests: CommandTest {
    private func sections() throws -> [String: String] {
        let text = try Documents.text("docs/errors.md")
        var result: [String: String] = [:]
        for part in text.components(separatedBy: "\n### `").dropFirst() {
            let code = String(part.prefix { $0 != "`" })
            XCTAssertNil(result[code], "\(code) is explained twice")
            result[code] = part.components(separatedBy: "\n## ")[0]
        }
        return result
    }

    func testEveryCodeIsExplainedAndNoOther() throws {
        let sections = try sections()
        XCTAssertEqual(Set(sections.keys), Set(ErrorKind.all.map(\.code)))
        XCTAssertEqual(Set(ErrorKind.all.map(\.code)).count, ErrorKind.all.count)
        for kind in ErrorKind.all {
            let text = try XCTUnwrap(sections[kind.code])
            XCTAssertTrue(
                text.contains("At risk: \(kind.risk ?? "nothing")."), "\(kind.code): \(kind.risk ?? "nothing")")
            if kind.code != "interrupted" {
                XCTAssertTrue(text.contains("Exit code \(kind.exit.rawValue)."), kind.code)
            }
        }
    }

    func testACodeOfTheLibraryKeepsItsName() {
        for code in StoreError.Code.allCases { XCTAssertEqual(ErrorKind(code).code, code.rawValue) }
    }

    func testAnErrorSaysWhatHappenedWhatIsAtRiskAndWhatNext() {
        let full = Complaint(
            StoreError(.noSpace, "write", at: "disk-1", detail: "no room", advice: "make room"))
        XCTAssertEqual(
            full.text,
            "cannot write at disk-1: no room [noSpace]\n  at risk: what this command was to write; what was acknowledged "
                + "before is safe\n  next: make room")
        XCTAssertEqual(
            Complaint(UsageError(description: "no\nusage: x", next: "y")).text, "no [usage]\nusage: x\n  next: y")
    }

    func testEveryErrorHasItsCodeInTextAndInJSON() throws {
        makeStore()
        Disk.write([1, 2, 3], to: directory + "/file")
        expect(0, "put file a")
        expect(0, "get a out")
        for (exit, code, line) in [
            (2, "usage", "nonsense"), (2, "usage", "put"), (2, "usage", "get --range x"), (2, "usage", "ls -z"),
            (2, "usage", "get -r a"), (2, "usage", "completions tcsh"), (3, "notFound", "get b"),
            (3, "notFound", "device drain disk-9"), (3, "notFound", "ls --store nowhere"), (1, "exists", "get a out"),
            (7, "conditionFailed", "put file a --if-absent"), (1, "input", "put absent"),
            (1, "refused", "simulate disk-loss --count 5"), (2, "invalid", "get a - --range 5-9"),
            (1, "tooFewDevices", "reshape --profile rs:6+3"),
        ] as [(Int32, String, String)] {
            let plain = expect(exit, line)
            XCTAssertTrue(plain.complaints.contains(" [\(code)]\n"), "\(line): \(plain.complaints)")
            XCTAssertTrue(plain.complaints.contains("\n  next: "), "\(line): \(plain.complaints)")
            XCTAssertTrue(plain.output.isEmpty, line)
            let value = try object(expect(exit, line + " --json"))
            XCTAssertEqual(value["code"] as? String, code, line)
            XCTAssertNotNil(value["error"] as? String, line)
            XCTAssertNotNil(value["next"] as? String, line)
            XCTAssertEqual(value["risk"] as? String, ErrorKind.all.first { $0.code == code }?.risk, line)
        }
    }

    func testAReportThatCannotBeWrittenIsNoFailureOfTheCommand() throws {
        try XCTSkipUnless(Disk.exists("/dev/full"), "there is no /dev/full")
        makeStore()
        Disk.write([1], to: directory + "/file")
        let line = "\(Self.binaryPath) put file a > /dev/full"
        let child = Child(
            [Disk.bytes("/bin/sh"), Disk.bytes("-c"), Disk.bytes(line)], in: directory,
            environment: ["PATH=/usr/bin:/bin", "BSCTL_STORE=\(store)"], input: "/dev/null",
            scratch: directory + "/.full")
        let outcome = child.wait()
        XCTAssertEqual(outcome.code, 1)
        XCTAssertTrue(outcome.complaints.contains("[output]"), outcome.complaints)
        XCTAssertEqual(content("a"), [1])
    }

    func testOneFileOfManyThatFailsIsNamedAndTheOthersAreStored() throws {
        makeStore()
        Disk.makeDirectory(directory + "/tree")
        Disk.write([1], to: directory + "/tree/good")
        let long = String(repeating: "k", count: 250)
        var path = directory + "/tree"
        for _ in 0..<5 {
            path += "/" + long
            Disk.makeDirectory(path)
        }
        let outcome = expect(1, "put -r tree")
        XCTAssertTrue(outcome.complaints.contains("[partial]"), outcome.complaints)
        XCTAssertTrue(outcome.complaints.contains("[invalid]"), outcome.complaints)
        XCTAssertEqual(content("tree/good"), [1])
        let report = try object(expect(1, "put -r tree --json"))
        XCTAssertEqual(report["code"] as? String, "partial")
        XCTAssertNotNil((report["failed"] as? [[String: Any]])?.first?["code"])
    }
}
