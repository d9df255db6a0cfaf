import BlockStore
import Foundation

/// `perf/scale`: makes a store of very many chunks, and measures in a process of its own what its chunks cost. Built by
/// scripts/harness.
///
///     Scale make DIRECTORY CHUNKS | rebuild DIRECTORY | collect DIRECTORY [--full]
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
        switch command {
        case "make":
            guard let text = options.first, let count = Int(text) else { fail("how many chunks?", code: 2) }
            try SyntheticStore.make(at: place, chunkCount: count)
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
        let wall = ContinuousClock.now - start
        print(json(found, wallSeconds: Double(wall.components.attoseconds) / 1e18 + Double(wall.components.seconds)))
    }

    private static func json(_ found: [String: Int], wallSeconds: Double) -> String {
        var cpu = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu)
        let fields =
            found.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" } + [
                "\"wallSeconds\": \(wallSeconds)",
                "\"cpuSeconds\": \(Double(cpu.tv_sec) + Double(cpu.tv_nsec) / 1e9)",
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
