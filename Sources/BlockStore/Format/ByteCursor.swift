/// Reads fixed-width little-endian values from bytes that may be anything. It cannot pass the end.
struct ByteCursor {
    private let bytes: UnsafeRawBufferPointer
    private(set) var offset = 0

    /// - Precondition: `bytes` outlives the cursor.
    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var remaining: Int { bytes.count - offset }

    mutating func next<Value: FixedWidthInteger>(_: Value.Type, _ what: String) throws(FormatError) -> Value {
        let size = MemoryLayout<Value>.size
        guard remaining >= size else { throw .tooShort(what) }
        let value = bytes.loadUnaligned(fromByteOffset: offset, as: Value.self)
        offset += size
        return Value(littleEndian: value)
    }

    /// The next `count` bytes. `count` may come from the bytes themselves.
    mutating func next(bytes count: Int, _ what: String) throws(FormatError) -> UnsafeRawBufferPointer {
        guard count >= 0, remaining >= count else { throw .tooShort(what) }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
    }

    mutating func next<Tag>(_: Identifier<Tag>.Type, _ what: String) throws(FormatError) -> Identifier<Tag> {
        // Identifiers are kept as their bytes read: the first byte is the highest.
        let high = try next(UInt64.self, what).byteSwapped
        let low = try next(UInt64.self, what).byteSwapped
        return Identifier(high: high, low: low)
    }

    mutating func next<Tag>(_: SequenceNumber<Tag>.Type, _ what: String) throws(FormatError) -> SequenceNumber<Tag> {
        let value = try next(UInt64.self, what)
        // Far above anything counted, far below overflow: adding to it is always safe.
        guard value <= SequenceNumber<Tag>.maximum else {
            throw .tooLong(what, value, maximum: SequenceNumber<Tag>.maximum)
        }
        return SequenceNumber(value)
    }

    mutating func nextBlockName(_ what: String) throws(FormatError) -> BlockName {
        let number = try next(BlockNumber.self, what)
        return BlockName(number: number, id: try next(BlockID.self, what))
    }

    /// A count of at most `maximum`, checked before anyone allocates by it.
    mutating func nextCount(_ what: String, maximum: Int) throws(FormatError) -> Int {
        let value = try next(UInt32.self, what)
        guard value <= UInt32(maximum) else { throw .tooLong(what, UInt64(value), maximum: UInt64(maximum)) }
        return Int(value)
    }

    /// Room left for later: zero today.
    mutating func zeros(_ count: Int, _ what: String) throws(FormatError) {
        guard try next(bytes: count, what).allSatisfy({ $0 == 0 }) else { throw .unsupported("\(what) is not zero") }
    }

    func finish(_ what: String) throws(FormatError) {
        guard remaining == 0 else { throw .trailing(what, remaining) }
    }
}

/// Appends fixed-width little-endian values.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    /// - Parameter byteCount: about as many as will come.
    init(reserving byteCount: Int = 128) { bytes.reserveCapacity(byteCount) }

    mutating func append<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func append(_ raw: some Collection<UInt8>) { bytes.append(contentsOf: raw) }

    mutating func append<Tag>(_ identifier: Identifier<Tag>) {
        append(identifier.high.byteSwapped)
        append(identifier.low.byteSwapped)
    }

    mutating func append<Tag>(_ number: SequenceNumber<Tag>) { append(number.value) }

    mutating func append(_ block: BlockName) {
        append(block.number)
        append(block.id)
    }

    mutating func zeros(_ count: Int) { bytes.append(contentsOf: repeatElement(0, count: count)) }

    /// Begins anew with the memory that there is.
    mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

    /// The CRC32C of everything so far.
    mutating func appendChecksum() { append(CRC32C.of(bytes)) }
}

extension Array where Element == UInt8 {
    /// `withUnsafeBytes` that lets typed errors through.
    func withBytes<Value, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let result = withUnsafeBytes { raw -> Result<Value, Failure> in
            do throws(Failure) {
                return .success(try body(raw))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}
