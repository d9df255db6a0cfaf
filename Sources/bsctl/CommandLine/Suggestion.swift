/// "did you mean"
enum Suggestion {
    /// The known word that is nearest to `word`, as a question behind a semicolon; empty when none is near.
    static func text(_ word: String, _ known: [String], prefix: String) -> String {
        guard !word.isEmpty else { return "" }
        let near = known.map { ($0, distance(Array(word), Array($0))) }.min { $0.1 < $1.1 }
        guard let near, near.1 <= max(1, word.count / 3) else { return "" }
        return "; did you mean \(prefix)\(near.0)?"
    }

    /// The fewest letters to insert, delete, replace or swap with their neighbour (optimal string alignment).
    static func distance(_ left: [Character], _ right: [Character]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for i in left.indices {
            var row = [i + 1]
            for j in right.indices {
                var best = min(last[j + 1] + 1, row[j] + 1, last[j] + (left[i] == right[j] ? 0 : 1))
                if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                    best = min(best, beforeLast[j - 1] + 1)
                }
                row.append(best)
            }
            (beforeLast, last) = (last, row)
        }
        return last[right.count]
    }
}
