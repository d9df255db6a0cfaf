import BlockStore
import Foundation

/// `perf/scale`: makes a store of very many chunks, and measures in a process of its own what its chunks cost. Built by
/// scripts/harness.
///
///     Scale make DIRECTORY CHUNKS | rebuild DIRECTORY | collect DIRECTORY [--full]
///     Scale catalogue DIRECTORY CHUNKS | open DIRECTORY read|write | look-up DIRECTORY | put DIRECTORY BYTES SEED |
///         commit DIRECTORY
@main
struct ScaleMain {
    static func main() {
        let arguments = Array(CommandLine.arguments.dropFirst())
        guard arguments.count >= 2 else { fail("what to do, and where?", code: 2) }
        do {
            try run(arguments[0], arguments[1], Array(arguments.dropFirst(2)))
        } catch {
            fail("\(error)", code: 1)
        }
    }

    private static func run(_ command: String, _ place: String, _ options: [String]) throws {
        let start = ContinuousClock.now
        var found: [String: Int] = [:]
        var operations = Operations()
        switch command {
        case "make", "catalogue":
            guard let text = options.first, let count = Int(text) else { fail("how many chunks?", code: 2) }
            if command == "make" {
                try SyntheticStore.make(at: place, chunkCount: count)
            } else {
                try Catalogue.make(at: place, chunkCount: count)
            }
        case "open": try operations.open(place, options.first == "write" ? .write : .read)
        case "look-up": try operations.lookUp(place)
        case "put":
            guard options.count == 2, let byteCount = Int(options[0]), let seed = UInt64(options[1]) else {
                fail("how many bytes, of which seed?", code: 2)
            }
            try operations.put(place, byteCount: byteCount, seed: seed)
        case "commit": try operations.commit(place)
        case "rebuild":
            let report = try Store.rebuildIndex(
                try SyntheticStore.environment(place), options: SyntheticStore.options)
            found = ["chunks": report.chunks, "blocks": report.blocks, "commits": report.commits]
        case "collect":
            let store = try Store.open(
                try SyntheticStore.environment(place), access: .write, options: SyntheticStore.options)
            let report = try store.collect(CollectOptions(isFull: options.contains("--full")))
            store.close()
            guard report.kept.isEmpty else { fail("had to keep \(report.kept[0])", code: 1) }
            found = [
                "blocks": report.checkedBlocks, "retired": report.retiredBlocks, "copied": Int(report.copiedBytes),
            ]
        default: fail("what is \(command)?", code: 2)
        }
        print(json(found, operations, wallSeconds: Operations.seconds(ContinuousClock.now - start)))
    }

    private static func json(_ found: [String: Int], _ operations: Operations, wallSeconds: Double) -> String {
        let steps = operations.steps.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value.json)" }
        let fields =
            found.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }
            + (steps.isEmpty ? [] : ["\"steps\": {\(steps.joined(separator: ", "))}"]) + [
                "\"wallSeconds\": \(wallSeconds)",
                "\"cpuSeconds\": \(Operations.cpuSeconds)",
                "\"peakKiB\": \(peakKiB())",
            ]
        return "{" + fields.joined(separator: ", ") + "}"
    }

    /// The most memory that this process ever had, as the kernel counts it.
    private static func peakKiB() -> Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
    }

    private static func fail(_ message: String, code: Int32) -> Never {
        FileHandle.standardError.write(Data("scale: \(message)\n".utf8))
        exit(code)
    }
}
