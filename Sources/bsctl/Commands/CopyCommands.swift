import BlockStore

/// cp and mv.
enum CopyCommands {
    static func copy(_ invocation: Invocation) throws -> ExitCode { try run(invocation, isMove: false) }

    static func move(_ invocation: Invocation) throws -> ExitCode { try run(invocation, isMove: true) }

    private static func run(_ invocation: Invocation, isMove: Bool) throws -> ExitCode {
        if invocation.has(Options.recursive) { return try runTree(invocation, isMove: isMove) }
        let source = try invocation.key(0)
        let target = try self.target(invocation, source)
        let condition = try Conditions.read(invocation)
        if invocation[Options.version] != nil { try invocation.refuse(Options.at, with: "does not go with --version") }
        if invocation.has(Options.dryRun) {
            return try PutCommands.rehearse(invocation) { store, session in
                let version = try version(invocation, source, store)
                try transfer(source, version, to: target, condition, isMove: isMove, in: session)
                let object = try version.map { try store.version(of: source, $0) } ?? store.newestVersion(of: source)
                tell([TreeCopy(source: object, target: target)], isMove: isMove, invocation)
                return .done
            }
        }
        return try PutCommands.write(invocation) { store, session, _ in
            let version = try version(invocation, source, store)
            try transfer(source, version, to: target, condition, isMove: isMove, in: session)
            return TreePutReport()
        }
    }

    private static func transfer(
        _ source: Key, _ version: RecordIdentity?, to target: Key, _ condition: WriteCondition?, isMove: Bool,
        in session: WriteSession
    ) throws(StoreError) {
        if isMove {
            try session.move(source, version: version, to: target, condition: condition)
        } else {
            try session.copy(source, version: version, to: target, condition: condition)
        }
    }

    private static func runTree(_ invocation: Invocation, isMove: Bool) throws -> ExitCode {
        try invocation.refuse(
            Options.version, Options.ifAbsent, Options.ifVersion, with: "goes with one key, not with -r")
        let (source, target) = (try invocation.key(0), try invocation.key(1))
        let moment = invocation[Options.at]
        if invocation.has(Options.dryRun) {
            return try PutCommands.rehearse(invocation) { store, session in
                try store.copyTree(source, to: target, in: session, moving: isMove, at: moment)
                var rendered: [TreeCopy] = []
                try store.forEachCopy(of: source, to: target, at: moment) { copy throws(StoreError) in
                    rendered.append(copy)
                    // Only as much in memory as one line of JSON needs in any case.
                    if !invocation.has(Options.json) {
                        tell(rendered, isMove: isMove, invocation)
                        rendered = []
                    }
                }
                if invocation.has(Options.json) { tell(rendered, isMove: isMove, invocation) }
                return .done
            }
        }
        return try PutCommands.write(invocation) { store, session, _ in
            try store.copyTree(source, to: target, in: session, moving: isMove, at: moment)
            return TreePutReport()
        }
    }

    /// DST, or under it with the last name of SRC when it ends in "/".
    private static func target(_ invocation: Invocation, _ source: Key) throws -> Key {
        let slash = UInt8(ascii: "/")
        let bytes = invocation.operands[1]
        guard bytes.last == slash, source.bytes.last != slash else { return try Key(bytes) }
        return try Key(bytes + Paths.lastName(source.bytes))
    }

    private static func version(
        _ invocation: Invocation, _ source: Key, _ store: Store
    ) throws(StoreError) -> RecordIdentity? {
        if let moment = invocation[Options.at] { return try store.version(of: source, at: moment).identity }
        return invocation[Options.version]
    }

    private static func tell(_ copies: [TreeCopy], isMove: Bool, _ invocation: Invocation) {
        guard invocation.has(Options.json) else {
            if invocation.has(Options.quiet) { return }
            for copy in copies {
                Terminal.print("would \(isMove ? "move" : "copy") ", copy.source.key, " to ", copy.target)
            }
            return
        }
        let values = copies.map { copy in
            JSON.fields([
                JSON.bytes("source", copy.source.key.bytes), JSON.bytes("target", copy.target.bytes),
                ("version", .string(copy.source.identity.description)), ("bytes", .unsigned(copy.source.byteCount)),
            ])
        }
        Terminal.print(JSON.object([(isMove ? "wouldMove" : "wouldCopy", .array(values))]))
    }
}

/// What --if-absent and --if-version say.
enum Conditions {
    static func read(_ invocation: Invocation) throws(UsageError) -> WriteCondition? {
        if invocation.has(Options.ifAbsent) {
            try invocation.refuse(Options.ifVersion, with: "does not go with --if-absent")
            return .isAbsent
        }
        return invocation[Options.ifVersion].map(WriteCondition.newestVersionIs)
    }
}
