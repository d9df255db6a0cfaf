import CCrypto
import Chunker
import FoundationEssentials
import Glibc

/// What a request's body is known by.
struct BodyDigest: Sendable, Hashable {
    /// SHA-256, as signatures have it: 64 hexadecimal digits.
    let sha256: String
    /// MD5, as servers answer with it; nil where this libcrypto has none.
    let md5: [UInt8]?

    static let empty = BodyDigest(of: [])

    init(of pieces: [UnsafeRawBufferPointer]) {
        guard let sha256 = Self.digest(of: pieces, EVP_sha256()) else { fatalError("libcrypto offers no SHA-256") }
        self.sha256 = Self.text(sha256)
        md5 = Self.digest(of: pieces, EVP_md5())
    }

    /// What a server checks a body by that does not check the digest it is signed with.
    var headers: [(name: String, value: String)] {
        md5.map { [(name: "content-md5", value: Data($0).base64EncodedString())] } ?? []
    }

    /// Whether what a server has is what was sent, as far as it says so.
    func agrees(with other: String?) -> Bool {
        guard let md5, let other else { return true }
        return Self.text(md5) == other
    }

    /// HMAC-SHA-256.
    static func code(of text: String, key: [UInt8]) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        let bytes = Array(text.utf8)
        Cryptography.prepare()
        let result = HMAC(EVP_sha256(), key, Int32(key.count), bytes, bytes.count, &code, &length)
        precondition(result != nil && length == 32, "a code in memory cannot fail")
        return code
    }

    static func sha256(of text: String) -> String { Array(text.utf8).withBytes { BodyDigest(of: [$0]).sha256 } }

    static func text(_ bytes: [UInt8]) -> String { bytes.map { hexadecimal(UInt64($0), digits: 2) }.joined() }

    private static func digest(of pieces: [UnsafeRawBufferPointer], _ kind: OpaquePointer?) -> [UInt8]? {
        Cryptography.prepare()
        guard let context = EVP_MD_CTX_new() else { return nil }
        defer { EVP_MD_CTX_free(context) }
        guard EVP_DigestInit_ex(context, kind, nil) == 1 else { return nil }
        for piece in pieces where EVP_DigestUpdate(context, piece.baseAddress, piece.count) != 1 { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var length: UInt32 = 0
        guard EVP_DigestFinal_ex(context, &bytes, &length) == 1 else { return nil }
        return Array(bytes.prefix(Int(length)))
    }
}
