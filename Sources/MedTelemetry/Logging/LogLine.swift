// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging

/// One log line while it is built, in memory that its maker lends.
///
/// Whatever is appended as text, the line stays one line of valid UTF-8: control characters and line separators are
/// escaped, and a text that is too long is cut at a character boundary, with a mark. What looks like a secret is taken out
/// of texts on the way (``Scrubber``), before they are cut.
struct LogLine: ~Copyable {
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

    /// Of ``LogScratch/capacity`` bytes, which is more than a line and its last field can take. The maker keeps it alive.
    private let buffer: UnsafeMutablePointer<UInt8>
    private(set) var count = 0

    init(buffer: UnsafeMutablePointer<UInt8>) {
        // Lent by the maker: see above.
        self.buffer = buffer
    }

    /// The line so far, valid until more is appended.
    var bytes: UnsafeBufferPointer<UInt8> {
        // As long as the memory that the maker lends.
        UnsafeBufferPointer(start: self.buffer, count: self.count)
    }

    /// Whether the line would be too long, were something of this size appended at its end.
    func isFull(with ending: Int) -> Bool {
        // One more for the newline.
        self.count + ending + 1 > Self.maximumSize
    }

    /// Takes back what was appended since the line had this size.
    mutating func truncate(to count: Int) {
        self.count = count
    }

    /// Appends `2025-10-27T05:34:00.000Z`. All but the milliseconds is taken from the last line, if that was in the same
    /// second.
    mutating func append(unixMilliseconds: Int64, cachedIn scratch: LogScratch) {
        let milliseconds = (unixMilliseconds % 1000 + 1000) % 1000
        let second = (unixMilliseconds - milliseconds) / 1000
        if second != scratch.second {
            scratch.date.removeAll(keepingCapacity: true)
            LogTimestamp(unixMilliseconds: unixMilliseconds).appendDateAndTime(to: &scratch.date)
            // A time that cannot be printed prints as another: it is no text to take milliseconds from.
            let isPrintable = LogTimestamp.printable.contains(unixMilliseconds)
            scratch.second = isPrintable ? second : .min
            self.append(raw: scratch.date)
            return
        }
        self.append(raw: scratch.date)
        let number = Int(milliseconds)
        // The last four of the twenty-four characters just appended.
        let end = self.buffer + self.count - 4
        end[0] = UInt8(ascii: "0") + UInt8(number / 100)
        end[1] = UInt8(ascii: "0") + UInt8(number / 10 % 10)
        end[2] = UInt8(ascii: "0") + UInt8(number % 10)
    }

    mutating func append(timeOf unixMilliseconds: Int64) {
        var bytes: [UInt8] = []
        LogTimestamp(unixMilliseconds: unixMilliseconds).appendTime(to: &bytes)
        self.append(raw: bytes)
    }

    // MARK: Bytes

    /// Appends bytes that are known to be well-formed.
    @inline(__always)
    mutating func append(raw bytes: [UInt8]) {
        bytes.withUnsafeBufferPointer { self.append($0) }
    }

    /// Appends a literal that is known to be well-formed.
    @inline(__always)
    mutating func append(raw: StaticString) {
        // A literal lives as long as the program.
        self.append(UnsafeBufferPointer(start: raw.utf8Start, count: raw.utf8CodeUnitCount))
    }

    @inline(__always)
    mutating func append(_ byte: UInt8) {
        guard self.count < LogScratch.capacity else { return }
        // Inside the memory, by the line above.
        self.buffer[self.count] = byte
        self.count += 1
    }

