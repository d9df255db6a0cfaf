/// First in, first out, in constant time on average. Memory of its own, because every candidate goes through
/// two of these and an array's checks would cost more than finding it. One thread.
struct Queue<Element: BitwiseCopyable>: ~Copyable {
    private var items: UnsafeMutablePointer<Element>
    private var capacity: Int
    private var head = 0
    private var end = 0

    /// - Parameter capacity: room for so many to begin with.
    init(capacity: Int = 64) {
        items = .allocate(capacity: capacity)
        self.capacity = capacity
    }

    deinit { items.deallocate() }

    var first: Element? { head < end ? items[head] : nil }
    var isFull: Bool { end == capacity }

    @inline(__always)
    mutating func append(_ element: Element) {
        if end == capacity { makeRoom() }
        (items + end).initialize(to: element)
        end += 1
    }

    /// All but the first `count`.
    mutating func removeLast(from count: Int) { end = head + count }

    mutating func removeFirst() { head += 1 }

    mutating func removeAll() { (head, end) = (0, 0) }

    mutating func withItems<Result>(_ body: (UnsafeMutableBufferPointer<Element>) -> Result) -> Result {
        body(UnsafeMutableBufferPointer(start: items + head, count: end - head))
    }

    /// Moves what is there to the front, of twice the memory when that is not half of it.
    @inline(never)
    private mutating func makeRoom() {
        let count = end - head
        if count * 2 > capacity {
            let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
            larger.moveInitialize(from: items + head, count: count)
            items.deallocate()
            items = larger
            capacity *= 2
        } else {
            items.update(from: items + head, count: count)
        }
        (head, end) = (0, count)
    }
}
