/// The one fixed Cauchy matrix from which every profile takes its coefficients
/// (docs/decisions/0003-fixed-cauchy-matrix.md).
///
/// a(i, j) = 1 / ((192 + σ(i)) XOR j) for parity row i (0…63) and data column j (0…191), where σ is
/// 0, 2, 15, then the other numbers up to 63 in ascending order. Every square submatrix is
/// invertible. Coefficients depend on neither k nor m: that is what lets parity be added, dropped
/// and merged later.
public enum CodingMatrix {
    public static let parityRows = 64
    public static let dataColumns = 192
    /// Written into shard headers.
    public static let identifier: UInt8 = 1

    private static let sigma: [Int] = {
        let first = [0, 2, 15]
        return first + (0..<parityRows).filter { !first.contains($0) }
    }()

    /// - Precondition: `parityRow < 64`, `column < 192`.
    public static func coefficient(parityRow: Int, column: Int) -> UInt8 {
        GaloisField.inverse(of: UInt8((192 + sigma[parityRow]) ^ column))
    }

    /// What data column `column` is multiplied by in the sum that is `row`.
    public static func factor(of row: Row, column: Int) -> UInt8 {
        switch row {
        case .data(let wanted): wanted == column ? 1 : 0
        case .parity(let index, let span): span.contains(column) ? coefficient(parityRow: index, column: column) : 0
        }
    }

    /// The row of the generator matrix that makes `row` from the data columns `columns`.
    public static func generatorRow(of row: Row, columns: Range<Int>) -> [UInt8] {
        columns.map { factor(of: row, column: $0) }
    }
}
