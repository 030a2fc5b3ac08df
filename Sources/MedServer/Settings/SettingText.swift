// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// How settings are written: stricter than `Int(_:)` and `Double(_:)`, which accept `+5`, `0x1p3`, `1e3` and `nan`.
enum SettingText {
    /// Digits alone: nothing that is set here can be negative.
    static func wholeNumber(_ text: String) -> Int? {
        text.utf8.allSatisfy(Self.isDigit) ? Int(text) : nil
    }

    /// Digits, and a point and more digits if need be.
    static func seconds(_ text: String) -> Duration? {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy(Self.isDigit) }), let whole = Int64(Substring(parts[0]))
        else { return nil }
        // An attosecond is the eighteenth decimal; there is nothing below it.
        var attoseconds: Int64 = 0
        if parts.count == 2 {
            let digits = parts[1].prefix(18)
            for digit in digits { attoseconds = attoseconds * 10 + Int64(digit - UInt8(ascii: "0")) }
            for _ in digits.count..<18 { attoseconds *= 10 }
        }
        return Duration(secondsComponent: whole, attosecondsComponent: attoseconds)
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}

extension Duration {
    /// The duration in seconds as a setting is written: `5`, `0.1`.
    var secondsText: String {
        let (whole, attoseconds) = self.components
        guard attoseconds != 0 else { return "\(whole)" }
        let digits = String(attoseconds)
        var decimals = String(repeating: "0", count: 18 - digits.count) + digits
        while decimals.last == "0" { decimals.removeLast() }
        return "\(whole).\(decimals)"
    }
}

extension String {
    /// The text on one line, without what a terminal would obey, and not longer than a person reads.
    var printable: String {
        var result = String(reflecting: String(self.prefix(200)))
        result.removeFirst()
        result.removeLast()
        result.replace("\\\"", with: "\"")
        return self.count > 200 ? result + "…" : result
    }
}
