// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// A JSON text whose keys keep the order in which they were written, which `JSONSerialization` loses.
///
/// It is strict: what is not exactly one JSON value, or has a key twice, is refused.
package indirect enum OrderedJSON: Sendable, Equatable {
    case object([Member])
    case array([OrderedJSON])
    case string(String)
    case number(String)
    case bool(Bool)
    case null

    /// A key and its value.
    package struct Member: Sendable, Equatable {
        package let key: String
        package let value: OrderedJSON
    }

    /// Reads a JSON text.
    package init(_ text: String) throws {
        var scanner = Scanner(bytes: Array(text.utf8))
        self = try scanner.document()
    }

    /// The value of a key of an object.
    package subscript(key: String) -> OrderedJSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// The value behind a dotted path, whether the text nests it, `{"log":{"level":…}}`, or not, `{"log.level":…}`.
    package func value(at path: String) -> OrderedJSON? {
        if let value = self[path] { return value }
        for index in path.indices where path[index] == "." {
            if let found = self[String(path[..<index])]?.value(at: String(path[path.index(after: index)...])) {
                return found
            }
        }
        return nil
    }

    /// The keys of an object, in the order of the text.
    package var keys: [String] {
        guard case .object(let members) = self else { return [] }
        return members.map(\.key)
    }

    /// The paths of all keys, depth first in the order of the text: `checks`, `checks.database`, and so on.
    package var keyPaths: [String] {
        guard case .object(let members) = self else { return [] }
        return members.flatMap { member in
            [member.key] + member.value.keyPaths.map { "\(member.key).\($0)" }
        }
    }

    /// The text of a string.
    package var string: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }

    /// A number that is whole.
    package var integer: Int? {
        guard case .number(let digits) = self else { return nil }
        return Int(digits)
    }

    /// A truth value.
    package var bool: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }
}

extension OrderedJSON {
    private struct Scanner {
        let bytes: [UInt8]
        var position = 0

        mutating func document() throws -> OrderedJSON {
            let value = try self.value()
            self.skipSpace()
            guard self.position == self.bytes.count else { throw self.malformed("something follows the value") }
            return value
        }

        private mutating func value() throws -> OrderedJSON {
            self.skipSpace()
            switch self.peek {
            case UInt8(ascii: "{"): return .object(try self.members())
            case UInt8(ascii: "["): return .array(try self.elements())
            case UInt8(ascii: "\""): return .string(try self.string())
            case UInt8(ascii: "t"): return try self.word("true", .bool(true))
            case UInt8(ascii: "f"): return try self.word("false", .bool(false))
            case UInt8(ascii: "n"): return try self.word("null", .null)
            default: return .number(try self.number())
            }
        }

        private mutating func members() throws -> [Member] {
            var members: [Member] = []
            try self.list(from: "{", to: "}") { scanner in
                scanner.skipSpace()
                let key = try scanner.string()
                guard !members.contains(where: { $0.key == key }) else { throw scanner.malformed("key '\(key)' twice") }
                try scanner.expect(":")
                members.append(Member(key: key, value: try scanner.value()))
            }
            return members
        }

        private mutating func elements() throws -> [OrderedJSON] {
            var elements: [OrderedJSON] = []
            try self.list(from: "[", to: "]") { scanner in elements.append(try scanner.value()) }
            return elements
        }

        private mutating func list(
            from opening: Unicode.Scalar,
            to closing: Unicode.Scalar,
            element: (inout Scanner) throws -> Void
        ) throws {
            try self.expect(opening)
            self.skipSpace()
            if self.peek == UInt8(ascii: closing) {
                self.position += 1
                return
            }
            while true {
                try element(&self)
                self.skipSpace()
                if self.peek == UInt8(ascii: closing) {
                    self.position += 1
                    return
                }
                try self.expect(",")
            }
        }

        private mutating func string() throws -> String {
            try self.expect("\"")
            var text: [UInt8] = []
            while let byte = self.peek {
                self.position += 1
                switch byte {
                case UInt8(ascii: "\""):
                    guard let string = String(validating: text, as: UTF8.self) else {
                        throw self.malformed("not UTF-8")
                    }
                    return string
                case UInt8(ascii: "\\"): text += try self.escape()
                case ..<0x20: throw self.malformed("a control character in a string")
                default: text.append(byte)
                }
            }
            throw self.malformed("a string without an end")
        }

        private mutating func escape() throws -> [UInt8] {
            guard let byte = self.peek else { throw self.malformed("an escape without an end") }
            self.position += 1
            switch byte {
            case UInt8(ascii: "n"): return [0x0A]
            case UInt8(ascii: "r"): return [0x0D]
            case UInt8(ascii: "t"): return [0x09]
            case UInt8(ascii: "b"): return [0x08]
            case UInt8(ascii: "f"): return [0x0C]
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
            case UInt8(ascii: "u"):
                var units = [try self.codeUnit()]
                if UTF16.isLeadSurrogate(units[0]) {
                    try self.expect("\\")
                    try self.expect("u")
                    units.append(try self.codeUnit())
                }
                guard let text = String(validating: units, as: UTF16.self) else {
                    throw self.malformed("half a surrogate pair")
                }
                return Array(text.utf8)
            default: throw self.malformed("an unknown escape")
            }
        }

        private mutating func codeUnit() throws -> UInt16 {
            let digits = self.bytes[self.position...].prefix(4)
            guard digits.count == 4, let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16) else {
                throw self.malformed("\\u without four digits")
            }
            self.position += 4
            return unit
        }

        private mutating func number() throws -> String {
            let digits = String(
                decoding: self.bytes[self.position...].prefix { "+-.eE0123456789".utf8.contains($0) }, as: UTF8.self)
            guard digits.wholeMatch(of: /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/) != nil else {
                throw self.malformed("neither a value nor a number")
            }
            self.position += digits.utf8.count
            return digits
        }

        private mutating func word(_ word: String, _ value: OrderedJSON) throws -> OrderedJSON {
            guard self.bytes[self.position...].starts(with: word.utf8) else { throw self.malformed("an unknown word") }
            self.position += word.utf8.count
            return value
        }

        private var peek: UInt8? { self.position < self.bytes.count ? self.bytes[self.position] : nil }

        private mutating func skipSpace() {
            while let byte = self.peek, " \t\r\n".utf8.contains(byte) { self.position += 1 }
        }

        private mutating func expect(_ scalar: Unicode.Scalar) throws {
            self.skipSpaceBeforePunctuation(scalar)
            guard self.peek == UInt8(ascii: scalar) else { throw self.malformed("'\(scalar)' is missing") }
            self.position += 1
        }

        private mutating func skipSpaceBeforePunctuation(_ scalar: Unicode.Scalar) {
            if scalar == ":" || scalar == "," { self.skipSpace() }
        }

        private func malformed(_ what: String) -> HarnessError {
            let text = String(decoding: self.bytes.prefix(400), as: UTF8.self)
            return HarnessError(.malformed, "Not JSON at byte \(self.position): \(what) in: \(text)")
        }
    }
}
