// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The shortest decimal number that reads as a given `Double` again, and of those the nearest to it; found without
/// asking for memory.
///
/// This is the method of Raffaello Giulietti, "The Schubfach way to render doubles" (2020): the number and the ends of
/// the interval that is rounded to it are multiplied by a power of ten of 126 bits, which is enough to tell which
/// decimals are inside. Swift's own `description` gives the same digits, but a `String`, which is in memory of its own
/// when there are more than 15.
enum ShortestDecimal {
    /// The digits as a whole number, and the power of ten it is multiplied by.
    ///
    /// - Parameter number: finite, and above 0.
    static func digits(of number: Double) -> (digits: UInt64, exponent: Int) {
        let significand = number.significandBitPattern
        let isNormal = number.exponentBitPattern != 0
        // number = c · 2^q
        let c = isNormal ? significand | 1 << 52 : significand
        let q = (isNormal ? Int(number.exponentBitPattern) : 1) - 1075
        // Below a power of two, doubles are twice as dense.
        let isLowerCloser = significand == 0 && number.exponentBitPattern > 1
        // An even significand is what the very ends of its interval are rounded to.
        let open: UInt64 = c & 1
        let (left, middle, right) = (4 * c - (isLowerCloser ? 1 : 2), 4 * c, 4 * c + 2)
        // ⌊log10(2^q)⌋, or of ¾ · 2^q.
        let k = (q * 1_262_611 - (isLowerCloser ? 524_031 : 0)) >> 22
        let shift = q + self.floorLog2(ofPowerOfTen: -k) + 1
        let power = self.powers[-k - self.firstPower]
        let lower = self.scaled(power, left << UInt64(shift)) + open
        let value = self.scaled(power, middle << UInt64(shift))
        let upper = self.scaled(power, right << UInt64(shift)) - open
        // All three are four times what they were, so that they have two bits behind the point.
        let s = value / 4
        if s >= 10 {
            let tens = s / 10
            let isBelowInside = lower <= 40 * tens
            let isAboveInside = 40 * tens + 40 <= upper
            if isBelowInside != isAboveInside { return (tens + (isAboveInside ? 1 : 0), k + 1) }
        }
        let isBelowInside = lower <= 4 * s
        let isAboveInside = 4 * s + 4 <= upper
        if isBelowInside != isAboveInside { return (s + (isAboveInside ? 1 : 0), k) }
        let half = 4 * s + 2
        let isUp = value > half || (value == half && s & 1 == 1)
        return (s + (isUp ? 1 : 0), k)
    }

    /// The upper 64 bits of a product of 192, where the last one says whether anything below them is set.
    @inline(__always)
    private static func scaled(_ power: (high: UInt64, low: UInt64), _ factor: UInt64) -> UInt64 {
        let (lowHigh, _) = power.low.multipliedFullWidth(by: factor)
        let (high, highLow) = power.high.multipliedFullWidth(by: factor)
        let (middle, carry) = highLow.addingReportingOverflow(lowHigh)
        return (high + (carry ? 1 : 0)) | (middle > 1 ? 1 : 0)
    }

    private static func floorLog2(ofPowerOfTen exponent: Int) -> Int { (exponent * 1_741_647) >> 19 }

    // MARK: - Powers of ten

    private static let firstPower = -292
    private static let lastPower = 324

    /// 10^k, from ``firstPower`` to ``lastPower``, times the power of two that makes it a whole number of 128 bits,
    /// rounded up.
    private static let powers: [(high: UInt64, low: UInt64)] = {
        var powers = Array(repeating: (high: UInt64(0), low: UInt64(0)), count: lastPower - firstPower + 1)
        // 10^k has the bits of 5^k.
        var five: [UInt64] = [1]
        for k in 0...lastPower {
            powers[k - firstPower] = Self.leading(five)
            if k > 0, -k >= firstPower { powers[-k - firstPower] = Self.reciprocal(five) }
            Self.multiply(&five, by: 5)
        }
        return powers
    }()

    /// Numbers are words of 64 bits, the lowest first, the highest not 0.
    private static func multiply(_ number: inout [UInt64], by factor: UInt64) {
        var carry: UInt64 = 0
        for index in number.indices {
            let (high, low) = number[index].multipliedFullWidth(by: factor)
            let (sum, isOver) = low.addingReportingOverflow(carry)
            number[index] = sum
            carry = high + (isOver ? 1 : 0)
        }
        if carry > 0 { number.append(carry) }
    }

    private static func bitCount(_ number: [UInt64]) -> Int {
        number.count * 64 - (number.last?.leadingZeroBitCount ?? 0)
    }

    /// The first 128 bits, rounded up.
    private static func leading(_ number: [UInt64]) -> (high: UInt64, low: UInt64) {
        let bits = self.bitCount(number)
        func bit(_ index: Int) -> UInt128 { index < 0 ? 0 : UInt128(number[index / 64] >> UInt64(index % 64) & 1) }
        var value: UInt128 = 0
        for index in 1...128 { value = value << 1 | bit(bits - index) }
        if bits > 128, (0..<bits - 128).contains(where: { bit($0) == 1 }) { value += 1 }
        return (UInt64(truncatingIfNeeded: value >> 64), UInt64(truncatingIfNeeded: value))
    }

    /// 2^(127 + bits) divided by a number of so many bits that is no power of two, rounded up.
    private static func reciprocal(_ divisor: [UInt64]) -> (high: UInt64, low: UInt64) {
        // Long division by hand: a bit of the quotient a step, and a word of room for the remainder.
        let divisor = divisor + [0]
        var rest = Array(repeating: UInt64(0), count: divisor.count)
        let top = self.bitCount(divisor.dropLast()) - 1
        rest[top / 64] = 1 << UInt64(top % 64)
        var value: UInt128 = 0
        for _ in 0..<128 {
            var carry: UInt64 = 0
            for index in rest.indices { (rest[index], carry) = (rest[index] << 1 | carry, rest[index] >> 63) }
            value <<= 1
            guard !rest.reversed().lexicographicallyPrecedes(divisor.reversed()) else { continue }
            value |= 1
            var borrow: UInt64 = 0
            for index in rest.indices {
                let (part, isUnder) = rest[index].subtractingReportingOverflow(divisor[index])
                let (difference, isUnderToo) = part.subtractingReportingOverflow(borrow)
                rest[index] = difference
                borrow = isUnder || isUnderToo ? 1 : 0
            }
        }
        value += 1
        return (UInt64(truncatingIfNeeded: value >> 64), UInt64(truncatingIfNeeded: value))
    }

    private static func bitCount(_ number: ArraySlice<UInt64>) -> Int { self.bitCount(Array(number)) }
}
