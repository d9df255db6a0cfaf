import Foundation
import XCTest

/// docs/operations.md holds units that people copy.
final class OperationsDocumentTests: CommandTest {
    func testTheUnitsInTheDocumentAreSoundAndTheirCommandsExist() throws {
        let text = try Documents.text("docs/operations.md")
        var units: [String] = []
        for part in text.components(separatedBy: "\n`/etc/systemd/system/").dropFirst() {
            let name = String(part.prefix { $0 != "`" })
            let body = try XCTUnwrap(part.components(separatedBy: "```ini\n").dropFirst().first)
            let unit = try XCTUnwrap(body.components(separatedBy: "```").first)
            for line in unit.split(separator: "\n") where line.hasPrefix("ExecStart=/usr/bin/bsctl ") {
                let words = line.dropFirst("ExecStart=/usr/bin/bsctl ".count)
                // Everything is understood, and only the store is missing.
                expect(3, String(words))
            }
            XCTAssertEqual(unit.contains("RequiresMountsFor=%f"), name.hasSuffix(".service"), name)
            // systemd looks for the program.
            Disk.write(
                Array(unit.replacing("/usr/bin/bsctl", with: "/bin/true").utf8), to: "\(directory)/\(name)")
            units.append("\(directory)/\(name)")
        }
        XCTAssertEqual(units.count, 6)
        let verify = "/usr/bin/systemd-analyze"
        guard Disk.exists(verify) else { return }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: verify)
        process.arguments = ["--man=no", "verify"] + units
        let complaints = Pipe()
        process.standardError = complaints
        try process.run()
        let said = String(decoding: complaints.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        XCTAssertEqual(process.terminationStatus, 0, said)
    }
}
