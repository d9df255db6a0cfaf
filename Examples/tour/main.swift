import BlockStore

let store = try await ObjectStore.open(CommandLine.arguments[1])
try await store.put("greeting", from: Array("hello".utf8))  // durable when it returns
print(String(decoding: try await store.read("greeting"), as: UTF8.self))

try await store.put("film", fromFile: CommandLine.arguments[2], condition: .isAbsent)
for try await piece in try await store.pieces(of: "film") { print(piece.count) }

for object in try await store.list() { print(object.key, object.byteCount) }
await store.close()
