import Foundation
import XCTest

/// docs/operations.md holds units that people copy.
final class OperationsDocumentTests: CommandTest {
    func testTheUnitsInTheDocumentAreSoundAndTheirCommandsExist() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appendingPathComponent("docs/operations.md"), encoding: .utf8)
        var units: [String] = []
        for part in text.components(separatedBy: "`/etc/systemd/system/").dropFirst() {
            let name = String(part.prefix { $0 != "`" })
            let body = try XCTUnwrap(part.components(separatedBy: "```ini\n").dropFirst().first)
            let unit = try XCTUnwrap(body.components(separatedBy: "```").first)
            for line in unit.split(separator: "\n") where line.hasPrefix("ExecStart=/usr/local/bin/bsctl ") {
                let words = line.dropFirst("ExecStart=/usr/local/bin/bsctl ".count)
                // Everything is understood, and only the store is missing.
                expect(3, String(words))
            }
            // systemd looks for the program.
            Disk.write(
                Array(unit.replacing("/usr/local/bin/bsctl", with: "/bin/true").utf8), to: "\(directory)/\(name)")
            units.append("\(directory)/\(name)")
        }
        XCTAssertEqual(units.count, 4)
        let verify = "/usr/bin/systemd-analyze"
        guard Disk.exists(verify) else { return }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: verify)
        process.arguments = ["verify"] + units
        let complaints = Pipe()
        process.standardError = complaints
        try process.run()
        let said = String(decoding: complaints.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        XCTAssertEqual(process.terminationStatus, 0, said)
    }
}
