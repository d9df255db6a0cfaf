import Glibc

/// Bytes outside the reach of reference counting, page-aligned, freed with the last reference.
///
/// Whoever holds it decides who may touch which bytes: one writer at a time, and nobody writes what
/// others read.
final class Buffer: @unchecked Sendable {
    // @unchecked: the pointer never changes; the bytes follow the rule above.
    let bytes: UnsafeMutableRawBufferPointer

    init(byteCount: Int) {
        var pointer: UnsafeMutableRawPointer?
        let status = posix_memalign(&pointer, 4096, max(byteCount, 4096))
        guard status == 0, let pointer else { fatalError("out of memory: \(byteCount) bytes") }
        bytes = UnsafeMutableRawBufferPointer(start: pointer, count: byteCount)
    }

    deinit { free(bytes.baseAddress) }

    var byteCount: Int { bytes.count }

    func slice(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: bytes[range])
    }
}

/// Buffers of one size that are used again: memory touched for the first time is several times
/// slower than memory touched before.
final class BufferPool: Sendable {
    let byteCount: Int
    private let kept: Int
    private let free = Monitor<[Buffer]>([])

    /// - Parameter kept: at most so many unused buffers are held.
    init(byteCount: Int, kept: Int) {
        self.byteCount = byteCount
        self.kept = kept
    }

    func take() -> Buffer {
        free.withLock { $0.popLast() } ?? Buffer(byteCount: byteCount)
    }

    func give(_ buffer: Buffer) {
        guard buffer.byteCount == byteCount else { return }
        free.withLock { if $0.count < kept { $0.append(buffer) } }
    }
}

/// Things that are costly to make and used by one thread at a time: hashing and compression states.
final class ResourcePool<Resource: AnyObject>: @unchecked Sendable {
    // @unchecked: a resource is in the list or in the hands of one thread, never both.
    private let free = Monitor(State())
    private let make: @Sendable () -> Resource

    private struct State: @unchecked Sendable {
        var resources: [Resource] = []
    }

    init(_ make: @escaping @Sendable () -> Resource) { self.make = make }

    func with<Value, Failure: Error>(_ body: (Resource) throws(Failure) -> Value) throws(Failure) -> Value {
        let resource = take()
        defer { give(resource) }
        return try body(resource)
    }

    private func take() -> Resource {
        free.withLock { state in state.resources.popLast().map { Handle($0) } }?.resource ?? make()
    }

    private func give(_ resource: Resource) {
        let handle = Handle(resource)
        free.withLock { $0.resources.append(handle.resource) }
    }

    private struct Handle: @unchecked Sendable {
        let resource: Resource
        init(_ resource: Resource) { self.resource = resource }
    }
}

extension BufferPool {
    /// A buffer of at least `byteCount` bytes: a pooled one when those are long enough.
    func take(atLeast byteCount: Int) -> Buffer {
        byteCount <= self.byteCount ? take() : Buffer(byteCount: byteCount)
    }
}
