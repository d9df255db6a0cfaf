/// Enters rows into one table, many with one statement: a statement that is run costs as much again as a small row.
///
/// Rows stand in the table from `flush` on. Only for a transaction that is given up as a whole when anything fails: a statement that
/// can undo itself alone would keep a copy of each page that it touches. Use from one thread.
struct RowInserter {
    /// What becomes of a row whose key is there already.
    enum Conflict: String {
        case fails = "FAIL"
        case isPassedOver = "IGNORE"
        case replaces = "REPLACE"
    }

    private enum Value {
        case integer(Int64)
        /// In `arena`; never none.
        case bytes(Range<Int>)
    }

    private static let rowsTogether = 16
    private let connection: Connection
    private let sql: (head: String, row: String)
    /// For one row and for as many as go together; nil until they are needed.
    private var one, many: Statement?
    private let columnCount: Int
    private var values: [Value] = []
    private var arena = ByteWriter(reserving: 4096)

    /// - Parameter columns: of `table`, in the order in which the values of a row come.
    init(_ connection: Connection, _ table: String, _ columns: [String], onConflict conflict: Conflict = .fails) {
        self.connection = connection
        let names = columns.joined(separator: ", ")
        sql = (
            "INSERT OR \(conflict.rawValue) INTO \(table) (\(names)) VALUES ",
            "(\(columns.map { _ in "?" }.joined(separator: ", ")))"
        )
        columnCount = columns.count
    }

    mutating func append(_ integer: Int64) { values.append(.integer(integer)) }

    /// Appends what `write` writes.
    mutating func append(_ write: (inout ByteWriter) -> Void) {
        let start = arena.bytes.count
        write(&arena)
        values.append(.bytes(start..<arena.bytes.count))
    }

    /// After the last value of a row.
    mutating func endRow() throws(StoreError) {
        if values.count == columnCount * Self.rowsTogether { try flush() }
    }

    private mutating func statementForOne() throws(StoreError) -> Statement {
        if let one { return one }
        let statement = try connection.statement(sql.head + sql.row)
        one = statement
        return statement
    }

    private mutating func statementForMany() throws(StoreError) -> Statement {
        if let many { return many }
        let rows = [String](repeating: sql.row, count: Self.rowsTogether).joined(separator: ", ")
        let statement = try connection.statement(sql.head + rows)
        many = statement
        return statement
    }

    mutating func flush() throws(StoreError) {
        guard !values.isEmpty else { return }
        let isFull = values.count == columnCount * Self.rowsTogether
        let statement = try isFull ? statementForMany() : statementForOne()
        try arena.bytes.withBytes { bytes throws(StoreError) in
            let together = isFull ? values.count : columnCount
            for first in stride(from: 0, to: values.count, by: together) {
                for position in 0..<together {
                    let parameter = Int32(position + 1)
                    switch values[first + position] {
                    case .integer(let integer): statement.bind(parameter, integer)
                    case .bytes(let range):
                        statement.bind(parameter, lasting: UnsafeRawBufferPointer(rebasing: bytes[range]))
                    }
                }
                try statement.run()
            }
        }
        values.removeAll(keepingCapacity: true)
        arena.removeAll()
    }
}
