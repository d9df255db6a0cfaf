extension Index {
    /// Writes the value of a change's row.
    static func encode(_ change: ObjectChange, into writer: inout ByteWriter) {
        encode(into: &writer, context: context(change.identity)) { writer in
            switch change.what {
            case .put(let kind, let byteCount, let time):
                writer.append(UInt8(1))
                writer.append(kind.rawValue)
                writer.append(byteCount)
                writer.append(time)
            case .delete(let killed, let time):
                writer.append(UInt8(2))
                writer.append(killed)
                writer.append(time)
            case .purge(let killed):
                writer.append(UInt8(3))
                writer.append(killed)
            }
            writer.append(UInt16(change.key.bytes.count))
            writer.append(change.key.bytes)
        }
    }

    /// At most `limit` changes behind `identity`, in the order of commits.
    func changes(after identity: RecordIdentity, limit: Int) throws(StoreError) -> [ObjectChange] {
        try read { connection throws(StoreError) in
            let statement = try connection.statement(
                """
                SELECT number, ordinal, value FROM changes WHERE (number, ordinal) > (?, ?)
                ORDER BY number, ordinal LIMIT ?
                """
            ).bind(1, Int64(clamping: identity.commit.value)).bind(2, Int64(identity.ordinal)).bind(3, Int64(limit))
            defer { statement.reset() }
            var result: [ObjectChange] = []
            while try statement.step() { result.append(try Self.change(statement)) }
            return result
        }
    }

    /// The highest commit number in the closed range that was never folded; nil when all were.
    func newestMissingCommit(from first: CommitNumber, to last: CommitNumber) throws(StoreError) -> CommitNumber? {
        guard first <= last else { return nil }
        return try read { connection throws(StoreError) in
            let (low, high) = (Int64(clamping: first.value), Int64(clamping: last.value))
            let count = try connection.statement("SELECT count(*) FROM commits WHERE number >= ? AND number <= ?")
                .bind(1, low).bind(2, high)
            let found = try count.step() ? count.integer(0) : 0
            count.reset()
            guard found != high - low + 1 else { return nil }
            let numbers = try connection.statement(
                "SELECT number FROM commits WHERE number >= ? AND number <= ? ORDER BY number DESC"
            ).bind(1, low).bind(2, high)
            defer { numbers.reset() }
            var expected = high
            while try numbers.step(), numbers.integer(0) == expected { expected -= 1 }
            return CommitNumber(UInt64(max(0, expected)))
        }
    }

    private static func change(_ statement: Statement) throws(StoreError) -> ObjectChange {
        guard let commit = UInt64(exactly: statement.integer(0)), commit <= CommitNumber.maximum,
            let ordinal = UInt32(exactly: statement.integer(1))
        else { throw corrupt("a change's identity") }
        let identity = RecordIdentity(commit: CommitNumber(commit), ordinal: ordinal)
        return try decode(statement.bytes(2), context: context(identity), "a change's row") {
            cursor throws(FormatError) in
            let what: ObjectChange.What
            switch try cursor.next(UInt8.self, "type") {
            case 1:
                let code = try cursor.next(UInt8.self, "kind")
                guard let kind = ObjectKind(rawValue: code) else { throw .unsupported("kind \(code)") }
                let byteCount = try cursor.next(UInt64.self, "bytes")
                what = .put(
                    kind: kind, byteCount: byteCount, writtenNanoseconds: try cursor.next(Int64.self, "time"))
            case 2:
                let killed = try cursor.nextIdentity()
                what = .delete(killed: killed, writtenNanoseconds: try cursor.next(Int64.self, "time"))
            case 3: what = .purge(killed: try cursor.nextIdentity())
            case let other: throw .unsupported("change \(other)")
            }
            return ObjectChange(identity: identity, key: try cursor.nextKey(), what: what)
        }
    }
}
