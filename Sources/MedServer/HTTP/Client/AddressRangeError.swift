// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Why a text is no range of addresses.
struct AddressRangeError: Error, Equatable, CustomStringConvertible {
    /// The kind of failure.
    enum Code { case notAnAddress, badLength, bitsBehindPrefix }

    /// Branch on this.
    let code: Code
    /// Show this to whoever wrote the range.
    let description: String

    static func notAnAddress(_ text: some StringProtocol) -> Self {
        Self(
            code: .notAnAddress,
            description: "\(Self.quoted(text)) is not an IP address or a range such as 10.0.0.0/8 or fd00::/8."
        )
    }

    static func badLength(_ text: some StringProtocol, atMost: Int) -> Self {
        Self(
            code: .badLength,
            description: "\(Self.quoted(text)) has no valid prefix length: that is a whole number from 0 to \(atMost)."
        )
    }

    static func bitsBehindPrefix(_ text: some StringProtocol, network: String, address: IPAddress) -> Self {
        Self(
            code: .bitsBehindPrefix,
            description: "\(Self.quoted(text)) has bits behind its prefix. "
                + "Write \(network) for the network or \(address) for the one address."
        )
    }

    /// What is too long or not printable is not repeated.
    private static func quoted(_ text: some StringProtocol) -> String {
        text.utf8.count <= 64 && text.utf8.allSatisfy { 0x20...0x7E ~= $0 } ? "'\(text)'" : "What was given"
    }
}
