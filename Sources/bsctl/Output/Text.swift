/// Prose for people.
enum Text {
    /// `text` in lines of at most `columns` characters, broken at spaces; a longer word stands by itself.
    ///
    /// - Parameter keepingBrackets: what stands in brackets is one word.
    static func wrapped(_ text: String, columns: Int, keepingBrackets: Bool = false) -> [String] {
        var lines: [String] = []
        var line = ""
        var depth = 0
        let words = text.split { letter in
            if keepingBrackets, "([".contains(letter) { depth += 1 }
            if keepingBrackets, ")]".contains(letter) { depth -= 1 }
            return letter == " " && depth == 0
        }
        for word in words {
            if !line.isEmpty, line.count + 1 + word.count > columns {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        return line.isEmpty ? lines : lines + [line]
    }

    /// `text` cut to `columns` characters, with an ellipsis in place of what is cut off.
    static func cut(_ text: String, columns: Int) -> String {
        text.count <= columns ? text : String(text.prefix(max(0, columns - 1))) + "…"
    }
}
