// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Tells what could be listened on from what is certainly something else: a URL, a name with a port, a list.
enum HostName {
    static func isValid(_ text: String) -> Bool {
        if text.utf8.contains(UInt8(ascii: ":")) { return Self.isIPv6(text) }
        return text.utf8.count <= 253
            && text.utf8.allSatisfy { byte in
                let character = Character(UnicodeScalar(byte))
                return character.isASCII && (character.isLetter || character.isNumber || "-._".contains(character))
            }
    }

    /// An address of the kind `fe80::1%eth0`; the part behind `%` names an interface.
    private static func isIPv6(_ text: String) -> Bool {
        let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        var address = in6_addr()
        return inet_pton(AF_INET6, String(parts[0]), &address) == 1 && (parts.count == 1 || !parts[1].isEmpty)
    }
}
