// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What tells one span of a trace from the others: 8 bytes, not all zero (W3C Trace Context, section 3.2.2.4).
public struct SpanID: Hashable, Sendable, CustomStringConvertible {
    /// The bytes as a number, the first one most significant.
    public let value: UInt64

    /// The identifier of these bytes; `nil` if all are zero.
    public init?(_ value: UInt64) {
        guard value != 0 else { return nil }
        self.value = value
    }

    /// Reads 16 hexadecimal digits in lower case; `nil` for everything else.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 16, let value = HexText.number(text.utf8) else { return nil }
        self.init(value)
    }

    /// A new identifier.
    init(random: () -> UInt64) { self.value = max(random(), 1) }

    /// The 8 bytes.
    public var bytes: [UInt8] { HexText.bytes(self.value) }
    /// 16 hexadecimal digits in lower case.
    public var description: String { HexText.text(self.value) }
}
