import XCTest

@testable import Chunker

/// Bytes that a seed brings back.
func randomBytes(_ count: Int, seed: UInt64) -> [UInt8] {
    var random = SplitMix64(state: seed)
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
}

/// Lines of a log: regular, and never the same.
func logBytes(lines: Int, seed: UInt64) -> [UInt8] {
    var random = SplitMix64(state: seed)
    return (0..<lines).flatMap { line in
        Array(
            "2026-11-25T08:\(line / 60 % 60):\(line % 60) INFO request id=\(random.next() % 100_000) served in \(random.next() % 90) ms\n"
                .utf8)
    }
}

extension Cutter {
    /// The ends of all chunks of `bytes`, which arrive in pieces of the sizes that `next` tells.
    func cuts(_ bytes: [UInt8], pieces next: () -> Int = { .max }) -> [Int] {
        begin()
        var ends: [Int] = []
        var (start, available) = (0, 0)
        while true {
            available += min(bytes.count - available, next())
            while true {
                let count = bytes[start..<available].withUnsafeBytes {
                    firstChunkBytes(in: $0, isEnd: available == bytes.count)
                }
                guard let count else { break }
                start += count
                ends.append(start)
            }
            if available == bytes.count { return ends }
        }
    }
}
