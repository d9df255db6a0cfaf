/// An object that is written in parts and is nowhere until it is completed.
struct S3Upload: Sendable, Hashable {
    let key: String
    let id: String
}

extension S3Client {
    func beginUpload(_ key: String, mark: String, _ operation: String) throws(StoreError) -> S3Upload {
        var call = S3Call(operation, "POST", key)
        call.query = [(name: "uploads", value: "")]
        call.headers = [(name: Self.markHeader, value: mark)]
        call.problem = { answer in Self.uploadID(answer) == nil ? "it names no upload" : nil }
        guard let id = Self.uploadID(try send(call)) else { preconditionFailure("an answer was looked at before") }
        return S3Upload(key: key, id: id)
    }

    /// Writes one part; parts are numbered from 1. On return it is durable. Returns its entity tag.
    func put(
        _ pieces: [UnsafeRawBufferPointer], asPart number: Int, of upload: S3Upload, _ operation: String
    ) throws(StoreError) -> String {
        var call = S3Call(operation, "PUT", upload.key)
        call.query = [(name: "partNumber", value: "\(number)"), (name: "uploadId", value: upload.id)]
        call.body = pieces
        let digest = BodyDigest(of: pieces)
        call.headers = digest.headers
        call.digest = digest
        // A part that is wrong is written again under its number.
        call.problem = { answer in
            if answer.entityTag == nil { return "it does not say what it has" }
            return digest.agrees(with: answer.md5) ? nil : "it has other bytes than were sent"
        }
        guard let tag = try send(call).entityTag else { preconditionFailure("an answer was looked at before") }
        return tag
    }

    /// Makes an object of the parts, under its name. It succeeded as well where only the answer to an earlier attempt was
    /// lost: the object has the upload's mark then.
    func complete(
        _ upload: S3Upload, _ tags: [String], if condition: S3Condition, mark: String, _ operation: String,
        mayBegin: @escaping () throws(StoreError) -> Void
    ) throws(StoreError) -> S3Writing {
        var call = S3Call(operation, "POST", upload.key)
        call.query = [(name: "uploadId", value: upload.id)]
        call.headers = condition.headers + [(name: "content-type", value: "application/xml")]
        call.mayBegin = mayBegin
        call.expectedErrors = ["NoSuchUpload", "404"]
        if condition != .always { call.expectedErrors.formUnion(S3Condition.failed.union(S3Condition.unknown)) }
        // What goes wrong behind the first byte of the answer stands in its body.
        call.problem = { answer in
            answer.root?.name == "CompleteMultipartUploadResult" ? nil : "it does not say that the upload is complete"
        }
        let parts = tags.enumerated().map { number, tag in
            "<Part><PartNumber>\(number + 1)</PartNumber><ETag>\(Self.escaped(tag))</ETag></Part>"
        }
        let document = Array("<CompleteMultipartUpload>\(parts.joined())</CompleteMultipartUpload>".utf8)
        let answer = try document.withBytes { bytes throws(StoreError) in
            call.body = [bytes]
            return try send(call)
        }
        guard let error = answer.error else { return .done }
        if S3Condition.unknown.contains(error) { return .unsupported }
        if try head(upload.key, operation)?.mark == mark { return .done }
        if S3Condition.failed.contains(error) { return .refused }
        throw StoreError(
            .io, operation, at: place, detail: "the upload is gone, and nothing has come of it",
            advice: "does a rule of the bucket remove unfinished uploads after less than a day?")
    }

    /// Forgets an upload and its parts.
    func abort(_ upload: S3Upload, _ operation: String) throws(StoreError) {
        var call = S3Call(operation, "DELETE", upload.key)
        call.query = [(name: "uploadId", value: upload.id)]
        call.expectedErrors = ["NoSuchUpload", "NoSuchKey", "404"]
        _ = try send(call)
    }

    /// Uploads under `prefix` that were begun and neither completed nor aborted: some of them.
    func uploads(_ prefix: String, _ operation: String) throws(StoreError) -> [S3Upload] {
        var call = S3Call(operation, "GET", nil)
        call.query = [
            (name: "encoding-type", value: "url"), (name: "prefix", value: prefix), (name: "uploads", value: ""),
        ]
        call.expectedErrors = S3Condition.unknown
        call.problem = { answer in
            answer.root?.name == "ListMultipartUploadsResult" ? nil : "its listing makes no sense"
        }
        let answer = try send(call)
        let isEncoded = answer.root?.text(of: "EncodingType") == "url"
        return (answer.root?.all("Upload") ?? []).compactMap { entry in
            guard let text = entry.text(of: "Key"), let id = entry.text(of: "UploadId"),
                let key = isEncoded ? PercentEncoding.decode(text, plusIsSpace: true) : text, key.hasPrefix(prefix)
            else { return nil }
            return S3Upload(key: key, id: id)
        }
    }

    private static func uploadID(_ answer: S3Answer) -> String? {
        guard let root = answer.root, root.name == "InitiateMultipartUploadResult", let id = root.text(of: "UploadId"),
            (1...1024).contains(id.utf8.count)
        else { return nil }
        return id
    }

    private static func escaped(_ text: String) -> String {
        text.map { ["&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;"][$0] ?? String($0) }.joined()
    }
}
