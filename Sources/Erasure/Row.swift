/// What a shard holds: data column j of its block, or parity row i over a range of columns.
///
/// A row is the identity of a shard within its block. It names neither m nor a profile: what a
/// block *has* is the set of rows found, what it *should* have is a record.
public enum Row: Hashable, Sendable {
    /// Data column `column` (0…191).
    case data(column: Int)
    /// Parity row `index` (0…63) of the fixed matrix, over `columns` alone.
    case parity(index: Int, columns: Range<Int>)
}
