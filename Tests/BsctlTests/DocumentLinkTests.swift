import Foundation
import XCTest

/// People who read at night, with a dead disk, need links that lead somewhere.
final class DocumentLinkTests: XCTestCase {
    func testEveryLinkInTheDocumentsLeadsToAFileAndAHeading() throws {
        var links = 0
        for document in try Self.documents() {
            let text = try Documents.text(document)
            let folder = Documents.root.appendingPathComponent(document).deletingLastPathComponent()
            for match in text.matches(of: #/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/#) {
                links += 1
                let target =
                    match.1.isEmpty
                    ? Documents.root.appendingPathComponent(document) : folder.appendingPathComponent(String(match.1))
                guard FileManager.default.fileExists(atPath: target.path) else {
                    XCTFail("\(document): there is no \(match.1)")
                    continue
                }
                guard let anchor = match.2 else { continue }
                let headings = Self.anchors(of: try String(contentsOf: target, encoding: .utf8))
                XCTAssertTrue(headings.contains(String(anchor)), "\(document): \(match.1) has no heading #\(anchor)")
            }
        }
        XCTAssertGreaterThan(links, 80)
    }

    func testTheIndexOfTheDocumentsNamesEachOfThem() throws {
        let index = try Documents.text("docs/README.md")
        for document in try Self.documents() where document.hasPrefix("docs/") && document != "docs/README.md" {
            let name = document.dropFirst("docs/".count)
            guard !name.contains("/") else { continue }
            XCTAssertTrue(index.contains("](\(name))"), "docs/README.md does not name \(name)")
        }
    }

    private static func documents() throws -> [String] {
        let folder = Documents.root.appendingPathComponent("docs")
        let inside = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
        return (inside.map { "docs/\($0)" } + ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "perf/README.md"])
            .filter { $0.hasSuffix(".md") }.sorted()
    }

    /// The headings as web pages name them: lower case, words joined by hyphens, without punctuation.
    private static func anchors(of text: String) -> Set<String> {
        Set(
            text.split(separator: "\n").filter { $0.hasPrefix("#") }.map { line in
                line.drop { $0 == "#" }.trimmingCharacters(in: .whitespaces).lowercased()
                    .filter { $0.isLetter || $0.isNumber || $0 == " " || $0 == "-" || $0 == "_" }
                    .replacing(" ", with: "-")
            })
    }
}
