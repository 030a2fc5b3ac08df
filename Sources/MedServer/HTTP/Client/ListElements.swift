// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The elements of a header that is a list, from the last to the first, over all its lines.
///
/// Proxies append, so what a trusted one wrote is at the end, and only that is ever read. Reading backwards also keeps what
/// comes before from meaning anything: a quote that a client opened and never closed cannot swallow the element that the
/// proxy added. Empty elements are skipped (RFC 9110 §5.6.1). All of it is one pass over the bytes.
struct ListElements: Sequence, IteratorProtocol {
    private var lines: ArraySlice<String>
    private var rest: Substring.UTF8View
    private let hasQuotes: Bool

    /// - Parameter hasQuotes: whether a comma between quotes belongs to the element.
    init(_ lines: [String], hasQuotes: Bool) {
        self.lines = lines[...]
        self.rest = Substring().utf8
        self.hasQuotes = hasQuotes
    }

    mutating func next() -> Substring.UTF8View? {
        while true {
            while self.rest.isEmpty {
                guard let line = self.lines.popLast() else { return nil }
                self.rest = line[...].utf8
            }
            let element = self.last().trimmed
            if !element.isEmpty { return element }
        }
    }

    /// Cuts off what is behind the last comma.
    private mutating func last() -> Substring.UTF8View {
        let text = self.rest
        var isQuoted = false
        var index = text.endIndex
        while index > text.startIndex {
            let behind = index
            index = text.index(before: index)
            switch text[index] {
            case UInt8(ascii: "\"") where self.hasQuotes:
                if !isQuoted {
                    isQuoted = true
                } else if !Self.isEscaped(text[..<index]) {
                    isQuoted = false
                }
            case UInt8(ascii: ",") where !isQuoted:
                self.rest = text[..<index]
                return text[behind...]
            default:
                break
            }
        }
        self.rest = text[..<text.startIndex]
        return text
    }

    /// Whether what follows is escaped: an odd number of backslashes stands before it.
    private static func isEscaped(_ text: Substring.UTF8View) -> Bool {
        var isEscaped = false
        var index = text.endIndex
        while index > text.startIndex {
            index = text.index(before: index)
            guard text[index] == UInt8(ascii: "\\") else { break }
            isEscaped.toggle()
        }
        return isEscaped
    }
}

extension Substring.UTF8View {
    /// Without spaces and tabs at both ends.
    var trimmed: Self {
        func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        var start = self.startIndex
        while start < self.endIndex, isSpace(self[start]) { start = self.index(after: start) }
        var end = self.endIndex
        while end > start, isSpace(self[self.index(before: end)]) { end = self.index(before: end) }
        return self[start..<end]
    }
}
