import BlockStore
import Glibc

/// put and rm.
enum PutCommands {
    static func put(_ invocation: Invocation) throws -> ExitCode {
        if invocation.has("recursive") { return try putTree(invocation) }
        guard !invocation.has("delete") else { throw UsageError(description: "--delete goes with -r") }
        if invocation.has("from-command") { return try putCommand(invocation) }
        guard invocation.trailing.isEmpty else {
            throw UsageError(description: "a command behind -- goes with --from-command")
        }
        let file = invocation.operands[0]
        let declared = try invocation.number("length", in: 0...UInt64(Int64.max))
        let source: any ByteSource
        var attributes = ObjectAttributes()
        let key: Key
        if file == Array("-".utf8) {
            guard invocation.operands.count == 2 else { throw UsageError(description: "bsctl put - needs a KEY") }
            key = try invocation.key(1)
            source = DescriptorSource(0, place: "standard input")
        } else {
            key = try invocation.operands.count == 2 ? invocation.key(1) : Key(Paths.baseName(file))
            let opened = try FileSource(path: file)
            attributes = opened.attributes
            source = opened
        }
        return try Opening.withStore(invocation, .write) { store in
            try write(invocation, store) { session, progress in
                try session.put(
                    key, attributes: attributes, from: ProgressSource(source, progress), declaredBytes: declared)
                return []
            }
        }
    }

    private static func putCommand(_ invocation: Invocation) throws -> ExitCode {
        guard invocation.operands.count == 1, !invocation.trailing.isEmpty else {
            throw UsageError(description: "usage: bsctl put --from-command KEY -- CMD …")
        }
        let key = try invocation.key(0)
        return try Opening.withStore(invocation, .write) { store in
            try write(invocation, store) { session, progress in
                let child = try ChildProcess(invocation.trailing)
                // The end of its output is the end of the object only if it exits 0.
                try session.put(key, from: ProgressSource(child, progress))
                return []
            }
        }
    }

    private static func putTree(_ invocation: Invocation) throws -> ExitCode {
        let directory = invocation.operands[0]
        let prefix = invocation.operands.count == 2 ? invocation.operands[1] : Paths.baseName(directory)
        _ = try Key(prefix)
        return try Opening.withStore(invocation, .write) { store in
            try write(invocation, store) { session, progress in
                var seen: Set<Key> = []
                let mirrors = invocation.has("delete")
                let reader = TreeReader(
                    into: session, onObject: { if mirrors { seen.insert($0) } }, onBytes: { progress.add($0) })
                let report = try reader.put(directory, as: prefix)
                for path in report.skipped { Terminal.warning("\(path) is no file, link or directory: left out") }
                for (path, error) in report.failures { Terminal.error("\(path): \(error)") }
                if mirrors {
                    if report.failures.isEmpty {
                        var gone: [Key] = []
                        try store.forEachObject(under: Paths.withoutSlash(prefix)) { object in
                            if !seen.contains(object.key) { gone.append(object.key) }
                        }
                        for key in gone { try session.remove(key) }
                    } else {
                        Terminal.warning("--delete deletes nothing because some files could not be read")
                    }
                }
                return report.failures.map(\.path)
            }
        }
    }

    static func remove(_ invocation: Invocation) throws -> ExitCode {
        if invocation.has("recursive"), invocation.operands.count != 1 {
            throw UsageError(description: "bsctl rm -r takes one PREFIX")
        }
        var keys = invocation.has("recursive") ? [] : try invocation.operands.map { try Key($0) }
        let isDryRun = invocation.has("dry-run")
        return try Opening.withStore(invocation, isDryRun ? .read : .write) { store in
            if invocation.has("recursive") {
                try store.forEachObject(under: Paths.withoutSlash(invocation.operands[0])) { keys.append($0.key) }
                guard !keys.isEmpty else {
                    throw StoreError(
                        .notFound, "remove \(String(decoding: invocation.operands[0], as: UTF8.self))",
                        detail: "no key is at or under it")
                }
            }
            if isDryRun {
                if invocation.has("json") {
                    Terminal.print(JSON.object([("wouldRemove", JSON.keys(keys))]))
                } else {
                    for key in keys {
                        Terminal.print(bytes: Array("would delete ".utf8) + Terminal.printable(key) + [10])
                    }
                }
                return .done
            }
            // All or nothing: a key that is not there must not cost the others halfway.
            for key in keys { _ = try store.newestVersion(of: key) }
            let session = try store.startWriting()
            for key in keys { try session.remove(key) }
            let report = try session.finish()
            return finish(invocation, report, seconds: 0, failures: [])
        }
    }

