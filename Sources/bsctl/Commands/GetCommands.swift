import BlockStore
import Glibc

/// get, ls and stat.
enum GetCommands {
    static func get(_ invocation: Invocation) throws -> ExitCode {
        if invocation.has("recursive") { return try getTree(invocation) }
        let key = try invocation.key(0)
        let range = try invocation.text("range").map(parseRange)
        let version = try invocation.text("version").map(parseVersion)
        let target = invocation.operands.count == 2 ? invocation.operands[1] : Paths.baseName(key.bytes)
        return try Opening.withStore(invocation, .read) { store in
            let object = try version.map { try store.version(of: key, $0) } ?? store.newestVersion(of: key)
            let progress = ByteProgress(invocation)
            let report: ReadReport
            if target == Array("-".utf8) {
                report = try store.read(object, range: range, into: DescriptorSink(1, place: "standard output"))
            } else {
                guard object.attributes.kind != .directory else {
                    throw StoreError(.invalid, "get \(key)", detail: "it is a directory", advice: "bsctl get -r")
                }
                let sink = try FileSink(path: target)
                report = try store.read(object, range: range, into: ProgressSink(sink, progress))
                try sink.finish(
                    range == nil && object.attributes.kind == .file ? object.attributes : ObjectAttributes())
            }
            progress.line.clear()
            warn(report)
            if invocation.has("json"), target != Array("-".utf8) { Terminal.print(json(report, progress.line.seconds)) }
            return .done
        }
    }

    private static func getTree(_ invocation: Invocation) throws -> ExitCode {
        guard invocation.operands.count == 2 else { throw UsageError(description: "usage: bsctl get -r PREFIX DIR") }
        guard !invocation.has("range"), !invocation.has("version") else {
            throw UsageError(description: "--range and --version go with one KEY")
        }
        let prefix = Paths.withoutSlash(invocation.operands[0])
        _ = try Key(prefix)
        return try Opening.withStore(invocation, .read) { store in
            var objects: [ObjectVersion] = []
            try store.forEachObject(under: prefix) { objects.append($0) }
            guard !objects.isEmpty else {
                throw StoreError(
                    .notFound, "get \(String(decoding: prefix, as: UTF8.self))", detail: "no key is at or under it")
            }
            let progress = ByteProgress(invocation)
            let writer = try TreeWriter(path: invocation.operands[1], prefix: prefix, onBytes: { progress.add($0) })
            let report = try store.read(objects, into: writer)
            writer.finish()
            progress.line.clear()
            for (key, error) in writer.failures { Terminal.error("\(key): \(error)") }
            warn(report)
            let seconds = progress.line.seconds
            if invocation.has("json") {
                Terminal.print(json(report, seconds, failed: writer.failures.map(\.key)))
            } else if !invocation.has("quiet") {
                Terminal.print(
                    "\(report.objects) objects, \(Size.text(report.bytes)) in \(Size.decimals(seconds, 1)) s, "
                        + "\(Size.decimals(Double(report.bytes) / max(seconds, 0.001) / 1e6, 0)) MB/s")
            }
            if writer.failures.contains(where: { $0.error.code == .lost }) { return .lost }
            return writer.failures.isEmpty ? .done : .failed
        }
    }

    static func list(_ invocation: Invocation) throws -> ExitCode {
        let prefix = invocation.operands.first ?? []
        return try Opening.withStore(invocation, .read) { store in
            var after: Key?
            var entries: [JSON] = []
            while true {
                let page = try store.list(
                    prefix: prefix, after: after, limit: 1000, allVersions: invocation.has("versions"))
                for object in page {
                    if invocation.has("json") {
                        entries.append(.fields(fields(object)))
                    } else {
                        Terminal.print(bytes: line(object, invocation) + [10])
                    }
                }
                guard let last = page.last else { break }
                after = last.key
            }
            if invocation.has("json") { Terminal.print(JSON.object([("objects", .array(entries))])) }
            return .done
        }
    }

