import BlockStore

/// versions, restore, undelete, and rm of one version.
enum VersionCommands {
    static func versions(_ invocation: Invocation) throws -> ExitCode {
        let key = try invocation.key(0)
        return try Opening.withStore(invocation, .read) { store in
            let versions = try store.versions(of: key)
            if invocation.has(Options.json) {
                let values = versions.map { JSON.fields(ListCommands.fields($0)) }
                Terminal.print(JSON.object([JSON.key(key), ("versions", .array(values))]))
                return .done
            }
            for line in Table.lines(
                [["version", "what", "bytes", "written", "modified"]]
                    + versions.map { version in
                        [
                            version.identity.description,
                            version.isDeleteMarker ? "deleted" : ListCommands.name(version.attributes.kind),
                            version.isDeleteMarker ? "" : "\(version.byteCount)",
                            Time.text(version.writtenNanoseconds),
                            version.attributes.modifiedNanoseconds.map(Time.text) ?? "",
                        ]
                    }, right: [0, 2])
            {
                Terminal.print(line)
            }
            return .done
        }
    }

    static func restore(_ invocation: Invocation) throws -> ExitCode {
        let key = try invocation.key(0)
        guard let version = invocation[Options.toVersion] else {
            throw UsageError(description: "bsctl restore needs --version V; bsctl versions \(key) lists them")
        }
        if invocation.has(Options.dryRun) {
            return try PutCommands.rehearse(invocation) { store, session in
                try session.restore(key, version: version)
                return tell("restore", try store.version(of: key, version), invocation)
            }
        }
        return try PutCommands.write(invocation) { _, session, _ in
            try session.restore(key, version: version)
            return TreePutReport()
        }
    }

    static func undelete(_ invocation: Invocation) throws -> ExitCode {
        let key = try invocation.key(0)
        if invocation.has(Options.dryRun) {
            return try PutCommands.rehearse(invocation) { store, session in
                try session.undelete(key)
                // It is the newest that is no delete marker: there is one, or it would have been refused.
                guard let version = try store.versions(of: key).first(where: { !$0.isDeleteMarker }) else {
                    return .done
                }
                return tell("restore", version, invocation)
            }
        }
        return try PutCommands.write(invocation) { _, session, _ in
            try session.undelete(key)
            return TreePutReport()
        }
    }

    /// rm KEY --version V.
    static func purge(_ invocation: Invocation, _ version: RecordIdentity) throws -> ExitCode {
        try invocation.refuse(Options.recursive, with: "does not go with --version")
        guard invocation.operands.count == 1 else {
            throw UsageError(description: "usage: bsctl rm KEY --version V [--dry-run]")
        }
        let key = try invocation.key(0)
        if invocation.has(Options.dryRun) {
            return try PutCommands.rehearse(invocation) { store, session in
                try session.purge(key, version: version)
                let versions = try store.versions(of: key)
                guard let found = versions.first(where: { $0.identity == version }) else { return .done }
                return tell("purge", found, invocation, then: then(versions, without: version))
            }
        }
        return try PutCommands.write(invocation) { _, session, _ in
            try session.purge(key, version: version)
            return TreePutReport()
        }
    }

    /// What the key is once the newest version is gone.
    private static func then(_ versions: [ObjectVersion], without version: RecordIdentity) -> String? {
        guard versions[0].identity == version else { return nil }
        guard versions.count > 1 else { return "which is its only one: the key is gone then" }
        return "the newest; then \(versions[1].identity) is\(versions[1].isDeleteMarker ? ", a delete marker" : "")"
    }

    private static func tell(
        _ what: String, _ version: ObjectVersion, _ invocation: Invocation, then: String? = nil
    ) -> ExitCode {
        if invocation.has(Options.json) {
            let name = what == "purge" ? "wouldPurge" : "wouldRestore"
            Terminal.print(JSON.object([(name, .fields(ListCommands.fields(version)))]))
        } else if !invocation.has(Options.quiet) {
            let content = version.isDeleteMarker ? "a delete marker" : Size.text(version.byteCount)
            Terminal.print(
                "would \(what) version \(version.identity) (\(content), \(Time.text(version.writtenNanoseconds))) of ",
                version.key, then.map { ", \($0)" } ?? "")
        }
        return .done
    }
}
