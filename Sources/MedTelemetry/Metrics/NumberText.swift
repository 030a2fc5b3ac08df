// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Numbers as pages of metrics write them, appended without asking for memory.
enum NumberText {
    static func append(_ number: UInt64, to page: inout [UInt8]) { self.append(number, atLeast: 1, to: &page) }

    /// A number with zeros before it, if it has fewer digits.
    private static func append(_ number: UInt64, atLeast count: Int, to page: inout [UInt8]) {
        var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
        withUnsafeMutableBytes(of: &digits) { digits in
            // 24 bytes of this frame; the longest number has 20 digits.
            var start = 24
            var rest = number
            while rest > 0 || start > 24 - count {
                start -= 1
                digits[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            }
            page.append(contentsOf: UnsafeRawBufferPointer(rebasing: digits[start..<24]))
        }
    }

    static func append(_ number: Int64, to page: inout [UInt8]) {
        if number < 0 { page.append(UInt8(ascii: "-")) }
        self.append(number.magnitude, to: &page)
    }

    /// A number of nanoseconds as seconds, exactly.
    static func append(nanoseconds: Int128, to page: inout [UInt8]) {
        if nanoseconds < 0 { page.append(UInt8(ascii: "-")) }
        let (seconds, rest): (UInt64, UInt64)
        if let small = UInt64(exactly: nanoseconds.magnitude) {
            (seconds, rest) = small.quotientAndRemainder(dividingBy: 1_000_000_000)
        } else {
            let parts = nanoseconds.magnitude.quotientAndRemainder(dividingBy: 1_000_000_000)
            // More than 584 billion years do not come together.
            (seconds, rest) = (UInt64(clamping: parts.quotient), UInt64(parts.remainder))
        }
        self.append(seconds, to: &page)
        self.appendFraction(rest, decimals: 9, to: &page)
    }

    /// Milliseconds as seconds, exactly.
    static func append(milliseconds: Int64, to page: inout [UInt8]) {
        if milliseconds < 0 { page.append(UInt8(ascii: "-")) }
        let (seconds, rest) = milliseconds.magnitude.quotientAndRemainder(dividingBy: 1000)
        self.append(seconds, to: &page)
        self.appendFraction(rest, decimals: 3, to: &page)
    }

    private static func appendFraction(_ fraction: UInt64, decimals: Int, to page: inout [UInt8]) {
        guard fraction > 0 else { return }
        var (fraction, decimals) = (fraction, decimals)
        while fraction % 10 == 0 { (fraction, decimals) = (fraction / 10, decimals - 1) }
        page.append(UInt8(ascii: "."))
        self.append(fraction, atLeast: decimals, to: &page)
    }

    /// The shortest text that reads as this number again.
    static func append(_ number: Double, to page: inout [UInt8]) {
        guard !self.appendSpecial(number, to: &page) else { return }
        let magnitude = number.magnitude
        if magnitude < 0x1p53, magnitude == magnitude.rounded(.towardZero) {
            return self.append(UInt64(magnitude), to: &page)
        }
        let (digits, exponent) = self.trimmed(magnitude)
        let point = self.count(of: digits) + exponent
        if exponent < 0, point > -4 {
            self.appendFixed(digits, exponent, point, to: &page)
        } else if exponent >= 0, point <= 20 {
            self.append(digits, to: &page)
            for _ in 0..<exponent { page.append(UInt8(ascii: "0")) }
        } else {
            self.appendScientific(digits, point - 1, to: &page)
        }
    }

    /// The bound of a bucket, which is a label and must always look the same: as Go writes it, and in OpenMetrics with
    /// a point where Go has none (OpenMetrics 1.0, "Canonical Numbers").
    static func append(bound: Double, keepsPoint: Bool, to page: inout [UInt8]) {
        guard !self.appendSpecial(bound, to: &page) else { return }
        guard bound != 0 else { return page.append(contentsOf: (keepsPoint ? "0.0" : "0").utf8) }
        let (digits, exponent) = self.trimmed(bound.magnitude)
        let point = self.count(of: digits) + exponent
        if point < -3 || point > 6 {
            self.appendScientific(digits, point - 1, to: &page)
        } else if exponent >= 0 {
            self.append(digits, to: &page)
            for _ in 0..<exponent { page.append(UInt8(ascii: "0")) }
            if keepsPoint { page.append(contentsOf: ".0".utf8) }
        } else {
            self.appendFixed(digits, exponent, point, to: &page)
        }
    }

    /// The sign, and the whole number if it is none of digits.
    private static func appendSpecial(_ number: Double, to page: inout [UInt8]) -> Bool {
        if number.isFinite {
            if number.sign == .minus { page.append(UInt8(ascii: "-")) }
            return false
        }
        page.append(contentsOf: (number.isNaN ? "NaN" : number < 0 ? "-Inf" : "+Inf").utf8)
        return true
    }

    /// The digits without zeros at their end.
    private static func trimmed(_ number: Double) -> (digits: UInt64, exponent: Int) {
        var (digits, exponent) = ShortestDecimal.digits(of: number)
        while digits % 10 == 0 { (digits, exponent) = (digits / 10, exponent + 1) }
        return (digits, exponent)
    }

    private static func count(of digits: UInt64) -> Int {
        var (count, limit) = (1, UInt64(10))
        // 17 digits are the most that there are.
        while digits >= limit { (count, limit) = (count + 1, limit * 10) }
        return count
    }

    private static func appendFixed(_ digits: UInt64, _ exponent: Int, _ point: Int, to page: inout [UInt8]) {
        var unit: UInt64 = 1
        for _ in 0..<min(-exponent, 19) { unit *= 10 }
        // Where the point is before all digits, they are the fraction.
        self.append(point > 0 ? digits / unit : 0, to: &page)
        page.append(UInt8(ascii: "."))
        self.append(point > 0 ? digits % unit : digits, atLeast: -exponent, to: &page)
    }

    private static func appendScientific(_ digits: UInt64, _ exponent: Int, to page: inout [UInt8]) {
        var unit: UInt64 = 1
        for _ in 1..<self.count(of: digits) { unit *= 10 }
        self.append(digits / unit, to: &page)
        if unit > 1 {
            page.append(UInt8(ascii: "."))
            self.append(digits % unit, atLeast: self.count(of: digits) - 1, to: &page)
        }
        page.append(UInt8(ascii: "e"))
        page.append(UInt8(ascii: exponent < 0 ? "-" : "+"))
        self.append(UInt64(exponent.magnitude), atLeast: 2, to: &page)
    }
}
