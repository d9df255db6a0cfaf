/// Where the parts of a shard file lie: header · payload · checksum table · contents · footer
/// (docs/format.md §2). Byte ranges of the file.
struct ShardLayout: Sendable, Hashable {
    static let payloadOffset = ShardHeader.byteCount

    let payload: Range<Int>
    let checksumTable: Range<Int>
    let tableOfContents: Range<Int>
    let footer: Range<Int>

    /// - Precondition: the lengths are within the limits, as a parsed header's are.
    init(_ header: ShardHeader) {
        let start = Self.payloadOffset
        payload = start..<(start + header.payloadBytes)
        checksumTable =
            payload.upperBound..<(payload.upperBound + ChecksumTable.byteCount(payloadBytes: header.payloadBytes))
        tableOfContents = checksumTable.upperBound..<(checksumTable.upperBound + header.tableOfContentsBytes)
        footer = tableOfContents.upperBound..<(tableOfContents.upperBound + ShardFooter.byteCount)
    }

    /// Length of the file.
    var byteCount: Int { footer.upperBound }
}
