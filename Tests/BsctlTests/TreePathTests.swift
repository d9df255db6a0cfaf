import XCTest

@testable import BlockStore

final class TreePathTests: XCTestCase {
    private func path(_ key: String, _ prefix: String, isDirectory: Bool = false) throws -> String {
        try TreePath.names(of: try Key(key), isDirectory: isDirectory, below: Array(prefix.utf8))
            .map { String(decoding: $0, as: UTF8.self) }.joined(separator: "|")
    }

    func testKeysBecomePathsBelowTheirPrefix() throws {
        XCTAssertEqual(try path("p/a/b", "p"), "a|b")
        XCTAssertEqual(try path("p/a/b", "p/"), "a|b")
        XCTAssertEqual(try path("p/", "p", isDirectory: true), "")
        XCTAssertEqual(try path("p/a/", "p", isDirectory: true), "a")
        XCTAssertEqual(try path("x/p", "x/p"), "p")
        XCTAssertEqual(try path("/a", "/"), "a")
        XCTAssertEqual(try path("/", "/", isDirectory: true), "")
    }

    func testNoKeyLeadsOutside() {
        for key in ["p/../x", "p/a/../../x", "p/..", "p/.", "p//x", "p///etc", "p/a/", "p/", "p/a//", "other", "pq/x"] {
            XCTAssertThrowsError(try path(key, "p"), key) { XCTAssertTrue($0 is TreePath.Refusal) }
        }
        XCTAssertThrowsError(try path("p//", "p", isDirectory: true))
        XCTAssertThrowsError(try path("p/../", "p", isDirectory: true))
        XCTAssertThrowsError(try path("..", ".."))
        XCTAssertThrowsError(try path("p/" + String(repeating: "x", count: 256), "p"))
        XCTAssertNoThrow(try path("p/" + String(repeating: "x", count: 255), "p"))
    }
}
