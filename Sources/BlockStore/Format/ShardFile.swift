/// One shard, ready to be written: everything but the payload is owned, the payload is pointed to.
///
/// `@unchecked`: whoever makes it keeps the payload's buffer alive and unchanged as long as it is used.
struct ShardFile: @unchecked Sendable {
    private let header: [UInt8]
    private let payload: UnsafeRawBufferPointer
    private let tail: [UInt8]
    let checksums: ChecksumTable

    /// - Parameter contents: the encoded table of contents, as digested in `header`.
    /// - Precondition: `payload.count == header.payloadBytes`.
    init(header: ShardHeader, payload: UnsafeRawBufferPointer, contents: [UInt8]) {
        precondition(payload.count == header.payloadBytes && contents.count == header.tableOfContentsBytes)
        self.header = header.encode()
        self.payload = payload
        checksums = ChecksumTable(of: payload, block: header.block.id, row: header.row)
        tail = checksums.encode() + contents + ShardFooter.encode(for: header)
    }

    /// The whole file, in order.
    func withPieces<Value, Failure: Error>(
        _ body: ([UnsafeRawBufferPointer]) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        try header.withBytes { head throws(Failure) in
            try tail.withBytes { tail throws(Failure) in
                try body([head, payload, tail])
            }
        }
    }

    var byteCount: Int { header.count + payload.count + tail.count }

    /// The whole file as one array.
    var bytes: [UInt8] { header + Array(payload) + tail }
}
