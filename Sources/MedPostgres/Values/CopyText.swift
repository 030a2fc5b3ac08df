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
            case .integer(let number): self.bytes.append(contentsOf: String(number).utf8)
            case .boolean(let value): self.bytes.append(UInt8(ascii: value ? "t" : "f"))
            default:
                self.appendEscaped(try ParameterEncoder.text(of: value, number: index + 1, database: database))
            }
        }
        self.bytes.append(UInt8(ascii: "\n"))
    }

    private mutating func appendEscaped(_ text: String) {
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): self.bytes.append(contentsOf: #"\\"#.utf8)
            case UInt8(ascii: "\n"): self.bytes.append(contentsOf: #"\n"#.utf8)
            case UInt8(ascii: "\r"): self.bytes.append(contentsOf: #"\r"#.utf8)
            case UInt8(ascii: "\t"): self.bytes.append(contentsOf: #"\t"#.utf8)
            default: self.bytes.append(byte)
            }
        }
    }
}
