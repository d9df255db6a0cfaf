/// The bytes of one object on their way from whoever reads its source to the thread that stores it.
///
/// Any thread; one fills it, one empties it. Nobody blocks here: who is to wait for room is told when there is some.
final class PieceQueue: Sendable {
    enum End: Sendable {
        case whole
        /// The source failed, or the caller gave the object up.
        case failed(StoreError)
    }

    private struct State: Sendable {
        var pieces: [[UInt8]] = []
        var byteCount = 0
        var end: End?
        /// Nobody takes any more of it.
        var isOver = false
        var onRoom: (@Sendable () -> Void)?
        var onNews: (@Sendable () -> Void)?

        var hasRoom: Bool { byteCount < Limits.piecesAheadBytes || end != nil || isOver }
    }

    private let state = Monitor(State())

    /// A queue that holds all of an object.
    convenience init(whole bytes: [UInt8]) {
        self.init()
        add(bytes)
        end(.whole)
    }

    func add(_ piece: [UInt8]) {
        let onNews = state.withLock { state -> (@Sendable () -> Void)? in
            guard state.end == nil, !state.isOver, !piece.isEmpty else { return nil }
            state.pieces.append(piece)
            state.byteCount += piece.count
            return state.onNews
        }
        onNews?()
    }

    /// Nothing more comes. Only the first end counts.
    func end(_ end: End) {
        let told = state.withLock { state -> [(@Sendable () -> Void)?] in
            guard state.end == nil else { return [] }
            state.end = end
            defer { state.onRoom = nil }
            return [state.onNews, state.onRoom]
        }
        for tell in told { tell?() }
    }

    /// Calls `resume`, once, when there is room for more: perhaps at once.
    func whenRoom(_ resume: @escaping @Sendable () -> Void) {
        let isNow = state.withLock { state in
            if !state.hasRoom { state.onRoom = resume }
            return state.hasRoom
        }
        if isNow { resume() }
    }

    /// What came since the last call, and whether that was all.
    func take() -> (pieces: [[UInt8]], end: End?) {
        let (taken, onRoom) = state.withLock { state in
            defer {
                state.pieces = []
                state.byteCount = 0
                state.onRoom = nil
            }
            return ((state.pieces, state.end), state.onRoom)
        }
        onRoom?()
        return taken
    }

    /// Nobody will take what is still to come.
    func close() {
        let onRoom = state.withLock { state in
            state.isOver = true
            state.pieces = []
            state.byteCount = 0
            defer { state.onRoom = nil }
            return state.onRoom
        }
        onRoom?()
    }

    /// From now on `onNews` is called when something came.
    func notify(_ onNews: @escaping @Sendable () -> Void) { state.withLock { $0.onNews = onNews } }

    var byteCount: Int { state.withLock(\.byteCount) }

    /// Why the rest of the object never comes.
    var failure: StoreError? {
        if case .failed(let error) = state.withLock(\.end) { return error }
        return nil
    }

    /// Whether the whole object is here.
    var isWhole: Bool {
        if case .whole = state.withLock(\.end) { return true }
        return false
    }
}

/// Reads pieces that are all there.
final class PiecesSource: ByteSource {
    private let pieces: [[UInt8]]
    private var number = 0
    private var offset = 0

    init(_ pieces: [[UInt8]]) { self.pieces = pieces }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        var done = 0
        while done < buffer.count, number < pieces.count {
            let piece = pieces[number]
            let count = min(buffer.count - done, piece.count - offset)
            piece.withUnsafeBytes { raw in
                UnsafeMutableRawBufferPointer(rebasing: buffer[done..<(done + count)]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: raw[offset..<(offset + count)]))
            }
            done += count
            offset += count
            if offset == piece.count { (number, offset) = (number + 1, 0) }
        }
        return done
    }
}
