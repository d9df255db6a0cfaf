import Glibc

/// Restores one object to a file that appears under its name when it is whole, and replaces nothing
/// (`NewFile`). Use from one thread.
public final class FileSink: ByteSink {
    private let place: String
    private let file: NewFile

    /// - Throws: `.exists` when there is something at `path`.
    public init(path: [UInt8]) throws(StoreError) {
        let place = String(decoding: path, as: UTF8.self)
        let (directory, name) = try Self.target(of: path, place)
        self.place = place
        file = try explainingOutput("create the file", at: place) { () throws(SystemError) in
            try NewFile(name, in: directory, mode: 0o666)
        }
    }

    /// Makes the symbolic link `path` → `target`, with a modification time. Throws `.exists` like `init`.
    public static func makeLink(
        path: [UInt8], target: [UInt8], _ attributes: ObjectAttributes
    ) throws(StoreError) {
        let place = String(decoding: path, as: UTF8.self)
        let (directory, name) = try Self.target(of: path, place)
        try explainingOutput("create the link", at: place) { () throws(SystemError) in
            try Files.makeLink(name, in: directory, target: target)
            if let time = attributes.modifiedNanoseconds {
                try Files.setModified(name, in: directory, nanoseconds: time)
            }
        }
    }

    public func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        let file = self.file
        try explainingOutput("write the file", at: place) { () throws(SystemError) in try file.write(bytes) }
    }

    /// Gives the file its attributes and its name.
    public func finish(_ attributes: ObjectAttributes) throws(StoreError) {
        let file = self.file
        try explainingOutput("finish the file", at: place) { () throws(SystemError) in
            try file.finish(attributes)
        }
    }

    /// The directory and the name in it; nothing may be there yet.
    private static func target(of path: [UInt8], _ place: String) throws(StoreError) -> (FileDescriptor, [UInt8]) {
        let slash = path.lastIndex(of: UInt8(ascii: "/"))
        let name = slash.map { Array(path[($0 + 1)...]) } ?? path
        let parent = slash.map { $0 == 0 ? [UInt8(ascii: "/")] : Array(path[..<$0]) } ?? [UInt8(ascii: ".")]
        guard !name.isEmpty else {
            throw StoreError(.invalid, "create the file", at: place, detail: "its name is empty")
        }
        let (directory, existing) = try explainingOutput("create the file", at: place) { () throws(SystemError) in
            let directory = try Files.open(parent, O_RDONLY | O_DIRECTORY)
            return (directory, try Files.status(of: name, in: directory))
        }
        guard existing == nil else {
            throw StoreError(
                .exists, "create the file", at: place, detail: "it exists already",
                advice: "name another file, or - for standard output")
        }
        return (directory, name)
    }
}
