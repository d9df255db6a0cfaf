import BlockStore

/// An ingester: many producers put small events at once, each of them once, however often it is sent.
///
///     ingest HOME PRODUCERS EVENTS
@main
struct Ingest {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 4, let producers = Int(arguments[2]), let events = Int(arguments[3]), producers > 0,
            events >= 0
        else {
            print("usage: ingest HOME PRODUCERS EVENTS")
            return
        }
        let store = try await ObjectStore.open(arguments[1])
        let clock = ContinuousClock()
        let start = clock.now
        let stored = try await withThrowingTaskGroup(of: Int.self) { group in
            for producer in 0..<producers {
                group.addTask { try await send(events, from: producer, to: store) }
            }
            var stored = 0
            for try await count in group { stored += count }
            return stored
        }
        let seconds = (clock.now - start) / .seconds(1)
        let sent = producers * events
        print("\(stored) events stored, \(sent - stored) known already, \(Int(Double(sent) / seconds)) a second")
        await store.close()
    }

    /// Sends events one after the other; each is durable before the next one is sent. Returns how many were new.
    static func send(_ events: Int, from producer: Int, to store: ObjectStore) async throws -> Int {
        var count = 0
        for event in 0..<events {
            let text = "event \(event) of producer \(producer)"
            do {
                try await store.put(
                    "events/\(producer)/\(event)", from: Array(text.utf8), condition: .isAbsent)
                count += 1
            } catch let error as StoreError where error.code == .conditionFailed {
                // Sent before, by somebody who did not live to hear that it was stored.
                continue
            }
        }
        return count
    }
}
