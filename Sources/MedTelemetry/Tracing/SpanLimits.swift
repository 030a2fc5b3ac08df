// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// How much a span may hold.
enum SpanLimits {
    /// Attributes of a span, of an event and of a link.
    static let attributes = 128
    static let events = 128
    static let links = 128
    /// Characters (Unicode scalars) of a text, its mark included. New Relic takes no more.
    static let text = 4095
    static let cutMark = "…[cut]"

    /// The text, cut with a mark if it is too long.
    static func cut(_ text: String) -> String {
        // No text has more characters than bytes.
        guard text.utf8.count > Self.text else { return text }
        let scalars = text.unicodeScalars
        guard scalars.index(scalars.startIndex, offsetBy: Self.text + 1, limitedBy: scalars.endIndex) != nil else {
            return text
        }
        return String(String.UnicodeScalarView(scalars.prefix(Self.text - Self.cutMark.unicodeScalars.count)))
            + Self.cutMark
    }
}
