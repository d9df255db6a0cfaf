import Erasure
import Foundation

@testable import BlockStore
@testable import Simulation

/// Stores as released versions wrote them, for everyone that must be able to read them. All hold the same.
struct GoldenStore: Sendable {
    /// Cut by chunker 1.
    static let gear = GoldenStore(name: "format-1-gear", profile: "rs:2+1", diskCount: 3)
    /// Cut by chunker 2.
    static let minima = GoldenStore(name: "format-1-minima", profile: "rs:2+1", diskCount: 3)
    /// With local parities.
    static let local = GoldenStore(name: "format-1-lrc", profile: "lrc:4+2+1", diskCount: 7)

    static let all = [gear, minima, local]
    /// Those that this version would write again, byte for byte.
    static let today = [minima, local]

    let name: String
    let profile: String
    let diskCount: Int

    var disks: [String] { (1...diskCount).map { "disk-\($0)" } }

    var path: String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Golden/\(name)").path
    }

    static let text = Array(String(repeating: "the same line again and again\n", count: 300).utf8)

    static let expected: [String: [UInt8]] = [
        "empty": [], "large": SeededRandom.bytes(30_000, seed: 3), "replaced": SeededRandom.bytes(700, seed: 5),
        "text": text, "tiny": Array("tiny".utf8),
    ]

    /// A copy to read, or to do damage to.
    func copy() throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        for name in disks + ["home"] {
            try FileManager.default.copyItem(atPath: "\(path)/\(name)", toPath: "\(directory.path)/\(name)")
        }
        return directory
    }
}
