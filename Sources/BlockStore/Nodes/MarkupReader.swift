/// One element of an answer in XML.
struct MarkupElement: Sendable, Hashable {
    let name: String
    fileprivate(set) var text = ""
    fileprivate(set) var children: [MarkupElement] = []

    fileprivate init(name: String) { self.name = name }

    /// The text of the first child of that name; nil when there is none.
    func text(of name: String) -> String? { children.first { $0.name == name }?.text }

    func all(_ name: String) -> [MarkupElement] { children.filter { $0.name == name } }
}

/// Reads the XML that S3 servers answer with: elements, text, the five named entities and numbered ones. Attributes and
/// comments are passed over; a document type, CDATA and processing instructions behind the first are refused. Depth and
/// size are bounded, and every byte is looked at once.
struct MarkupReader {
    private static let deepest = 8
    private var bytes: ArraySlice<UInt8>

    /// The root element; nil for anything that is not exactly one.
    static func read(_ bytes: [UInt8]) -> MarkupElement? {
        guard bytes.count <= Limits.documentBytes else { return nil }
        var reader = MarkupReader(bytes: bytes[...])
        if reader.bytes.starts(with: [0xef, 0xbb, 0xbf]) { reader.bytes = reader.bytes.dropFirst(3) }
        reader.skipSpace()
        if reader.skip("<?xml") { guard reader.skip(behind: "?>") else { return nil } }
        guard reader.skipBetween(), reader.skip("<"), let root = reader.element(depth: 0), reader.skipBetween(),
            reader.bytes.isEmpty
        else { return nil }
        return root
    }

    /// The element whose "<" has been read.
    private mutating func element(depth: Int) -> MarkupElement? {
        guard depth < Self.deepest, let name = name(), let isEmpty = attributes() else { return nil }
        var element = MarkupElement(name: name)
        if isEmpty { return element }
        var text: [UInt8] = []
        while let byte = bytes.first {
            switch byte {
            case UInt8(ascii: "<"):
                if skip("<!--") {
                    guard skip(behind: "-->") else { return nil }
                } else if skip("</") {
                    guard self.name() == name else { return nil }
                    skipSpace()
                    guard skip(">"), let decoded = String(validating: text, as: UTF8.self) else { return nil }
                    // Between elements there is nothing but space.
                    element.text = element.children.isEmpty ? decoded : ""
                    return element
                } else {
                    bytes = bytes.dropFirst()
                    guard let child = self.element(depth: depth + 1) else { return nil }
                    element.children.append(child)
                }
            case UInt8(ascii: "&"):
                guard let character = entity() else { return nil }
                text.append(contentsOf: String(character).utf8)
            default:
                text.append(byte)
                bytes = bytes.dropFirst()
            }
        }
        return nil
    }

    private mutating func name() -> String? {
        let name = bytes.prefix { PercentEncoding.isUnreserved($0) || $0 == UInt8(ascii: ":") }
        guard !name.isEmpty, name.count <= 64 else { return nil }
        bytes = bytes.dropFirst(name.count)
        return String(validating: name, as: UTF8.self)
    }

    /// Passes over attributes up to the tag's end; whether the element ends with it, nil where it does not end.
    private mutating func attributes() -> Bool? {
        var quote: UInt8?
        while let byte = bytes.popFirst() {
            if let open = quote {
                if byte == open { quote = nil }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "'"): quote = byte
            case UInt8(ascii: ">"): return false
            case UInt8(ascii: "/"): return skip(">") ? true : nil
            case UInt8(ascii: "<"), UInt8(ascii: "&"): return nil
            default: break
            }
        }
        return nil
    }

    private mutating func entity() -> Unicode.Scalar? {
        guard let end = bytes.prefix(12).firstIndex(of: UInt8(ascii: ";")),
            let text = String(validating: bytes[bytes.startIndex..<end].dropFirst(), as: UTF8.self)
        else { return nil }
        bytes = bytes[(end + 1)...]
        let named: [String: Unicode.Scalar] = ["lt": "<", "gt": ">", "amp": "&", "quot": "\"", "apos": "'"]
        if let scalar = named[text] { return scalar }
        if text.hasPrefix("#x") { return UInt32(text.dropFirst(2), radix: 16).flatMap { Unicode.Scalar($0) } }
        return text.hasPrefix("#") ? UInt32(text.dropFirst()).flatMap { Unicode.Scalar($0) } : nil
    }

    /// Passes over space and comments; false for a comment without an end.
    private mutating func skipBetween() -> Bool {
        skipSpace()
        while skip("<!--") {
            guard skip(behind: "-->") else { return false }
            skipSpace()
        }
        return true
    }

    private mutating func skipSpace() { bytes = bytes.drop { [0x20, 0x09, 0x0a, 0x0d].contains($0) } }

    private mutating func skip(_ text: String) -> Bool {
        guard bytes.starts(with: text.utf8) else { return false }
        bytes = bytes.dropFirst(text.utf8.count)
        return true
    }

    private mutating func skip(behind text: String) -> Bool {
        while !bytes.isEmpty {
            if skip(text) { return true }
            bytes = bytes.dropFirst()
        }
        return false
    }
}
