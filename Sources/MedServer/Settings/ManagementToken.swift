// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// What somebody has to know who changes a running server from another machine. It does not print.
struct ManagementToken: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    private let bytes: [UInt8]

    /// Nil if it is too short to be secret, or could not be a header's value.
    init?(_ text: String) {
        guard (16...256).contains(text.utf8.count), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
        self.bytes = Array(text.utf8)
    }

    var description: String { "‹token›" }
    var customMirror: Mirror { Mirror(self, children: []) }

    /// Whether a text is the token, in a time that does not tell how much of it is right.
    func matches(_ text: Substring) -> Bool {
        let other = Array(text.utf8)
        var difference = UInt8(other.count == self.bytes.count ? 0 : 1)
        for index in self.bytes.indices { difference |= self.bytes[index] ^ (index < other.count ? other[index] : 0) }
        return difference == 0
    }
}
