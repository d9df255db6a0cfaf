import Foundation
import XCTest

@testable import bsctl

/// Manual pages and help, from one table.
final class ManualTests: CommandTest {
    func testEveryCommandHasAPageWithOptionsAndExamples() throws {
        expect(0, "manual man")
        XCTAssertEqual(
            Disk.names(directory + "/man").map { String(decoding: $0, as: UTF8.self) },
            (["bsctl.1"] + CommandTable.all.map { Manual.pageName($0) + ".1" }).sorted())
        for command in CommandTable.all {
            XCTAssertFalse(command.examples.isEmpty, "\(command.name) has no example")
            let path = "\(directory)/man/\(Manual.pageName(command)).1"
            let page = String(decoding: Disk.read(path), as: UTF8.self)
            for option in command.options + Options.everywhere {
                XCTAssertTrue(
                    page.contains("\\-\\-" + option.name.replacing("-", with: "\\-")), "\(command.name): \(option.name)"
                )
            }
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS", "SEE ALSO"] {
                XCTAssertTrue(page.contains(".SH \(section)\n"), "\(command.name) has no \(section)")
            }
        }
        // Again, over what is there.
        XCTAssertEqual(expect(0, "manual man --quiet").text, "")
    }

    func testReadersOfManualPagesHaveNothingToSay() throws {
        expect(0, "manual man")
        let pages = Disk.names(directory + "/man").map { Disk.bytes("man/") + $0 }
        var tools = 0
        for (tool, arguments) in [
            ("/usr/bin/mandoc", ["-T", "lint", "-W", "warning"]),
            ("/usr/bin/groff", ["-ww", "-man", "-T", "ascii", "-z"]),
        ] where Disk.exists(tool) {
            tools += 1
            let outcome = Child(
                ([tool] + arguments).map(Disk.bytes) + pages, in: directory, environment: ["PATH=/usr/bin:/bin"],
                input: "/dev/null", scratch: directory + "/.lint"
            ).wait()
            XCTAssertEqual(outcome.complaints + outcome.text, "", tool)
            XCTAssertEqual(outcome.code, 0, tool)
        }
        try XCTSkipIf(tools == 0, "neither mandoc nor groff is installed")
    }

    func testAPageThatCannotBeWrittenIsAnError() {
        expect(1, "manual /dev/null/man")
        XCTAssertTrue(expect(1, "manual /proc").complaints.contains("[io]"))
    }

    func testNothingIsColouredWithoutATerminalOrWithNoColor() {
        makeStore()
        for variables in [[], ["TERM=xterm"], ["TERM=xterm", "NO_COLOR=1"]] {
            environment = variables
            for line in ["status", "nonsense"] {
                let outcome = run(line)
                XCTAssertFalse((outcome.text + outcome.complaints).contains("\u{1b}"), line)
            }
        }
    }
}
