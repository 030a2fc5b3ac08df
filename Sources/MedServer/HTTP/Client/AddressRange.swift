// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// The addresses that share a prefix: `10.0.0.0/8`, `fd00::/8`, or one address without a length.
///
/// `::ffff:10.0.0.0/104` is `10.0.0.0/8`. Any other IPv6 range, `::/0` as well, has no IPv4 address in it: who lets in
/// IPv6 has not spoken of IPv4.
struct AddressRange: Sendable, Hashable {
    private let bits: UInt128
    private let mask: UInt128
    private let isIPv4: Bool

    /// Reads a range.
    ///
    /// Bits behind the prefix are refused, as Postgres and Python do: `10.1.2.3/8` is more often meant to be one address than
    /// sixteen million, and this decides who may see what.
    init(_ text: some StringProtocol) throws(AddressRangeError) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(parts[0]), !parts[0].utf8.contains(UInt8(ascii: "%")) else {
            throw .notAnAddress(text)
        }
        var length = 128
        if parts.count == 2 {
            // Mapped addresses count as IPv4 with IPv6's length.
            let isDotted = address.isIPv4 && !parts[0].utf8.contains(UInt8(ascii: ":"))
            guard let given = Self.length(parts[1]), given <= (isDotted ? 32 : 128) else {
                throw .badLength(text, atMost: isDotted ? 32 : 128)
            }
            length = isDotted ? given + 96 : given
        }
        self.mask = length == 0 ? 0 : .max << (128 - length)
        self.bits = address.bits
        self.isIPv4 = address.isIPv4 && length >= 96
        guard address.bits & ~self.mask == 0 else {
            let network = IPAddress(bits: address.bits & self.mask)
            throw .bitsBehindPrefix(
                text, network: "\(network)/\(self.isIPv4 ? length - 96 : length)", address: address
            )
        }
    }

    func contains(_ address: IPAddress) -> Bool {
        address.bits & self.mask == self.bits && address.isIPv4 == self.isIPv4
    }

    /// A number without sign or leading zeros.
    private static func length(_ text: some StringProtocol) -> Int? {
        guard text.utf8.count <= 3, text == "0" || !text.hasPrefix("0"),
            text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 })
        else { return nil }
        return Int(text)
    }
}

extension Sequence<AddressRange> {
    /// Whether the address is in one of the ranges.
    func contains(_ address: IPAddress) -> Bool { self.contains { $0.contains(address) } }
}
