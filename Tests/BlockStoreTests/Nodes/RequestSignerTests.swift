import XCTest

@testable import BlockStore

/// The examples of the S3 API reference, "Signature Calculations: Examples", and the clock.
final class RequestSignerTests: XCTestCase {
    private let signer = RequestSigner(
        credentials: Credentials(
            accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", sessionToken: nil),
        region: "us-east-1")

    private func signature(_ query: String) -> String? {
        signer.headers(
            method: "GET", host: "examplebucket.s3.amazonaws.com", path: "/", query: query, headers: [],
            bodyDigest: BodyDigest.empty.sha256, seconds: 1_369_353_600
        ).last.flatMap { $0.value.split(separator: "=").last.map(String.init) }
    }

    func testPublishedExamplesAreSignedAsTheyShouldBe() {
        XCTAssertEqual(
            signature("lifecycle="), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
        XCTAssertEqual(
            signature("max-keys=2&prefix=J"), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
    }

    func testTimesAreReadAndWrittenAsHTTPAndSignaturesHaveThem() {
        XCTAssertEqual(CalendarTime(seconds: 1_369_353_600).compact, "20130524T000000Z")
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199),
            ("Fri, 01 Mar 2024 00:00:00 GMT", 1_709_251_200), ("Thu, 26 Nov 2026 07:36:54 GMT", 1_795_678_614),
        ] as [(String, Int64)] {
            XCTAssertEqual(CalendarTime(http: text)?.seconds, seconds, text)
        }
        XCTAssertEqual(CalendarTime(seconds: 1_709_251_199).text, "2024-02-29 23:59:59 UTC")
        for text in [
            "", "Thu, 26 Nov 2026", "Thu, 26 Nov 2026 07:36:54 CET", "Thu, 26 Foo 2026 07:36:54 GMT",
            "Thu, 26 Nov 99999999999999 07:36:54 GMT", "Thu, 26 Nov 2026 7:x:54 GMT", "Thu, 26 Nov 2026 25:00:00 GMT",
        ] {
            XCTAssertNil(CalendarTime(http: text), text)
        }
    }
}

/// The XML of answers: what servers write, and nothing else.
final class MarkupReaderTests: XCTestCase {
    private func read(_ text: String) -> MarkupElement? { MarkupReader.read(Array(text.utf8)) }

    func testAnAnswerIsReadWithItsEntities() throws {
        let root = try XCTUnwrap(
            read(
                """
                <?xml version="1.0" encoding="UTF-8"?>
                <!-- by a server --><Error xmlns="http://s3/"><Code>No&amp;Such</Code><Empty/><A b='>'/>
                  <Message>a &lt;b&gt; &#233;&#x20ac; \u{fc}</Message></Error>
                """))
        XCTAssertEqual(root.name, "Error")
        XCTAssertEqual(root.text(of: "Code"), "No&Such")
        XCTAssertEqual(root.text(of: "Message"), "a <b> é€ ü")
        XCTAssertEqual(root.text(of: "Empty"), "")
        XCTAssertNil(root.text(of: "Other"))
    }

    func testWhatDoesNotHoldTogetherIsRefused() {
        let deep = String(repeating: "<a>", count: 100) + String(repeating: "</a>", count: 100)
        for text in [
            "", " ", "x", "<", "<a", "<a>", "<a></b>", "<a/><b/>", "<a/>x", "<a>&x;</a>", "<a>&#xd800;</a>", "<a>&</a>",
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a/>", "<a><![CDATA[x]]></a>", "<a><?x?></a>", "<?xml ", "<a><!-- </a>",
            "</a>",
            "<a b=\"></a>", "<a>&#99999999999;</a>", deep,
        ] {
            XCTAssertNil(read(text), text)
        }
        XCTAssertNil(MarkupReader.read(Array("<a>".utf8) + [0xff] + Array("</a>".utf8)))
    }
}
