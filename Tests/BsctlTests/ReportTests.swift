import Foundation
import FoundationXML
import XCTest

@testable import BlockStore
@testable import bsctl

/// report: one page that is whole, harmless and needs nothing else.
final class ReportTests: CommandTest {
    /// Elements and attributes, as an XML parser reads them.
    private final class Reader: NSObject, XMLParserDelegate {
        var elements: [String: Int] = [:]
        var attributes: [(element: String, name: String, value: String)] = []
        var text = ""
        var style = ""
        private var path: [String] = []

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
            attributes: [String: String]
        ) {
            path.append(name)
            elements[name, default: 0] += 1
            self.attributes += attributes.map { (name, $0.key, $0.value) }
        }

        func parser(_ parser: XMLParser, didEndElement: String, namespaceURI: String?, qualifiedName: String?) {
            path.removeLast()
        }

        func parser(_ parser: XMLParser, foundCharacters string: String) {
            if path.last == "style" { style += string } else { text += string }
        }
    }

    private func read(_ path: String, line: UInt = #line) -> Reader {
        let parser = XMLParser(data: Data(Disk.read("\(directory)/\(path)")))
        let reader = Reader()
        parser.delegate = reader
        XCTAssertTrue(parser.parse(), "\(String(describing: parser.parserError)) \(parser.lineNumber)", line: line)
        return reader
    }

    private func fill() {
        makeStore(disks: 7)
        put(Self.bytes(3_000_000, seed: 1), as: "k")
        put(Self.bytes(3_000_000, seed: 2), as: "k")
        expect(0, "rm k")
    }

    func testThePageIsWellFormedAndNeedsNothingElse() {
        fill()
        let told = expect(0, "report page.html")
        XCTAssertTrue(told.text.hasPrefix("page.html, "), told.text)
        let page = read("page.html")
        for name in ["script", "link", "img", "iframe", "object", "embed", "form", "a", "base", "image", "use"] {
            XCTAssertNil(page.elements[name], name)
        }
        for attribute in page.attributes {
            XCTAssertFalse(
                ["src", "href", "srcset", "action", "data", "xlink:href"].contains(attribute.name)
                    || attribute.name.hasPrefix("on"), "\(attribute)")
            XCTAssertFalse(attribute.value.contains("url("), "\(attribute)")
        }
        for word in ["url(", "@import", "@font-face", "http:", "https:", "//"] {
            XCTAssertFalse(page.style.contains(word), word)
        }
        XCTAssertTrue(page.style.contains("prefers-color-scheme: dark"))
        XCTAssertTrue(page.style.contains("@media print"))
        XCTAssertFalse(page.style.contains("&"), "a style sheet is not escaped")
        XCTAssertTrue(
            page.attributes.contains { $0.value.hasPrefix("default-src 'none'") }, "nothing is loaded, says the page")
        XCTAssertEqual(page.elements["svg"], 4, "growth and odds, wide and narrow")
        for words in [
            "All data is safe", "disk-7", "2 versions", "Redundancy", "complete", "Last read", "Growth", "Coded",
            "The chance to lose data within a year", "What it leaves out", "The greatest risk",
        ] {
            XCTAssertTrue(page.text.contains(words), words)
        }
    }

    func testWhatComesFromUsersIsTextAndNothingElse() {
        fill()
        let hostile = "<script>alert(\"1\")</script>&amp;'\u{202e}x"
        expect(0, words: ["device", "relabel", "disk-1", hostile].map(Disk.bytes))
        expect(0, words: ["device", "set", "disk-2", "--domain", "<img src=x onerror=y>]]>"].map(Disk.bytes))
        expect(0, words: ["device", "set", "disk-3", "--domain", "<img src=x onerror=y>]]>"].map(Disk.bytes))
        expect(0, "report page.html")
        let page = read("page.html")
        XCTAssertNil(page.elements["script"])
        XCTAssertNil(page.elements["img"])
        XCTAssertTrue(
            page.text.contains("<script>alert(\"1\")</script>&amp;'\\xe2\\x80\\xaex"), "it is read as it was written")
        XCTAssertTrue(page.text.contains("<img src=x onerror=y>]]>"))
    }

    func testThePageSaysWhatIsWrongAndWhatToRun() {
        fill()
        expect(0, "simulate disk-loss disk-2")
        XCTAssertEqual(expect(6, "report hurt.html").complaints, "")
        let hurt = read("hurt.html").text
        for words in ["bsctl repair", "absent", "lacking 1 shard", "Out of service now"] {
            XCTAssertTrue(hurt.contains(words), words)
        }
        expect(0, "simulate disk-loss --force --count 4 --seed 1")
        expect(4, "report lost.html")
        let lost = read("lost.html").text
        XCTAssertTrue(lost.contains("DATA IS LOST"))
        XCTAssertTrue(lost.contains("Data is lost: not all of it can be read"))
    }

    func testWhatIsNoCommandIsNotShownAsOne() {
        let devices = (1...3).map { "\(directory)/d\($0)" }
        for device in devices { Disk.makeDirectory(device) }
        expect(0, "init \(store) --profile rs:2+1 --device \(devices.joined(separator: " "))")
        put([1], as: "k")
        Disk.removeTree(devices[1])
        expect(6, "report page.html")
        let page = String(decoding: Disk.read(directory + "/page.html"), as: UTF8.self)
        XCTAssertTrue(page.contains("<span>bring disk-2 back, or put an empty directory there:</span>"), page)
        XCTAssertTrue(page.contains("<code>bsctl device replace disk-2 [DIR]</code>"), page)
    }

    func testGrowthWithinADayTellsTheTimeAndElseTheDay() {
        func times(after seconds: Int64) -> Int {
            let point = StoreHistory.Point(seconds: 1_790_000_000, versionBytes: 10, shardBytes: 15)
            return Plot.growth([point], now: point.seconds + seconds, isNarrow: false).markup
                .matches(of: /\d{4}-\d\d-\d\d \d\d:\d\d</).count
        }
        XCTAssertEqual(times(after: 60), 2)
        XCTAssertEqual(times(after: 200_000), 0)
    }

    func testAnEmptyStoreHasAReport() {
        makeStore()
        expect(0, "report page.html")
        let page = read("page.html")
        XCTAssertTrue(page.text.contains("All data is safe"))
        XCTAssertFalse(page.text.contains("nan"))
        XCTAssertFalse(page.attributes.contains { $0.value.contains("–%") || $0.value.contains("nan") })
    }

    func testNothingIsReplacedAndNothingIsLeftBehind() {
        fill()
        Disk.write([1, 2, 3], to: directory + "/page.html")
        XCTAssertTrue(expect(1, "report page.html").complaints.contains("exists"))
        XCTAssertEqual(Disk.read(directory + "/page.html"), [1, 2, 3])
        expect(2, "report")
        XCTAssertNotEqual(run("report no/such/directory.html").code, 0)
        Disk.makeDirectory(directory + "/new")
        expect(3, "--store nothing report new/page.html")
        XCTAssertEqual(Disk.names(directory + "/new"), [])
    }

    /// Where Chromium is: the page is drawn as wide as its window, on a desk and on a phone, and complains of nothing.
    func testABrowserShowsThePageWithoutScrollingSideways() throws {
        let browser = try XCTUnwrap(
            ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].first(where: Disk.exists)
                ?? { throw XCTSkip("no Chromium is installed: apt-get install chromium") }())
        fill()
        expect(0, "report page.html")
        var page = String(decoding: Disk.read("\(directory)/page.html"), as: UTF8.self)
        // The test's own script measures; the page's policy would forbid it.
        page = page.replacing("default-src 'none'; style-src", with: "style-src")
        Disk.write(Array(page.utf8), to: "\(directory)/inner.html")
        for width in [360, 900] {
            Disk.write(
                Disk.bytes(
                    """
                    <!DOCTYPE html><title></title><iframe id="f" src="inner.html" width="\(width)" height="900"></iframe>
                    <script>
                    document.getElementById("f").onload = function () {
                      var d = this.contentDocument, shown = 0;
                      for (var s of d.querySelectorAll("svg")) if (s.getBoundingClientRect().width > 0) shown += 1;
                      document.title = [d.documentElement.scrollWidth, shown, d.querySelectorAll("section").length].join(" ");
                    };
                    </script>
                    """), to: "\(directory)/outer.html")
            let outcome = Child(
                [
                    browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
                    "--user-data-dir=\(directory)/profile", "--virtual-time-budget=3000", "--window-size=1200,1000",
                    "--dump-dom", "file://\(directory)/outer.html",
                ].map(Disk.bytes), in: directory, environment: ["PATH=/usr/bin:/bin", "HOME=\(directory)"],
                input: "/dev/null", scratch: "\(directory)/.browser-\(width)"
            ).wait()
            let title = try XCTUnwrap(outcome.text.firstMatch(of: /<title>(\d+) (\d+) (\d+)<\/title>/), outcome.text)
            XCTAssertLessThanOrEqual(try XCTUnwrap(Int(title.1)), width, "wider than \(width) pixels")
            XCTAssertEqual(title.2, "2", "one drawing of each kind")
            XCTAssertEqual(title.3, "6")
        }
    }
}
