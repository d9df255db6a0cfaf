/// Where an object's bytes go.
public protocol ByteSink: AnyObject {
    /// Takes all of `bytes`.
    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError)
}

/// Collects bytes in memory.
public final class MemorySink: ByteSink {
    public private(set) var bytes: [UInt8] = []

    public init() {}

    public func write(_ bytes: UnsafeRawBufferPointer) { self.bytes.append(contentsOf: bytes) }
}

/// An open file, pipe or socket. It is not closed.
public final class DescriptorSink: ByteSink {
    private let descriptor: Int32
    private let place: String

    public init(_ descriptor: Int32, place: String) {
        self.descriptor = descriptor
        self.place = place
        Files.widenPipe(descriptor)
    }

    public func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        do throws(SystemError) {
            try Files.write([bytes], to: descriptor)
        } catch {
            throw StoreError("write the output", at: place, error)
        }
    }
}

/// Takes many objects, one after the other.
public protocol ObjectReceiver: AnyObject {
    func begin(_ object: ObjectVersion) throws(StoreError)
    func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError)
    func end(_ object: ObjectVersion) throws(StoreError)
    /// The object cannot be had, or could not be taken: nothing more of it comes.
    func fail(_ object: ObjectVersion, _ error: StoreError)
}
