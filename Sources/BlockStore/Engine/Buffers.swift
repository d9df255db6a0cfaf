import Glibc

/// Bytes outside the reach of reference counting, freed with the last reference.
///
/// They begin in their page where a shard's payload begins in its own, so that it goes to the medium and back without a copy
/// (`DirectIO`), or with a page.
///
/// Whoever holds it decides who may touch which bytes: one writer at a time, and nobody writes what
/// others read.
final class Buffer: @unchecked Sendable {
    // @unchecked: the pointers never change; the bytes follow the rule above.
    let bytes: UnsafeMutableRawBufferPointer
    private let memory: UnsafeMutableRawPointer

    init(byteCount: Int, isPageAligned: Bool = false) {
        let lead = isPageAligned ? 0 : ShardLayout.payloadOffset
        var pointer: UnsafeMutableRawPointer?
        let status = posix_memalign(&pointer, DirectIO.pageBytes, lead + max(byteCount, 1))
        guard status == 0, let pointer else { fatalError("out of memory: \(byteCount) bytes") }
        memory = pointer
        bytes = UnsafeMutableRawBufferPointer(start: pointer + lead, count: byteCount)
    }

    deinit { free(memory) }

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
    private let isPageAligned: Bool
    private let free = Monitor<[Buffer]>([])

    /// - Parameter kept: at most so many unused buffers are held.
    init(byteCount: Int, kept: Int, isPageAligned: Bool = false) {
        self.byteCount = byteCount
        self.kept = kept
        self.isPageAligned = isPageAligned
    }

    func take() -> Buffer { free.withLock { $0.popLast() } ?? make(byteCount) }

    private func make(_ byteCount: Int) -> Buffer { Buffer(byteCount: byteCount, isPageAligned: isPageAligned) }

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
        byteCount <= self.byteCount ? take() : make(byteCount)
    }
}
