import CCrypto

/// libcrypto as a whole.
public enum Cryptography {
    /// To be called before anything else of libcrypto in the process, by whoever may be first. Any thread, any number of times.
    ///
    /// By itself libcrypto takes everything down when the process calls `exit`, under the threads that have used it and end a moment
    /// later: these then read memory that is gone. The kernel takes it all back anyway.
    public static func prepare() { _ = isPrepared }

    private static let isPrepared = OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil) == 1
}
