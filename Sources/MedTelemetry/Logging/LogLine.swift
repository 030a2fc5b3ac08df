// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Logging

/// The bytes of one log line while it is built.
///
/// Whatever is appended as text, the line stays one line of valid UTF-8: control characters and line separators are
/// escaped, and a text that is too long is cut at a character boundary, with a mark.
struct LogLine {
    /// The most bytes of a text; the numbers add up to less than ``maximumSize`` even if every character is escaped.
    enum Limit {
        static let message = 16_384
        static let value = 4096
        /// For names that are in every line: the service, the logger, an error's type.
        static let name = 512
        /// A text made of control characters grows sixfold: it is cut sooner.
        static let escaped = 32_768
    }

    /// The most bytes of a line, with its newline.
    static let maximumSize = 65_536
    /// How deep dictionaries and arrays may be nested.
    static let maximumDepth = 8
    private static let cutMark: StaticString = "…[cut]"

    private(set) var bytes: [UInt8] = []

    init(expectedSize: Int) {
        self.bytes.reserveCapacity(expectedSize)
    }

    /// Whether the line would be too long, were something of this size appended at its end.
    func isFull(with ending: Int) -> Bool {
        // One more for the newline.
        self.bytes.count + ending + 1 > Self.maximumSize
    }

    /// Takes back what was appended since the line had this size.
    mutating func truncate(to count: Int) {
        self.bytes.removeSubrange(count...)
    }

    mutating func append(_ timestamp: LogTimestamp, withDate: Bool) {
        if withDate {
            timestamp.appendDateAndTime(to: &self.bytes)
        } else {
            timestamp.appendTime(to: &self.bytes)
        }
    }

    /// Appends bytes that are known to be well-formed.
    mutating func append(raw: [UInt8]) {
        self.bytes.append(contentsOf: raw)
    }

    /// Appends a literal that is known to be well-formed.
    mutating func append(raw: StaticString) {
        raw.withUTF8Buffer { self.bytes.append(contentsOf: $0) }
    }

    // MARK: Text

    /// Appends a text for people: only what would break the line or move the cursor is escaped.
    mutating func appendText(_ text: String, limit: Int) {
        self.append(text, limit: limit, escapingQuotes: false)
    }

