// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import MedStorage

/// Rows in the text form of COPY: a line each, tabs between the values, `\N` for null, and a backslash before what would be
/// mistaken (PostgreSQL, COPY, "Text Format").
struct CopyText {
    private static let fullAt = 1 << 16

    private(set) var bytes: [UInt8] = []

    /// Whether it is time to send it.
    var isFull: Bool { self.bytes.count >= Self.fullAt }

    mutating func removeAll() { self.bytes.removeAll(keepingCapacity: true) }

    mutating func append(_ row: [SQLValue], database: String) throws(DatabaseError) {
        for (index, value) in row.enumerated() {
            if index > 0 { self.bytes.append(UInt8(ascii: "\t")) }
            switch value {
            case .null: self.bytes.append(contentsOf: #"\N"#.utf8)
            case .integer(let number): self.append(number)
            case .boolean(let value): self.bytes.append(UInt8(ascii: value ? "t" : "f"))
            default:
                self.appendEscaped(try ParameterEncoder.text(of: value, number: index + 1, database: database))
            }
        }
        self.bytes.append(UInt8(ascii: "\n"))
    }

    private mutating func append(_ number: Int64) {
        // The longest is `-9223372036854775808`; made from the end, as digits come.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var start = digits.count
            var rest = number.magnitude
            repeat {
                start -= 1
                digits.initializeElement(at: start, to: UInt8(ascii: "0") + UInt8(rest % 10))
                rest /= 10
            } while rest > 0
            if number < 0 {
                start -= 1
                digits.initializeElement(at: start, to: UInt8(ascii: "-"))
            }
            self.bytes.append(contentsOf: UnsafeBufferPointer(rebasing: digits[start...]))
        }
    }

    private mutating func appendEscaped(_ text: String) {
        var text = text
        text.withUTF8 { text in
            // What lies between two bytes that need a backslash goes as a whole.
            var start = 0
            for index in text.indices {
                guard let escape = Self.escape(text[index]) else { continue }
                self.bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[start..<index]))
                self.bytes.append(UInt8(ascii: "\\"))
                self.bytes.append(escape)
                start = index + 1
            }
            self.bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[start...]))
        }
    }

    /// What goes behind the backslash; nil for a byte that needs none.
    private static func escape(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "\\"): byte
        case UInt8(ascii: "\n"): UInt8(ascii: "n")
        case UInt8(ascii: "\r"): UInt8(ascii: "r")
        case UInt8(ascii: "\t"): UInt8(ascii: "t")
        default: nil
        }
    }
}
