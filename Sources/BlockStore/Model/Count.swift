/// Numbers of things in words.
package enum Count {
    /// "1 shard", "2 shards"; with a verb "1 shard is", "2 shards are".
    package static func text(
        _ number: some BinaryInteger, _ noun: String, one: String? = nil, many: String? = nil
    ) -> String {
        let words = "\(number) \(noun)\(number == 1 ? "" : "s")"
        return (number == 1 ? one : many).map { "\(words) \($0)" } ?? words
    }
}
