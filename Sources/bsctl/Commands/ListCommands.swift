import BlockStore

/// ls and stat.
enum ListCommands {
    static func list(_ invocation: Invocation) throws -> ExitCode {
        let prefix = invocation.operands.first ?? []
        let isJSON = invocation.has(Options.json)
        return try Opening.withStore(invocation, .read) { store in
            func forEach(_ body: (ObjectVersion) -> Void) throws {
                var after: Key?
                repeat {
                    let page = try store.list(
                        prefix: prefix, after: after, limit: 1000, allVersions: invocation.has(Options.versions),
                        at: invocation[Options.at])
                    for object in page { body(object) }
                    after = page.last?.key
                } while after != nil && !Terminal.isOutputClosed
            }
            if isJSON {
                return try JSONList.print("objects") { list in try forEach { list.append(fields($0)) } }
            }
            try forEach { Terminal.print(columns($0, invocation), $0.key) }
            return .done
        }
    }

    static func stat(_ invocation: Invocation) throws -> ExitCode {
        let key = try invocation.key(0)
        return try Opening.withStore(invocation, .read) { store in
            let versions = try store.versions(of: key, at: invocation[Options.at])
            let newest = versions[0]
            if invocation.has(Options.json) {
                Terminal.print(
                    JSON.object(fields(newest) + [("versions", .array(versions.map { .fields(fields($0)) }))]))
            } else {
                tell(newest, versions)
            }
            return newest.isDeleteMarker ? .notFound : .done
        }
    }

    private static func tell(_ newest: ObjectVersion, _ versions: [ObjectVersion]) {
        Terminal.print("key       ", newest.key)
        Terminal.print("version   \(newest.identity)\(newest.isDeleteMarker ? ", deleted" : "")")
        if !newest.isDeleteMarker {
            Terminal.print("kind      \(name(newest.attributes.kind))")
            Terminal.print("size      \(newest.byteCount) (\(Size.text(newest.byteCount)))")
            if let mode = newest.attributes.mode { Terminal.print("mode      \(String(mode, radix: 8))") }
            if let time = newest.attributes.modifiedNanoseconds { Terminal.print("modified  \(Time.text(time))") }
        }
        Terminal.print("\(newest.isDeleteMarker ? "deleted " : "stored  ")  \(Time.text(newest.writtenNanoseconds))")
        if versions.count > 1 {
            let older = versions.dropFirst().map { "\($0.identity)\($0.isDeleteMarker ? " (deleted)" : "")" }
            Terminal.print("older     \(older.joined(separator: ", "))")
        }
    }

    /// What stands before a key in a long listing.
    private static func columns(_ object: ObjectVersion, _ invocation: Invocation) -> String {
        guard invocation.has(Options.long) || invocation.has(Options.versions) else { return "" }
        func pad(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        let kind: String
        switch object.attributes.kind {
        case _ where object.isDeleteMarker: kind = "x"
        case .file: kind = "-"
        case .symbolicLink: kind = "l"
        case .directory: kind = "d"
        }
        let time = Time.text(object.attributes.modifiedNanoseconds ?? object.writtenNanoseconds)
        return "\(kind)  \(pad(object.identity.description, 8))  \(pad("\(object.byteCount)", 14))  \(time)  "
    }

    static func name(_ kind: ObjectKind) -> String {
        switch kind {
        case .file: "file"
        case .symbolicLink: "link"
        case .directory: "directory"
        }
    }

    static func fields(_ object: ObjectVersion) -> [(String, JSON)] {
        [
            JSON.key(object.key), ("version", .string(object.identity.description)),
            ("deleted", .bool(object.isDeleteMarker)), ("kind", .string(name(object.attributes.kind))),
            ("bytes", .unsigned(object.byteCount)), ("writtenNanoseconds", .integer(Int(object.writtenNanoseconds))),
            ("mode", object.attributes.mode.map { .integer(Int($0)) } ?? .null),
            ("modifiedNanoseconds", object.attributes.modifiedNanoseconds.map { .integer(Int($0)) } ?? .null),
        ]
    }
}
