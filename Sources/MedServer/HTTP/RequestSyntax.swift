// MedBuilder
// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOHTTP1

/// What the parser lets through and RFC 9112 does not. A request that two servers could understand differently is
/// refused: one of them may be the proxy that decided what to let pass.
enum RequestSyntax {
    /// Whether a `Host` field or an `:authority` names a host: `uri-host [ ":" port ]` (RFC 9110 §7.2), not empty.
    static func isHost(_ text: String) -> Bool { self.isAuthority(text.utf8[...]) }

    /// Whether a request target has one of the forms of RFC 9112 §3.2 that fit its method.
    static func isTarget(_ text: String, of method: HTTPMethod) -> Bool {
        let target = text.utf8
        // A fragment is never sent (RFC 9110 §4.2.5).
        guard !target.contains(UInt8(ascii: "#")) else { return false }
        if target.first == UInt8(ascii: "/") { return true }
        if method == .CONNECT { return self.isAuthority(target[...]) }
        if text == "*" { return method == .OPTIONS }
        guard let end = text.range(of: "://"), ["http", "https"].contains(text[..<end.lowerBound].lowercased()) else {
            return false
        }
        let authority = target[end.upperBound...].prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }
        return self.isAuthority(authority)
    }

    /// Without user information, which RFC 9110 §4.2.4 has recipients treat as an error.
    private static func isAuthority(_ text: Substring.UTF8View) -> Bool {
        var host = text
        var port: Substring.UTF8View?
        if text.first == UInt8(ascii: "[") {
            guard let bracket = text.firstIndex(of: UInt8(ascii: "]")) else { return false }
            host = text[..<text.index(after: bracket)]
            let rest = text[host.endIndex...]
            guard rest.isEmpty || rest.first == UInt8(ascii: ":") else { return false }
            port = rest.isEmpty ? nil : rest.dropFirst()
            guard IPAddress(utf8: text[text.index(after: text.startIndex)..<bracket])?.isIPv4 == false else {
                return false
            }
        } else {
            if let colon = text.firstIndex(of: UInt8(ascii: ":")) {
                host = text[..<colon]
                port = text[text.index(after: colon)...]
            }
            guard !host.isEmpty, self.isName(host) else { return false }
        }
        guard let port else { return true }
        return port.count <= 5 && port.allSatisfy(self.isDigit) && (port.isEmpty || UInt16(Substring(port)) != nil)
    }

    /// `reg-name` of RFC 3986 §3.2.2.
    private static func isName(_ name: Substring.UTF8View) -> Bool {
        var hexDigits = 0
        for byte in name {
            if hexDigits > 0 {
                guard self.isHexDigit(byte) else { return false }
                hexDigits -= 1
                continue
            }
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"), UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "'"),
                UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: ","),
                UInt8(ascii: ";"), UInt8(ascii: "="):
                break
            case UInt8(ascii: "%"): hexDigits = 2
            default: return false
            }
        }
        return hexDigits == 0
    }

    private static func isDigit(_ byte: UInt8) -> Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        self.isDigit(byte) || UInt8(ascii: "a")...UInt8(ascii: "f") ~= byte | 0x20
    }
}
