// MedBuilder
// SPDX-License-Identifier: Apache-2.0

/// All rules of the ``Scrubber``: what is looked for, and the mark that stands in its place.
///
/// | What | Shape | Mark |
/// |---|---|---|
/// | PEM block | `-----BEGIN …` to its `-----END …-----`, else to the end of the text | `‹pem›` |
/// | credentials of a header | `Bearer` or `Basic` and at least 8 characters that look random | `‹token›` |
/// | JSON Web Token (RFC 7519) | `eyJ….….…` | `‹jwt›` |
/// | keys with a prefix | AWS `AKIA…`, Google `AIza…`, GitHub `ghp_…`, GitLab `glpat-…`, Slack `xoxb-…`, Stripe `sk_live_…`, OpenAI `sk-…`, npm, Hugging Face, SendGrid, age | `‹key›` |
/// | password in a URL (RFC 3986, section 3.2.1) | `scheme://user:…@` | `‹password›` |
/// | pair | a name that ends in `password`, `passwd`, `passphrase`, `pwd`, `secret`, `token` or `key`, then `=` or `:` | `‹password›`, `‹secret›`, `‹token›`, `‹key›` |
/// | e-mail address | `local@domain.tld`, also with `%40` | `‹email›` |
/// | social security number | `ddd-dd-dddd`, none of its parts zero; nine digits after `SSN` | `‹ssn›` |
/// | medical record number | at least four digits after `MRN` or `medical record number` | `‹mrn›` |
/// | payment card number | 13 to 19 digits, a brand's prefix and length, and a right Luhn digit | `‹card›` |
/// | telephone number | `+` and 8 to 15 digits, `(ddd) ddd-dddd`, `ddd-ddd-dddd` | `‹phone›` |
///
/// A `key` counts only where its value looks random, and after `=`, or after `:` where the name says more than `key`. What
/// is no secret stays: `true`, `false`, `nil`, `null`, `none`, placeholders (`$1`, `?`, `${NAME}`, `<name>`, `%@`), asterisks.
///
/// Measured by ScrubberTests over ordinary log lines and over identifiers of all kinds: see
/// `ScrubberFalsePositiveTests`, which states the exact counts.
///
/// One pass, by hand: a byte that begins or ends no rule costs about half a nanosecond.
struct ScrubRules {
    /// A place in the text, and what to write there.
    struct Match {
        let range: Range<Int>
        let mark: StaticString
    }

    /// How far to look for the end of what may turn out to be nothing, in bytes.
    private static let longest = 512

    /// The storage of a string, which the caller lends for as long as this value lives.
    private let text: UnsafeBufferPointer<UInt8>
    private var index = 0
    /// Where the last match ended: no other begins before.
    private var floor = 0

    init(text: UnsafeBufferPointer<UInt8>) {
        // Lent by the caller: see above.
        self.text = text
    }

    /// The next place, if there is one.
    mutating func next() -> Match? {
        let count = self.text.count
        var index = self.index
        while index < count {
            // Four bytes at a time, as long as none of them is of interest.
            while index + 4 <= count,
                Self.trigger(self.text[index]) | Self.trigger(self.text[index + 1])
                    | Self.trigger(self.text[index + 2]) | Self.trigger(self.text[index + 3]) == 0
            {
                index += 4
            }
            while index < count, Self.trigger(self.text[index]) == 0 { index += 1 }
            guard index < count else { break }
            self.index = index
            if let match = self.match() {
                self.floor = match.range.upperBound
                self.index = match.range.upperBound
                return match
            }
            index = self.index
        }
        self.index = count
        return nil
    }

    /// `1` for every byte that a rule begins with, or ends its first part with: `%-:=@ABGJ_b` and digits.
    private static let triggers: StaticString = """
        0000000000000000000000000000000000000100000001001111111111100100\
        1110000100100000000000000000000100100000000000000000000000000000\
        0000000000000000000000000000000000000000000000000000000000000000\
        0000000000000000000000000000000000000000000000000000000000000000
        """

    /// 1 if a rule begins, or ends its first part, with this byte.
    @inline(__always)
    private static func trigger(_ byte: UInt8) -> UInt8 {
        // A literal of 256 characters, which lives as long as the program.
        self.triggers.utf8Start[Int(byte)] & 1
    }

