// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// Tells what could be listened on from what is certainly something else: a URL, a name with a port, a list.
enum HostName {
    static func isValid(_ text: String) -> Bool {
        if text.utf8.contains(UInt8(ascii: ":")) { return IPAddress(text) != nil }
        return text.utf8.count <= 253
            && text.utf8.allSatisfy { byte in
                let character = Character(UnicodeScalar(byte))
                return character.isASCII && (character.isLetter || character.isNumber || "-._".contains(character))
            }
    }
}
