// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Hexadecimal digits, as identifiers are written.
package enum HexText {
    /// The digit of a number from 0 to 15, in lower case.
    @inline(__always)
    static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    /// The bytes in lower case, two digits each.
    static func text(_ bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        for byte in bytes {
            text.append(self.digit(byte >> 4))
            text.append(self.digit(byte & 15))
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Sixteen digits in lower case.
    package static func text(_ word: UInt64) -> String {
        // All sixteen bytes are written, and all are ASCII.
        String(unsafeUninitializedCapacity: 16) { buffer in
            for index in 0..<16 { buffer[index] = self.digit(UInt8(word >> UInt64(60 - index * 4) & 15)) }
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
