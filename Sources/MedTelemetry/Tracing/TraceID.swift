// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What the spans of one trace have in common: 16 bytes, not all zero (W3C Trace Context, section 3.2.2.3).
public struct TraceID: Hashable, Sendable, CustomStringConvertible {
    /// The left 8 bytes.
    public let high: UInt64
    /// The right 8 bytes. Of these the lower 7 are random in traces that say so, which is what sampling looks at.
    public let low: UInt64

    /// The identifier of these bytes; `nil` if all are zero.
    public init?(high: UInt64, low: UInt64) {
        guard high != 0 || low != 0 else { return nil }
        self.high = high
        self.low = low
    }

    /// Reads 32 hexadecimal digits in lower case; `nil` for everything else.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 32, let high = HexText.number(text.utf8.prefix(16)),
            let low = HexText.number(text.utf8.suffix(16))
        else { return nil }
        self.init(high: high, low: low)
    }

    /// A new identifier.
    init(random: () -> UInt64) {
        self.high = random()
        // One value in 2^64 is not random, for the sake of all others: an identifier must not be zero.
        self.low = max(random(), 1)
    }

    /// The 16 bytes.
    public var bytes: [UInt8] { HexText.bytes(self.high) + HexText.bytes(self.low) }
    /// 32 hexadecimal digits in lower case.
    public var description: String { HexText.text(self.high) + HexText.text(self.low) }
}
