import BlockStore
import Foundation
import XCTest

@testable import bsctl

final class OutputTests: XCTestCase {
    func testSizesAreReadInBothKindsOfUnits() {
        XCTAssertEqual(Size.parse("4096"), 4096)
        XCTAssertEqual(Size.parse("64KiB"), 65536)
        XCTAssertEqual(Size.parse("64kib"), 65536)
        XCTAssertEqual(Size.parse("1M"), 1 << 20)
        XCTAssertEqual(Size.parse("10GB"), 10_000_000_000)
        XCTAssertEqual(Size.parse("7B"), 7)
        for text in ["", "K", "-1", "1.5MiB", "1 MiB", "0x10", "64KiBs", "9223372036854775807K", "٣"] {
            XCTAssertNil(Size.parse(text), text)
        }
    }

    func testSizesAreWrittenWithTheirUnit() {
        XCTAssertEqual(Size.text(0), "0 B")
        XCTAssertEqual(Size.text(1023), "1023 B")
        XCTAssertEqual(Size.text(1024), "1.00 KiB")
        XCTAssertEqual(Size.text(10 << 20), "10.0 MiB")
        XCTAssertEqual(Size.text(UInt64.max), "16.0 EiB")
        XCTAssertEqual(Size.ratio(3, 2), "1.50×")
        XCTAssertEqual(Size.ratio(3, 0), "–")
        XCTAssertEqual(Size.decimals(-1.005, 1), "-1.0")
        XCTAssertEqual(Size.decimals(0.05, 2), "0.05")
        XCTAssertEqual(Size.decimals(.infinity, 2), "–")
    }

    func testOneThingIsNotToldAsSeveral() {
        XCTAssertEqual(Count.text(0, "shard"), "0 shards")
        XCTAssertEqual(Count.text(1, "shard"), "1 shard")
        XCTAssertEqual(Count.text(1, "block", one: "is", many: "are"), "1 block is")
        XCTAssertEqual(Count.text(2, "block", one: "is", many: "are"), "2 blocks are")
    }

    func testWordsAreNearWhenOneSlipAway() {
        XCTAssertEqual(Suggestion.distance(Array("status"), Array("statsu")), 1)
        XCTAssertEqual(Suggestion.distance(Array("put"), Array("put")), 0)
        XCTAssertEqual(Suggestion.distance(Array("put"), Array("")), 3)
        XCTAssertEqual(Suggestion.distance(Array("get"), Array("rm")), 3)
    }

    func testNothingFromOutsideControlsTheTerminal() throws {
        let hostile = try Key(Array("a\u{1b}[2Jb\r\u{9b}c\u{202e}d\n".utf8) + [0xff, 0xc3, 0x28, 0xe2, 0x82])
        let shown = Printable.bytes(hostile)
        XCTAssertFalse(shown.contains { $0 < 0x20 || $0 == 0x7f })
        XCTAssertEqual(
            String(decoding: shown, as: UTF8.self),
            "a\\x1b[2Jb\\x0d\\xc2\\x9bc\\xe2\\x80\\xaed\\x0a\\xff\\xc3(\\xe2\\x82")
        XCTAssertEqual(Printable.text("größer\n日本"), "größer\n日本")
    }

    func testJSONIsReadBackAsItWasMeant() throws {
        let hostile = "quote\" slash\\ \u{1}\u{1f}\n\t\u{7f} é 日本 \u{2028}"
        let text = JSON.object([
            ("text", .string(hostile)), ("big", .unsigned(.max)), ("negative", .integer(-3)),
            ("none", .null), ("yes", .bool(true)), ("number", .number(1.5)), ("infinite", .number(.infinity)),
            ("list", .array([.integer(1), .fields([])])),
        ])
        let value = try XCTUnwrap(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        XCTAssertEqual(value["text"] as? String, hostile)
        XCTAssertEqual(value["big"] as? UInt64, .max)
        XCTAssertEqual(value["negative"] as? Int, -3)
        XCTAssertEqual(value["number"] as? Double, 1.5)
        XCTAssertTrue(value["infinite"] is NSNull)
        XCTAssertEqual((value["list"] as? [Any])?.count, 2)
    }

    func testAKeyThatIsNotUTF8IsBase64() throws {
        XCTAssertEqual(JSON.fields([JSON.key(try Key("é"))]).text, "{\"key\":\"é\"}")
        XCTAssertEqual(JSON.fields([JSON.key(try Key([0xff, 0x00 + 1]))]).text, "{\"keyBase64\":\"/wE=\"}")
    }

    func testColumnsAreAligned() {
        XCTAssertEqual(
            Table.lines([["a", "1", "x"], ["bcd", "22", ""]], right: [1]), ["a     1  x", "bcd  22  "])
    }

    func testTheBaseNameOfAPathIsItsLastName() {
        func last(_ path: String) -> String { String(decoding: Paths.lastName(Array(path.utf8)), as: UTF8.self) }
        XCTAssertEqual(last("a/b/c"), "c")
        XCTAssertEqual(last("a/b//"), "b")
        XCTAssertEqual(last("c"), "c")
        XCTAssertEqual(last("a/.."), "..")
        XCTAssertEqual(Paths.baseName(Array("/".utf8)), [])
    }
}
