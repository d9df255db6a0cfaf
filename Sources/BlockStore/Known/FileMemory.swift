/// What a write session knows of files that were read before, and what it learns of those it reads.
///
/// Never fails: whatever is wrong with what was kept, or with the room for it, costs no more than to read files again. What is
/// learned is kept when it was acknowledged. Use from one thread at a time.
final class FileMemory: @unchecked Sendable {
    // @unchecked: see the thread rule; a session hands it to a lane and waits before it uses it again.
    private let home: any Home
    /// Nil when there is none, or it went wrong in this session.
    private var files: KnownFiles?
    private var learned: [(stamp: FileStamp, manifest: Manifest)] = []
    private let day: Int64

    /// - Parameter isOpened: otherwise nothing is known and nothing kept.
    init(_ environment: StoreEnvironment, isOpened: Bool) {
        home = environment.home
        day = environment.clock.wallNanoseconds() / (86_400 * 1_000_000_000)
        guard isOpened else { return }
        do throws(StoreError) {
            files = try home.openKnownFiles()
        } catch {
            guard error.code == .indexDamaged else { return }
            try? home.discardKnownFiles()
            files = try? home.openKnownFiles()
        }
    }

    var isAvailable: Bool { files != nil }

    /// What the files held that had these stamps; nil for each that is not known.
    func manifests(of stamps: [FileStamp]) -> [Manifest?] {
        use { files throws(StoreError) in try files.manifests(of: stamps, day: day) }
            ?? [Manifest?](repeating: nil, count: stamps.count)
    }

    /// To be kept from the next `acknowledge` on.
    func learn(_ stamp: FileStamp, _ manifest: Manifest) {
        if isAvailable { learned.append((stamp, manifest)) }
    }

    /// So many files wait for `acknowledge`.
    var learnedCount: Int { learned.count }

    /// Everything learned so far is safe in the store.
    func acknowledge() {
        defer { learned = [] }
        _ = use { files throws(StoreError) in try files.remember(learned, day: day) }
    }

    private func use<Value>(_ body: (KnownFiles) throws(StoreError) -> Value) -> Value? {
        guard let files else { return nil }
        do throws(StoreError) {
            return try body(files)
        } catch {
            self.files = nil
            if error.code == .indexDamaged { try? home.discardKnownFiles() }
            return nil
        }
    }
}
