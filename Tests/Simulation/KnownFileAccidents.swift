@testable import BlockStore
import Erasure

/// What must not happen where files that were read before are not read again, each small and made by hand.
enum KnownFileAccidents {
    static func all() throws {
        try aWriteWithinTheTickOfTheReadingIsNotMissed()
        try whatIsStoredTooWeaklyIsReadAgain()
        try whatWasNotAcknowledgedIsReadAgain()
    }

    private static func expect(_ condition: Bool, _ promise: String) throws {
        guard condition else { throw BrokenPromise(description: promise) }
    }

    private static func model() throws -> StoreModel {
        let model = try StoreModel(seed: 31, devices: 6, profile: "rs:4+2")
        model.world.remembersFiles = true
        return model
    }

    /// Puts the file as it is at this time, in seconds.
    private static func put(
        _ file: CoarseFile, _ model: StoreModel, atSeconds seconds: Double, profile: Profile? = nil
    ) throws -> WriteReport {
        model.world.wallNanoseconds = Int64(seconds * 1e9)
        file.rewind()
        let session = try model.openStore().startWriting(profile: profile)
        try session.put(Key("file"), stamped: file)
        return try session.finish()
    }

    private static func content(_ model: StoreModel) throws -> [UInt8] {
        let store = try model.openStore()
        let sink = MemorySink()
        _ = try store.read(try store.newestVersion(of: Key("file")), into: sink)
        return sink.bytes
    }

    /// Git's "racily clean" files: read, written to again within the same tick of the file system's clock, and never looked at
    /// again because nothing shows it.
    static func aWriteWithinTheTickOfTheReadingIsNotMissed() throws {
        for pause in [0.1, 0.7, 0.9] {
            let model = try model()
            let file = CoarseFile()
            file.write(SeededRandom.bytes(5_000, seed: 1), atSeconds: 100)
            let stamp = file.stamp()
            _ = try put(file, model, atSeconds: 100 + pause / 2)
            let newer = SeededRandom.bytes(5_000, seed: 2)
            file.write(newer, atSeconds: 100 + pause)
            try expect(file.stamp() == stamp, "the second write does not show")
            try expect(try put(file, model, atSeconds: 200).unread == 0, "what may have changed since is read")
            try expect(try content(model) == newer, "a write within the tick of the reading is not missed")
            try expect(
                try put(file, model, atSeconds: 300).unread == 1, "what was at rest when it was read is not read again")
            try expect(try content(model) == newer, "what was not read is right")
            model.closeStore()
        }
    }

    /// A file that is known has no bytes in the store by that: they may be where this put must not rest on them.
    static func whatIsStoredTooWeaklyIsReadAgain() throws {
        let model = try model()
        let file = CoarseFile()
        let content = SeededRandom.bytes(60_000, seed: 3)
        file.write(content, atSeconds: 10)
        _ = try put(file, model, atSeconds: 100)
        try expect(try put(file, model, atSeconds: 101).unread == 1, "a known file is not read")
        try expect(
            try put(file, model, atSeconds: 102, profile: Profile("rs:2+4")).newBytes == 60_000,
            "what must survive more is stored again")
        model.closeStore()
        for disk in ["disk-1", "disk-2", "disk-3", "disk-5"] { model.world.state.absent.insert(disk) }
        try expect(try Self.content(model) == content, "a put survives what its profile says")
    }

    /// What is known of a file is kept when its content is safe, not before.
    static func whatWasNotAcknowledgedIsReadAgain() throws {
        let model = try model()
        let file = CoarseFile()
        let content = SeededRandom.bytes(60_000, seed: 3)
        file.write(content, atSeconds: 10)
        model.world.wallNanoseconds = 100_000_000_000
        let session = try model.openStore().startWriting()
        try session.put(Key("file"), stamped: file)
        session.cancel()
        model.closeStore()
        try expect(try put(file, model, atSeconds: 101).unread == 0, "what was given up is read again")
        try expect(try Self.content(model) == content, "what is acknowledged reads back")
        model.closeStore()
    }
}

/// A file on a file system that stamps changes by the second.
private final class CoarseFile: StampedSource {
    private var content: [UInt8] = []
    private var seconds: Int64 = 0
    private var offset = 0

    func write(_ content: [UInt8], atSeconds seconds: Double) {
        self.content = content
        self.seconds = Int64(seconds)
    }

    func rewind() { offset = 0 }

    func stamp() -> FileStamp? {
        FileStamp(
            device: 1, inode: 2, byteCount: UInt64(content.count), modifiedNanoseconds: seconds * 1_000_000_000,
            changedNanoseconds: seconds * 1_000_000_000)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(buffer.count, content.count - offset)
        buffer.copyBytes(from: content[offset..<(offset + count)])
        offset += count
        return count
    }
}
