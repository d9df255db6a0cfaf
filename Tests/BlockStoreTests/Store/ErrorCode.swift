@testable import BlockStore

/// The code of the store's error that `body` ends with; nil for none, and for any other error.
func code(_ body: () throws -> Void) -> StoreError.Code? {
    do {
        try body()
        return nil
    } catch {
        return (error as? StoreError)?.code
    }
}
