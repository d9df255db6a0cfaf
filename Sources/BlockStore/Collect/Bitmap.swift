/// A set of small numbers, a bit each: ten million chunks are marked in 1.25 MB.
struct Bitmap: Sendable {
    private var words: [UInt64] = []

    subscript(number: Int) -> Bool {
        get {
            let word = number >> 6
            return word < words.count && words[word] >> UInt64(number & 63) & 1 == 1
        }
        set {
            let word = number >> 6
            if word >= words.count {
                guard newValue else { return }
                words.append(contentsOf: repeatElement(0, count: max(word + 1 - words.count, words.count / 2)))
            }
            let bit = UInt64(1) << UInt64(number & 63)
            if newValue { words[word] |= bit } else { words[word] &= ~bit }
        }
    }
}
