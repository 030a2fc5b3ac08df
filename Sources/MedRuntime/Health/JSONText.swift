// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The members of a JSON object as bytes, in the order in which they are added.
///
/// The probes' key order is part of the contract, which no encoder keeps, and their bodies are made on every answer.
struct JSONText {
    private(set) var bytes: [UInt8] = []

    /// The whole object.
    var object: [UInt8] { [UInt8(ascii: "{")] + self.bytes + [UInt8(ascii: "}")] }

    private mutating func name(_ name: String) {
        if !self.bytes.isEmpty { self.bytes.append(UInt8(ascii: ",")) }
        self.string(name)
        self.bytes.append(UInt8(ascii: ":"))
    }

    mutating func member(_ name: String, _ value: Bool) {
        self.name(name)
        self.raw(value ? "true" : "false")
    }

    mutating func member(_ name: String, _ value: Int) {
        self.name(name)
        self.integer(value)
    }

    mutating func member(_ name: String, _ value: String) {
        self.name(name)
        self.string(value)
    }

    mutating func member(_ name: String, object members: [[UInt8]]) {
        self.name(name)
        self.raw("{")
        var isFirst = true
        for part in members where !part.isEmpty {
            if !isFirst { self.raw(",") }
            isFirst = false
            self.bytes.append(contentsOf: part)
        }
        self.raw("}")
    }

    mutating func member(_ name: String, _ value: HealthReport.Value) {
        switch value {
        case .string(let value): self.member(name, value)
        case .integer(let value): self.member(name, value)
        case .boolean(let value): self.member(name, value)
        case .null:
            self.name(name)
            self.raw("null")
        }
    }

    mutating func member(_ name: String, array texts: [String]) {
        self.name(name)
        self.raw("[")
        for (index, text) in texts.enumerated() {
            if index > 0 { self.raw(",") }
            self.string(text)
        }
        self.raw("]")
    }

    /// An array of one object.
    mutating func member(_ name: String, arrayOf object: JSONText) {
        self.name(name)
        self.raw("[{")
        self.bytes.append(contentsOf: object.bytes)
        self.raw("}]")
    }

    /// A time in milliseconds, with as many decimals as it has, three at most.
    mutating func member(_ name: String, milliseconds time: Duration) {
        self.name(name)
        let (seconds, attoseconds) = time.components
        let microseconds = max(0, Int(seconds) * 1_000_000 + Int(attoseconds / 1_000_000_000_000))
        self.integer(microseconds / 1000)
        var decimals = microseconds % 1000
        guard decimals > 0 else { return }
        var digits = 3
        while decimals.isMultiple(of: 10) { (decimals, digits) = (decimals / 10, digits - 1) }
        let text = String(decimals)
        self.raw("." + String(repeating: "0", count: digits - text.count) + text)
    }

    mutating func member(_ name: String, _ details: [(name: String, value: HealthReport.Value)]) {
        var object = JSONText()
        for detail in details { object.member(detail.name, detail.value) }
        self.member(name, object: [object.bytes])
    }

    private mutating func integer(_ value: Int) { self.raw(String(value)) }

    private mutating func raw(_ text: String) { self.bytes.append(contentsOf: text.utf8) }

    private mutating func string(_ text: String) {
        self.bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                self.bytes.append(UInt8(ascii: "\\"))
                self.bytes.append(byte)
            case 0..<0x20:
                let hex = String(byte, radix: 16)
                self.raw("\\u" + String(repeating: "0", count: 4 - hex.count) + hex)
            default:
                self.bytes.append(byte)
            }
        }
        self.bytes.append(UInt8(ascii: "\""))
    }
}
