import Erasure

/// The last 64 bytes of a shard (docs/format.md §6): a file that was cut short, or that something was
/// appended to, does not end in the footer its header implies.
enum ShardFooter {
    static let byteCount = 64
    static let magic: [UInt8] = Array("BSSHEND1".utf8)

    static func encode(for header: ShardHeader) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(magic)
        writer.append(header.block)
        writer.append(header.row.encoded)
        writer.append(UInt64(ShardLayout(header).byteCount))
        writer.append(UInt32(header.tableOfContentsBytes))
        writer.zeros(byteCount - 4 - writer.bytes.count)
        writer.appendChecksum()
        return writer.bytes
    }

    /// The footer follows from the header: it is right when it is equal, byte for byte.
    static func check(_ bytes: [UInt8], for header: ShardHeader) throws(FormatError) {
        guard bytes == encode(for: header) else { throw .wrongChecksum("footer") }
    }
}
