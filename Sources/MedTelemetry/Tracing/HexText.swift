// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Hexadecimal digits, as identifiers are written.
package enum HexText {
    private static let digits = Array("0123456789abcdef".utf8)

    /// The bytes in lower case, two digits each.
    static func text(_ bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        for byte in bytes {
            text.append(self.digits[Int(byte >> 4)])
            text.append(self.digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Sixteen digits in lower case.
    package static func text(_ word: UInt64) -> String {
        // All sixteen bytes are written, and all are ASCII.
        String(unsafeUninitializedCapacity: 16) { buffer in
            for index in 0..<16 { buffer[index] = self.digits[Int(word >> UInt64(60 - index * 4) & 15)] }
            return 16
        }
    }

    /// The number that the digits write; `nil` for upper case and whatever else is no digit.
    ///
    /// - Parameter digits: at most sixteen.
    static func number(_ digits: some Sequence<UInt8>) -> UInt64? {
        var number: UInt64 = 0
        for digit in digits {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt64(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | UInt64(digit - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return number
    }

    /// The bytes of a word, the most significant one first.
    static func bytes(_ word: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - $0 * 8)) }
    }
}
