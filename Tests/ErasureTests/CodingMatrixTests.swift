import XCTest

@testable import Erasure

final class CodingMatrixTests: XCTestCase {
    func testTheFirstCoefficientsAreThoseOfTheFormat() {
        let expected: [[UInt8]] = [
            [0x12, 0x59, 0xa5, 0x35, 0x65, 0xb8, 0xa3, 0x9e], [0xa5, 0x35, 0x12, 0x59, 0xa3, 0x9e, 0x65, 0xb8],
            [0x3a, 0xa8, 0x7d, 0x85, 0x5a, 0x62, 0xf7, 0xd2],
        ]
        for (row, values) in expected.enumerated() {
            XCTAssertEqual((0..<8).map { CodingMatrix.coefficient(parityRow: row, column: $0) }, values)
        }
    }

    func testMultiplicationIsThatOfTheField() {
        for left in UInt8.min...UInt8.max {
            XCTAssertEqual(GaloisField.multiply(left, 1), left)
            if left > 0 { XCTAssertEqual(GaloisField.multiply(left, GaloisField.inverse(of: left)), 1) }
            for right in [UInt8(2), 3, 0x53, 0xff] {
                XCTAssertEqual(GaloisField.multiply(left, right), Self.slowly(left, right))
            }
        }
    }

    /// Shift and add.
    private static func slowly(_ left: UInt8, _ right: UInt8) -> UInt8 {
        var (a, b, product) = (Int(left), Int(right), 0)
        while b > 0 {
            if b & 1 == 1 { product ^= a }
            a <<= 1
            if a & 0x100 != 0 { a ^= 0x11d }
            b >>= 1
        }
        return UInt8(product)
    }

    func testTheStartUpTestPasses() throws { try ErasureSelfTest.run() }
}

final class RowTests: XCTestCase {
    func testNamesAndBytesComeBack() throws {
        let rows: [Row] = [
            .data(column: 0), .data(column: 191), .parity(index: 0, columns: 0..<4),
            .parity(index: 63, columns: 6..<12),
        ]
        for row in rows {
            XCTAssertEqual(Row(name: row.name), row)
            let bytes = row.encoded
            XCTAssertEqual(Row(kind: bytes[0], index: bytes[1], first: bytes[2], end: bytes[3]), row)
        }
        XCTAssertEqual(rows[0].name, "d00")
        XCTAssertEqual(rows[3].name, "p3f-06-0c")
    }

    func testOtherNamesAreRefused() {
        for name in [
            "", "d", "d0", "d000", "dc0", "D00", "d+1", "p00", "p00-04", "p40-00-04", "p00-04-04", "p00-00-c1",
            "p00-00-04-",
            "x00", "d0A", "d00 ",
        ] {
            XCTAssertNil(Row(name: name), name)
        }
    }

    func testNoFourBytesTrap() {
        for kind in UInt8(0)...3 {
            for index in UInt8.min...UInt8.max {
                for first in [UInt8(0), 1, 191, 192, 255] {
                    for end in [UInt8(0), 1, 192, 193, 255] {
                        if let row = Row(kind: kind, index: index, first: first, end: end) {
                            XCTAssertEqual(row.encoded, [kind, index, first, end])
                        }
                    }
                }
            }
        }
    }
}

final class ProfileTests: XCTestCase {
    func testEveryProfileWithinBoundsComesBack() throws {
        for data in 1...63 {
            for parity in 1...(64 - data) {
                let profile = try Profile("rs:\(data)+\(parity)")
                XCTAssertEqual(profile.rows.count, data + parity)
                let bytes = profile.encoded
                XCTAssertEqual(try Profile(kind: bytes[0], k: bytes[1], m: bytes[2], l: bytes[3]), profile)
                XCTAssertEqual(try Profile(profile.description), profile)
            }
        }
    }

    func testEveryLocalProfileWithinBoundsComesBack() throws {
        for data in 2...60 {
            for groups in 2...data where data.isMultiple(of: groups) && data + groups < 64 {
                for globals in [1, 2, 64 - data - groups] {
                    guard data + groups + globals <= 64 else { continue }
                    let profile = try Profile("lrc:\(data)+\(groups)+\(globals)")
                    XCTAssertEqual(Set(profile.rows).count, data + groups + globals)
                    XCTAssertEqual(profile.shardCount, data + groups + globals)
                    XCTAssertEqual(profile.tolerance, globals + 1)
                    let bytes = profile.encoded
                    XCTAssertEqual(bytes, [2, UInt8(data), UInt8(globals), UInt8(groups)])
                    XCTAssertEqual(try Profile(kind: bytes[0], k: bytes[1], m: bytes[2], l: bytes[3]), profile)
                    XCTAssertEqual(try Profile(profile.description), profile)
                }
            }
        }
    }

    func testALocalProfileHasItsRowsInTheOrderInWhichTheyProtect() throws {
        XCTAssertEqual(
            try Profile("lrc:4+2+2").rows.map(\.name),
            ["d00", "d01", "d02", "d03", "p01-00-04", "p02-00-04", "p00-00-02", "p00-02-04"])
        XCTAssertEqual(
            try Profile("lrc:4+2+1").rows(over: 4..<8).map(\.name),
            ["d04", "d05", "d06", "d07", "p01-04-08", "p00-04-06", "p00-06-08"])
    }

    func testOtherTextsAreRefusedWithAReason() {
        for text in [
            "", "rs", "rs:", "rs:4", "rs:0+2", "rs:4+0", "rs:60+5", "rs:-1+2", "4+2", "rs:4+2+1", "rs:4 + 2", "lrc",
            "rs:9999+1", "lrc:", "lrc:6", "lrc:6+2", "lrc:6+2+2+2", "lrc:6+0+2", "lrc:6+1+2", "lrc:6+2+0", "lrc:7+2+2",
            "lrc:0+2+2", "lrc:2+4+2", "lrc:60+2+3", "lrc:6+2+999", "lrc: 6+2+2", "rs:6+2+2", ":4+2", "lrc:6+2+2:",
        ] {
            XCTAssertThrowsError(try Profile(text), text) { error in
                XCTAssertFalse("\(error)".isEmpty)
            }
        }
        for kind in UInt8(0)...3 {
            XCTAssertThrowsError(try Profile(kind: kind, k: 255, m: 255, l: 255))
            XCTAssertThrowsError(try Profile(kind: kind, k: 6, m: 2, l: kind == 1 ? 2 : 0))
        }
    }
}