    /// Appends a text without quotes if it can be told apart without them.
    mutating func appendToken(_ text: String, limit: Int) {
        let needsQuotes =
            text.isEmpty
            || text.utf8.contains { byte in
                byte <= 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "=") || byte == UInt8(ascii: "\\")
            }
        if needsQuotes {
            self.appendJSON(text, limit: limit)
        } else {
            self.appendText(text, limit: limit)
        }
    }

    // MARK: JSON

    /// Appends a JSON string.
    mutating func appendJSON(_ text: String, limit: Int) {
        self.bytes.append(UInt8(ascii: "\""))
        self.append(text, limit: limit, escapingQuotes: true)
        self.bytes.append(UInt8(ascii: "\""))
    }

    /// Appends a metadata value as JSON, a dictionary in the order of its keys; gives up in the middle when the line is
    /// full.
    mutating func appendJSON(_ value: Logger.MetadataValue, depth: Int = 1) {
        switch value {
        case .string(let text):
            self.appendJSON(text, limit: Limit.value)
        case .stringConvertible(let value):
            self.appendJSON(value.description, limit: Limit.value)
        case .dictionary where depth > Self.maximumDepth, .array where depth > Self.maximumDepth:
            self.append(raw: "\"…\"")
        case .dictionary(let fields):
            self.bytes.append(UInt8(ascii: "{"))
            var separator: StaticString = ""
            for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
                guard !self.isFull(with: 0) else { return }
                self.append(raw: separator)
                self.appendJSON(key, limit: Limit.escaped)
                self.append(raw: ":")
                self.appendJSON(value, depth: depth + 1)
                separator = ","
            }
            self.bytes.append(UInt8(ascii: "}"))
        case .array(let values):
            self.bytes.append(UInt8(ascii: "["))
            var separator: StaticString = ""
            for value in values {
                guard !self.isFull(with: 0) else { return }
                self.append(raw: separator)
                self.appendJSON(value, depth: depth + 1)
                separator = ","
            }
            self.bytes.append(UInt8(ascii: "]"))
        }
    }

    // MARK: Escapes and cuts

    private mutating func append(_ text: String, limit: Int, escapingQuotes: Bool) {
        var text = text
        var isCut = false
        if text.utf8.count > limit {
            text = String(text[..<text.characterBoundary(atOrBefore: limit)])
            isCut = true
        }
        let isComplete = text.withUTF8 { self.appendEscaped($0, escapingQuotes: escapingQuotes) }
        if isCut || !isComplete { self.append(raw: Self.cutMark) }
    }

    /// Copies the stretches between the bytes that need an escape.
    ///
    /// - Returns: `false` when the escapes made the text so long that the rest of it was left out.
    private mutating func appendEscaped(_ text: UnsafeBufferPointer<UInt8>, escapingQuotes: Bool) -> Bool {
        // The pointer is the storage of a string, valid for the call that lends it to us.
        let limit = self.bytes.count + Limit.escaped
        var copied = 0
        var index = 0
        while index < text.count {
            guard let escape = Self.escape(in: text, at: index, escapingQuotes: escapingQuotes) else {
                index += 1
                continue
            }
            // Six bytes are the longest escape.
            guard self.append(text[copied..<index], upTo: limit - 6) else { return false }
            self.append(escaped: escape.codeUnit)
            index += escape.length
            copied = index
        }
        return self.append(text[copied...], upTo: limit)
    }

    /// Appends what fits of a stretch, without splitting a scalar.
    private mutating func append(_ stretch: Slice<UnsafeBufferPointer<UInt8>>, upTo limit: Int) -> Bool {
        // Still the storage that the caller of `appendEscaped` lends.
        let room = limit - self.bytes.count
        guard stretch.count > room else {
            self.bytes.append(contentsOf: stretch)
            return true
        }
        var end = stretch.startIndex + max(room, 0)
        while end > stretch.startIndex, stretch[end] & 0xC0 == 0x80 { end -= 1 }
        self.bytes.append(contentsOf: stretch[..<end])
        return false
    }

    /// The code unit to escape at a place in a text, if there is one, and how many bytes it takes there: control characters
    /// (C0, C1, DEL), the line separators U+2028 and U+2029, and for JSON the quote and the backslash.
    @inline(__always)
    private static func escape(
        in text: UnsafeBufferPointer<UInt8>,
        at index: Int,
        escapingQuotes: Bool
    ) -> (codeUnit: UInt16, length: Int)? {
        // Lent as above. Valid UTF-8: a leading byte has its continuation bytes, so the look ahead stays inside.
        let byte = text[index]
        switch byte {
        case 0..<0x20, 0x7F:
            return (UInt16(byte), 1)
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            return escapingQuotes ? (UInt16(byte), 1) : nil
        case 0xC2 where text[index + 1] < 0xA0:
            return (UInt16(text[index + 1]), 2)
        case 0xE2 where text[index + 1] == 0x80 && (0xA8...0xA9).contains(text[index + 2]):
            return (0x2000 + UInt16(text[index + 2]) - 0x80, 3)
        default:
            return nil
        }
    }

    private mutating func append(escaped codeUnit: UInt16) {
        switch codeUnit {
        case 0x08: self.append(raw: "\\b")
        case 0x09: self.append(raw: "\\t")
        case 0x0A: self.append(raw: "\\n")
        case 0x0C: self.append(raw: "\\f")
        case 0x0D: self.append(raw: "\\r")
        case 0x22: self.append(raw: "\\\"")
        case 0x5C: self.append(raw: "\\\\")
        default:
            self.append(raw: "\\u")
            for shift in [12, 8, 4, 0] {
                let digit = UInt8(codeUnit >> UInt16(shift) & 0xF)
                self.bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
        }
    }
}

extension String {
    /// The last place between two characters that has at most so many bytes of UTF-8 before it.
    ///
    /// A character can be arbitrarily long (a letter with a thousand accents): one that is longer than all sense is cut
    /// between two scalars.
    fileprivate func characterBoundary(atOrBefore byteCount: Int) -> String.Index {
        let sensibleLength = 512
        // A slice begins and ends at scalars.
        let prefix = self[..<self.utf8.index(self.startIndex, offsetBy: byteCount)]
        guard !prefix.isEmpty else { return self.startIndex }
        let last = prefix.index(before: prefix.endIndex)
        let length = self.utf8.distance(from: last, to: prefix.endIndex)
        // A copy: an index remembers how long its character was in the slice.
        let end = self.utf8.index(last, offsetBy: sensibleLength, limitedBy: self.endIndex) ?? self.endIndex
        let wholeLength = String(self[last..<end]).first?.utf8.count ?? 0
        return wholeLength > length ? last : prefix.endIndex
    }
}
