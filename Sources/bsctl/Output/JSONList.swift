import BlockStore

/// A JSON document of one array that may be of any length: its elements are printed as they come, and memory is that of one.
struct JSONList {
    private let name: String
    private var isBegun = false

    private init(_ name: String) { self.name = name }

    /// Prints the document with what `body` appends.
    ///
    /// An error that comes when elements were printed already stands behind them, so that it stays one document.
    /// - Throws: what `body` throws before the first element.
    static func print(_ name: String, _ body: (inout JSONList) throws -> Void) throws -> ExitCode {
        var list = JSONList(name)
        do {
            try body(&list)
        } catch let error as StoreError where list.isBegun {
            let complaint = Complaint(error)
            Terminal.print("]," + JSON.object(complaint.fields).dropFirst())
            Terminal.error(complaint)
            return complaint.kind.exit
        }
        Terminal.print((list.isBegun ? "" : list.head) + "]}")
        return .done
    }

    mutating func append(_ fields: [(String, JSON)]) {
        Terminal.print(part: (isBegun ? "," : head) + JSON.object(fields))
        isBegun = true
    }

    private var head: String { "{\"\(name)\":[" }
}
