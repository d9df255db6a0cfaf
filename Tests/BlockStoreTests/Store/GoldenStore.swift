import Foundation

@testable import BlockStore
@testable import Simulation

/// The golden store of format 1 and what it holds, for everyone that must be able to read it.
enum GoldenStore {
    static let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Golden/format-1").path

    /// It is of the profile rs:2+1.
    static let disks = ["disk-1", "disk-2", "disk-3"]

    static let text = Array(String(repeating: "the same line again and again\n", count: 300).utf8)

    static let expected: [String: [UInt8]] = [
        "empty": [], "large": SeededRandom.bytes(30_000, seed: 3), "replaced": SeededRandom.bytes(700, seed: 5),
        "text": text, "tiny": Array("tiny".utf8),
    ]

    /// A copy to read, or to do damage to.
    static func copy() throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        for name in disks + ["home"] {
            try FileManager.default.copyItem(atPath: "\(path)/\(name)", toPath: "\(directory.path)/\(name)")
        }
        return directory
    }
}
