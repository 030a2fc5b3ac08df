// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MedTelemetry

@Suite struct NumberTextTests {
    private func text(_ append: (inout [UInt8]) -> Void) -> String {
        var text: [UInt8] = []
        append(&text)
        return String(decoding: text, as: UTF8.self)
    }

    private static let numbers =
        [
            0.1, 0.3, 0.1 + 0.2, 1.0 / 3, 1e308, 1e-308, .leastNonzeroMagnitude, .leastNormalMagnitude,
            .greatestFiniteMagnitude, 123_456.789, 1e15, 9_007_199_254_740_992, 1e22, 1e23, .pi * 1e9,
            4.35, 0.000035689, 18_446_744_073_709_551_616, 0x1p-1074, 0x1p1023,
        ] + (-1074...1023).map { Double(sign: .plus, exponent: $0, significand: 1) }
        + (0..<50_000).map { _ in Double(bitPattern: .random(in: 0...(.max))) }.filter(\.isFinite)
        + (0..<10_000).map { _ in Double.random(in: -1000...1000) }
        + (0..<10_000).map { _ in Double(Int.random(in: 0...1_000_000)) / 1000 }

    @Test func `numbers read as what they were, with as few digits as possible`() {
        for number in Self.numbers {
            let text = self.text { NumberText.append(number, to: &$0) }
            #expect(Double(text)?.bitPattern == number.bitPattern, "\(number) is \(text)")
            let bound = self.text { NumberText.append(bound: number, keepsPoint: true, to: &$0) }
            #expect(Double(bound)?.bitPattern == number.bitPattern, "\(number) is \(bound)")
            guard number != 0 else { continue }
            // Swift's own digits are the shortest; it says the same in its own way.
            func digits(_ text: String) -> String {
                let digits = text.prefix { $0 != "e" }.filter(\.isNumber).drop { $0 == "0" }
                return String(digits.reversed().drop { $0 == "0" }.reversed())
            }
            #expect(digits(bound) == digits("\(number)"), "\(number) is \(bound)")
        }
    }

    @Test(arguments: [
        (0, "0"), (-0.0, "-0"), (1, "1"), (-1, "-1"), (1e15, "1000000000000000"), (0.5, "0.5"), (-0.05, "-0.05"),
        (1e-9, "1e-09"),
        (0.00012, "0.00012"), (1.5e300, "1.5e+300"), (1e19, "10000000000000000000"), (.infinity, "+Inf"),
        (-.infinity, "-Inf"), (.nan, "NaN"), (123.456, "123.456"),
    ])
    func `a number is written in one way`(number: Double, text: String) {
        #expect(self.text { NumberText.append(number, to: &$0) } == text)
    }

    /// The examples of OpenMetrics 1.0, "Canonical Numbers", and Prometheus' own for the old format.
    @Test(arguments: [
        "0.0", "0.001", "0.002", "0.01", "0.1", "0.9", "0.95", "0.99", "0.999", "1.0", "1.7", "10.0", "1e-10", "1e-09",
        "1e-05",
        "0.0001", "100000.0", "1e+06", "1e+10", "1e+23", "1.1e+23", "1.23456789e+08", "+Inf",
    ])
    func `a bound is written as Go does`(text: String) throws {
        let bound = try #require(Double(text.replacing("Inf", with: "inf")))
        #expect(self.text { NumberText.append(bound: bound, keepsPoint: true, to: &$0) } == text)
        let old = text.hasSuffix(".0") ? String(text.dropLast(2)) : text
        #expect(self.text { NumberText.append(bound: bound, keepsPoint: false, to: &$0) } == old)
    }

    @Test func `nanoseconds and milliseconds are exact`() {
        let texts = [0, 1, -1, 1_000_000_000, Int128(Int64.max), Int128(Int64.min)].map { number in
            self.text { NumberText.append(nanoseconds: number, to: &$0) }
        }
        #expect(
            texts == ["0", "0.000000001", "-0.000000001", "1", "9223372036.854775807", "-9223372036.854775808"])
        let times = [0, 50, 1_700_000_000_250].map { time in
            self.text { NumberText.append(milliseconds: time, to: &$0) }
        }
        #expect(times == ["0", "0.05", "1700000000.25"])
    }
}
