// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The same random texts in every run.
struct RandomText {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed }

    /// A number below `bound` (splitmix64).
    mutating func number(below bound: Int) -> Int {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var bits = self.state
        bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
        return Int((bits ^ bits >> 31) % UInt64(bound))
    }

    /// Up to `count` of the parts, one after the other.
    mutating func text(of parts: [String], count: Int) -> String {
        (0..<self.number(below: count + 1)).map { _ in parts[self.number(below: parts.count)] }.joined()
    }
}