    /// Appends bytes that are known to be well-formed.
    @inline(__always)
    mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        // Lent by the caller. More than fits cannot come, by the limits above; if it did, memory would still be safe.
        guard let start = bytes.baseAddress, self.count + bytes.count <= LogScratch.capacity else { return }
        memcpy(self.buffer + self.count, start, bytes.count)
        self.count += bytes.count
    }

    // MARK: Text

    /// Appends a text for people: only what would break the line or move the cursor is escaped.
    mutating func appendText(_ text: String, limit: Int, scrubbing: Bool = true) {
        self.append(text, limit: limit, escapingQuotes: false, scrubbing: scrubbing)
    }

    /// Appends a text without quotes if it can be told apart without them.
    mutating func appendToken(_ text: String, limit: Int, scrubbing: Bool = true) {
        let needsQuotes =
            text.isEmpty
            || text.utf8.contains { byte in
                byte <= 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "=") || byte == UInt8(ascii: "\\")
            }
        if needsQuotes {
            self.appendJSON(text, limit: limit, scrubbing: scrubbing)
        } else {
            self.appendText(text, limit: limit, scrubbing: scrubbing)
        }
    }

    // MARK: JSON

    /// Appends a JSON string.
    mutating func appendJSON(_ text: String, limit: Int, scrubbing: Bool = true) {
        self.append(UInt8(ascii: "\""))
        self.append(text, limit: limit, escapingQuotes: true, scrubbing: scrubbing)
        self.append(UInt8(ascii: "\""))
    }

    /// Appends a whole number as a JSON string, as all metadata is written.
    @inline(__always)
    mutating func appendJSON(_ number: Int64) {
        self.append(UInt8(ascii: "\""))
        if number < 0 { self.append(UInt8(ascii: "-")) }
        var rest = UInt64(number.magnitude)
        // The longest has twenty digits. They are written from the last to the first, inside the memory by the line below.
        let longest = 20
        guard self.count + longest <= LogScratch.capacity else { return }
        let place = self.buffer + self.count
        var first = longest
        repeat {
            first -= 1
            place[first] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        } while rest > 0
        memmove(place, place + first, longest - first)
        self.count += longest - first
        self.append(UInt8(ascii: "\""))
    }

    /// Appends sixteen hexadecimal digits.
    @inline(__always)
    mutating func append(hexadecimal word: UInt64) {
        // Inside the memory, by the line below.
        guard self.count + 16 <= LogScratch.capacity else { return }
        for place in 0..<16 {
            self.buffer[self.count + place] = HexText.digit(UInt8(word >> UInt64(60 - place * 4) & 15))
        }
        self.count += 16
    }

    /// Appends the text of a metadata value as a JSON string, with a limit of its own; nothing if it is not a text.
    mutating func appendJSON(_ value: Logger.MetadataValue, limit: Int) {
        switch value {
        case .string(let text): self.appendJSON(text, limit: limit)
        case .stringConvertible(let value): self.appendJSON(value.description, limit: limit)
        case .dictionary, .array: break
        }
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
            self.append(UInt8(ascii: "{"))
            var isFirst = true
            for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
                guard !self.isFull(with: 0) else { return }
                if !isFirst { self.append(UInt8(ascii: ",")) }
                self.appendJSON(key, limit: Limit.escaped, scrubbing: false)
                self.append(UInt8(ascii: ":"))
                self.appendJSON(value, depth: depth + 1)
                isFirst = false
            }
            self.append(UInt8(ascii: "}"))
        case .array(let values):
            self.append(UInt8(ascii: "["))
            var isFirst = true
            for value in values {
                guard !self.isFull(with: 0) else { return }
                if !isFirst { self.append(UInt8(ascii: ",")) }
                self.appendJSON(value, depth: depth + 1)
                isFirst = false
            }
            self.append(UInt8(ascii: "]"))
        }
    }

    // MARK: Escapes and cuts

    @inline(__always)
    private mutating func append(_ text: String, limit: Int, escapingQuotes: Bool, scrubbing: Bool) {
        var text = text
        let isAppended = text.withUTF8 { bytes in
            // The storage of the string, lent for this call.
            guard bytes.count <= limit else { return false }
            if scrubbing, let scrubbed = Scrubber.scrub(bytes) {
                guard scrubbed.count <= limit else { return false }
                return scrubbed.withUnsafeBufferPointer { self.appendMarkingCut($0, escapingQuotes: escapingQuotes) }
            }
            return self.appendMarkingCut(bytes, escapingQuotes: escapingQuotes)
        }
        if !isAppended { self.appendCut(text, limit: limit, escapingQuotes: escapingQuotes, scrubbing: scrubbing) }
    }

    private mutating func appendMarkingCut(_ bytes: UnsafeBufferPointer<UInt8>, escapingQuotes: Bool) -> Bool {
        // Lent by the caller.
        if !self.appendEscaped(bytes, escapingQuotes: escapingQuotes) { self.append(raw: Self.cutMark) }
        return true
    }

    /// The slow way, for a text that is too long.
    @inline(never)
    private mutating func appendCut(_ text: String, limit: Int, escapingQuotes: Bool, scrubbing: Bool) {
        var (text, isCut) = text.cut(to: limit, scrubbing: scrubbing)
        let isComplete = text.withUTF8 { self.appendEscaped($0, escapingQuotes: escapingQuotes) }
        if isCut || !isComplete { self.append(raw: Self.cutMark) }
    }

    /// Copies a text, with escapes where they are needed.
    ///
    /// - Returns: `false` when the escapes made the text so long that the rest of it was left out.
    private mutating func appendEscaped(_ text: UnsafeBufferPointer<UInt8>, escapingQuotes: Bool) -> Bool {
        // The pointer is the storage of a string, valid for the call that lends it to us.
        guard let source = text.baseAddress else { return true }
        let source8 = UnsafeRawPointer(source)
        let length = text.count
        let limit = min(self.count + Limit.escaped, LogScratch.capacity - 16)
        let quotes: UInt64 = escapingQuotes ? .max : 0
        var index = 0
        var count = self.count
        defer { self.count = count }
        while index < length {
            let rest = length - index
            if rest < 8, count + 8 <= limit {
                // The same for the last few bytes, gathered into a word; what is behind them does not count.
                let word = Self.gather(source8 + index, count: rest)
                UnsafeMutableRawPointer(self.buffer + count).storeBytes(of: word, as: UInt64.self)
                let special = Self.special(word, quotes: quotes) & (1 << UInt64(8 * rest) &- 1)
                guard special != 0 else {
                    count += rest
                    return true
                }
                let plain = special.trailingZeroBitCount / 8
                index += plain
                count += plain
            } else if count + 8 <= limit {
                // Eight bytes at once: inside the text and inside the memory, by the line above. All are copied; the first
                // that needs more than that is where the next turn goes on.
                let word = source8.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                UnsafeMutableRawPointer(self.buffer + count).storeBytes(of: word, as: UInt64.self)
                let special = Self.special(word, quotes: quotes)
                if special == 0 {
                    index += 8
                    count += 8
                    continue
                }
                let plain = special.trailingZeroBitCount / 8
                index += plain
                count += plain
            }
            let byte = source[index]
            let size = Self.scalarSize(byte)
            if let escape = Self.escape(in: text, at: index, escapingQuotes: escapingQuotes) {
                guard count + 6 <= limit else { return false }
                count += Self.write(escaped: escape, to: self.buffer + count)
            } else {
                guard count + size <= limit else { return false }
                for offset in 0..<size { self.buffer[count + offset] = source[index + offset] }
                count += size
            }
            index += size
        }
        return true
    }

    /// One to seven bytes in a word. Loads overlap, so that none reads outside of these bytes.
    @inline(__always)
    private static func gather(_ source: UnsafeRawPointer, count: Int) -> UInt64 {
        // Of the caller's text, which has so many bytes there.
        if count >= 4 {
            let first = UInt64(source.loadUnaligned(as: UInt32.self))
            let last = UInt64(source.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self))
            return first | last << UInt64(8 * (count - 4))
        }
        let first = UInt64(source.load(as: UInt8.self))
        let middle = UInt64(source.load(fromByteOffset: count / 2, as: UInt8.self))
        let last = UInt64(source.load(fromByteOffset: count - 1, as: UInt8.self))
        return first | middle << UInt64(8 * (count / 2)) | last << UInt64(8 * (count - 1))
    }

    /// The high bit of every byte that may need an escape: below 0x20, a quote, a backslash, 0x7F and above. The lowest
    /// of these bits is exact.
    @inline(__always)
    private static func special(_ word: UInt64, quotes: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        // Each difference borrows into the high bit just where it must; what is above 0x7F anyway is in `word`. 0x7F has its
        // high bit set when 1 is added.
        let quote = (word ^ (ones &* 0x22)) &- ones
        let backslash = (word ^ (ones &* 0x5C)) &- ones
        let control = word &- (ones &* 0x20)
        let above = word &+ ones
        return (word | control | ((quote | backslash) & quotes) | above) & highs
    }

    /// How many bytes a scalar has, by its first one.
    @inline(__always)
    private static func scalarSize(_ byte: UInt8) -> Int {
        byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4
    }

    /// The code unit to escape at a place in a text, if there is one: control characters (C0, C1, DEL), the line
    /// separators U+2028 and U+2029, and for JSON the quote and the backslash.
    @inline(__always)
    private static func escape(
        in text: UnsafeBufferPointer<UInt8>,
        at index: Int,
        escapingQuotes: Bool
    ) -> UInt16? {
        // Lent as above. Valid UTF-8: a leading byte has its continuation bytes, so the look ahead stays inside.
        let byte = text[index]
        switch byte {
        case 0..<0x20, 0x7F:
            return UInt16(byte)
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            return escapingQuotes ? UInt16(byte) : nil
        case 0xC2 where text[index + 1] < 0xA0:
            return UInt16(text[index + 1])
        case 0xE2 where text[index + 1] == 0x80 && (0xA8...0xA9).contains(text[index + 2]):
            return 0x2000 + UInt16(text[index + 2]) - 0x80
        default:
            return nil
        }
    }

    /// Writes an escape of at most six bytes; returns how many.
    private static func write(escaped codeUnit: UInt16, to target: UnsafeMutablePointer<UInt8>) -> Int {
        // The caller has made sure of the room.
        target[0] = UInt8(ascii: "\\")
        let letter: Unicode.Scalar? =
            switch codeUnit {
            case 0x08: "b"
            case 0x09: "t"
            case 0x0A: "n"
            case 0x0C: "f"
            case 0x0D: "r"
            case 0x22: "\""
            case 0x5C: "\\"
            default: nil
            }
        if let letter {
            target[1] = UInt8(ascii: letter)
            return 2
        }
        target[1] = UInt8(ascii: "u")
        for place in 0..<4 {
            target[2 + place] = HexText.digit(UInt8(codeUnit >> UInt16(12 - 4 * place) & 0xF))
        }
        return 6
    }
}

extension String {
    /// The beginning of a text that has at most so many bytes, without what looks like a secret, and whether anything of it
    /// is missing.
    func cut(to limit: Int, scrubbing: Bool) -> (text: String, isCut: Bool) {
        var text = self
        var isCut = false
        // More than is kept: a secret that the cut would split is seen whole.
        let window = limit + 4096
        if scrubbing {
            if text.utf8.count > window {
                // A slice ends at a scalar.
                text = String(text[..<text.utf8.index(text.startIndex, offsetBy: window)])
                isCut = true
            }
            text = Scrubber.scrub(text)
        }
        guard text.utf8.count > limit else { return (text, isCut) }
        return (String(text[..<text.characterBoundary(atOrBefore: limit)]), true)
    }

    /// The last place between two characters that has at most so many bytes of UTF-8 before it.
    ///
    /// A character can be arbitrarily long (a letter with a thousand accents): one that is longer than all sense is cut
    /// between two scalars.
    private func characterBoundary(atOrBefore byteCount: Int) -> String.Index {
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
