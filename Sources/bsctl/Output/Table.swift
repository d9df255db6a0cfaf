/// Columns under each other.
enum Table {
    /// One line per row, each column as wide as its widest cell and two spaces apart. Columns in `right` are
    /// aligned to the right.
    static func lines(_ rows: [[String]], right: Set<Int> = []) -> [String] {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in
            rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                if column > 0 { line += "  " }
                line += right.contains(column) ? padding + cell : column == row.count - 1 ? cell : cell + padding
            }
            return line
        }
    }
}
