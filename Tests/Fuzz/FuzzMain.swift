import Foundation
import Simulation

/// libFuzzer's entry: which target, says the environment. Built by scripts/fuzz.
private let target: FuzzTarget = {
    let name = ProcessInfo.processInfo.environment["BS_FUZZ_TARGET"] ?? ""
    guard let target = FuzzTarget(rawValue: name) else {
        fatalError("BS_FUZZ_TARGET is one of \(FuzzTarget.allCases.map(\.rawValue))")
    }
    return target
}()

/// Leaves the target's own seeds where `BS_FUZZ_SEEDS` says.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(_: UnsafeMutablePointer<CInt>, _: UnsafeMutableRawPointer) -> CInt {
    guard let directory = ProcessInfo.processInfo.environment["BS_FUZZ_SEEDS"] else { return 0 }
    for (number, seed) in target.seeds.enumerated() {
        _ = FileManager.default.createFile(atPath: "\(directory)/seed-\(number)", contents: Data(seed))
    }
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    target.run(Array(UnsafeBufferPointer(start: start, count: count)))
    return 0
}
