// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Writes JSON as the mapping of protocol buffers wants it.
struct OTLPJSONWriter {
    private(set) var bytes: [UInt8] = []

    init() {}

    mutating func raw(_ text: String) { self.bytes.append(contentsOf: text.utf8) }

    mutating func text(_ text: String) {
        let digits = Array("0123456789abcdef".utf8)
        self.bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): self.bytes.append(contentsOf: [UInt8(ascii: "\\"), byte])
            case 0..<0x20:
                self.raw("\\u00")
                self.bytes.append(contentsOf: [digits[Int(byte >> 4)], digits[Int(byte & 15)]])
            default: self.bytes.append(byte)
            }
        }
        self.bytes.append(UInt8(ascii: "\""))
    }

    /// What is no finite number is a text.
    mutating func double(_ number: Double) {
        if number.isNaN {
            self.raw("\"NaN\"")
        } else if number.isInfinite {
            self.raw(number < 0 ? "\"-Infinity\"" : "\"Infinity\"")
        } else {
            self.raw("\(number)")
        }
    }

    mutating func base64(_ bytes: [UInt8]) {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        self.bytes.append(UInt8(ascii: "\""))
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var word: UInt32 = 0
            for byte in group { word = word << 8 | UInt32(byte) }
            word <<= UInt32(8 * (3 - group.count))
            for index in 0..<4 {
                let isPadding = index > group.count
                self.bytes.append(isPadding ? UInt8(ascii: "=") : digits[Int(word >> UInt32(18 - index * 6) & 63)])
            }
        }
        self.bytes.append(UInt8(ascii: "\""))
    }

    mutating func array<Element>(_ elements: [Element], _ write: (inout OTLPJSONWriter, Element) -> Void) {
        self.raw("[")
        for (index, element) in elements.enumerated() {
            if index > 0 { self.raw(",") }
            write(&self, element)
        }
        self.raw("]")
    }

    /// The name of a member of an object.
    mutating func name(_ name: String, isFirst: Bool) {
        self.raw(isFirst ? "\"\(name)\":" : ",\"\(name)\":")
    }
}
