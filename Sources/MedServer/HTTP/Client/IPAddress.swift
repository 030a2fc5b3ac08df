// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// An IP address as one number, so that comparing it with a range is a mask away.
///
/// An IPv4 address is kept as the IPv6 address that it is mapped to: `10.0.0.1` and `::ffff:10.0.0.1`, which is what a
/// socket for both says of the same peer, are equal. A zone (`fe80::1%eth0`) says where to send something and not who it
/// is; it is read and left out.
struct IPAddress: Sendable, Hashable {
    /// The IPv6 address, the first byte on the wire being the highest.
    let bits: UInt128

    /// ::ffff:0:0, where IPv4 addresses are mapped to.
    private static let mapped: UInt128 = 0xFFFF << 32

    init(bits: UInt128) { self.bits = bits }

    init(ipv4: UInt32) { self.bits = Self.mapped | UInt128(ipv4) }

    var isIPv4: Bool { self.bits >> 32 == 0xFFFF }

    /// Whether it is 127.0.0.1 or ::1, from where nobody but this machine speaks.
    /// The rest of 127.0.0.0/8 is this machine as well, and where some proxies come from that say nothing of whom they speak for.
    var isLocalhost: Bool { self.bits == 1 || (self.isIPv4 && self.bits & 0xFFFF_FFFF == 0x7F00_0001) }

    /// Reads an address as people and `inet_pton` write it. What is ambiguous (`010.0.0.1`, `1.2.3`, `0x7f.1`) is none.
    init?(_ text: some StringProtocol) { self.init(utf8: Substring(text).utf8) }

    init?(utf8 text: Substring.UTF8View) {
        if text.contains(UInt8(ascii: ":")) {
            guard let bits = Self.ipv6(text) else { return nil }
            self.init(bits: bits)
        } else {
            guard let bits = Self.ipv4(text) else { return nil }
            self.init(ipv4: bits)
        }
    }

    /// Four numbers without leading zeros, which some would take for octal ones.
    private static func ipv4(_ text: Substring.UTF8View) -> UInt32? {
        var bits: UInt32 = 0
        var count = 0
        // The number that is being read; -1 before its first digit.
        var number = -1
        for byte in text {
            if byte == UInt8(ascii: ".") {
                guard number >= 0, count < 3 else { return nil }
                bits = bits << 8 | UInt32(number)
                count += 1
                number = -1
            } else {
                guard case UInt8(ascii: "0")...UInt8(ascii: "9") = byte, number != 0 else { return nil }
                number = max(number, 0) * 10 + Int(byte - UInt8(ascii: "0"))
                guard number <= 255 else { return nil }
            }
        }
        return number >= 0 && count == 3 ? bits << 8 | UInt32(number) : nil
    }

    private static func ipv6(_ whole: Substring.UTF8View) -> UInt128? {
        var text = whole
        if let percent = whole.firstIndex(of: UInt8(ascii: "%")) {
            guard Self.isZone(whole[whole.index(after: percent)...]) else { return nil }
            text = whole[..<percent]
        }
        let colon = UInt8(ascii: ":")
        var bits: UInt128 = 0
        var groups = 0
        // How many groups stood before "::".
        var gap: Int?
        var index = text.startIndex
        if text.starts(with: [colon, colon]) {
            gap = 0
            index = text.index(index, offsetBy: 2)
        }
        while index < text.endIndex {
            let end = text[index...].firstIndex(of: colon)
            let group = text[index..<(end ?? text.endIndex)]
            if end == nil, group.contains(UInt8(ascii: ".")) {
                guard groups <= 6, let tail = Self.ipv4(group) else { return nil }
                bits = bits << 32 | UInt128(tail)
                groups += 2
                break
            }
            guard groups < 8, let value = Self.group(group) else { return nil }
            bits = bits << 16 | UInt128(value)
            groups += 1
            guard let end else { break }
            index = text.index(after: end)
            if index < text.endIndex, text[index] == colon {
                guard gap == nil else { return nil }
                gap = groups
                index = text.index(after: index)
            } else if index == text.endIndex {
                // One colon at the end.
                return nil
            }
        }
        guard let gap else { return groups == 8 ? bits : nil }
        // "::" stands for at least one group.
        guard groups < 8 else { return nil }
        // How many bits stand behind it; a shift by 128 gives 0.
        let tail = (groups - gap) * 16
        let low = bits & ((1 << tail) - 1)
        return (bits >> tail) << (128 - gap * 16) | low
    }

    /// One to four hexadecimal digits.
    private static func group(_ text: Substring.UTF8View) -> UInt16? {
        var value: UInt16 = 0
        var count = 0
        for byte in text {
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: return nil
            }
            guard count < 4 else { return nil }
            value = value << 4 | UInt16(digit)
            count += 1
        }
        return count > 0 ? value : nil
    }

    /// The name or the number of an interface.
    private static func isZone(_ text: Substring.UTF8View) -> Bool {
        !text.isEmpty && text.count <= 32
            && text.allSatisfy { byte in
                let character = Character(UnicodeScalar(byte))
                return character.isASCII && (character.isLetter || character.isNumber || "-._~".contains(character))
            }
    }
}

extension IPAddress: CustomStringConvertible {
    /// As RFC 5952 wants it: small letters, and the longest run of zeros as `::`.
    var description: String {
        if self.isIPv4 {
            return stride(from: 24, through: 0, by: -8).map { String(UInt8(truncatingIfNeeded: self.bits >> $0)) }
                .joined(separator: ".")
        }
        let groups = stride(from: 112, through: 0, by: -16).map { UInt16(truncatingIfNeeded: self.bits >> $0) }
        var longest = 0..<0
        var start = 0
        for (index, group) in groups.enumerated() {
            if group != 0 {
                start = index + 1
            } else if index + 1 - start > longest.count {
                longest = start..<(index + 1)
            }
        }
        func text(_ groups: ArraySlice<UInt16>) -> String {
            groups.map { String($0, radix: 16) }.joined(separator: ":")
        }
        guard longest.count > 1 else { return text(groups[...]) }
        return "\(text(groups[..<longest.lowerBound]))::\(text(groups[longest.upperBound...]))"
    }
}
