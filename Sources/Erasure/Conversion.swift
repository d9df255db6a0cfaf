/// How to turn the parity of an existing block into that of another profile: which rows stay, which go, and how
/// the new ones are made with few reads. Data shards are untouched.
///
/// Possible because coefficients depend on neither k nor m (docs/decisions/0003-fixed-cauchy-matrix.md). From `rs:k+m`:
///
/// - more parity: the new rows are made from any rows that span the data, the data themselves where they are there;
/// - less parity: rows go, nothing is read;
/// - `rs:k+(g+1)` → `lrc:k+l+g`: row 0 over l − 1 groups is made from their data, over the last from row 0 over all
///   columns and the others: k − k/l + 1 reads;
/// - `lrc:k+l+g` → `rs:k+(g+1)`: row 0 is the sum of the l local parities: l reads, of no data;
/// - two blocks, coded on the disjoint columns a ..< b and b ..< c, as one on a ..< c: with the rows of both as `present`,
///   parity row i is the sum of the two rows i: 2 reads for each. Where local parities are wanted, the old rows 0
///   may be just these and stay.
///
/// A value: any thread. It says what to do; who does it makes the new rows durable before any other goes.
public struct Conversion: Sendable, Hashable {
    /// Rows that are there and stay.
    public let kept: [Row]
    /// Parity rows that are there and go.
    public let dropped: [Row]
    /// Makes the rows that are missing, `plan.lost`, from those that are there.
    public let plan: RepairPlan

    /// The conversion from the rows that are `present` to those that are `wanted`; nil when what is there does not
    /// determine what is wanted.
    ///
    /// A data column that is wanted and not present is made like any other row.
    /// - Precondition: no data column is present and not wanted.
    /// - Complexity: that of `RepairPlan.make`.
    public init?(from present: [Row], to wanted: [Row], columns: Range<Int>) {
        let (old, new) = (Set(present), Set(wanted))
        dropped = old.subtracting(new).sorted()
        precondition(dropped.allSatisfy(\.isParity), "a conversion drops no data")
        kept = old.intersection(new).sorted()
        let made = new.subtracting(old).sorted()
        guard let plan = RepairPlan.make(lost: made, available: present, columns: columns) else { return nil }
        self.plan = plan
    }
}
