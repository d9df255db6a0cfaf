import Glibc

/// What the kernel said: an errno.
public struct SystemError: Error, Sendable, Hashable, CustomStringConvertible {
    public let number: Int32

    public init(_ number: Int32) { self.number = number }

    static let io = SystemError(EIO)
    static let noSpace = SystemError(ENOSPC)

    public var description: String {
        var text = [CChar](repeating: 0, count: 128)
        guard strerror_r(number, &text, text.count) == 0 else { return "error \(number)" }
        let message = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return "\(String(decoding: message, as: UTF8.self)) (\(number))"
    }

    /// The store error code that callers branch on.
    var code: StoreError.Code {
        switch number {
        case ENOSPC, EDQUOT: .noSpace
        case ENOENT, ENOTDIR, ENXIO, ENODEV: .notFound
        case EEXIST, ENOTEMPTY: .exists
        default: .io
        }
    }
}

extension StoreError {
    /// A failed system call.
    init(_ operation: String, at place: String?, _ cause: SystemError) {
        self.init(cause.code, operation, at: place, detail: "", cause: cause)
    }
}
