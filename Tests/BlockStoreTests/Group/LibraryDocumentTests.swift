import XCTest

/// What README shows of the library is a program that is built and run (Examples/tour).
final class LibraryDocumentTests: XCTestCase {
    func testREADMEShowsTheTourAsItIs() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../..").standardized
        let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
        let tour = try String(contentsOf: root.appending(path: "Examples/tour/main.swift"), encoding: .utf8)
        XCTAssertTrue(readme.contains("```swift\n\(tour)```\n"))
    }
}
