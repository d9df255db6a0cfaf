import BlockStore
import Foundation

/// A small backup: every file of a directory is an object, eight at a time; a file that is gone is removed, its versions stay.
///
///     backup HOME DIRECTORY            # makes a sandbox of six directories in HOME when there is no store
///     backup HOME --restore DIRECTORY  # into a directory that is not there yet
@main
struct Backup {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        guard let home = arguments.first, let directory = arguments.last, (2...3).contains(arguments.count) else {
            print("usage: backup HOME [--restore] DIRECTORY")
            exit(2)
        }
        let store = try await open(home)
        if arguments.contains("--restore") {
            try await restore(from: store, to: directory)
        } else {
            try await back(up: directory, to: store)
        }
        await store.close()
    }

    static func open(_ home: String) async throws -> ObjectStore {
        do {
            return try await ObjectStore.open(home)
        } catch let error as StoreError where error.code == .notFound {
            return try await ObjectStore.createSandbox(home)
        }
    }

    static func back(up directory: String, to store: ObjectStore) async throws {
        let paths = try FileManager.default.subpathsOfDirectory(atPath: directory).filter { path in
            var isDirectory: ObjCBool = false
            return FileManager.default.fileExists(atPath: "\(directory)/\(path)", isDirectory: &isDirectory)
                && !isDirectory.boolValue
        }
        let old = try await objects(of: store)
        let known = Dictionary(uniqueKeysWithValues: old.map { ($0.key, $0.identity) })
        let new = try await forEach(paths) { path in
            let receipt = try await store.put(path, fromFile: "\(directory)/\(path)", skippingUnchanged: true)
            return known[receipt.version.key] != receipt.version.identity
        }
        let kept = try Set(paths.map { try Key($0) })
        let gone = try await forEach(old.map(\.key).filter { !kept.contains($0) }) { key in
            try await store.remove(key)
            return true
        }
        print("\(paths.count) files, \(new) of them new or changed, \(gone) removed")
    }

    static func restore(from store: ObjectStore, to directory: String) async throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        let count = try await forEach(try await objects(of: store)) { object in
            // A backup has no such keys; others that use the store may.
            guard !object.key.description.split(separator: "/").contains("..") else { return false }
            let path = "\(directory)/\(object.key)"
            try FileManager.default.createDirectory(
                atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try await store.read(object, toFile: path)
            return true
        }
        print("\(count) files restored")
    }

    /// All of them, page by page.
    static func objects(of store: ObjectStore) async throws -> [ObjectVersion] {
        var objects: [ObjectVersion] = []
        while true {
            let page = try await store.list(after: objects.last?.key)
            objects += page
            if page.isEmpty { return objects }
        }
    }

    /// Runs `body` for each item, eight at a time, and counts what it says yes to.
    static func forEach<Item: Sendable>(
        _ items: [Item], _ body: @escaping @Sendable (Item) async throws -> Bool
    ) async throws -> Int {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            var count = 0
            for (number, item) in items.enumerated() {
                if number >= 8, try await group.next() == true { count += 1 }
                group.addTask { try await body(item) }
            }
            for try await isCounted in group where isCounted { count += 1 }
            return count
        }
    }
}
