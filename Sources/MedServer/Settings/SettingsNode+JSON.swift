// MedBuilder
// SPDX-License-Identifier: Apache-2.0

extension SettingsNode {
    /// Reads one JSON text as RFC 8259 defines it.
    ///
    /// Foundation's readers accept `{"a": 1,}` and `01` on Linux, keep the last of two equal keys without a word, and do
    /// not say where a mistake is.
    init(json text: String) throws(SettingsSyntaxError) {
        var reader = JSONReader(text)
        self = try reader.document()
    }
}

/// A recursive descent over the bytes of a JSON text.
private struct JSONReader {
    private let bytes: [UInt8]
    private var index = 0
    private var depth = 0

    init(_ text: String) {
        self.bytes = Array(text.utf8)
    }

    mutating func document() throws(SettingsSyntaxError) -> SettingsNode {
        let node = try self.value()
        self.skipSpace()
        guard self.next == nil else { throw self.problem("there is more after the end of the value") }
        return node
    }

    private mutating func value() throws(SettingsSyntaxError) -> SettingsNode {
        self.skipSpace()
        switch self.next {
        case UInt8(ascii: "{"):
            return .mapping(try self.object())
        case UInt8(ascii: "["):
            try self.array()
            return .sequence
        case UInt8(ascii: "\""):
            return .scalar(.text, try self.string())
        case UInt8(ascii: "-"), .some(UInt8(ascii: "0")...UInt8(ascii: "9")):
            return .scalar(.number, try self.number())
        default:
            for (word, kind) in [("true", SettingsNode.Kind.boolean), ("false", .boolean), ("null", .null)]
            where self.bytes[self.index...].starts(with: word.utf8) {
                self.index += word.utf8.count
                return .scalar(kind, word)
            }
            throw self.problem("a value is missing")
        }
    }

    private mutating func object() throws(SettingsSyntaxError) -> [SettingsNode.Entry] {
        var entries: [SettingsNode.Entry] = []
        try self.elements(until: UInt8(ascii: "}")) { (reader: inout Self) throws(SettingsSyntaxError) in
            reader.skipSpace()
            guard reader.next == UInt8(ascii: "\"") else { throw reader.problem("a key in quotes is missing") }
            let line = reader.position.line
            let key = try reader.string()
            reader.skipSpace()
            guard reader.take(UInt8(ascii: ":")) else { throw reader.problem("a colon is missing") }
            entries.append(SettingsNode.Entry(key: key, line: line, node: try reader.value()))
        }
        return entries
    }

    private mutating func array() throws(SettingsSyntaxError) {
        try self.elements(until: UInt8(ascii: "]")) { (reader: inout Self) throws(SettingsSyntaxError) in
            _ = try reader.value()
        }
    }

    /// What objects and arrays have in common: brackets, commas between elements, none after the last.
    private mutating func elements(
        until end: UInt8,
        element: (inout Self) throws(SettingsSyntaxError) -> Void
    ) throws(SettingsSyntaxError) {
        guard self.depth < SettingsNode.deepest else { throw self.problem("it has too many levels") }
        self.depth += 1
        defer { self.depth -= 1 }
        self.index += 1
        self.skipSpace()
        if self.take(end) { return }
        while true {
            try element(&self)
            self.skipSpace()
            if self.take(end) { return }
            guard self.take(UInt8(ascii: ",")) else { throw self.problem("a comma or a closing bracket is missing") }
        }
    }

    private mutating func string() throws(SettingsSyntaxError) -> String {
        self.index += 1
        var result: [UInt8] = []
        while let byte = self.next {
            switch byte {
            case UInt8(ascii: "\""):
                self.index += 1
                // Only whole sequences of a valid text were copied, so nothing is repaired here.
                return String(decoding: result, as: UTF8.self)
            case UInt8(ascii: "\\"):
                self.index += 1
                result.append(contentsOf: String(try self.escape()).utf8)
            case 0..<0x20:
                throw self.problem("a control character in a text must be escaped")
            default:
                self.index += 1
                result.append(byte)
            }
        }
        throw self.problem("the text has no closing quote")
    }

    private mutating func escape() throws(SettingsSyntaxError) -> Character {
        guard let byte = self.next else { throw self.problem("the text has no closing quote") }
        let simple: [UInt8: Character] = [
            UInt8(ascii: "\""): "\"", UInt8(ascii: "\\"): "\\", UInt8(ascii: "/"): "/", UInt8(ascii: "b"): "\u{8}",
            UInt8(ascii: "f"): "\u{C}", UInt8(ascii: "n"): "\n", UInt8(ascii: "r"): "\r", UInt8(ascii: "t"): "\t",
        ]
        if let character = simple[byte] {
            self.index += 1
            return character
        }
        guard byte == UInt8(ascii: "u") else { throw self.problem("there is no such escape") }
        var units = [try self.unicodeEscape()]
        if UTF16.isLeadSurrogate(units[0]), self.take(UInt8(ascii: "\\")), self.next == UInt8(ascii: "u") {
            units.append(try self.unicodeEscape())
        }
        guard let character = String(validating: units, as: UTF16.self)?.first else {
            throw self.problem("the escape is half a surrogate pair")
        }
        return character
    }

    private mutating func unicodeEscape() throws(SettingsSyntaxError) -> UInt16 {
        self.index += 1
        let digits = self.bytes[self.index...].prefix(4)
        guard digits.count == 4, digits.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }),
            let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw self.problem("four hexadecimal digits are missing") }
        self.index += 4
        return unit
    }

    private mutating func number() throws(SettingsSyntaxError) -> String {
        let start = self.index
        _ = self.take(UInt8(ascii: "-"))
        if !self.take(UInt8(ascii: "0")) { try self.digits() }
        if self.take(UInt8(ascii: ".")) { try self.digits() }
        if self.take(UInt8(ascii: "e")) || self.take(UInt8(ascii: "E")) {
            if !self.take(UInt8(ascii: "+")) { _ = self.take(UInt8(ascii: "-")) }
            try self.digits()
        }
        if let byte = self.next, Character(UnicodeScalar(byte)).isNumber {
            throw self.problem("a number begins with 0")
        }
        return String(decoding: self.bytes[start..<self.index], as: UTF8.self)
    }

    private mutating func digits() throws(SettingsSyntaxError) {
        let start = self.index
        while let byte = self.next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { self.index += 1 }
        guard self.index > start else { throw self.problem("a digit is missing") }
    }

    private var next: UInt8? { self.index < self.bytes.count ? self.bytes[self.index] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard self.next == byte else { return false }
        self.index += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = self.next, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { self.index += 1 }
    }

    /// Line and column, from 1; counted only when somebody asks.
    private var position: (line: Int, column: Int) {
        let before = self.bytes[..<self.index]
        let lastLine = before.reversed().prefix { $0 != UInt8(ascii: "\n") }
        // The continuation bytes of a character are not columns.
        return (before.count { $0 == UInt8(ascii: "\n") } + 1, lastLine.count { $0 & 0xC0 != 0x80 } + 1)
    }

    private func problem(_ text: String) -> SettingsSyntaxError {
        let (line, column) = self.position
        return SettingsSyntaxError(line: line, column: column, problem: text)
    }
}
