extension Index {
    /// Everything the commits say, sorted by meaning: two indexes of the same commits dump alike,
    /// whatever the order in which they were made. For tests and for comparing a rebuilt index.
    func dump() throws(StoreError) -> [String] {
        var lines: [String] = []
        var after: Key?
        repeat {
            let page = try list(prefix: [], after: after, limit: 1000, all: true)
            lines += page.versions.map { "version \($0.identity) \($0.content)" }
            after = page.last
        } while after != nil
        var noted = RecordIdentity(commit: .none, ordinal: 0)
        while true {
            let page = try changes(after: noted, limit: 1000)
            guard let end = page.last else { break }
            noted = end.identity
            lines += page.map { "change \($0)" }
        }
        var last: BlockName?
        while true {
            let page = try blocks(after: last, limit: 1000)
            guard let end = page.last else { break }
            last = end.name
            for block in page {
                lines.append("block \(block.name.number) \(block.name.id) \(block.profile) \(block.payloadBytes)")
                for (_, digest, place) in try chunks(in: block.ref) {
                    lines.append("chunk \(digest) \(block.name.id) \(place.offset) \(place.storedBytes)")
                }
            }
        }
        return lines.sorted()
    }
}
