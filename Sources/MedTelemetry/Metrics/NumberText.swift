// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Numbers as pages of metrics write them, appended without making a string where that can be avoided.
enum NumberText {
    static func append(_ number: UInt64, to page: inout [UInt8]) {
        var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
        withUnsafeMutableBytes(of: &digits) { digits in
            // 24 bytes of this frame; the longest number has 20 digits.
            var start = 24
            var rest = number
            repeat {
                start -= 1
                digits[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0
            page.append(contentsOf: UnsafeRawBufferPointer(rebasing: digits[start..<24]))
        }
    }

    static func append(_ number: Int64, to page: inout [UInt8]) {
        if number < 0 { page.append(UInt8(ascii: "-")) }
        self.append(number.magnitude, to: &page)
    }

    /// A number of nanoseconds as seconds, exactly.
    static func append(nanoseconds: Int64, to page: inout [UInt8]) {
        if nanoseconds < 0 { page.append(UInt8(ascii: "-")) }
        self.append(nanoseconds.magnitude, decimals: 9, to: &page)
    }

    /// A whole number of the last of so many decimals.
    private static func append(_ scaled: UInt64, decimals: Int, to page: inout [UInt8]) {
        var unit: UInt64 = 1
        for _ in 0..<decimals { unit *= 10 }
        self.append(scaled / unit, to: &page)
        var rest = scaled % unit
        guard rest > 0 else { return }
        page.append(UInt8(ascii: "."))
        while rest > 0 {
            unit /= 10
            page.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest / unit))
            rest %= unit
        }
    }

    /// The shortest text that reads as this number again.
    ///
    /// - Parameter keepsPoint: whether a whole number is written with `.0`, as OpenMetrics has its bounds.
    static func append(_ number: Double, keepsPoint: Bool = false, to page: inout [UInt8]) {
        guard number.isFinite else {
            page.append(contentsOf: (number.isNaN ? "NaN" : number < 0 ? "-Inf" : "+Inf").utf8)
            return
        }
        // Whole numbers, and those of few decimals, are exact in 53 bits; what divides back to the same is the same.
        var factor = 1.0
        for decimals in 0...9 {
            let scaled = number.magnitude * factor
            guard scaled < 0x1p53 else { break }
            if scaled == scaled.rounded(), scaled / factor == number.magnitude {
                if number.sign == .minus { page.append(UInt8(ascii: "-")) }
                self.append(UInt64(scaled), decimals: decimals, to: &page)
                if keepsPoint, decimals == 0 { page.append(contentsOf: ".0".utf8) }
                return
            }
            factor *= 10
        }
        page.append(contentsOf: number.description.utf8)
    }
}
