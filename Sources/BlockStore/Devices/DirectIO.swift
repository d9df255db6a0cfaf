import CLinux
import Glibc

/// Reading and writing past the page cache, by O_DIRECT: the medium moves whole pages, to and from whole pages.
///
/// A `Buffer` lies in its pages as a shard's payload lies in those of its file. So the pages in the middle go straight between
/// buffer and medium, and only what shares a page with something else is copied.
enum DirectIO {
    static let pageBytes = 4096
    /// Below this it is not worth the pieces.
    private static let leastBytes = 64 << 10

    /// Like `Files.read`, for a file opened with O_DIRECT. Throws EINVAL where the file system has no such thing after all.
    static func read(
        _ file: FileDescriptor, at offset: Int, into buffer: UnsafeMutableRawBufferPointer
    ) throws(SystemError) -> Int {
        let pages = offset / pageBytes * pageBytes..<(offset + buffer.count).roundedUp(to: pageBytes)
        let lead = offset - pages.lowerBound
        if let middle = wholePages(at: offset, UnsafeRawBufferPointer(buffer)) {
            let ends = Buffers.pages.take()
            defer { Buffers.pages.give(ends) }
            let first = ends.slice(0..<(middle.lowerBound - pages.lowerBound))
            let last = ends.slice(pageBytes..<(pageBytes + pages.upperBound - middle.upperBound))
            let inside = UnsafeMutableRawBufferPointer(
                rebasing: buffer[(middle.lowerBound - offset)..<(middle.upperBound - offset)])
            let vector = [first, inside, last].filter { $0.count > 0 }.map {
                iovec(iov_base: $0.baseAddress, iov_len: $0.count)
            }
            if preadv(file.number, vector, Int32(vector.count), off_t(pages.lowerBound)) == pages.count {
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: first[min(lead, first.count)...]))
                let end = UnsafeMutableRawBufferPointer(rebasing: buffer[(middle.upperBound - offset)...])
                end.copyMemory(from: UnsafeRawBufferPointer(rebasing: last[..<end.count]))
                return buffer.count
            }
            // Interrupted, or it ends early: step by step then.
        }
        let aligned = Buffers.direct.take(atLeast: pages.count)
        defer { Buffers.direct.give(aligned) }
        let count = try Files.read(file, at: pages.lowerBound, into: aligned.slice(0..<pages.count))
        let found = max(0, min(count - lead, buffer.count))
        buffer.copyMemory(from: UnsafeRawBufferPointer(aligned.slice(lead..<(lead + found))))
        return found
    }

    /// Writes the concatenation of `pieces` as all there is in `file`, an open one without O_DIRECT. False where that is
    /// not to be had: then nothing is known of what is in it, and its position is where it was.
    static func write(_ pieces: [UnsafeRawBufferPointer], to file: FileDescriptor) throws(SystemError) -> Bool {
        guard let longest = pieces.indices.max(by: { pieces[$0].count < pieces[$1].count }) else { return false }
        let piece = pieces[longest]
        let offset = pieces[..<longest].reduce(0) { $0 + $1.count }
        let byteCount = pieces.reduce(0) { $0 + $1.count }
        guard let middle = wholePages(at: offset, piece), fcntl(file.number, F_SETFL, Int32(BS_O_DIRECT)) == 0 else {
            return false
        }
        defer { _ = fcntl(file.number, F_SETFL, 0) }
        // What comes before the whole pages and what comes behind them, padded to a page.
        let end = byteCount.roundedUp(to: pageBytes)
        let ends = Buffers.direct.take(atLeast: middle.lowerBound + end - middle.upperBound)
        defer { Buffers.direct.give(ends) }
        let first = ends.slice(0..<middle.lowerBound)
        let last = ends.slice(middle.lowerBound..<(middle.lowerBound + end - middle.upperBound))
        let inside = UnsafeRawBufferPointer(
            rebasing: piece[(middle.lowerBound - offset)..<(middle.upperBound - offset)])
        let before = UnsafeRawBufferPointer(rebasing: piece[..<(middle.lowerBound - offset)])
        let behind = UnsafeRawBufferPointer(rebasing: piece[(middle.upperBound - offset)...])
        fill(first, pieces[..<longest] + [before])
        fill(last, [behind] + pieces[(longest + 1)...])
        let vector = [UnsafeRawBufferPointer(first), inside, UnsafeRawBufferPointer(last)].filter { $0.count > 0 }.map {
            iovec(iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress), iov_len: $0.count)
        }
        let written = pwritev(file.number, vector, Int32(vector.count), 0)
        if written < 0, errno != EINVAL, errno != EINTR { throw SystemError(errno) }
        if written > byteCount { try Files.setByteCount(byteCount, of: file) }
        return written == end
    }

    /// The pages of a file that are whole pages of `bytes`, which stand at `offset` in the file; nil where the two lie differently
    /// in their pages, or there are few.
    private static func wholePages(at offset: Int, _ bytes: UnsafeRawBufferPointer) -> Range<Int>? {
        guard bytes.count >= leastBytes, (Int(bitPattern: bytes.baseAddress) - offset) % pageBytes == 0 else {
            return nil
        }
        return offset.roundedUp(to: pageBytes)..<(offset + bytes.count) / pageBytes * pageBytes
    }

    /// Fills `target` with `pieces` end to end, and zeros behind.
    private static func fill(_ target: UnsafeMutableRawBufferPointer, _ pieces: [UnsafeRawBufferPointer]) {
        var done = 0
        for piece in pieces {
            UnsafeMutableRawBufferPointer(rebasing: target[done...]).copyMemory(from: piece)
            done += piece.count
        }
        UnsafeMutableRawBufferPointer(rebasing: target[done...]).initializeMemory(as: UInt8.self, repeating: 0)
    }
}

extension Int {
    fileprivate func roundedUp(to unit: Int) -> Int { (self + unit - 1) / unit * unit }
}