    /// Looks at the byte at ``index``, which is a trigger, and moves on.
    private mutating func match() -> Match? {
        let at = self.index
        let byte = self.text[at]
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            return self.number()
        case UInt8(ascii: "="), UInt8(ascii: ":"):
            self.index += 1
            return self.urlPassword(at) ?? self.pair(at)
        case UInt8(ascii: "-"):
            self.index += 1
            return self.pem(at) ?? self.prefixedKey(at)
        case UInt8(ascii: "_"), UInt8(ascii: "A"), UInt8(ascii: "G"):
            self.index += 1
            return self.prefixedKey(at)
        case UInt8(ascii: "b"), UInt8(ascii: "B"):
            self.index += 1
            return self.credentials(at)
        case UInt8(ascii: "J"):
            self.index += 1
            return self.webToken(at)
        case UInt8(ascii: "@"):
            self.index += 1
            return self.email(at, domain: at + 1)
        case UInt8(ascii: "%"):
            self.index += 1
            return self.has("40", at: at + 1) ? self.email(at, domain: at + 3) : nil
        default:
            self.index += 1
            return nil
        }
    }

    // MARK: Characters

    /// The byte there, or 0 outside the text.
    @inline(__always)
    private func byte(_ index: Int) -> UInt8 {
        index >= 0 && index < self.text.count ? self.text[index] : 0
    }

    @inline(__always)
    private func lowercased(_ index: Int) -> UInt8 {
        let byte = self.byte(index)
        return Self.isUpper(byte) ? byte | 0x20 : byte
    }

    @inline(__always) private static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }
    @inline(__always) private static func isUpper(_ byte: UInt8) -> Bool { byte &- 0x41 < 26 }
    @inline(__always) private static func isLower(_ byte: UInt8) -> Bool { byte &- 0x61 < 26 }
    @inline(__always) private static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 }
    /// `1` for every letter and digit of ASCII.
    private static let words: StaticString = """
        0000000000000000000000000000000000000000000000001111111111000000\
        0111111111111111111111111110000001111111111111111111111111100000\
        0000000000000000000000000000000000000000000000000000000000000000\
        0000000000000000000000000000000000000000000000000000000000000000
        """
    // A literal of 256 characters, which lives as long as the program.
    @inline(__always) private static func isWord(_ byte: UInt8) -> Bool { words.utf8Start[Int(byte)] & 1 == 1 }
    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
    private static func isQuote(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") }
    /// Of base64 in both alphabets, and of a name.
    @inline(__always)
    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "~"), UInt8(ascii: "+"),
            UInt8(ascii: "/"), UInt8(ascii: "="):
            true
        default: isWord(byte)
        }
    }
    @inline(__always)
    private static func isURLToken(_ byte: UInt8) -> Bool {
        isWord(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
    }

    /// Whether this stands there.
    @inline(__always)
    private func has(_ literal: StaticString, at index: Int) -> Bool {
        guard index >= 0, index + literal.utf8CodeUnitCount <= self.text.count else { return false }
        // A literal lives as long as the program.
        let expected = UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount)
        for offset in expected.indices where self.text[index + offset] != expected[offset] { return false }
        return true
    }

    /// Whether this, given in lower case, stands before a place, in whatever case.
    private func hasLowercased(_ literal: StaticString, before end: Int) -> Bool {
        self.hasLowercased(literal, at: end - literal.utf8CodeUnitCount)
    }

    private func hasLowercased(_ literal: StaticString, at index: Int) -> Bool {
        guard index >= self.floor, index + literal.utf8CodeUnitCount <= self.text.count else { return false }
        // A literal lives as long as the program.
        let expected = UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount)
        for offset in expected.indices where self.lowercased(index + offset) != expected[offset] { return false }
        return true
    }

    /// Where a stretch of such bytes ends.
    @inline(__always)
    private func end(from index: Int, where isMember: (UInt8) -> Bool) -> Int {
        var end = index
        while end < self.text.count, isMember(self.text[end]) { end += 1 }
        return end
    }

    /// The same for what may fail after a long look: a text of a million beginnings must not cost their square. One more
    /// than ``longest`` says that there was no end.
    @inline(__always)
    private func boundedEnd(from index: Int, where isMember: (UInt8) -> Bool) -> Int {
        let limit = min(self.text.count, index + Self.longest + 1)
        var end = index
        while end < limit, isMember(self.text[end]) { end += 1 }
        return end
    }

    /// Whether nothing of a word stands before a place.
    private func isWordStart(_ index: Int) -> Bool {
        index >= self.floor && !Self.isWord(self.byte(index - 1))
    }

    /// Whether a stretch looks made by a machine: a digit, a capital after a small letter, or a padding.
    private func looksRandom(_ range: Range<Int>) -> Bool {
        for index in range {
            let byte = self.text[index]
            if Self.isDigit(byte) || byte == UInt8(ascii: "=") { return true }
            if index > range.lowerBound, Self.isUpper(byte), Self.isLower(self.text[index - 1]) { return true }
        }
        return false
    }

    // MARK: Keys and tokens

    private mutating func pem(_ at: Int) -> Match? {
        guard self.byte(at + 1) == UInt8(ascii: "-"), self.has("-----BEGIN ", at: at) else { return nil }
        var index = at + 11
        while index < self.text.count {
            if self.text[index] == UInt8(ascii: "-"), self.has("-----END ", at: index) {
                var end = index + 9
                while end < self.text.count, !self.has("-----", at: end) { end += 1 }
                return Match(range: at..<min(end + 5, self.text.count), mark: "‹pem›")
            }
            index += 1
        }
        return Match(range: at..<self.text.count, mark: "‹pem›")
    }

    private mutating func credentials(_ at: Int) -> Match? {
        let isBearer: Bool
        switch self.lowercased(at + 1) {
        case UInt8(ascii: "e"): isBearer = true
        case UInt8(ascii: "a"): isBearer = false
        default: return nil
        }
        guard isBearer ? self.hasLowercased("bearer ", at: at) : self.hasLowercased("basic ", at: at),
            self.isWordStart(at)
        else { return nil }
        let start = self.end(from: at + (isBearer ? 7 : 6)) { $0 == 0x20 }
        let end = self.end(from: start, where: Self.isToken)
        guard end - start >= 8, self.looksRandom(start..<end) else { return nil }
        // Base64 has a length of its own; English has it less often.
        if !isBearer, (end - start) % 4 != 0 { return nil }
        return Match(range: start..<end, mark: "‹token›")
    }

    private mutating func webToken(_ at: Int) -> Match? {
        guard self.byte(at - 1) == UInt8(ascii: "y"), self.byte(at - 2) == UInt8(ascii: "e"), self.isWordStart(at - 2)
        else { return nil }
        let headerEnd = self.end(from: at, where: Self.isURLToken)
        guard headerEnd - at >= 6, self.byte(headerEnd) == UInt8(ascii: ".") else { return nil }
        var end = self.end(from: headerEnd + 1, where: Self.isURLToken)
        guard end - headerEnd > 6 else { return nil }
        while self.byte(end) == UInt8(ascii: ".") { end = self.end(from: end + 1, where: Self.isURLToken) }
        return Match(range: (at - 2)..<end, mark: "‹jwt›")
    }

    /// A key that tells by its first characters whose it is.
    private mutating func prefixedKey(_ at: Int) -> Match? {
        // The shortest has ten characters after its prefix.
        guard self.text.count - at > 10 else { return nil }
        switch self.text[at] {
        case UInt8(ascii: "A"):
            guard self.isWordStart(at) else { return nil }
            if self.byte(at + 3) == UInt8(ascii: "A"),
                self.has("AKIA", at: at) || self.has("ASIA", at: at) || self.has("AROA", at: at)
                    || self.has("ABIA", at: at) || self.has("ACCA", at: at)
                    || self.has("AIDA", at: at) || self.has("AGPA", at: at) || self.has("ANPA", at: at)
            {
                let end = self.end(from: at) { Self.isUpper($0) || Self.isDigit($0) }
                return end - at == 20 && !Self.isWord(self.byte(end)) ? Match(range: at..<end, mark: "‹key›") : nil
            }
            if self.has("AIza", at: at) { return self.key(from: at, prefix: 4, atLeast: 30) }
            if self.has("AGE-SECRET-KEY-1", at: at) { return self.key(from: at, prefix: 16, atLeast: 40) }
            return nil
        case UInt8(ascii: "G"):
            guard self.byte(at + 1) == UInt8(ascii: "."), self.byte(at - 1) == UInt8(ascii: "S"),
                self.isWordStart(at - 1)
            else { return nil }
            let middle = self.end(from: at + 2, where: Self.isURLToken)
            guard middle - at - 2 >= 16, self.byte(middle) == UInt8(ascii: ".") else { return nil }
            let end = self.end(from: middle + 1, where: Self.isURLToken)
            return end - middle > 16 ? Match(range: (at - 1)..<end, mark: "‹key›") : nil
        case UInt8(ascii: "-"):
            switch self.byte(at - 1) {
            case UInt8(ascii: "k"):
                return self.has("sk", at: at - 2) ? self.key(from: at - 2, prefix: 3, atLeast: 20) : nil
            case UInt8(ascii: "t"):
                return self.has("glpat", at: at - 5) ? self.key(from: at - 5, prefix: 6, atLeast: 20) : nil
            case UInt8(ascii: "p"):
                if self.has("xapp", at: at - 4) { return self.key(from: at - 4, prefix: 5, atLeast: 10) }
                fallthrough
            default:
                return self.has("xox", at: at - 4) ? self.key(from: at - 4, prefix: 5, atLeast: 10) : nil
            }
        default:
            switch self.byte(at - 1) {
            case UInt8(ascii: "p"), UInt8(ascii: "o"), UInt8(ascii: "u"), UInt8(ascii: "s"), UInt8(ascii: "r"):
                return self.has("gh", at: at - 3) ? self.key(from: at - 3, prefix: 4, atLeast: 20) : nil
            case UInt8(ascii: "t"):
                if self.has("github_pat", at: at - 10) { return self.key(from: at - 10, prefix: 11, atLeast: 20) }
                return self.has("shpat", at: at - 5) ? self.key(from: at - 5, prefix: 6, atLeast: 20) : nil
            case UInt8(ascii: "e"):
                return self.has("_live", at: at - 5) ? self.key(from: at - 7, prefix: 8, atLeast: 10) : nil
            case UInt8(ascii: "m"):
                return self.has("npm", at: at - 3) ? self.key(from: at - 3, prefix: 4, atLeast: 30) : nil
            case UInt8(ascii: "f"):
                return self.has("hf", at: at - 2) ? self.key(from: at - 2, prefix: 3, atLeast: 30) : nil
            case UInt8(ascii: "c"):
                return self.has("whsec", at: at - 5) ? self.key(from: at - 5, prefix: 6, atLeast: 20) : nil
            default:
                return nil
            }
        }
    }

    /// A key whose prefix was found, if enough follows that looks random.
    private func key(from start: Int, prefix: Int, atLeast minimum: Int) -> Match? {
        guard self.isWordStart(start) else { return nil }
        let end = self.boundedEnd(from: start + prefix, where: Self.isURLToken)
        guard (minimum...Self.longest).contains(end - start - prefix), self.looksRandom((start + prefix)..<end) else {
            return nil
        }
        return Match(range: start..<end, mark: "‹key›")
    }

    // MARK: Pairs

    private mutating func urlPassword(_ at: Int) -> Match? {
        guard self.byte(at + 1) == UInt8(ascii: "/"), self.byte(at + 2) == UInt8(ascii: "/"),
            self.text[at] == UInt8(ascii: ":"), Self.isWord(self.byte(at - 1))
        else { return nil }
        let start = at + 3
        var colon: Int?
        var host: Int?
        var hasPath = false
        var index = start
        scan: while index < self.text.count, index - start < Self.longest {
            switch self.text[index] {
            case UInt8(ascii: ":") where colon == nil && !hasPath: colon = index
            case UInt8(ascii: "@") where colon != nil: host = index
            case UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#"):
                // A password with a slash breaks the URL, and it is still a password. After a port comes a path.
                guard let colon, host == nil, !(colon + 1..<index).allSatisfy({ Self.isDigit(self.text[$0]) }) else {
                    break scan
                }
                hasPath = true
            case 0...0x20, UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"): break scan
            default: break
            }
            index += 1
        }
        guard let colon, let host, colon + 1 < host, !self.isMasked(colon + 1..<host) else { return nil }
        return Match(range: (colon + 1)..<host, mark: "‹password›")
    }

    /// What a name before `=` or `:` says of the value after it.
    private enum Name { case password, secret, token, key, plainKey, securityNumber }

    private func name(before at: Int) -> Name? {
        var end = at
        while end > self.floor, self.text[end - 1] == 0x20, at - end < 2 { end -= 1 }
        if end > self.floor, Self.isQuote(self.text[end - 1]) {
            end -= 1
            if end > self.floor, self.text[end - 1] == UInt8(ascii: "\\") { end -= 1 }
        }
        guard end > self.floor else { return nil }
        switch self.lowercased(end - 1) {
        case UInt8(ascii: "d"):
            if self.hasLowercased("password", before: end) || self.hasLowercased("passwd", before: end) {
                return .password
            }
            return self.hasLowercased("pwd", before: end) && self.isComponentStart(end - 3) ? .password : nil
        case UInt8(ascii: "e"):
            return self.hasLowercased("passphrase", before: end) ? .password : nil
        case UInt8(ascii: "t"):
            return self.hasLowercased("secret", before: end) ? .secret : nil
        case UInt8(ascii: "n"):
            if self.hasLowercased("token", before: end) { return .token }
            return self.hasLowercased("ssn", before: end) && self.isComponentStart(end - 3) ? .securityNumber : nil
        case UInt8(ascii: "y"):
            guard self.hasLowercased("key", before: end) else { return nil }
            if self.hasLowercased("apikey", before: end) { return .key }
            guard self.isComponentStart(end - 3) else { return nil }
            guard Self.isURLToken(self.byte(end - 4)), end - 3 > self.floor else { return .plainKey }
            return self.isHarmlessKey(before: Self.isWord(self.byte(end - 4)) ? end - 3 : end - 4) ? nil : .key
        default:
            return nil
        }
    }

    /// Whether the word before `key` says that the key opens nothing.
    private func isHarmlessKey(before end: Int) -> Bool {
        let words: [StaticString] = [
            "idempotency", "cache", "primary", "foreign", "public", "partition", "routing", "sort", "lock", "group",
        ]
        return words.contains { self.hasLowercased($0, before: end) }
    }

    /// Whether a part of a name begins there: `client_key`, `client.key`, `clientKey`.
    private func isComponentStart(_ index: Int) -> Bool {
        let before = self.byte(index - 1)
        return !Self.isWord(before) || Self.isLower(before) && Self.isUpper(self.byte(index))
    }

    private mutating func pair(_ at: Int) -> Match? {
        guard let name = self.name(before: at) else { return nil }
        let isEquals = self.text[at] == UInt8(ascii: "=")
        if name == .plainKey, !isEquals { return nil }
        var start = at + 1
        if isEquals, self.byte(start) == UInt8(ascii: "=") || self.byte(start) == UInt8(ascii: ">") { start += 1 }
        let beforeSpaces = start
        start = self.end(from: start) { $0 == 0x20 || $0 == 0x09 }
        guard start - beforeSpaces <= 4 else { return nil }
        let end: Int
        let isEscaped = self.byte(start) == UInt8(ascii: "\\") && Self.isQuote(self.byte(start + 1))
        if isEscaped || Self.isQuote(self.byte(start)) {
            let quote = self.byte(isEscaped ? start + 1 : start)
            start += isEscaped ? 2 : 1
            end = self.endOfQuoted(from: start, quote: quote, isEscaped: isEscaped)
        } else {
            // Only of a key it may turn out that it is none.
            let isKey = name == .key || name == .plainKey
            end = self.endOfUnquoted(from: start, limit: isKey ? start + Self.longest : self.text.count)
        }
        let value = start..<end
        guard !value.isEmpty, !self.isMasked(value), !self.isHarmless(value) else { return nil }
        switch name {
        case .password:
            return Match(range: value, mark: "‹password›")
        case .secret:
            return Match(range: value, mark: "‹secret›")
        case .token:
            // "Unexpected token: comma" is prose.
            if !isEquals, start > beforeSpaces, value.count < 16, !self.looksRandom(value) { return nil }
            return Match(range: value, mark: "‹token›")
        case .key, .plainKey:
            guard (8..<Self.longest).contains(value.count), self.looksRandom(value),
                value.allSatisfy({ Self.isToken(self.text[$0]) })
            else { return nil }
            return Match(range: value, mark: "‹key›")
        case .securityNumber:
            let digits = value.count { Self.isDigit(self.text[$0]) }
            return digits == 9 && value.count <= 11 ? Match(range: value, mark: "‹ssn›") : nil
        }
    }

    private func endOfQuoted(from start: Int, quote: UInt8, isEscaped: Bool) -> Int {
        var index = start
        while index < self.text.count {
            if self.text[index] == UInt8(ascii: "\\") {
                if isEscaped, self.byte(index + 1) == quote { return index }
                index += 2
                continue
            }
            if self.text[index] == quote { return index }
            index += 1
        }
        return self.text.count
    }

    private func endOfUnquoted(from start: Int, limit: Int) -> Int {
        var index = start
        while index < self.text.count, index < limit {
            let byte = self.text[index]
            switch byte {
            case 0...0x20, UInt8(ascii: "&"), UInt8(ascii: ";"), UInt8(ascii: "\""):
                return index
            case UInt8(ascii: ","), UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"), UInt8(ascii: "'"),
                UInt8(ascii: "."):
                // Inside a password or after it? After it, if the text ends here or another pair follows.
                let after = self.byte(index + 1)
                if index + 1 >= self.text.count || Self.isSpace(after) || Self.isQuote(after) { return index }
                if byte == UInt8(ascii: ",") {
                    let name = self.end(from: index + 1) { Self.isURLToken($0) || $0 == UInt8(ascii: ".") }
                    if name > index + 1, self.byte(name) == UInt8(ascii: "=") || self.byte(name) == UInt8(ascii: ":") {
                        return index
                    }
                }
                if [UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"), UInt8(ascii: ",")].contains(after) {
                    return index
                }
            default: break
            }
            index += 1
        }
        return index
    }

    /// Whether there is a mark already, or asterisks.
    private func isMasked(_ range: Range<Int>) -> Bool {
        if range.count <= 32, self.has("‹", at: range.lowerBound), self.has("›", at: range.upperBound - 3) {
            return !(range.lowerBound + 3..<range.upperBound - 3).contains { self.has("›", at: $0) }
        }
        return range.allSatisfy { self.text[$0] == UInt8(ascii: "*") }
    }

    /// Whether the value of a pair says that there is none.
    private func isHarmless(_ range: Range<Int>) -> Bool {
        // No placeholder is as long as that.
        guard range.count <= 64 else { return false }
        let (first, last) = (self.text[range.lowerBound], self.text[range.upperBound - 1])
        switch first {
        case UInt8(ascii: "$"):
            if range.count > 1, range.dropFirst().allSatisfy({ Self.isDigit(self.text[$0]) }) { return true }
            // The closing brace may already be behind the value.
            return self.byte(range.lowerBound + 1) == UInt8(ascii: "{")
                && range.dropFirst(2).allSatisfy {
                    Self.isURLToken(self.text[$0]) || self.text[$0] == UInt8(ascii: "}")
                }
        case UInt8(ascii: "?"): return range.count == 1
        case UInt8(ascii: "%"): return range.count == 2
        case UInt8(ascii: "<"): return last == UInt8(ascii: ">")
        default: break
        }
        return switch range.count {
        case 3: self.hasLowercased("nil", at: range.lowerBound)
        case 4:
            self.hasLowercased("true", at: range.lowerBound) || self.hasLowercased("null", at: range.lowerBound)
                || self.hasLowercased("none", at: range.lowerBound)
        case 5: self.hasLowercased("false", at: range.lowerBound)
        default: false
        }
    }

    // MARK: E-mail addresses

    private mutating func email(_ at: Int, domain: Int) -> Match? {
        var start = at
        while start > self.floor, at - start < 256 {
            let byte = self.text[start - 1]
            if Self.isWord(byte) {
                start -= 1
                continue
            }
            switch byte {
            case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "%"), UInt8(ascii: "+"), UInt8(ascii: "-"):
                start -= 1
                continue
            case 0x80...:
                // A letter of another script, but no punctuation (U+2000 to U+2FFF), which our own marks are made of.
                var lead = start - 1
                while lead > self.floor, self.text[lead] & 0xC0 == 0x80 { lead -= 1 }
                guard self.text[lead] >= 0xC3, self.text[lead] != 0xE2 else { break }
                start = lead
                continue
            default: break
            }
            break
        }
        guard start < at else { return nil }
        var end = domain
        var label = domain
        var dots = 0
        while end < self.text.count {
            let byte = self.text[end]
            if byte == UInt8(ascii: ".") {
                guard end > label else { break }
                let next = self.byte(end + 1)
                guard Self.isWord(next) || next >= 0xC3 && next != 0xE2 else { break }
                dots += 1
                label = end + 1
            } else if byte >= 0x80 {
                guard byte != 0xE2, byte != 0xC2 else { break }
                let next = self.end(from: end + 1) { $0 & 0xC0 == 0x80 }
                end = next
                continue
            } else if !Self.isWord(byte) && byte != UInt8(ascii: "-") {
                break
            }
            end += 1
        }
        // The last label has a letter first, and two at least: `3.1` and `10.0.0.1` are no domains.
        guard dots > 0, end - label >= 2, Self.isLetter(self.text[label]) || self.text[label] >= 0x80 else {
            return nil
        }
        // An address of a repository, units of systemd.
        if at - start == 3, self.has("git", at: start), self.byte(end) == UInt8(ascii: ":") { return nil }
        for unit: StaticString in ["service", "socket", "timer", "mount"]
        where unit.utf8CodeUnitCount == end - label && self.has(unit, at: label) {
            return nil
        }
        return Match(range: start..<end, mark: "‹email›")
    }

    // MARK: Numbers

    /// A word that holds a digit: looks at all of it, and goes on behind it.
    private mutating func number() -> Match? {
        let at = self.index
        let end = self.end(from: at, where: Self.isWord)
        self.index = end
        guard at == self.floor || !Self.isWord(self.byte(at - 1)) else {
            return end - at >= 4 ? self.recordNumber(at) : nil
        }
        let digits = self.end(from: at, where: Self.isDigit)
        let length = digits - at
        if digits == end {
            if length == 3, let match = self.groupedNumber(at) { return match }
            if self.byte(at - 1) == UInt8(ascii: "+"), length <= 15, let match = self.phone(at) { return match }
            if (length == 4 || length >= 13), let match = self.card(at) { return match }
            if length == 9, let match = self.securityNumber(at) { return match }
        }
        // A medical record number may have its digits in several groups; it never begins a text.
        return at > self.floor ? self.recordNumber(at) : nil
    }

    /// Whether a number ends there: no digit, no letter, and no further group.
    private func isNumberEnd(_ index: Int) -> Bool {
        let byte = self.byte(index)
        if Self.isWord(byte) || byte == UInt8(ascii: "_") { return false }
        return !(byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")) || !Self.isWord(self.byte(index + 1))
    }

    private func isNumberStart(_ index: Int) -> Bool {
        guard index > self.floor else { return index == 0 || !Self.isWord(self.byte(index - 1)) }
        let byte = self.byte(index - 1)
        return !(byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_"))
    }

    private func areDigits(_ range: Range<Int>) -> Bool {
        guard range.upperBound <= self.text.count else { return false }
        return range.allSatisfy { Self.isDigit(self.text[$0]) }
    }

    /// `ddd-dd-dddd` is a social security number, `ddd-ddd-dddd` and `(ddd) ddd-dddd` a telephone number.
    private mutating func groupedNumber(_ at: Int) -> Match? {
        let dash = UInt8(ascii: "-")
        if self.byte(at + 3) == dash, self.byte(at + 6) == dash {
            guard self.areDigits(at + 4..<at + 6), self.areDigits(at + 7..<at + 11), self.isNumberEnd(at + 11),
                self.isNumberStart(at), !self.has("000", at: at), !self.has("666", at: at),
                !self.has("00", at: at + 4), !self.has("0000", at: at + 7)
            else { return nil }
            return Match(range: at..<at + 11, mark: "‹ssn›")
        }
        // Neither the area nor the exchange begins with 0 or 1 (North American Numbering Plan).
        guard self.text[at] >= UInt8(ascii: "2") else { return nil }
        if self.byte(at + 3) == dash, self.byte(at + 7) == dash {
            guard self.areDigits(at + 4..<at + 7), self.areDigits(at + 8..<at + 12), self.isNumberEnd(at + 12),
                self.isNumberStart(at), self.byte(at + 4) >= UInt8(ascii: "2")
            else { return nil }
            return Match(range: at..<at + 12, mark: "‹phone›")
        }
        guard self.byte(at - 1) == UInt8(ascii: "("), at > self.floor, self.byte(at + 3) == UInt8(ascii: ")") else {
            return nil
        }
        let next = self.byte(at + 4) == 0x20 ? at + 5 : at + 4
        guard self.areDigits(next..<next + 3), self.byte(next + 3) == dash || self.byte(next + 3) == 0x20,
            self.areDigits(next + 4..<next + 8), self.isNumberEnd(next + 8), self.byte(next) >= UInt8(ascii: "2")
        else { return nil }
        return Match(range: (at - 1)..<next + 8, mark: "‹phone›")
    }

    /// `+` and 8 to 15 digits (ITU-T E.164), with spaces, dashes, dots and parentheses between them.
    private mutating func phone(_ at: Int) -> Match? {
        // `2024-01-01T00:00:00+0100`, `1+12345678`: no telephone.
        guard at > self.floor, !Self.isWord(self.byte(at - 2)), self.text[at] != UInt8(ascii: "0") else { return nil }
        var digits = 0
        var end = at
        var index = at
        while index < self.text.count, digits <= 15 {
            let byte = self.text[index]
            if Self.isDigit(byte) {
                digits += 1
                end = index + 1
            } else if index - end >= 2
                || ![0x20, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "("), UInt8(ascii: ")")].contains(byte)
            {
                break
            }
            index += 1
        }
        guard (8...15).contains(digits), self.isNumberEnd(end) else { return nil }
        return Match(range: (at - 1)..<end, mark: "‹phone›")
    }

    private mutating func card(_ at: Int) -> Match? {
        guard self.isNumberStart(at), self.text[at] >= UInt8(ascii: "2"), self.text[at] <= UInt8(ascii: "6") else {
            return nil
        }
        // As one number, or in groups with one kind of separator: 4-4-4-4, 4-4-4-4-3, 4-6-5, 4-6-4.
        var end = self.end(from: at, where: Self.isDigit)
        var digits = end - at
        if digits == 4 {
            let separator = self.byte(end)
            guard separator == 0x20 || separator == UInt8(ascii: "-") else { return nil }
            var groups = 1
            while self.byte(end) == separator, groups < 5 {
                let next = self.end(from: end + 1, where: Self.isDigit)
                guard (3...6).contains(next - end - 1) else { break }
                digits += next - end - 1
                end = next
                groups += 1
            }
            guard groups >= 3 else { return nil }
        }
        guard (13...19).contains(digits), self.isNumberEnd(end), self.isCard(at..<end, digits: digits) else {
            return nil
        }
        self.index = end
        return Match(range: at..<end, mark: "‹card›")
    }

    /// Whether the first digits and the length are those of a brand, and the check digit is right (ISO/IEC 7812-1).
    private func isCard(_ range: Range<Int>, digits count: Int) -> Bool {
        var prefix = 0
        var seen = 0
        var sum = 0
        for index in range {
            let byte = self.text[index]
            guard Self.isDigit(byte) else { continue }
            let digit = Int(byte - 0x30)
            if seen < 4 { prefix = prefix * 10 + digit }
            let isDoubled = (count - seen) % 2 == 0
            sum += isDoubled ? (digit > 4 ? digit * 2 - 9 : digit * 2) : digit
            seen += 1
        }
        guard sum % 10 == 0 else { return false }
        return switch prefix {
        case 4000...4999: count == 13 || count == 16 || count == 19
        case 5100...5599, 2221...2720: count == 16
        case 3400...3499, 3700...3799: count == 15
        case 3000...3059, 3600...3699, 3800...3999: count == 14
        case 3528...3589: count == 16
        case 6011, 6440...6599, 6200...6299: count >= 16
        default: false
        }
    }

    /// Nine digits that are called a social security number.
    private func securityNumber(_ at: Int) -> Match? {
        guard let end = self.wordEnd(before: at) else { return nil }
        guard
            self.hasLowercased("ssn", before: end) && self.isComponentStart(end - 3)
                || self.hasLowercased("security number", before: end) || self.hasLowercased("ssn is", before: end)
        else { return nil }
        return Match(range: at..<at + 9, mark: "‹ssn›")
    }

    /// Where the word before a number ends, with only punctuation and spaces between them.
    private func wordEnd(before at: Int) -> Int? {
        var end = at
        while end > self.floor {
            switch self.text[end - 1] {
            case 0x20, UInt8(ascii: ":"), UInt8(ascii: "="), UInt8(ascii: "#"), UInt8(ascii: "\""), UInt8(ascii: "'"),
                UInt8(ascii: "\\"), UInt8(ascii: "("), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                guard at - end < 8 else { return nil }
                end -= 1
            default:
                return end > self.floor ? end : nil
            }
        }
        return nil
    }

    /// A word of digits, with some letters, that is called a medical record number.
    private mutating func recordNumber(_ at: Int) -> Match? {
        guard at > self.floor else { return nil }
        var start = at
        while start > self.floor, Self.isLetter(self.byte(start - 1)), at - start < 4 { start -= 1 }
        // `MRN12345678`: the letters before the digits are the name itself.
        let isGlued = start == at - 3 && self.hasLowercased("mrn", at: start)
        if isGlued {
            start = at
        } else {
            guard let word = self.wordEnd(before: start) else { return nil }
            switch self.lowercased(word - 1) {
            case UInt8(ascii: "n"):
                guard self.isRecordName(before: word) else { return nil }
            case UInt8(ascii: "r"):
                guard self.hasLowercased("number", before: word) else { return nil }
                guard self.isRecordName(before: word - 6, orRecord: true) else { return nil }
            case UInt8(ascii: "s"):
                guard self.hasLowercased(" is", before: word), self.isRecordName(before: word - 3) else { return nil }
            case UInt8(ascii: "o"):
                guard self.hasLowercased("no", before: word), self.isRecordName(before: word - 2, orRecord: true)
                else { return nil }
            case UInt8(ascii: "d"):
                guard self.hasLowercased("medical record", before: word) else { return nil }
            default:
                return nil
            }
        }
        let end = self.end(from: at) { Self.isWord($0) || $0 == UInt8(ascii: "-") }
        let digits = (start..<end).count { Self.isDigit(self.text[$0]) }
        guard digits >= 4, digits <= 20 else { return nil }
        var last = end
        while self.text[last - 1] == UInt8(ascii: "-") { last -= 1 }
        return Match(range: start..<last, mark: "‹mrn›")
    }

    /// Whether `MRN` (or `medical record`) stands before a place, with at most one space, dash or underscore after it.
    private func isRecordName(before place: Int, orRecord: Bool = false) -> Bool {
        var end = place
        if end > self.floor, [0x20, UInt8(ascii: "_"), UInt8(ascii: "-")].contains(self.byte(end - 1)) { end -= 1 }
        if self.hasLowercased("mrn", before: end) { return self.isComponentStart(end - 3) }
        guard orRecord, self.hasLowercased("record", before: end) else { return false }
        end -= 6
        if end > self.floor, [0x20, UInt8(ascii: "_"), UInt8(ascii: "-")].contains(self.byte(end - 1)) { end -= 1 }
        return self.hasLowercased("medical", before: end)
    }
}
