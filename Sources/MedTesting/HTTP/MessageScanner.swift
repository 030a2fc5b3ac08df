// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Splits what went over a connection into whole HTTP/1.1 messages, requests or answers, with no tolerance at all.
///
/// It is the referee between two parsers: what it does not understand, only one that refuses it has understood.
package struct MessageScanner: Sendable {
    /// One message.
    package struct Message: Sendable, CustomStringConvertible {
        /// The first line.
        package let startLine: String
        /// The fields, by their names in small letters; of several equal ones the last.
        package let fields: [String: String]
        /// The body, without its chunks.
        package let body: [UInt8]
        /// How its end is told, in words.
        package let framing: String

        /// The status, if it is an answer.
        package var status: Int? {
            self.startLine.hasPrefix("HTTP/") ? Int(self.startLine.dropFirst(9).prefix(3)) : nil
        }

        package var description: String {
            "\(self.startLine) \(self.framing) '\(String(decoding: self.body.prefix(40), as: UTF8.self))'"
        }
    }

    /// What follows the last whole message.
    package enum Rest: Equatable, Sendable {
        /// Nothing.
        case nothing
        /// The beginning of a message.
        case incomplete
        /// Something that is no message, or whose end can be told in two ways.
        case unclear
    }

    /// The whole messages; answers that only say to go on (1xx) are left out.
    package private(set) var messages: [Message] = []
    /// What follows them.
    package private(set) var rest = Rest.nothing
    /// How many bytes the whole messages take.
    package private(set) var length = 0

    package init(_ bytes: [UInt8]) {
        var reader = Reader(bytes: bytes)
        do {
            while reader.position < bytes.count {
                let message = try reader.message()
                self.length = reader.position
                if message.status.map({ $0 >= 200 }) ?? true { self.messages.append(message) }
            }
        } catch .incomplete {
            self.rest = .incomplete
        } catch {
            self.rest = .unclear
        }
    }
}

private enum ScanError: Error { case incomplete, unclear }

private struct Reader {
    let bytes: [UInt8]
    var position = 0

    mutating func message() throws(ScanError) -> MessageScanner.Message {
        let startLine = try self.line()
        let words = startLine.split(separator: " ", omittingEmptySubsequences: false)
        let isAnswer = startLine.hasPrefix("HTTP/1.1 ") || startLine.hasPrefix("HTTP/1.0 ")
        let isRequest =
            words.count == 3 && !words[1].isEmpty && (words[2] == "HTTP/1.1" || words[2] == "HTTP/1.0")
            && words[0].utf8.allSatisfy(Self.isTokenByte) && !words[0].isEmpty
        guard isAnswer || isRequest else { throw .unclear }
        var lengths: [String] = []
        var codings: [String] = []
        var fields: [String: String] = [:]
        while true {
            let line = try self.line()
            if line.isEmpty { break }
            guard let colon = line.firstIndex(of: ":"), colon != line.startIndex,
                line[..<colon].utf8.allSatisfy(Self.isTokenByte)
            else { throw .unclear }
            let name = line[..<colon].lowercased()
            var value = line[line.index(after: colon)...]
            while let first = value.first, first == " " || first == "\t" { value.removeFirst() }
            while let last = value.last, last == " " || last == "\t" { value.removeLast() }
            fields[name] = String(value)
            if name == "content-length" { lengths.append(String(value)) }
            if name == "transfer-encoding" { codings.append(value.lowercased()) }
        }
        switch (lengths.count, codings.count) {
        case (0, 0):
            return .init(startLine: startLine, fields: fields, body: [], framing: "no body")
        case (1, 0):
            guard let count = Int(lengths[0]), count >= 0, lengths[0].utf8.allSatisfy({ (0x30...0x39).contains($0) })
            else { throw .unclear }
            return .init(startLine: startLine, fields: fields, body: try self.take(count), framing: "length \(count)")
        case (0, 1):
            guard codings[0] == "chunked", isAnswer || words[2] == "HTTP/1.1" else { throw .unclear }
            return .init(startLine: startLine, fields: fields, body: try self.chunks(), framing: "chunked")
        default:
            throw .unclear
        }
    }

    private mutating func chunks() throws(ScanError) -> [UInt8] {
        var body: [UInt8] = []
        while true {
            let size = try self.line().prefix { $0 != ";" }
            guard !size.isEmpty, size.utf8.count < 16, size.allSatisfy(\.isHexDigit), let count = Int(size, radix: 16)
            else { throw .unclear }
            if count == 0 { break }
            body += try self.take(count)
            guard try self.take(2) == [0x0D, 0x0A] else { throw .unclear }
        }
        while try !self.line().isEmpty {}
        return body
    }

    private mutating func take(_ count: Int) throws(ScanError) -> [UInt8] {
        guard count <= self.bytes.count - self.position else { throw .incomplete }
        defer { self.position += count }
        return Array(self.bytes[self.position..<self.position + count])
    }

    /// The bytes up to CR LF, which are the only ones of their kind, as text of one character a byte.
    private mutating func line() throws(ScanError) -> String {
        var text = String.UnicodeScalarView()
        for index in self.position..<self.bytes.count {
            let byte = self.bytes[index]
            if byte == 0x0D {
                guard index + 1 < self.bytes.count else { throw .incomplete }
                guard self.bytes[index + 1] == 0x0A else { throw .unclear }
                self.position = index + 2
                return String(text)
            }
            guard byte >= 0x20 && byte != 0x7F || byte == 0x09 else { throw .unclear }
            text.append(Unicode.Scalar(byte))
        }
        throw .incomplete
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