    static func stat(_ invocation: Invocation) throws -> ExitCode {
        let key = try invocation.key(0)
        return try Opening.withStore(invocation, .read) { store in
            let versions = try store.versions(of: key)
            let newest = versions[0]
            if invocation.has("json") {
                Terminal.print(
                    JSON.object(fields(newest) + [("versions", .array(versions.map { .fields(fields($0)) }))]))
                return .done
            }
            Terminal.print(bytes: Array("key       ".utf8) + Terminal.printable(key) + [10])
            Terminal.print("version   \(newest.identity)\(newest.isDeleteMarker ? " (deleted)" : "")")
            Terminal.print("kind      \(newest.attributes.kind)")
            Terminal.print("size      \(newest.byteCount) (\(Size.text(newest.byteCount)))")
            if let mode = newest.attributes.mode { Terminal.print("mode      \(String(mode, radix: 8))") }
            if let time = newest.attributes.modifiedNanoseconds { Terminal.print("modified  \(Time.text(time))") }
            Terminal.print("stored    \(Time.text(newest.writtenNanoseconds))")
            Terminal.print("versions  \(versions.count)")
            return .done
        }
    }

    private static func line(_ object: ObjectVersion, _ invocation: Invocation) -> [UInt8] {
        var text = ""
        if invocation.has("long") || invocation.has("versions") {
            func pad(_ text: String, _ width: Int) -> String {
                String(repeating: " ", count: max(0, width - text.count)) + text
            }
            let kind =
                object.isDeleteMarker
                ? "x" : ["-", "l", "d"][Int(object.attributes.kind.rawValue)]
            text = "\(kind) \(pad(object.identity.description, 8)) \(pad("\(object.byteCount)", 14))  "
            text += Time.text(object.attributes.modifiedNanoseconds ?? object.writtenNanoseconds) + "  "
        }
        return Array(text.utf8) + Terminal.printable(object.key)
    }

    private static func fields(_ object: ObjectVersion) -> [(String, JSON)] {
        [
            JSON.key(object.key), ("version", .string(object.identity.description)),
            ("deleted", .bool(object.isDeleteMarker)), ("kind", .string("\(object.attributes.kind)")),
            ("bytes", .bytes(object.byteCount)), ("writtenNanoseconds", .integer(Int(object.writtenNanoseconds))),
            ("mode", object.attributes.mode.map { .integer(Int($0)) } ?? .null),
            ("modifiedNanoseconds", object.attributes.modifiedNanoseconds.map { .integer(Int($0)) } ?? .null),
        ]
    }

    private static func json(_ report: ReadReport, _ seconds: Double, failed: [Key] = []) -> String {
        JSON.object([
            ("objects", .integer(report.objects)), ("bytes", .bytes(report.bytes)),
            ("rebuiltBytes", .bytes(report.rebuiltBytes)), ("damaged", .array(report.damaged.map { .string($0) })),
            ("failed", JSON.keys(failed)), ("seconds", .number(seconds)),
        ])
    }

    private static func warn(_ report: ReadReport) {
        guard report.rebuiltBytes > 0 || !report.damaged.isEmpty else { return }
        for problem in report.damaged.prefix(5) { Terminal.warning(problem) }
        if report.damaged.count > 5 { Terminal.warning("and \(report.damaged.count - 5) more shards") }
        Terminal.warning("\(Size.text(report.rebuiltBytes)) were rebuilt from other shards; run bsctl repair")
    }

    private static func parseRange(_ text: String) throws -> ClosedRange<UInt64> {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let first = UInt64(parts[0]), let last = UInt64(parts[1]), first <= last,
            last < UInt64(Int64.max)
        else { throw UsageError(description: "--range \(text): expected FIRST-LAST, such as 0-1023") }
        return first...last
    }

    private static func parseVersion(_ text: String) throws -> RecordIdentity {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let commit = UInt64(parts[0]), let ordinal = UInt32(parts[1]) else {
            throw UsageError(
                description: "--version \(text): expected COMMIT.ORDINAL, as bsctl ls --versions prints it")
        }
        return RecordIdentity(commit: CommitNumber(commit), ordinal: ordinal)
    }
}

final class ProgressSink: ByteSink {
    private let sink: any ByteSink
    private let progress: ByteProgress

    init(_ sink: any ByteSink, _ progress: ByteProgress) {
        self.sink = sink
        self.progress = progress
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        try sink.write(bytes)
        progress.add(bytes.count)
    }
}

enum Time {
    /// "2026-03-01 12:34:56", local time.
    static func text(_ nanoseconds: Int64) -> String {
        var seconds = time_t(nanoseconds / 1_000_000_000)
        var parts = tm()
        guard localtime_r(&seconds, &parts) != nil else { return "\(nanoseconds) ns" }
        var buffer = [CChar](repeating: 0, count: 64)
        let count = strftime(&buffer, buffer.count, "%Y-%m-%d %H:%M:%S", &parts)
        return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
