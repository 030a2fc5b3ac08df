// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// One element of a `Forwarded` header (RFC 7239): what one proxy says of the request that it got.
struct ForwardedElement: Equatable {
    /// The node that the proxy got the request from. `nil` if the proxy does not say or hides it (`unknown`, `_gazonk`).
    var node: IPAddress?
    /// What the node spoke with the proxy.
    var scheme: ClientAddress.Scheme?

    init(node: IPAddress?) { self.node = node }

    /// `nil` if it breaks the grammar, or says something twice. Spaces around `;`, and values that should have been in
    /// quotes (`for=[::1]:80`), are common and cannot be misunderstood.
    init?(_ text: Substring.UTF8View) {
        var names: Set<String> = []
        var rest = text.trimmed
        while !rest.isEmpty {
            if rest.first != UInt8(ascii: ";") {
                guard let equals = rest.firstIndex(of: UInt8(ascii: "=")) else { return nil }
                let name = Substring(rest[..<equals].trimmed).lowercased()
                guard !name.isEmpty, name.utf8.allSatisfy(Self.isInToken), names.insert(name).inserted,
                    let (value, end) = Self.value(rest[rest.index(after: equals)...])
                else { return nil }
                switch name {
                case "for": self.node = ClientAddress.node(value)
                case "proto": self.scheme = ClientAddress.Scheme(value)
                default: break
                }
                rest = rest[end...].trimmed
                guard rest.isEmpty || rest.first == UInt8(ascii: ";") else { return nil }
            }
            rest = rest.dropFirst().trimmed
        }
    }

    /// A value with its quotes and escapes taken away, and where it ends.
    private static func value(_ pair: Substring.UTF8View) -> (Substring.UTF8View, end: Substring.UTF8View.Index)? {
        let text = pair.trimmed
        guard text.first == UInt8(ascii: "\"") else {
            let value = text.prefix { $0 != UInt8(ascii: ";") }
            return value.contains(UInt8(ascii: "\"")) ? nil : (value.trimmed, value.endIndex)
        }
        var content: [UInt8] = []
        var isEscaped = false
        var index = text.index(after: text.startIndex)
        while index < text.endIndex {
            let byte = text[index]
            index = text.index(after: index)
            if isEscaped || (byte != UInt8(ascii: "\\") && byte != UInt8(ascii: "\"")) {
                content.append(byte)
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else {
                return (Substring(decoding: content, as: UTF8.self).utf8, index)
            }
        }
        return nil
    }

    private static func isInToken(_ byte: UInt8) -> Bool {
        let character = Character(UnicodeScalar(byte))
        return character.isASCII && (character.isLetter || character.isNumber || "!#$%&'*+-.^_`|~".contains(character))
    }
}
