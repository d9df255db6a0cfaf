import Foundation
import XCTest

/// ls of more keys than fit into a page.
final class ListTests: CommandTest {
    private static let count = 1204

    override func setUpWithError() throws {
        try super.setUpWithError()
        makeStore(disks: 3, "--profile rs:2+1")
        Disk.makeDirectory(directory + "/many")
        for number in 0..<Self.count { Disk.write([UInt8(number & 255)], to: "\(directory)/many/\(10_000 + number)") }
        expect(0, "put -r many many")
    }

    private func keys(of outcome: Outcome) throws -> [String] {
        let objects = try XCTUnwrap(try object(outcome)["objects"] as? [[String: Any]])
        return objects.compactMap { $0["key"] as? String }
    }

    func testALongListIsOneDocument() throws {
        let expected = (0..<Self.count).map { "many/\(10_000 + $0)" }
        let outcome = expect(0, "ls --json many/1")
        XCTAssertEqual(try keys(of: outcome), expected)
        XCTAssertEqual(outcome.text.split(separator: "\n").count, 1)
        XCTAssertEqual(expect(0, "ls many/1").text.split(separator: "\n").map(String.init), expected)
        XCTAssertEqual(expect(0, "ls --json nothing").text, "{\"objects\":[]}\n")
    }

    func testAListThatEndsInAnErrorIsOneDocumentThatSaysSo() throws {
        // Of one of the last keys every row in the index.
        let path = store + "/index.db"
        var index = try Data(contentsOf: URL(fileURLWithPath: path))
        let key = Data("many/\(10_000 + Self.count - 2)".utf8)
        var places: [Int] = []
        var start = index.startIndex
        while let found = index.range(of: key, in: start..<index.endIndex) {
            places.append(found.upperBound - 1)
            start = found.upperBound
        }
        XCTAssertFalse(places.isEmpty)
        for place in places { index[place] ^= 0x40 }
        try index.write(to: URL(fileURLWithPath: path))
        let outcome = expect(1, "ls --json many/1")
        XCTAssertEqual(try keys(of: outcome), (0..<1000).map { "many/\(10_000 + $0)" })
        XCTAssertEqual(try object(outcome)["code"] as? String, "indexDamaged")
        XCTAssertEqual(
            try JSONSchema(Documents.text("docs/schema/bsctl.json")).problems(of: object(outcome), as: "list"), [])
        XCTAssertTrue(try XCTUnwrap(try object(outcome)["error"] as? String).contains("read the index"))
        XCTAssertTrue(outcome.complaints.contains("read the index"), outcome.complaints)
    }
}
