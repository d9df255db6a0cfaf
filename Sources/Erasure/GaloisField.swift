/// The field GF(2⁸) with ISA-L's polynomial x⁸ + x⁴ + x³ + x² + 1 (0x11d), one byte at a time.
///
/// The slow, clear arithmetic: it makes matrices and plans, and is the oracle for the vectorised
/// code. Addition is XOR.
public enum GaloisField {
    private static let exponentials: [UInt8] = {
        var table = [UInt8](repeating: 0, count: 510)
        var value = 1
        for power in 0..<255 {
            table[power] = UInt8(value)
            table[power + 255] = UInt8(value)
            value <<= 1
            if value & 0x100 != 0 { value ^= 0x11d }
        }
        return table
    }()

    private static let logarithms: [Int] = {
        var table = [Int](repeating: 0, count: 256)
        for power in 0..<255 { table[Int(exponentials[power])] = power }
        return table
    }()

    public static func multiply(_ left: UInt8, _ right: UInt8) -> UInt8 {
        if left == 0 || right == 0 { return 0 }
        return exponentials[logarithms[Int(left)] + logarithms[Int(right)]]
    }

    /// - Precondition: `value != 0`.
    public static func inverse(of value: UInt8) -> UInt8 {
        precondition(value != 0, "zero has no inverse")
        return exponentials[255 - logarithms[Int(value)]]
    }
}