    /// Runs a write session with progress and reports it.
    private static func write(
        _ invocation: Invocation, _ store: Store, _ body: (WriteSession, ByteProgress) throws -> [String]
    ) throws -> ExitCode {
        let progress = ByteProgress(invocation)
        let session = try store.startWriting()
        var isFinished = false
        defer { if !isFinished { session.cancel() } }
        let failures = try body(session, progress)
        let report = try session.finish()
        isFinished = true
        progress.line.clear()
        return finish(invocation, report, seconds: progress.line.seconds, failures: failures)
    }

    private static func finish(
        _ invocation: Invocation, _ report: WriteReport, seconds: Double, failures: [String]
    ) -> ExitCode {
        if invocation.has("json") {
            Terminal.print(
                JSON.object([
                    ("objects", .integer(report.objects)), ("unchanged", .integer(report.unchanged)),
                    ("removed", .integer(report.removed)), ("logicalBytes", .bytes(report.logicalBytes)),
                    ("newBytes", .bytes(report.newBytes)), ("compressedBytes", .bytes(report.storedBytes)),
                    ("shardBytes", .bytes(report.shardBytes)), ("commits", .integer(report.commits)),
                    ("seconds", .number(seconds)), ("debt", .optional(report.debt)),
                    ("failed", .array(failures.map { .string($0) })),
                ]))
        } else if !invocation.has("quiet") {
            Terminal.print(text(report, seconds))
        }
        if let debt = report.debt {
            Terminal.warning("\(debt); what was stored survives less than usual until bsctl repair has run")
        }
        if !failures.isEmpty { return .failed }
        return report.debt == nil ? .done : .degraded
    }

    private static func text(_ report: WriteReport, _ seconds: Double) -> String {
        func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
        var parts: [String] = []
        if report.removed > 0 { parts.append("\(count(report.removed, "key")) deleted") }
        if report.objects > 0 || report.unchanged > 0 {
            var text = "\(count(report.objects, "object")) stored"
            if report.unchanged > 0 { text += ", \(report.unchanged) unchanged" }
            text += ": \(Size.text(report.logicalBytes))"
            text += ", new \(Size.text(report.newBytes)), compressed \(Size.text(report.storedBytes))"
            text += ", on devices \(Size.text(report.shardBytes))"
            if seconds > 0 {
                text +=
                    " in \(Size.decimals(seconds, 1)) s, \(Size.decimals(Double(report.logicalBytes) / seconds / 1e6, 0)) MB/s"
            }
            parts.append(text)
        }
        return parts.isEmpty ? "nothing to do" : parts.joined(separator: "; ")
    }
}

/// Counts bytes for the progress line.
final class ByteProgress {
    let line: ProgressLine
    private var bytes = 0

    init(_ invocation: Invocation) { line = ProgressLine(invocation) }

    func add(_ count: Int) {
        bytes += count
        line.update { "\(Size.text(bytes)), \(Size.decimals(Double(bytes) / max(line.seconds, 0.001) / 1e6, 0)) MB/s" }
    }
}

final class ProgressSource: ByteSource {
    private let source: any ByteSource
    private let progress: ByteProgress

    init(_ source: any ByteSource, _ progress: ByteProgress) {
        self.source = source
        self.progress = progress
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(StoreError) -> Int {
        let count = try source.read(into: buffer)
        progress.add(count)
        return count
    }
}

/// Paths and prefixes as bytes.
enum Paths {
    static func withoutSlash(_ path: [UInt8]) -> [UInt8] {
        var path = path
        while path.count > 1, path.last == UInt8(ascii: "/") { path.removeLast() }
        return path
    }

    /// The last component; for "." and the like the name of the directory itself.
    static func baseName(_ path: [UInt8]) -> [UInt8] {
        let path = withoutSlash(path)
        let name = path.lastIndex(of: UInt8(ascii: "/")).map { Array(path[($0 + 1)...]) } ?? path
        guard name == Array(".".utf8) || name == Array("..".utf8) else { return name }
        let text = path.map { CChar(bitPattern: $0) } + [0]
        guard let resolved = realpath(text, nil) else { return name }
        defer { free(resolved) }
        return baseName(Array(UnsafeRawBufferPointer(start: resolved, count: strlen(resolved))))
    }
}
